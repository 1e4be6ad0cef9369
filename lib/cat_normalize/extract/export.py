"""A DynamoDB export to S3 as a source: manifest, checksums and item counts, read as a stream.

The layout is AWS's: ``manifest-summary.json`` and ``manifest-files.json`` in the export's folder, and
``data/*.json.gz`` under it, each line ``{"Item":{…}}``. A copy of that folder on disk does as well.
Source: DynamoDB developer guide, "DynamoDB table export output format".
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Protocol, cast

import msgspec

from cat_normalize.core.errors import ExtractError
from cat_normalize.core.layout import is_s3, s3_uri, split_s3
from cat_normalize.extract.lines import bounded

SUMMARY = "manifest-summary.json"
FILES = "manifest-files.json"


class _Summary(msgspec.Struct, rename="camel"):
    item_count: int
    output_format: str = "DYNAMODB_JSON"
    export_type: str = "FULL_EXPORT"


class _Entry(msgspec.Struct, rename={"md5": "md5Checksum", "items": "itemCount", "key": "dataFileS3Key"}):
    key: str
    items: int
    md5: str


class _Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class DataFile:
    """One data file of an export, as its manifest describes it."""

    name: str
    items: int
    md5: str


@dataclass(frozen=True, slots=True)
class Export:
    """An export's folder, on S3 or on disk, with its data files in the manifest's order.

    Args:
        uri: ``s3://bucket/…/AWSDynamoDB/<id>/`` or a path; naming the summary in it does as well.
        s3: a boto3 S3 client; needed for an address on S3.
    """

    uri: str
    s3: Any = None

    def _open(self, name: str) -> _Readable:
        folder = self.uri.removesuffix(SUMMARY).rstrip("/")
        if not is_s3(self.uri):
            try:
                return (Path(folder) / name).open("rb")
            except OSError as error:
                raise ExtractError(f"export {self.uri}: {name} cannot be read: {error}") from error
        from botocore.exceptions import ClientError

        bucket, key = split_s3(f"{folder}/{name}")
        try:
            return cast(_Readable, self.s3.get_object(Bucket=bucket, Key=key)["Body"])
        except ClientError as error:
            raise ExtractError(f"export {self.uri}: {s3_uri(bucket, key)} cannot be read: {error}") from error

    def _read(self, name: str) -> bytes:
        with closing(self._open(name)) as stream:
            return stream.read()

    def files(self) -> list[DataFile]:
        """Read both manifests.

        Raises:
            ExtractError: one is missing or damaged, the export is not a full one in DynamoDB JSON, or they
                disagree.
        """
        try:
            summary = msgspec.json.decode(self._read(SUMMARY), type=_Summary)
            entries = msgspec.json.Decoder(_Entry).decode_lines(self._read(FILES))
        except msgspec.DecodeError as error:
            raise ExtractError(f"export {self.uri}: a manifest is damaged ({error}); export again") from error
        if summary.output_format != "DYNAMODB_JSON":
            raise ExtractError(f"export {self.uri} is {summary.output_format}; export it as DYNAMODB_JSON")
        if summary.export_type != "FULL_EXPORT":
            raise ExtractError(f"export {self.uri} is {summary.export_type}; make a full export")
        files = [DataFile(PurePosixPath(each.key).name, each.items, each.md5) for each in entries]
        name, times = Counter(file.name for file in files).most_common(1)[0] if files else ("", 0)
        if times > 1:
            raise ExtractError(f"export {self.uri}: {FILES} names data/{name} {times} times; export again")
        if (counted := sum(file.items for file in files)) != summary.item_count:
            raise ExtractError(
                f"export {self.uri}: {SUMMARY} counts {summary.item_count} items, {FILES} {counted}"
            )
        return files

    def lines(self, file: DataFile) -> Iterator[bytes]:
        """Yield the lines of one data file; at its end its checksum and item count must be the manifest's.

        Raises:
            ExtractError: they are not, or the file is missing, damaged or cut short.
            InputError: a line is longer than an item can be.
        """
        count = 0
        try:
            with closing(self._open(f"data/{file.name}")) as packed:
                stream = _Digesting(packed)
                with gzip.open(cast(BinaryIO, io.BufferedReader(stream, 1 << 18))) as unpacked:
                    for line in bounded(cast(BinaryIO, unpacked), f"{self.uri}: data/{file.name}"):
                        count += not line.isspace()
                        yield line
        except (EOFError, OSError, zlib.error) as error:
            raise ExtractError(f"export {self.uri}: data/{file.name} is damaged: {error}") from error
        if stream.md5() != file.md5:
            raise ExtractError(f"export {self.uri}: data/{file.name} has not the checksum of {FILES}")
        if count != file.items:
            raise ExtractError(
                f"export {self.uri}: data/{file.name} holds {count} items, {FILES} says {file.items}"
            )


class _Digesting(io.RawIOBase):
    """Reads a stream and knows the MD5 of all that went through, as S3 writes it (base64)."""

    def __init__(self, stream: _Readable) -> None:
        self._stream = stream
        self._digest = hashlib.md5(usedforsecurity=False)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        self._digest.update(data)
        return len(data)

    def md5(self) -> str:
        return base64.b64encode(self._digest.digest()).decode()
