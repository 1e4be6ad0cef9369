"""Raw items for many machines: what lies under an address, cut into chunks that can be sent to them.

An address is a DynamoDB export, the folder of an extract, or any item file or folder of item files; on
S3 or on a disk that all machines see.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from cat_normalize.core.aws import S3Path
from cat_normalize.core.errors import InputError
from cat_normalize.core.layout import is_s3
from cat_normalize.core.settings import Settings
from cat_normalize.core.storage import locate
from cat_normalize.extract import export, partitions
from cat_normalize.extract.export import DataFile, Export
from cat_normalize.normalize.dealing import Chunk, cut


@dataclass(frozen=True, slots=True)
class Source:
    """What there is to read; ``raw_bytes`` is an estimate, ``items`` None where nobody told."""

    files: list[Path]
    chunks: list[Chunk]
    raw_bytes: int
    items: int | None


@dataclass(frozen=True, slots=True)
class ObjectChunk(Chunk):
    """A stretch of an object on S3, or all of a packed one; its ``stop`` is never None."""

    def raw_lines(self) -> Iterator[bytes]:
        """Yield its lines.

        Raises:
            InputError: the object is gone or another by now, or its compressed data is damaged or cut short.
        """
        if self.start == 0 and self.stop == self.path.stat().st_size:
            yield from partitions.read_lines(self.path)
            return
        try:
            yield from Chunk.raw_lines(self)
        except OSError as error:
            raise InputError(f"{self.path} cannot be read to its end: {error}") from error


@dataclass(frozen=True, slots=True)
class ExportChunk(Chunk):
    """One data file of an export; whoever reads it to its end has checked its MD5 and its item count."""

    uri: str = field(kw_only=True)
    data: DataFile = field(kw_only=True)
    settings: Settings = field(kw_only=True)

    def raw_lines(self) -> Iterator[bytes]:
        """Yield its lines.

        Raises:
            ExtractError: as `Export.lines` does.
        """
        return _export(self.uri, self.settings).lines(self.data)


def find(uri: str, settings: Settings, workers: int) -> Source:
    """Look at what is there, and cut it so that `workers` have about as much to read.

    The manifests of an export, and the record that an extract leaves, tell how many items there must be.

    Args:
        uri: a path or ``s3://…``; of an export, the folder of its manifests.
        settings: region and endpoint.
        workers: tasks side by side.

    Raises:
        InputError: nothing is there, or not all that an extract made.
        ExtractError: an export's manifests are missing, disagree, or are of another kind of export.
    """
    place = _path(uri, settings)
    try:
        if uri.endswith(export.SUMMARY) or (place / export.SUMMARY).is_file():
            return _find_export(uri.removesuffix(export.SUMMARY), settings)
        files = partitions.expand([place])
        if is_s3(uri):
            files = [cast(Path, cast(S3Path, path).with_stat()) for path in files]
        chunks = cut(files, workers)
        if is_s3(uri):
            chunks = [_of_object(chunk) for chunk in chunks]
        return Source(
            files, chunks, sum(map(partitions.weight, files)), partitions.recorded_items(place, files)
        )
    except OSError as error:
        raise InputError(f"{uri} cannot be read: {error}") from error


def _of_object(chunk: Chunk) -> Chunk:
    stop = chunk.path.stat().st_size if chunk.stop is None else chunk.stop
    return ObjectChunk(chunk.index, chunk.file, chunk.path, chunk.start, stop)


def _find_export(uri: str, settings: Settings) -> Source:
    folder = _path(uri, settings) / "data"
    told = _export(uri, settings).files()
    files = [folder / file.name for file in told]
    sizes = {path.name: partitions.weight(path) for path in folder.iterdir()}
    chunks: list[Chunk] = [
        ExportChunk(number, number, path, uri=uri, data=file, settings=settings)
        for number, (path, file) in enumerate(zip(files, told, strict=True))
    ]
    weight = sum(sizes.get(file.name, 0) for file in told)
    return Source(files, chunks, weight, sum(file.items for file in told))


def _export(uri: str, settings: Settings) -> Export:
    return Export(uri, settings)


def _path(uri: str, settings: Settings) -> Path:
    """Return a path to read; one on S3 has what is asked of it here, though it is no `Path`."""
    return cast(Path, locate(uri, settings))
