"""An object on S3, or a folder of them, under the names that `pathlib.Path` has for the same.

What reads item files (`partitions`, `dealing`) asks a path for no more than what is here, and so reads
S3 by the rules it reads a disk by (`source`). Nothing is copied to disk.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, BinaryIO, NamedTuple, cast

from cat_normalize.core import aws
from cat_normalize.core.layout import s3_uri, split_s3
from cat_normalize.core.settings import Settings

_BUFFER = 1 << 20


class Stat(NamedTuple):
    """What is told of an object: its size, and the ETag that changes with its bytes."""

    st_size: int
    etag: str


@dataclass(frozen=True, slots=True)
class S3Path:
    """A place on S3; it travels to other processes, which make a client of their own.

    Args:
        uri: ``s3://bucket/key``; a folder's may end in a slash.
        settings: region and endpoint.
        known: what a listing told of the object. It is then read as it was, or not at all.

    >>> path = S3Path("s3://b/raw/part-00003.jsonl", Settings())
    >>> path.name, str(path)
    ('part-00003.jsonl', 's3://b/raw/part-00003.jsonl')
    """

    uri: str
    settings: Settings
    known: Stat | None = None

    @property
    def name(self) -> str:
        """The last part of its key."""
        return self.uri.rstrip("/").rpartition("/")[2]

    def __str__(self) -> str:
        return self.uri

    def __lt__(self, other: S3Path) -> bool:
        return self.uri < other.uri

    def __truediv__(self, name: str) -> S3Path:
        return S3Path(f"{self.uri.rstrip('/')}/{name}", self.settings)

    def is_dir(self) -> bool:
        """Tell whether there are objects under it."""
        bucket, key = split_s3(f"{self.uri.rstrip('/')}/")
        with _as_os_errors(self.uri):
            return "Contents" in client(self.settings).list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1)

    def iterdir(self) -> Iterator[S3Path]:
        """Yield the objects right under it."""
        bucket, prefix = split_s3(f"{self.uri.rstrip('/')}/")
        pages = client(self.settings).get_paginator("list_objects_v2")
        with _as_os_errors(self.uri):
            for page in pages.paginate(Bucket=bucket, Prefix=prefix, Delimiter="/"):
                for each in page.get("Contents", []):
                    if each["Key"] != prefix:
                        known = Stat(each["Size"], each["ETag"])
                        yield S3Path(s3_uri(bucket, each["Key"]), self.settings, known)

    def is_file(self) -> bool:
        """Tell whether there is such an object."""
        try:
            self.stat()
        except FileNotFoundError:
            return False
        return True

    def exists(self) -> bool:
        """Tell whether there is such an object, or one under it."""
        return self.is_file() or self.is_dir()

    def stat(self) -> Stat:
        """Return size and ETag.

        Raises:
            OSError: S3 does not tell; FileNotFoundError where there is no such object.
        """
        if self.known:
            return self.known
        bucket, key = split_s3(self.uri)
        with _as_os_errors(self.uri):
            found = client(self.settings).head_object(Bucket=bucket, Key=key)
        return Stat(found["ContentLength"], found["ETag"])

    def looked_at(self) -> S3Path:
        """Return it with what there is to know."""
        return replace(self, known=self.stat())

    def open(self, mode: str = "rb", buffering: int = _BUFFER) -> BinaryIO:
        """Open the object for reading bytes; the one mode is ``rb``."""
        if mode != "rb":
            raise ValueError(f"mode {mode!r}: an object is read, as bytes")
        return cast(BinaryIO, io.BufferedReader(_Object(self.looked_at()), max(buffering, _BUFFER)))

    def read_bytes(self) -> bytes:
        """Return all of it."""
        with self.open() as stream:
            return stream.read()


@cache
def client(settings: Settings) -> Any:
    """Return this process's S3 client for those settings."""
    return aws.client(settings, "s3")


class _Object(io.RawIOBase):
    """One object as a stream; seeking asks for it anew from there."""

    def __init__(self, path: S3Path) -> None:
        self._path, self._stat = path, path.stat()
        self._at = 0
        self._body: Any = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._drop()
        self._at = offset + (0, self._at, self._stat.st_size)[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        if self._at >= self._stat.st_size:
            return 0
        with _as_os_errors(str(self._path)):
            if self._body is None:
                bucket, key = split_s3(self._path.uri)
                span = f"bytes={self._at}-"
                found = client(self._path.settings).get_object(
                    Bucket=bucket, Key=key, Range=span, IfMatch=self._stat.etag
                )
                self._body = found["Body"]
            data = self._body.read(len(buffer))
        if not data:
            raise OSError(f"{self._path} ended at byte {self._at} of {self._stat.st_size}")
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def close(self) -> None:
        self._drop()
        super().close()

    def _drop(self) -> None:
        if self._body is not None:
            self._body.close()
            self._body = None


@contextmanager
def _as_os_errors(uri: str) -> Iterator[None]:
    """Raise what S3 answers as what a disk would."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        kind = FileNotFoundError if error.response["Error"]["Code"] in {"404", "NoSuchKey"} else OSError
        raise kind(f"{uri}: {error}") from error
    except BotoCoreError as error:
        raise OSError(f"{uri}: {error}") from error
