"""Uploads to S3 in parts (multipart uploads): complete or aborted, and swept after killed processes."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from cat_normalize.core.aws import S3Path, list_objects
from cat_normalize.core.layout import s3_uri

logger = logging.getLogger(__name__)
STALE = timedelta(days=1)
"""Unfinished work on S3 that is younger may belong to a running process."""
MAX_PART_BYTES = 5 << 30
"""The most that S3 copies in one request."""


def copy_object(
    source: S3Path,
    target: S3Path,
    metadata: Mapping[str, str],
    condition: dict[str, str],
    part_bytes: int = MAX_PART_BYTES,
) -> str:
    """Copy an object on the server if a condition on the target is met; return the new ETag.

    It is copied in parts: only a multipart upload takes any size and a condition.

    Args:
        source: the object to copy.
        target: where it appears.
        metadata: the metadata of the copy.
        condition: ``If-Match`` or ``If-None-Match``, as a header.
        part_bytes: the most bytes in one part.

    Raises:
        botocore.exceptions.ClientError: S3 refused, also where the condition is not met; the target stays.
    """
    s3, where = target.client, {"Bucket": target.bucket, "Key": target.key}
    size = source.stat().st_size
    abort_stale_uploads(s3, target.bucket, target.key)
    upload = s3.create_multipart_upload(**where, Metadata=dict(metadata))["UploadId"]
    try:
        parts = []
        for number, start in enumerate(range(0, size, part_bytes), start=1):
            part = s3.upload_part_copy(
                **where,
                CopySource={"Bucket": source.bucket, "Key": source.key},
                CopySourceRange=f"bytes={start}-{min(start + part_bytes, size) - 1}",
                PartNumber=number,
                UploadId=upload,
            )
            parts.append({"PartNumber": number, "ETag": part["CopyPartResult"]["ETag"]})
        with _header(s3, upload, condition):
            done = s3.complete_multipart_upload(**where, UploadId=upload, MultipartUpload={"Parts": parts})
    except BaseException:
        with _warning(f"an unfinished upload of {target} stays"):
            s3.abort_multipart_upload(**where, UploadId=upload)
        raise
    return str(done["ETag"])


@contextmanager
def _header(s3: Any, upload: str, header: dict[str, str]) -> Iterator[None]:
    """Send a header with the completion of one upload; Glue's boto3 may not know its parameter."""

    def add(params: dict[str, Any], **_: Any) -> None:
        if params["query_string"].get("uploadId") == upload:
            params["headers"].update(header)

    event = "before-call.s3.CompleteMultipartUpload"
    s3.meta.events.register(event, add)
    try:
        yield
    finally:
        s3.meta.events.unregister(event, add)


def sweep_prefix(s3: Any, bucket: str, prefix: str, before: datetime | None = None) -> None:
    """Delete objects and abort unfinished uploads under a prefix: all, or those older than ``before``.

    If that is not allowed, a warning says so.
    """
    with _warning(f"{s3_uri(bucket, prefix)} could not be swept, delete what is there by hand"):
        for each in list_objects(s3, bucket, prefix):
            if before is None or each["LastModified"] < before:
                s3.delete_object(Bucket=bucket, Key=each["Key"])
        _abort_uploads(s3, bucket, prefix, before)


def abort_stale_uploads(s3: Any, bucket: str, key: str, stale: timedelta = STALE) -> None:
    """Abort the unfinished uploads that killed processes began for a key, or for that key of another day.

    S3 keeps, and bills, the parts of an upload until it is completed or aborted. An upload younger than
    ``stale`` may belong to a running process. If uploads may not be listed, a warning says so.
    """
    ours = re.sub(r"\d{8}", r"\\d{8}", re.escape(key))
    with _warning(f"unfinished uploads of earlier runs under {s3_uri(bucket, key)} may stay"):
        _abort_uploads(s3, bucket, key[: key.rfind("/") + 1], datetime.now(UTC) - stale, ours)


def _abort_uploads(s3: Any, bucket: str, prefix: str, before: datetime | None, keys: str = "(?s:.*)") -> None:
    for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=prefix):
        for each in page.get("Uploads", []):
            if re.fullmatch(keys, each["Key"]) and (before is None or each["Initiated"] < before):
                s3.abort_multipart_upload(Bucket=bucket, Key=each["Key"], UploadId=each["UploadId"])


@contextmanager
def _warning(consequence: str) -> Iterator[None]:
    """Log an error of AWS as a warning: the caller's own result or error matters more."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        logger.warning("%s: %s", consequence, error)
