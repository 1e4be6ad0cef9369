"""A private place where an output is made before it is published, swept whatever happens."""

from __future__ import annotations

import glob
import hashlib
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from cat_normalize import publish
from cat_normalize.content import ContentHash
from cat_normalize.errors import PipelineError
from cat_normalize.layout import is_s3, s3_uri, split_s3

STALE = timedelta(days=1)


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

    On disk it lies beside the target, on S3 under ``staging/``, where nobody reads. What killed runs
    left there longer than ``stale`` ago goes too.
    """
    name = uuid.uuid4().hex
    if is_s3(target):
        bucket, key = split_s3(target)
        shelf = staging_prefix(key)
        _delete(s3, bucket, shelf, datetime.now(UTC) - stale)
        try:
            yield s3_uri(bucket, shelf + name)
        finally:
            _delete(s3, bucket, shelf + name)
        return
    place = Path(target).absolute()
    beginning = f".{place.name}.staging-"
    for left in place.parent.glob(f"{glob.escape(beginning)}*"):
        if datetime.fromtimestamp(left.stat().st_mtime, UTC) < datetime.now(UTC) - stale:
            shutil.rmtree(left, ignore_errors=True)
    folder = place.with_name(beginning + name)
    try:
        yield str(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


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
    publish.move_file(file, Path(target))
    return Published(target, size, digest.hexdigest())


def _listed(s3: Any, bucket: str, prefix: str) -> Iterator[dict[str, Any]]:
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        yield from page.get("Contents", [])


def _delete(s3: Any, bucket: str, prefix: str, before: datetime | None = None) -> None:
    for each in _listed(s3, bucket, prefix):
        if before is None or each["LastModified"] < before:
            s3.delete_object(Bucket=bucket, Key=each["Key"])


def _only(names: list[str], suffix: str, folder: str) -> str:
    found = [name for name in names if name.endswith(suffix)]
    if len(found) != 1:
        raise PipelineError(f"{folder}: {len(found)} files {suffix}, not one")
    return found[0]
