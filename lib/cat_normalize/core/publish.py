"""Make an output visible, whole or not at all (contract §6): the only code that does.

On disk a file is written in a private folder beside its target, synced and renamed. On S3 an object
appears when its upload completes. What was there before stays whole until then.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any, BinaryIO

from cat_normalize.core.errors import FutureParquetError, PipelineError, StaleInputError, UsageError
from cat_normalize.core.layout import is_s3, s3_uri, split_s3
from cat_normalize.core.scratch import EARLIER, private_folder

logger = logging.getLogger(__name__)
STALE = timedelta(days=1)
"""What is unfinished on S3 and younger may belong to a run that is alive."""
RUN_DATE = "run-date"
SHA256 = "sha256"
CONTENT = "content"
_PART_BYTES = 5 * 1024**3  # the most S3 copies in one request
_TRIES = 5
_SYNCED_EVERY = 0.2
"""Seconds."""
_LOST = {
    *(("CompleteMultipartUpload", code) for code in ("PreconditionFailed", "ConditionalRequestConflict")),
    *(("CompleteMultipartUpload", code) for code in ("NoSuchKey", "NoSuchUpload")),
    ("UploadPartCopy", "NoSuchUpload"),  # the upload was taken for a killed run's
}


@contextmanager
def writing(target: Path) -> Iterator[BinaryIO]:
    """Open a file for bytes that gets the name ``target`` when the block ends well.

    Its folder is made if need be. If the block raises, nothing is left and what was there stays. A new
    file can be read by its user alone; one that is replaced keeps its permissions. A link is followed, and
    a device or a pipe is written to, not replaced.

    Raises:
        UsageError: a folder or a standard stream has that name (`check_target`).

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with writing(Path(folder, "new", "x.csv")) as file:
    ...         _ = file.write(b"all of it")
    ...     Path(folder, "new", "x.csv").read_bytes()
    b'all of it'
    """
    if target.exists():
        check_target(target)
    plain = target.is_file() or not target.exists()
    place = Path(os.path.realpath(target))
    if plain:
        place.parent.mkdir(parents=True, exist_ok=True)
    with private_folder(place.parent if plain else None) as folder:
        temporary = folder / place.name
        with temporary.open("xb", 1 << 20) as file:
            yield file
        if plain:
            move_file(temporary, place)
        else:
            with temporary.open("rb") as made, target.open("wb") as stream:
                shutil.copyfileobj(made, stream, 1 << 20)


def check_target(target: Path) -> None:
    """Refuse what cannot become a file.

    Raises:
        UsageError: a folder, a path below a file, or a standard stream, which summaries and messages go to.

    >>> check_target(Path("/"))
    Traceback (most recent call last):
    cat_normalize.core.errors.UsageError: / is a folder; give the path of a file to write
    """
    if target.is_dir():
        raise UsageError(f"{target} is a folder; give the path of a file to write")
    above = next(each for each in target.absolute().parents if each.exists())
    if not above.is_dir():
        raise UsageError(f"{target}: {above} is no folder; give the path of a file to write")
    if _is_stream(target):
        raise UsageError(f"{target} is a stream that messages go to; give the path of a file to write")


def _is_stream(target: Path) -> bool:
    """Tell whether a path is where this process's own output or messages go, by whatever name."""
    try:
        found = target.stat()
        streams = [os.fstat(number) for number in (1, 2)]
    except OSError:  # it is not there yet, or a stream is closed
        return False
    return not os.path.samestat(found, Path(os.devnull).stat()) and any(
        os.path.samestat(found, stream) for stream in streams
    )


@contextmanager
def synced_meanwhile(file: BinaryIO) -> Iterator[None]:
    """Have what the block writes to a file put on disk meanwhile, so that `writing` has little to wait for.

    Raises:
        OSError: the disk failed; it tells it only once.
    """
    done = Event()

    def sync() -> None:
        while not done.wait(_SYNCED_EVERY):
            os.fsync(file.fileno())

    with ThreadPoolExecutor(1) as thread:
        syncing = thread.submit(sync)
        try:
            yield
        finally:
            done.set()
        syncing.result()


@contextmanager
def writing_folder(target: Path) -> Iterator[Path]:
    """Make a folder that gets the name ``target`` when the block ends well, in place of an earlier one.

    If the block raises, nothing is left and what was there stays. Killed between its two renames, the
    earlier folder is put back by the next sweep (`scratch.sweep`) of where it was.
    """
    target = Path(os.path.realpath(target))
    target.parent.mkdir(parents=True, exist_ok=True)
    with private_folder(target.parent) as folder:
        made, earlier = folder / "made", folder / EARLIER
        made.mkdir(mode=0o700)
        earlier.mkdir()
        yield made
        if target.exists():
            target.rename(earlier / target.name)
        made.rename(target)
        _sync(target.parent)


def move_file(source: Path, target: Path) -> None:
    """Give a finished file its name, in one step; both on the same file system."""
    if target.exists():
        shutil.copymode(target, source)
    else:
        source.chmod(0o600)
    _sync(source)
    source.replace(target)
    _sync(target.parent)


def put_bytes(data: bytes, target: str, s3: Any = None, metadata: Mapping[str, str] | None = None) -> None:
    """Publish bytes under a path or an ``s3://bucket/key``; ``metadata`` goes to S3 only.

    Raises:
        UsageError: an S3 address without a client for it.
    """
    if is_s3(target):
        bucket, key = split_s3(target)
        _needed(s3, target).put_object(Bucket=bucket, Key=key, Body=data, Metadata=dict(metadata or {}))
        return
    with writing(Path(target)) as file:
        file.write(data)


def put_file(source: Path, target: str, s3: Any = None, metadata: Mapping[str, str] | None = None) -> None:
    """Publish a copy of a file under a path or an ``s3://bucket/key``; large ones go up in parts.

    Raises:
        UsageError: an S3 address without a client for it.
    """
    if is_s3(target):
        bucket, key = split_s3(target)
        extra = {"Metadata": dict(metadata or {})}
        _needed(s3, target).upload_file(str(source), bucket, key, ExtraArgs=extra)
        return
    with source.open("rb") as file, writing(Path(target)) as copy:
        shutil.copyfileobj(file, copy, 1 << 20)


def replace_object(
    s3: Any,
    bucket: str,
    source_key: str,
    target_key: str,
    run_date: date | None,
    sha256: str,
    content: str,
    part_bytes: int = _PART_BYTES,
    today: date | None = None,
) -> tuple[str, str]:
    """Copy a staged object over the published one, unless that one is of a later run.

    Run date, SHA-256 and what `ContentHash` gives are kept in the object's metadata; an object of the
    same date and content stays as it is. Replacing is conditional on the very object whose metadata were
    read (S3's conditional writes), so of two runs at once the later date wins. An equal date replaces; an
    object without a date, or with one that cannot be read, is older than any; without a date nothing dated
    is replaced. ``today``, if given, tells a run date that has not come yet.

    Returns:
        ETag and SHA-256 of the object that is there now.

    Raises:
        StaleInputError: the object there carries a later run date.
        FutureParquetError: that date is after today.
        PipelineError: others kept replacing it; run again.
    """
    from botocore.exceptions import ClientError

    dated = {RUN_DATE: run_date.isoformat()} if run_date else {}
    metadata = {**dated, SHA256: sha256, CONTENT: content}
    for _ in range(_TRIES):
        there = _there(s3, bucket, target_key)
        if there is not None:
            kept = there["Metadata"]
            _refuse_older(kept.get(RUN_DATE, ""), run_date, s3_uri(bucket, target_key), today)
            if SHA256 in kept and kept == metadata | {SHA256: kept[SHA256]}:
                return str(there["ETag"]), str(kept[SHA256])
        condition = {"If-Match": there["ETag"]} if there else {"If-None-Match": "*"}
        try:
            etag = _copy(s3, bucket, source_key, target_key, metadata, condition, part_bytes)
            return etag, sha256
        except ClientError as error:
            if (error.operation_name, error.response["Error"]["Code"]) not in _LOST:
                raise
    raise PipelineError(f"{s3_uri(bucket, target_key)}: other runs kept replacing it; run again")


def abort_stale_uploads(s3: Any, bucket: str, key: str, stale: timedelta = STALE) -> None:
    """End the uploads in parts that killed runs began for a key, or for the same one of another day.

    S3 keeps, and bills, the parts of an upload until somebody ends it. One that is younger than ``stale``
    may be of a run that is alive. Where uploads may not be listed, a warning says so.
    """
    from botocore.exceptions import ClientError

    ours = re.compile(re.sub(r"\d{8}", r"\\d{8}", re.escape(key)))
    before = datetime.now(UTC) - stale
    try:
        pages = s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=_folder(key))
        for each in (upload for page in pages for upload in page.get("Uploads", [])):
            if ours.fullmatch(each["Key"]) and each["Initiated"] < before:
                s3.abort_multipart_upload(Bucket=bucket, Key=each["Key"], UploadId=each["UploadId"])
    except ClientError as error:
        logger.warning("unfinished uploads of earlier runs under %s may stay: %s", s3_uri(bucket, key), error)


def _folder(key: str) -> str:
    """Return the key up to its last slash.

    >>> _folder("reports/data.parquet"), _folder("data.parquet")
    ('reports/', '')
    """
    return key[: key.rfind("/") + 1]


def _there(s3: Any, bucket: str, key: str) -> dict[str, Any] | None:
    from botocore.exceptions import ClientError

    try:
        return dict(s3.head_object(Bucket=bucket, Key=key))
    except ClientError as error:
        if error.response["Error"]["Code"] in {"404", "NoSuchKey"}:
            return None
        raise


def _refuse_older(dated: str, run_date: date | None, uri: str, today: date | None) -> None:
    try:
        there = date.fromisoformat(dated)
    except ValueError:  # made by hand; were it newer than any, nothing could ever replace it
        return
    if run_date and there <= run_date:
        return
    if today and there > today:
        raise FutureParquetError(
            f"{uri} is of {there}, which is after today, {today}: a mistyped run date made it, and it keeps "
            "every CSV out until that day. Remove what carries that day, then run again: docs/operate.md, "
            '"A run date in the future"'
        )
    ours = f"of {run_date}" if run_date else "without a run date; name it data_YYYYMMDD.csv"
    raise StaleInputError(f"{uri} is of {there} already; this CSV is {ours}")


def _copy(
    s3: Any,
    bucket: str,
    source_key: str,
    target_key: str,
    metadata: dict[str, str],
    condition: dict[str, str],
    part_bytes: int,
) -> str:
    """Copy on the server, in parts: the one way that holds for any size and takes a condition."""
    place = {"Bucket": bucket, "Key": target_key}
    source = {"Bucket": bucket, "Key": source_key}
    size = s3.head_object(**source)["ContentLength"]
    with uploading(s3, bucket, target_key, metadata) as upload:
        parts = []
        for number, start in enumerate(range(0, size, part_bytes), start=1):
            part = s3.upload_part_copy(
                **place,
                CopySource=source,
                CopySourceRange=f"bytes={start}-{min(start + part_bytes, size) - 1}",
                PartNumber=number,
                UploadId=upload,
            )
            parts.append({"PartNumber": number, "ETag": part["CopyPartResult"]["ETag"]})
        with _header(s3, upload, condition):
            done = s3.complete_multipart_upload(**place, UploadId=upload, MultipartUpload={"Parts": parts})
    return str(done["ETag"])


@contextmanager
def uploading(s3: Any, bucket: str, key: str, metadata: Mapping[str, str] | None = None) -> Iterator[str]:
    """Begin an upload in parts and yield its id; if the block raises, the upload and its parts are dropped.

    What killed runs left of earlier ones is dropped first (`abort_stale_uploads`).
    """
    from botocore.exceptions import BotoCoreError, ClientError

    abort_stale_uploads(s3, bucket, key)
    place = {"Bucket": bucket, "Key": key}
    upload = s3.create_multipart_upload(**place, Metadata=dict(metadata or {}))["UploadId"]
    try:
        yield upload
    except BaseException:
        try:
            s3.abort_multipart_upload(**place, UploadId=upload)
        except (BotoCoreError, ClientError) as error:  # what went wrong before is what counts
            logger.warning("an unfinished upload of %s stays: %s", s3_uri(bucket, key), error)
        raise


@contextmanager
def _header(s3: Any, upload: str, header: dict[str, str]) -> Iterator[None]:
    """Send a header with the completion of one upload; the boto3 on Glue may not know its parameter."""

    def add(params: dict[str, Any], **_: Any) -> None:
        if params["query_string"].get("uploadId") == upload:
            params["headers"].update(header)

    event = "before-call.s3.CompleteMultipartUpload"
    s3.meta.events.register(event, add)
    try:
        yield
    finally:
        s3.meta.events.unregister(event, add)


def _needed(s3: Any, target: str) -> Any:
    if s3 is None:
        raise UsageError(f"{target}: an S3 address needs an S3 client")
    return s3


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
