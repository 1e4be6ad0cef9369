"""A DynamoDB export to S3 as a source: manifest, checksums and item counts, read as a stream.

The layout is AWS's: ``manifest-summary.json`` and ``manifest-files.json`` in the export's folder, and
``data/*.json.gz`` under it, each line ``{"Item":{…}}``. A copy of that folder on disk is read the same way.
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
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, BinaryIO, cast

import msgspec

from cat_normalize.core.errors import ExtractError
from cat_normalize.core.storage import Location, locate
from cat_normalize.extract.item_files import SUMMARY, bounded

FILES = "manifest-files.json"


class _Summary(msgspec.Struct, rename="camel"):
    item_count: int
    output_format: str = "DYNAMODB_JSON"
    export_type: str = "FULL_EXPORT"


class DataFile(
    msgspec.Struct, frozen=True, rename={"key": "dataFileS3Key", "items": "itemCount", "md5": "md5Checksum"}
):
    """One data file of an export, as its manifest describes it."""

    key: str
    items: int
    md5: str

    @property
    def name(self) -> str:
        """The name in the export's folder ``data``."""
        return PurePosixPath(self.key).name


@dataclass(frozen=True, slots=True)
class Export:
    """An export's folder, on S3 or on disk, with its data files in the manifest's order.

    Args:
        uri: ``s3://bucket/…/AWSDynamoDB/<id>/`` or a path; its summary's address is accepted too.
        access: settings or a boto3 S3 client; required for an address on S3.
    """

    uri: str
    access: Any = None

    def _read(self, name: str) -> bytes:
        with self._readable(name) as path:
            return path.read_bytes()

    @contextmanager
    def _readable(self, name: str) -> Iterator[Location]:
        path = locate(self.uri.removesuffix(SUMMARY).rstrip("/"), self.access) / name
        try:
            yield path
        except OSError as error:
            raise ExtractError(f"export {self.uri}: {path} cannot be read: {error}") from error

    def files(self) -> list[DataFile]:
        """Read both manifests.

        Raises:
            ExtractError: one is missing or damaged, the export is not a full one in DynamoDB JSON, or they
                disagree.
            UsageError: an S3 address without ``access``.
        """
        try:
            summary = msgspec.json.decode(self._read(SUMMARY), type=_Summary)
            files = msgspec.json.Decoder(DataFile).decode_lines(self._read(FILES))
        except msgspec.DecodeError as error:
            raise ExtractError(f"export {self.uri}: a manifest is damaged ({error}); export again") from error
        if summary.output_format != "DYNAMODB_JSON":
            raise ExtractError(f"export {self.uri} is {summary.output_format}; export it as DYNAMODB_JSON")
        if summary.export_type != "FULL_EXPORT":
            raise ExtractError(f"export {self.uri} is {summary.export_type}; make a full export")
        name, times = Counter(file.name for file in files).most_common(1)[0] if files else ("", 0)
        if times > 1:
            raise ExtractError(f"export {self.uri}: {FILES} names data/{name} {times} times; export again")
        if (counted := sum(file.items for file in files)) != summary.item_count:
            raise ExtractError(
                f"export {self.uri}: {SUMMARY} counts {summary.item_count} items, {FILES} {counted}"
            )
        return files

    def lines(self, file: DataFile) -> Iterator[bytes]:
        """Yield the lines of one data file, then compare its checksum and item count with the manifest's.

        Raises:
            ExtractError: they differ, or the file is missing, damaged or cut short.
            InputError: a line is longer than an item can be.
        """
        count = 0
        with self._readable(f"data/{file.name}") as path:
            packed = path.open("rb")
        stream = _Digesting(packed)
        try:
            with packed, gzip.open(cast(BinaryIO, io.BufferedReader(stream, 1 << 18))) as unpacked:
                for line in bounded(cast(BinaryIO, unpacked), f"{self.uri}: data/{file.name}"):
                    count += not line.isspace()
                    yield line
        except (EOFError, OSError, zlib.error) as error:
            raise ExtractError(f"export {self.uri}: data/{file.name} is damaged: {error}") from error
        if stream.md5() != file.md5:
            raise ExtractError(f"export {self.uri}: data/{file.name} has not the checksum of {FILES}")
        if count != file.items:
            raise ExtractError(
                f"export {self.uri}: data/{file.name} has {count} items, {FILES} says {file.items}"
            )


class _Digesting(io.RawIOBase):
    """Pass a stream through and compute its MD5, written as S3 does (base64)."""

    def __init__(self, stream: BinaryIO) -> None:
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
