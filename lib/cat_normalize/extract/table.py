"""Extract: a table or an export to raw partitions on disk (contract §8). Items are moved, not interpreted.

The partitions hold whole users, in an order that depends on the source and on ``segments`` alone. The
folder appears whole, with a record of what was read, when everything has arrived.
"""

from __future__ import annotations

import json
import math
import resource
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event
from typing import Any, cast

from cat_normalize.core import s3path
from cat_normalize.core.errors import PipelineError, UsageError
from cat_normalize.core.layout import is_s3
from cat_normalize.core.publish import put_bytes, writing_folder
from cat_normalize.core.s3path import S3Path
from cat_normalize.core.scratch import DISK_FULL
from cat_normalize.core.settings import Settings
from cat_normalize.extract import export, partitions, scan
from cat_normalize.extract.export import Export
from cat_normalize.extract.rate_limit import Pace

Progress = Callable[[int], None]
"""Is told the number of items that have just arrived."""
_MEGABYTE = 1 << 20
_OTHER_FILES = 256
_BLANK = 1 << 12


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
    max_rcu: float = math.inf,
) -> Extracted:
    """Scan a DynamoDB table into raw partitions.

    Args:
        client: a boto3 DynamoDB client.
        table: the table's name.
        output: the folder to make; an earlier extract there is replaced.
        segments: parallel scans, each a thread.
        count: partitions to deal the items into.
        progress: is told of every page.
        max_rcu: read units a second that all segments together may take.

    Raises:
        ExtractError: the table is not keyed by ``PK`` and ``SK``, or could not be read whole; nothing is left
            in ``output`` then.
        PipelineError: a disk is full.
        UsageError: ``output`` holds something else than an extract, or ``max_rcu`` is below 1.
    """
    stop = Event()

    def rest(seconds: float) -> None:
        if stop.wait(seconds):
            raise _StoppedError

    pace = Pace(max_rcu, sleep=rest)

    def read(segment: int, folder: Path) -> _Read:
        done = _Read()
        with partitions.Writer(folder, count) as writer:
            for page in scan.pages(client, table, segment, segments, pace, rest):
                done.bytes += _deal(page.items, writer, count)
                done.items += page.count
                done.units += page.capacity.CapacityUnits if page.capacity else 0.0
                if progress:
                    progress(page.count)
        return done

    _want_files(segments * count)
    with _output(output, count) as folder:
        scan.describe(client, table)
        later = [folder / f".segment-{number}" for number in range(1, segments)]
        for each in later:
            each.mkdir()
        with scan.raw_bodies(client):
            parts = _side_by_side(read, [folder, *later], stop)
        _append(later, folder, count)
        done = Extracted(
            f"dynamodb://{table}",
            sum(part.items for part in parts),
            sum(part.bytes for part in parts),
            sum(part.units for part in parts),
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
                for lines in _batches(line.strip() for line in export.lines(file)):
                    size += _deal(lines, writer, count)
                items += file.items
                if progress:
                    progress(file.items)
        done = Extracted(export.uri, items, size, 0.0, [partitions.name(number) for number in range(count)])
        _write_record(folder, done)
    return done


def extract_files(
    paths: Sequence[str],
    output: Path,
    count: int = 16,
    progress: Progress | None = None,
    settings: Settings | None = None,
) -> Extracted:
    """Read item files into raw partitions, in the order given.

    Args:
        paths: item files, folders of them, or the folder of one full export; paths or ``s3://…``.
        output: the folder to make; an earlier extract there is replaced.
        count: partitions to deal the items into.
        progress: is told of every megabyte or so.
        settings: region and endpoint, for what is on S3.

    Raises:
        InputError: an input is missing, or cannot be read to its end.
        ExtractError: an export is not whole.
        UsageError: ``output`` holds something else than an extract, or an export is not given alone.
    """
    settings = settings or Settings()
    places = [cast(Path, S3Path(path, settings)) if is_s3(path) else Path(path) for path in paths]
    exports = [path for path, place in zip(paths, places, strict=True) if _is_export(place)]
    if exports and len(paths) > 1:
        raise UsageError(f"{exports[0]} is an export; give it alone")
    if exports:
        s3 = s3path.client(settings) if is_s3(exports[0]) else None
        return extract_export(Export(exports[0], s3), output, count, progress)
    items = size = 0
    files = partitions.expand(places)
    with _output(output, count) as folder:
        with partitions.Writer(folder, count) as writer:
            for file in files:
                lines = (line.rstrip(b"\r\n") for line in partitions.read_lines(file) if not _is_blank(line))
                for batch in _batches(lines):
                    size += _deal(batch, writer, count)
                    items += len(batch)
                    if progress:
                        progress(len(batch))
        names = [partitions.name(number) for number in range(count)]
        done = Extracted(", ".join(paths), items, size, 0.0, names)
        _write_record(folder, done)
    return done


def _is_export(place: Path) -> bool:
    return place.name == export.SUMMARY or (place / export.SUMMARY).is_file()


def _is_blank(line: bytes) -> bool:
    return line.isspace() or (len(line) < _BLANK and line.decode(errors="replace").isspace())


@dataclass(slots=True)
class _Read:
    items: int = 0
    bytes: int = 0
    units: float = 0.0


class _StoppedError(Exception):
    """Another segment has failed, or the run was interrupted."""


def _side_by_side(read: Callable[[int, Path], _Read], folders: list[Path], stop: Event) -> list[_Read]:
    """Read each segment in a thread of its own; when one fails the others stop at their next page."""

    def guarded(segment: int, folder: Path) -> _Read:
        try:
            return read(segment, folder)
        except BaseException:
            stop.set()
            raise

    with ThreadPoolExecutor(len(folders)) as pool:
        running = [pool.submit(guarded, segment, folder) for segment, folder in enumerate(folders)]
        try:
            wait(running)
        except BaseException:
            stop.set()
            raise
    failed = [error for each in running if (error := each.exception())]
    for error in failed:
        if not isinstance(error, _StoppedError):
            raise error
    return [each.result() for each in running]


def _batches(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Yield the lines that are not blank, about a megabyte at a time."""
    batch, size = [], 0
    for line in filter(None, lines):
        batch.append(line)
        size += len(line)
        if size >= _MEGABYTE:
            yield batch
            batch, size = [], 0
    yield batch


def _deal(lines: Iterable[bytes], writer: partitions.Writer, count: int) -> int:
    """Write raw items, one a line, to their partitions; return the bytes written."""
    dealt: dict[int, list[bytes]] = {}
    for line in lines:
        dealt.setdefault(partitions.of_line(line, count), []).append(line)
    size = 0
    for number, together in dealt.items():
        together.append(b"")
        data = b"\n".join(together)
        writer.write(number, data)
        size += len(data)
    return size


def _want_files(count: int) -> None:
    """Let this process have so many files open, and those it has anyway.

    Raises:
        UsageError: the system does not allow it.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        if hard != resource.RLIM_INFINITY and hard < wanted:
            raise UsageError(
                f"segments times partitions are {count} open files, and the system allows {hard} (ulimit "
                "-Hn); give fewer of either"
            )
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@contextmanager
def _output(output: Path, count: int) -> Iterator[Path]:
    if count < 1:
        raise UsageError(f"partitions: {count} is too few; give at least 1")
    if output.exists() and not output.is_dir():
        raise UsageError(f"{output} is a file; give a folder to make")
    if output.is_dir() and (others := partitions.not_of_extract(output)):
        raise UsageError(
            f"{output} holds other files than an extract's, such as {partitions.printable(others[0])}; give "
            "another folder, or empty it"
        )
    try:
        with writing_folder(output) as folder:
            yield folder
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        raise PipelineError(
            f"{error.strerror}: raw partitions take as much as the items' DynamoDB JSON in {output.parent}; "
            "make room there, or give another --output"
        ) from error


def _append(later: list[Path], folder: Path, count: int) -> None:
    """Put what the later segments read behind the first's, partition by partition, in the segments' order."""
    for number in range(count):
        name = partitions.name(number)
        with (folder / name).open("ab") as whole:
            for part in later:
                with (part / name).open("rb") as stream:
                    shutil.copyfileobj(stream, whole, _MEGABYTE)
                (part / name).unlink()
    for part in later:
        part.rmdir()


def _write_record(folder: Path, done: Extracted) -> None:
    put_bytes(f"{json.dumps(done.as_dict(), indent=1)}\n".encode(), str(folder / partitions.RECORD))
