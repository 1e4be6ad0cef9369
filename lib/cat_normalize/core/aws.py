"""AWS clients, and objects on S3 that are read like a `pathlib.Path`."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, BinaryIO, NamedTuple, cast

from cat_normalize.core.errors import PipelineError
from cat_normalize.core.layout import s3_uri, split_s3
from cat_normalize.core.settings import Settings

_BUFFER = 1 << 20
_READ_TRIES = 3
_MISSING = {"404", "NoSuchKey"}


def client(
    settings: Settings, service: str, session: Any = None, *, tries: int = 10, timeout: float = 60
) -> Any:
    """Return a boto3 client; credentials come from boto3's own chain.

    Args:
        settings: region and endpoint.
        service: such as ``s3``.
        session: a boto3 session; the default one if None.
        tries: tries per request, with growing waits between them.
        timeout: seconds to wait for a connection, and for each answer.
    """
    import boto3
    from botocore.config import Config

    retries = {"mode": "standard", "max_attempts": tries}
    config = Config(max_pool_connections=32, retries=retries, connect_timeout=timeout, read_timeout=timeout)
    return (session or boto3).client(
        service, region_name=settings.region, endpoint_url=settings.endpoint_url, config=config
    )


def quick_client(settings: Settings, service: str, session: Any = None) -> Any:
    """Return a boto3 client that tries once with short timeouts, for checks."""
    return client(settings, service, session, tries=1, timeout=1.5)


@cache
def s3_client(settings: Settings) -> Any:
    """Return the S3 client that this process shares for those settings."""
    return client(settings, "s3")


class ObjectStat(NamedTuple):
    """Size of an object in bytes, and the ETag that changes with its content."""

    st_size: int
    etag: str


@dataclass(frozen=True, slots=True)
class S3Path:
    """An object on S3 or a folder of objects, with the reading methods of `pathlib.Path`.

    Args:
        uri: ``s3://bucket/key``; a folder may end in a slash.
        access: a boto3 S3 client, or settings, with which the path can be pickled.
        known: size and ETag of a listing; the object is then read in that version or not at all.

    >>> path = S3Path("s3://b/raw/part-00003.jsonl", Settings())
    >>> path.name, path.bucket, str(path)
    ('part-00003.jsonl', 'b', 's3://b/raw/part-00003.jsonl')
    """

    uri: str
    access: Any
    known: ObjectStat | None = None

    @property
    def client(self) -> Any:
        """The S3 client."""
        return s3_client(self.access) if isinstance(self.access, Settings) else self.access

    @property
    def bucket(self) -> str:
        """The bucket's name."""
        return split_s3(self.uri)[0]

    @property
    def key(self) -> str:
        """The object's key."""
        return split_s3(self.uri)[1]

    @property
    def name(self) -> str:
        """The last part of the key."""
        return self.uri.rstrip("/").rpartition("/")[2]

    def __str__(self) -> str:
        return self.uri

    def __lt__(self, other: S3Path) -> bool:
        return self.uri < other.uri

    def __truediv__(self, name: str) -> S3Path:
        return S3Path(f"{self.uri.rstrip('/')}/{name}", self.access)

    def is_dir(self) -> bool:
        """Tell whether any object's key begins with this one and a slash."""
        with _as_os_errors(self.uri):
            listed = self.client.list_objects_v2(Bucket=self.bucket, Prefix=(self / "").key, MaxKeys=1)
        return "Contents" in listed

    def iterdir(self) -> Iterator[S3Path]:
        """Yield the objects directly in this folder, not those in folders below it."""
        prefix = (self / "").key
        with _as_os_errors(self.uri):
            for each in list_objects(self.client, self.bucket, prefix, Delimiter="/"):
                if each["Key"] != prefix:
                    known = ObjectStat(each["Size"], each["ETag"])
                    yield S3Path(s3_uri(self.bucket, each["Key"]), self.access, known)

    def is_file(self) -> bool:
        """Tell whether the object exists."""
        try:
            self.stat()
        except FileNotFoundError:
            return False
        return True

    def exists(self) -> bool:
        """Tell whether the object exists, or one in it as a folder."""
        return self.is_file() or self.is_dir()

    def stat(self) -> ObjectStat:
        """Return size and ETag.

        Raises:
            OSError: S3 gives no answer; FileNotFoundError if the object does not exist.
        """
        if self.known:
            return self.known
        with _as_os_errors(self.uri):
            found = self.client.head_object(Bucket=self.bucket, Key=self.key)
        return ObjectStat(found["ContentLength"], found["ETag"])

    def with_stat(self) -> S3Path:
        """Return the path bound to the object's present version."""
        return replace(self, known=self.stat())

    def open(self, mode: str = "rb", buffering: int = _BUFFER) -> BinaryIO:
        """Open the object for reading bytes; the only mode is ``rb``."""
        if mode != "rb":
            raise ValueError(f"mode {mode!r}: an object can only be read, as bytes")
        return cast(BinaryIO, io.BufferedReader(_ObjectReader(self.with_stat()), max(buffering, _BUFFER)))

    def read_bytes(self) -> bytes:
        """Return the whole content."""
        with self.open() as stream:
            return stream.read()


class _ObjectReader(io.RawIOBase):
    """One version of an object as a stream; a broken connection is resumed at the same byte."""

    def __init__(self, path: S3Path) -> None:
        self._path, self._stat = path, path.stat()
        self._position = 0
        self._body: Any = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._position >= self._stat.st_size:
            return 0
        with _as_os_errors(self._path.uri):
            data = self._read(len(buffer))
        if not data:
            raise OSError(f"{self._path} ended at byte {self._position} of {self._stat.st_size}")
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def _read(self, size: int, tries: int = _READ_TRIES) -> bytes:
        from botocore.exceptions import BotoCoreError

        try:
            if self._body is None:
                self._body = self._path.client.get_object(
                    Bucket=self._path.bucket,
                    Key=self._path.key,
                    Range=f"bytes={self._position}-",
                    IfMatch=self._stat.etag,
                )["Body"]
            return bytes(self._body.read(size))
        except BotoCoreError:
            self._disconnect()
            if tries == 1:
                raise
            return self._read(size, tries - 1)

    def close(self) -> None:
        self._disconnect()
        super().close()

    def _disconnect(self) -> None:
        if self._body is not None:
            self._body.close()
            self._body = None


@contextmanager
def _as_os_errors(uri: str) -> Iterator[None]:
    """Raise an error of S3 as the error that a disk would raise."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code == "PreconditionFailed":
            raise OSError(f"{uri} was replaced while it was read") from error
        raise (FileNotFoundError if code in _MISSING else OSError)(f"{uri}: {error}") from error
    except BotoCoreError as error:
        raise OSError(f"{uri}: {error}") from error


@contextmanager
def naming(uri: str) -> Iterator[None]:
    """Raise an error of S3 as a PipelineError that names the object: S3's own text does not."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise PipelineError(f"{uri}: {error}") from error


def list_objects(s3: Any, bucket: str, prefix: str, **options: Any) -> Iterator[dict[str, Any]]:
    """Yield what ListObjectsV2 says of every object under a prefix."""
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, **options):
        yield from page.get("Contents", [])
