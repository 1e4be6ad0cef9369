"""Extract: a table or an export to raw partitions on disk (contract §8). Items are moved, not interpreted.

The partitions hold whole users, in an order that depends on the source and on ``segments`` alone. The
folder appears whole, with a record of what was read, when everything has arrived.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

from cat_normalize import partitions, scan
from cat_normalize.errors import UsageError
from cat_normalize.export import Export
from cat_normalize.publish import writing_folder

Progress = Callable[[int], None]
"""Is told the number of items that have just arrived."""


@dataclass(frozen=True, slots=True)
class Extracted:
    """What an extract moved; its `record` lies beside the partitions."""

    source: str
    items: int
    bytes: int
    read_units: float
    files: list[str]

    def as_dict(self) -> dict[str, Any]:
        """Return the fields, JSON-ready."""
        return asdict(self)


def extract_table(
    client: Any,
    table: str,
    output: Path,
    segments: int = 4,
    count: int = 16,
    progress: Progress | None = None,
) -> Extracted:
    """Scan a DynamoDB table into raw partitions.

    Args:
        client: a boto3 DynamoDB client.
        table: the table's name.
        output: the folder to make; an earlier extract there is replaced.
        segments: parallel scans, each a thread.
        count: partitions to deal the items into.
        progress: is told of every page.

    Raises:
        ExtractError: the table could not be read whole; nothing is left in ``output`` then.
        UsageError: ``output`` holds something else than an extract.
    """

    def read(segment: int, folder: Path) -> tuple[int, int, float]:
        items = size = 0
        units = 0.0
        with _writer(folder, count) as writer:
            for page in scan.pages(client, table, segment, segments):
                size += _deal((bytes(raw) for raw in page.items), writer, count)
                items += len(page.items)
                units += page.capacity.CapacityUnits if page.capacity else 0.0
                if progress:
                    progress(len(page.items))
        return items, size, units

    with _output(output, count) as folder:
        scratch = [folder / f".segment-{number}" for number in range(segments)]
        with scan.raw_bodies(client), ThreadPoolExecutor(segments) as pool:
            parts = list(pool.map(read, range(segments), scratch))
        _join(scratch, folder, count)
        done = Extracted(
            f"dynamodb://{table}",
            sum(items for items, _, _ in parts),
            sum(size for _, size, _ in parts),
            sum(units for _, _, units in parts),
            [partitions.name(number) for number in range(count)],
        )
        _write_record(folder, done)
    return done


def extract_export(
    export: Export, output: Path, count: int = 16, progress: Progress | None = None
) -> Extracted:
    """Read a full DynamoDB export into raw partitions; no read units are spent.

    Args:
        export: the export, on S3 or on disk.
        output: the folder to make; an earlier extract there is replaced.
        count: partitions to deal the items into.
        progress: is told of every data file.

    Raises:
        ExtractError: a file is missing, damaged, or not what the manifest says.
        UsageError: ``output`` holds something else than an extract.
    """
    items = size = 0
    with _output(output, count) as folder:
        with partitions.Writer(folder, count) as writer:
            for file in export.files():
                size += _deal((line.strip() for line in export.lines(file)), writer, count)
                items += file.items
                if progress:
                    progress(file.items)
        done = Extracted(export.uri, items, size, 0.0, [partitions.name(number) for number in range(count)])
        _write_record(folder, done)
    return done


def _deal(items: Iterable[bytes], writer: partitions.Writer, count: int) -> int:
    """Write raw items to their partitions, one a line; return the bytes written."""
    size = 0
    for raw in items:
        line = msgspec.json.format(raw, indent=-1) if b"\n" in raw else raw
        if line:
            writer.write(partitions.of_line(line, count), line + b"\n")
            size += len(line) + 1
    return size


@contextmanager
def _writer(folder: Path, count: int) -> Iterator[partitions.Writer]:
    folder.mkdir()
    with partitions.Writer(folder, count) as writer:
        yield writer


@contextmanager
def _output(output: Path, count: int) -> Iterator[Path]:
    if count < 1:
        raise UsageError(f"partitions: {count} is too few; give at least 1")
    if output.is_file():
        raise UsageError(f"{output} is a file; give a folder to make")
    if output.is_dir() and any(output.iterdir()) and not (output / partitions.RECORD).is_file():
        raise UsageError(f"{output} holds other files than an extract's; give another folder, or empty it")
    with writing_folder(output) as folder:
        yield folder


def _join(scratch: list[Path], folder: Path, count: int) -> None:
    """Put what the segments read behind each other, partition by partition, in the segments' order."""
    for number in range(count):
        name = partitions.name(number)
        with (folder / name).open("wb") as whole:
            for part in scratch:
                with (part / name).open("rb") as stream:
                    shutil.copyfileobj(stream, whole, 1 << 20)
                (part / name).unlink()
    for part in scratch:
        part.rmdir()


def _write_record(folder: Path, done: Extracted) -> None:
    (folder / partitions.RECORD).write_text(json.dumps(done.as_dict(), indent=1) + "\n")
