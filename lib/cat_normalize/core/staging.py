"""A private place where an output is made before it is published, swept whatever happens."""

from __future__ import annotations

import hashlib
import logging
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from cat_normalize.core import publish
from cat_normalize.core.content import ContentHash
from cat_normalize.core.errors import PipelineError, UsageError
from cat_normalize.core.layout import is_s3, s3_uri, split_s3
from cat_normalize.core.publish import STALE
from cat_normalize.core.scratch import private_folder

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Published:
    """What is visible now; ``etag`` is S3's."""

    target: str
    bytes: int
    sha256: str
    etag: str | None = None


@contextmanager
def staging(target: str, s3: Any = None, stale: timedelta = STALE) -> Iterator[str]:
    """Yield the address of a folder, not made yet, that is the caller's alone and swept in the end.

    On disk it lies beside the target, on S3 under ``staging/``, where nobody reads. What killed runs left
    there is swept first; on S3 what is older than ``stale``, objects and unfinished uploads. What the block
    did or raised counts, not whether the folder could be swept: if not, a warning says so.

    Raises:
        UsageError: the target cannot be a file.
    """
    if not is_s3(target):
        folder = place(target).parent
        folder.mkdir(parents=True, exist_ok=True)
        with private_folder(folder) as folder:
            yield str(folder / "staging")
        return
    bucket, key = split_s3(target)
    shelf = staging_prefix(key)
    _sweep(s3, bucket, shelf, datetime.now(UTC) - stale)
    name = uuid.uuid4().hex
    try:
        yield s3_uri(bucket, shelf + name)
    finally:
        _sweep(s3, bucket, shelf + name)


def place(target: str) -> Path:
    """Return the path of a file to make or replace on disk, links followed.

    Raises:
        UsageError: it cannot be a file.
    """
    found = Path(os.path.realpath(target))
    publish.check_target(found)
    if found.exists() and not found.is_file():
        raise UsageError(f"{target} is a device or a pipe, and Parquet cannot be streamed; give a file")
    return found


def staging_prefix(key: str) -> str:
    """Return where what is to replace a key is made.

    >>> staging_prefix("reports/etl-process2/data.parquet")
    'staging/reports/etl-process2/'
    """
    return f"staging/{key.rpartition('/')[0]}/"


def publish_only(
    folder: str,
    suffix: str,
    target: str,
    s3: Any = None,
    run_date: date | None = None,
    today: date | None = None,
) -> Published:
    """Publish the one file of a staging folder whose name ends in ``suffix``.

    Raises:
        StaleInputError, FutureParquetError: as `publish.replace_object` does.
        PipelineError: there is not one such file.
    """
    digest = hashlib.sha256()
    if is_s3(target):
        bucket, prefix = split_s3(folder)
        key = _only([each["Key"] for each in _listed(s3, bucket, prefix + "/")], suffix, folder)
        found, content = s3.get_object(Bucket=bucket, Key=key), ContentHash()
        for chunk in found["Body"].iter_chunks(1 << 20):
            digest.update(chunk)
            content.update(chunk)
        etag, sha256 = publish.replace_object(
            s3,
            bucket,
            key,
            split_s3(target)[1],
            run_date,
            digest.hexdigest(),
            content.hexdigest(),
            today=today,
        )
        return Published(target, found["ContentLength"], sha256, etag)
    file = Path(_only([str(each) for each in Path(folder).iterdir()], suffix, folder))
    with file.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    size = file.stat().st_size
    publish.move_file(file, place(target))
    return Published(target, size, digest.hexdigest())


def _listed(s3: Any, bucket: str, prefix: str) -> Iterator[dict[str, Any]]:
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        yield from page.get("Contents", [])


def _uploads(s3: Any, bucket: str, prefix: str) -> Iterator[dict[str, Any]]:
    for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=prefix):
        yield from page.get("Uploads", [])


def _sweep(s3: Any, bucket: str, prefix: str, before: datetime | None = None) -> None:
    """Delete objects and unfinished uploads under a prefix, all or those older than that."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        for each in _listed(s3, bucket, prefix):
            if before is None or each["LastModified"] < before:
                s3.delete_object(Bucket=bucket, Key=each["Key"])
        for each in _uploads(s3, bucket, prefix):
            if before is None or each["Initiated"] < before:
                s3.abort_multipart_upload(Bucket=bucket, Key=each["Key"], UploadId=each["UploadId"])
    except (BotoCoreError, ClientError) as error:
        where = s3_uri(bucket, prefix)
        logger.warning("%s could not be swept, delete what is there by hand: %s", where, error)


def _only(names: list[str], suffix: str, folder: str) -> str:
    found = [name for name in names if name.endswith(suffix)]
    if len(found) != 1:
        raise PipelineError(f"{folder}: {len(found)} files {suffix}, not one")
    return found[0]
