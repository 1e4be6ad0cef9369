"""Locations: a path on disk or an address on S3, decided once, to read from and to publish to (contract §6).

On disk an output is written next to its target and renamed; on S3 it appears when its upload completes.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, cast

from cat_normalize.core import files
from cat_normalize.core.aws import S3Path, naming
from cat_normalize.core.errors import FutureParquetError, PipelineError, StaleInputError, UsageError
from cat_normalize.core.layout import is_s3, s3_uri
from cat_normalize.core.uploads import STALE, abort_stale_uploads, copy_object, sweep_prefix

RUN_DATE, SHA256 = "run-date", "sha256"
"""Names in the metadata of a published object."""
_COUNT = "count-"
_TRIES = 5
_LOST_RACES = {
    ("CompleteMultipartUpload", "PreconditionFailed"),
    ("CompleteMultipartUpload", "ConditionalRequestConflict"),
    ("CompleteMultipartUpload", "NoSuchKey"),
    ("CompleteMultipartUpload", "NoSuchUpload"),
    ("UploadPartCopy", "NoSuchUpload"),  # another run swept the upload as a killed run's
}
_BUFFER = 1 << 20
_MIN_PART_BYTES, _MAX_PARTS = 8 << 20, 10_000
"""S3 takes 10,000 parts: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html."""


Location = Path | S3Path
"""A file or folder to read from or to publish to."""


def locate(uri: str, access: Any = None) -> Location:
    """Return the location of a path or an ``s3://bucket/key`` address.

    Args:
        uri: path or address.
        access: settings or a boto3 S3 client; required for an address on S3.

    Raises:
        UsageError: an S3 address without ``access``.

    >>> locate("runs/data.csv")
    PosixPath('runs/data.csv')
    """
    if not is_s3(uri):
        return Path(uri)
    if access is None:
        raise UsageError(f"{uri}: an S3 address needs an S3 client")
    return S3Path(uri, access)


def is_same(one: Location, other: Location) -> bool:
    """Tell whether two locations are the same file or object."""
    if isinstance(one, Path) and isinstance(other, Path) and one.exists() and other.exists():
        return one.samefile(other)
    return str(one) == str(other)


def version_of(location: Location) -> str:
    """Return what changes when a file or object is replaced: the ETag on S3."""
    if isinstance(location, S3Path):
        return location.stat().etag
    found = location.stat()
    return f"{found.st_ino} {found.st_mtime_ns}"


def spark_address(location: Location) -> str:
    """Return the address by which Spark and Hadoop find a location.

    >>> spark_address(Path("/tmp/x.csv"))
    'file:///tmp/x.csv'
    """
    return str(location) if isinstance(location, S3Path) else f"file://{location.absolute()}"


def write_bytes(target: Location, data: bytes) -> None:
    """Publish bytes as a file or object.

    Raises:
        PipelineError: S3 refused, or was out of reach.
    """
    if isinstance(target, S3Path):
        with naming(target.uri):
            target.client.put_object(Bucket=target.bucket, Key=target.key, Body=data)
    else:
        files.write_bytes(target, data)


def write_stream(target: Location, stream: BinaryIO, size: int) -> None:
    """Publish what a stream yields, about ``size`` bytes; on S3 it is uploaded in parts.

    What killed processes left of earlier uploads of the same key is aborted first.

    Raises:
        PipelineError: S3 refused, or was out of reach.
    """
    if isinstance(target, S3Path):
        from boto3.s3.transfer import TransferConfig

        part = part_bytes(size)
        abort_stale_uploads(target.client, target.bucket, target.key)
        with naming(target.uri):
            target.client.upload_fileobj(
                stream, target.bucket, target.key, Config=TransferConfig(multipart_chunksize=part)
            )
    else:
        with files.atomic_file(target) as copy:
            shutil.copyfileobj(stream, copy, _BUFFER)


def part_bytes(size: int) -> int:
    """Return the size of the parts that a stream of about ``size`` bytes is uploaded in.

    >>> part_bytes(0), part_bytes(1 << 40)
    (8388608, 109962159)
    """
    return max(_MIN_PART_BYTES, size // (_MAX_PARTS - 1) + 1)


STAGING = "staging/"
"""The prefix of every staging folder on S3."""


@contextmanager
def staging(target: Location, stale: timedelta = STALE) -> Iterator[Location]:
    """Yield a folder, not yet made, that is the caller's alone and is removed at the end.

    On disk it is next to the target; on S3 it is under ``staging/``, which nobody reads. What killed
    processes left there is swept first; on S3, objects and unfinished uploads older than ``stale``.

    Raises:
        UsageError: the target cannot be a file.
    """
    if isinstance(target, Path):
        parent = _file_target(target).parent
        parent.mkdir(parents=True, exist_ok=True)
        with files.private_folder(parent) as folder:
            yield folder / "staging"
        return
    prefix = staging_prefix(target.key)
    sweep_prefix(target.client, target.bucket, prefix, datetime.now(UTC) - stale)
    key = prefix + uuid.uuid4().hex
    try:
        yield S3Path(s3_uri(target.bucket, key), target.access)
    finally:
        sweep_prefix(target.client, target.bucket, key)


def staging_prefix(key: str) -> str:
    """Return the prefix under which the replacement of an object is staged.

    >>> staging_prefix("reports/etl-process2/data.parquet")
    'staging/reports/etl-process2/'
    """
    return f"{STAGING}{key.rpartition('/')[0]}/"


def check_target(target: Location) -> None:
    """Raise UsageError if a target cannot become a file: a folder, a stream, a device or a pipe."""
    if isinstance(target, Path):
        _file_target(target)


def _file_target(target: Path) -> Path:
    """Return where a file on disk is made or replaced, links followed."""
    final = Path(os.path.realpath(target))
    files.check_file_target(final)
    if final.exists() and not final.is_file():
        raise UsageError(f"{target} is a device or a pipe, and Parquet cannot be streamed; give a file")
    return final


@dataclass(frozen=True, slots=True)
class Origin:
    """What an output was made of; on S3 it is kept in the metadata of the published object.

    Args:
        run_date: the day of the run, None if unknown.
        inputs: whatever else decides the content, by name, such as the digest of the input.
    """

    run_date: date | None
    inputs: Mapping[str, str]

    def metadata(self) -> dict[str, str]:
        """Return the metadata without the content's own digest."""
        return {**({RUN_DATE: self.run_date.isoformat()} if self.run_date else {}), **self.inputs}


@dataclass(frozen=True, slots=True)
class Published:
    """What is visible now: size in bytes, SHA-256 of the content, S3's ETag (None on disk), and counts."""

    bytes: int
    sha256: str
    etag: str | None = None
    counts: Mapping[str, int] = field(default_factory=dict)


def find_published(target: Location, origin: Origin, today: date | None = None) -> Published | None:
    """Return the published object if it was made of the same origin, otherwise None; on disk always None.

    Raises:
        StaleInputError, FutureParquetError: as `publish` does.
    """
    return _unchanged(target, _head(target), origin, today) if isinstance(target, S3Path) else None


def publish(
    staged: Location,
    target: Location,
    origin: Origin,
    today: date | None = None,
    counts: Mapping[str, int] | None = None,
) -> Published:
    """Publish a staged file in place of an earlier one, unless that one is of a later run date.

    On S3 the replacement is conditional on the ETag just read, so of two runs at once the later date
    wins. An equal date replaces, unless the origin is the same. An object without a readable date is
    older than any. Without a run date, no dated object is replaced.

    Args:
        staged: the finished file, in a folder of `staging`.
        target: the file or object to replace.
        origin: what the file was made of.
        today: a published run date after it raises FutureParquetError.
        counts: what is to be known of the file by name; on S3 they are kept in the object's metadata.

    Raises:
        StaleInputError: the published object has a later run date.
        FutureParquetError: that date is after ``today``.
        PipelineError: other runs kept replacing the object, or S3 refused.
    """
    digest, size = _digest(staged)
    counts = counts or {}
    if isinstance(target, Path):
        files.move_file(cast(Path, staged), _file_target(target))
        return Published(size, digest, None, counts)
    from botocore.exceptions import ClientError

    for _ in range(_TRIES):
        found = _head(target)
        if unchanged := _unchanged(target, found, origin, today):
            return unchanged
        condition = {"If-Match": found["ETag"]} if found else {"If-None-Match": "*"}
        try:
            known = {f"{_COUNT}{name}": str(count) for name, count in counts.items()}
            metadata = {**origin.metadata(), SHA256: digest, **known}
            etag = copy_object(cast(S3Path, staged), target, metadata, condition)
            return Published(size, digest, etag, counts)
        except ClientError as error:
            if (error.operation_name, error.response["Error"]["Code"]) not in _LOST_RACES:
                raise PipelineError(f"{target}: {error}") from error
    raise PipelineError(f"{target}: other runs kept replacing it; run again")


def published_date(target: S3Path) -> date | None:
    """Return the run date of a published object, None if it is not there or its date cannot be read.

    Raises:
        PipelineError: S3 gave another answer, or none.
    """
    found = _head(target)
    return _day(found["Metadata"].get(RUN_DATE, "")) if found else None


def _day(published: str) -> date | None:
    try:
        return date.fromisoformat(published)
    except ValueError:  # set by hand
        return None


def _head(target: S3Path) -> dict[str, Any] | None:
    from botocore.exceptions import ClientError

    with naming(target.uri):
        try:
            return dict(target.client.head_object(Bucket=target.bucket, Key=target.key))
        except ClientError as error:
            if error.response["Error"]["Code"] in {"404", "NoSuchKey"}:
                return None
            raise


def _unchanged(
    target: S3Path, found: dict[str, Any] | None, origin: Origin, today: date | None
) -> Published | None:
    """Return the published object if it has the same origin; refuse to replace one of a later date."""
    if found is None:
        return None
    metadata = dict(found["Metadata"])
    _refuse_older(target, metadata.get(RUN_DATE, ""), origin.run_date, today)
    digest = metadata.pop(SHA256, None)
    known = {name: metadata.pop(name) for name in tuple(metadata) if name.startswith(_COUNT)}
    if digest is None or metadata != origin.metadata():
        return None
    counts = {name.removeprefix(_COUNT): int(count) for name, count in known.items()}
    return Published(found["ContentLength"], digest, found["ETag"], counts)


def _refuse_older(target: S3Path, published: str, run_date: date | None, today: date | None) -> None:
    day = _day(published)
    if day is None or (run_date and day <= run_date):  # if no date counted as newer, it would stay for ever
        return
    if today and day > today:
        raise FutureParquetError(
            f"{target} is of {day}, which is after today, {today}: a mistyped run date made it, and it keeps "
            "every CSV out until that day. Remove what carries that day, then run again: docs/operate.md, "
            '"A run date in the future"'
        )
    ours = f"is of {run_date}" if run_date else "has no run date: rename it to data_YYYYMMDD.csv"
    raise StaleInputError(f"{target} is of {day} already; this CSV {ours}")


def _digest(location: Location) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    with location.open("rb") as stream:
        while data := stream.read(_BUFFER):
            digest.update(data)
            size += len(data)
    return digest.hexdigest(), size
