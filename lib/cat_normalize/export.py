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
import json
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Protocol, cast

from cat_normalize.errors import ExtractError
from cat_normalize.layout import is_s3, s3_uri, split_s3

SUMMARY = "manifest-summary.json"
FILES = "manifest-files.json"


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
            ExtractError: one is missing, the export is not a full one in DynamoDB JSON, or they disagree.
        """
        summary = json.loads(self._read(SUMMARY))
        if summary.get("outputFormat", "DYNAMODB_JSON") != "DYNAMODB_JSON":
            raise ExtractError(f"export {self.uri} is {summary['outputFormat']}; export it as DYNAMODB_JSON")
        if summary.get("exportType", "FULL_EXPORT") != "FULL_EXPORT":
            raise ExtractError(f"export {self.uri} is {summary['exportType']}; make a full export")
        entries = [json.loads(line) for line in self._read(FILES).splitlines() if line.strip()]
        files = [
            DataFile(PurePosixPath(each["dataFileS3Key"]).name, each["itemCount"], each["md5Checksum"])
            for each in entries
        ]
        if sum(file.items for file in files) != summary["itemCount"]:
            counted = sum(file.items for file in files)
            raise ExtractError(
                f"export {self.uri}: {SUMMARY} counts {summary['itemCount']} items, {FILES} {counted}"
            )
        return files

    def lines(self, file: DataFile) -> Iterator[bytes]:
        """Yield the lines of one data file; at its end its checksum and item count must be the manifest's.

        Raises:
            ExtractError: they are not, or the file is missing, damaged or cut short.
        """
        count = 0
        try:
            with closing(self._open(f"data/{file.name}")) as packed:
                stream = _Digesting(packed)
                with gzip.open(cast(BinaryIO, io.BufferedReader(stream, 1 << 18))) as unpacked:
                    for line in unpacked:
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
