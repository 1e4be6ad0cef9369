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
    with upload_in_parts(s3, target.bucket, target.key, metadata) as upload:
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


def _uploads(s3: Any, bucket: str, prefix: str) -> Iterator[dict[str, Any]]:
    for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=prefix):
        yield from page.get("Uploads", [])


def sweep_prefix(s3: Any, bucket: str, prefix: str, before: datetime | None = None) -> None:
    """Delete objects and abort unfinished uploads under a prefix: all, or those older than ``before``.

    If that is not allowed, a warning says so: the caller's own result or error matters more.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        for each in list_objects(s3, bucket, prefix):
            if before is None or each["LastModified"] < before:
                s3.delete_object(Bucket=bucket, Key=each["Key"])
        for each in _uploads(s3, bucket, prefix):
            if before is None or each["Initiated"] < before:
                s3.abort_multipart_upload(Bucket=bucket, Key=each["Key"], UploadId=each["UploadId"])
    except (BotoCoreError, ClientError) as error:
        where = s3_uri(bucket, prefix)
        logger.warning("%s could not be swept, delete what is there by hand: %s", where, error)


def abort_stale_uploads(s3: Any, bucket: str, key: str, stale: timedelta = STALE) -> None:
    """Abort the unfinished uploads that killed processes began for a key, or for that key of another day.

    S3 keeps, and bills, the parts of an upload until it is completed or aborted. An upload younger than
    ``stale`` may belong to a running process. If uploads may not be listed, a warning says so.
    """
    from botocore.exceptions import ClientError

    ours = re.compile(re.sub(r"\d{8}", r"\\d{8}", re.escape(key)))
    before = datetime.now(UTC) - stale
    try:
        for each in _uploads(s3, bucket, key[: key.rfind("/") + 1]):
            if ours.fullmatch(each["Key"]) and each["Initiated"] < before:
                s3.abort_multipart_upload(Bucket=bucket, Key=each["Key"], UploadId=each["UploadId"])
    except ClientError as error:
        logger.warning("unfinished uploads of earlier runs under %s may stay: %s", s3_uri(bucket, key), error)


@contextmanager
def upload_in_parts(
    s3: Any, bucket: str, key: str, metadata: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Begin a multipart upload and yield its id; if the block raises, abort the upload.

    Stale uploads of the key are aborted first (`abort_stale_uploads`).
    """
    from botocore.exceptions import BotoCoreError, ClientError

    abort_stale_uploads(s3, bucket, key)
    target = {"Bucket": bucket, "Key": key}
    upload = s3.create_multipart_upload(**target, Metadata=dict(metadata or {}))["UploadId"]
    try:
        yield upload
    except BaseException:
        try:
            s3.abort_multipart_upload(**target, UploadId=upload)
        except (BotoCoreError, ClientError) as error:  # the first error is the one to report
            logger.warning("an unfinished upload of %s stays: %s", s3_uri(bucket, key), error)
        raise
