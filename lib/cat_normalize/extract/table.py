"""Extract a table, an export or item files to raw partitions on disk (contract §8), items unchanged.

A partition has all items of its users, in an order that depends only on the source and on ``segments``.
The folder appears whole, with a record of what was read, once everything has been read.
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

from cat_normalize.core.errors import PipelineError, UsageError
from cat_normalize.core.files import DISK_FULL, atomic_folder, write_bytes
from cat_normalize.core.settings import Settings
from cat_normalize.core.storage import Location, locate
from cat_normalize.extract import item_files, scan
from cat_normalize.extract.capacity import Scan, TableSize
from cat_normalize.extract.export import Export
from cat_normalize.extract.scan import RateLimiter

Progress = Callable[[int], None]
"""Called with the number of items that have just been read."""
_MEGABYTE = 1 << 20
_SPARE_FILES = 256
_MAX_BLANK_LINE = 1 << 12


@dataclass(frozen=True, slots=True)
class Extracted:
    """What was read; `bytes` are those of the items. It is also recorded next to the partitions."""

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
    max_rcu: float | None = None,
    before: Callable[[TableSize, Scan], object] | None = None,
    waiting: Callable[[], object] | None = None,
) -> Extracted:
    """Scan a DynamoDB table into raw partitions.

    Args:
        client: a boto3 DynamoDB client.
        table: the table's name.
        output: the folder to make; an earlier extract there is replaced.
        segments: parallel scans, each a thread.
        count: how many partitions to write.
        progress: called after every page.
        max_rcu: read units per second that all segments together may consume; by default a share of what
            the table provides (`capacity.TableSize.scan`), ``math.inf`` for no limit.
        before: called before the scan with the table's size and what the scan is about to do.
        waiting: called before every request, and again and again while one waits for its rate; an error that
            it raises ends the scan.

    Raises:
        ExtractError: the table is not keyed by ``PK`` and ``SK``, or could not be read whole; nothing is left
            in ``output`` then.
        PipelineError: a disk is full.
        UsageError: ``output`` has other files than an extract's, or ``max_rcu`` is below 1.
    """
    stop = Event()

    def sleep(seconds: float) -> None:
        if waiting:
            waiting()
        if stop.wait(seconds):
            raise _StoppedError

    RateLimiter(math.inf if max_rcu is None else max_rcu)  # refuses what cannot be before anything is made

    def read(segment: int, folder: Path) -> _Totals:
        pages = scan.pages(client, table, segment, segments, limiter, sleep)
        units = ((page.items, page.capacity.CapacityUnits if page.capacity else 0.0) for page in pages)
        return _write_partitions(units, folder, count, progress)

    _allow_open_files(segments * count)
    with _output(output, count) as folder:
        size = TableSize.of(scan.describe(client, table))
        planned = size.scan(max_rcu)
        limiter = RateLimiter(planned.max_rcu or math.inf, sleep=sleep)
        if before:
            before(size, planned)
        later = [folder / f".segment-{number}" for number in range(1, segments)]
        for each in later:
            each.mkdir()
        with scan.raw_bodies(client):
            totals = _run_segments(read, [folder, *later], stop)
        _append(later, folder, count)
        return _write_record(folder, f"dynamodb://{table}", count, totals)


def extract_export(
    export: Export, output: Path, count: int = 16, progress: Progress | None = None
) -> Extracted:
    """Read a full DynamoDB export into raw partitions; no read units are spent.

    Args:
        export: the export, on S3 or on disk.
        output: the folder to make; an earlier extract there is replaced.
        count: how many partitions to write.
        progress: called after about every megabyte.

    Raises:
        ExtractError: a file is missing, damaged, or not what the manifest says.
        UsageError: ``output`` has other files than an extract's.
    """
    lines = (line.strip() for file in export.files() for line in export.lines(file))
    return _extract_lines(lines, export.uri, output, count, progress)


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
        count: how many partitions to write.
        progress: called after about every megabyte.
        settings: region and endpoint, for inputs on S3.

    Raises:
        InputError: an input is missing, or cannot be read to its end.
        ExtractError: an export is not whole.
        UsageError: ``output`` has other files than an extract's, or an export is not given alone.
    """
    settings = settings or Settings()
    locations = [locate(path, settings) for path in paths]
    exports = [path for path, found in zip(paths, locations, strict=True) if _is_export(found)]
    if exports and len(paths) > 1:
        raise UsageError(f"{exports[0]} is an export; give it alone")
    if exports:
        return extract_export(Export(exports[0], settings), output, count, progress)
    files = item_files.expand(cast(list[Path], locations))
    lines = (line for file in files for line in item_files.read_lines(file) if not _is_blank(line))
    return _extract_lines((line.rstrip(b"\r\n") for line in lines), ", ".join(paths), output, count, progress)


def _extract_lines(
    lines: Iterable[bytes], source: str, output: Path, count: int, progress: Progress | None
) -> Extracted:
    with _output(output, count) as folder:
        totals = _write_partitions(((batch, 0.0) for batch in _batches(lines)), folder, count, progress)
        return _write_record(folder, source, count, [totals])


def _is_export(path: Location) -> bool:
    return path.name == item_files.SUMMARY or (path / item_files.SUMMARY).is_file()


def _is_blank(line: bytes) -> bool:
    return line.isspace() or (len(line) < _MAX_BLANK_LINE and line.decode(errors="replace").isspace())


@dataclass(slots=True)
class _Totals:
    items: int = 0
    bytes: int = 0
    units: float = 0.0


class _StoppedError(Exception):
    """Another segment has failed, or the run was interrupted."""


def _run_segments(read: Callable[[int, Path], _Totals], folders: list[Path], stop: Event) -> list[_Totals]:
    """Read each segment in a thread of its own; when one fails the others stop at their next page."""

    def stop_on_error(segment: int, folder: Path) -> _Totals:
        try:
            return read(segment, folder)
        except BaseException:
            stop.set()
            raise

    with ThreadPoolExecutor(len(folders)) as pool:
        running = [pool.submit(stop_on_error, segment, folder) for segment, folder in enumerate(folders)]
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


def _write_partitions(
    pages: Iterable[tuple[Sequence[bytes], float]], folder: Path, count: int, progress: Progress | None
) -> _Totals:
    """Write pages of raw items, each with its read units, to the partitions of a folder."""
    totals = _Totals()
    with item_files.Writer(folder, count) as writer:
        for items, units in pages:
            by_partition: dict[int, list[bytes]] = {}
            for item in items:
                by_partition.setdefault(item_files.of_line(item, count), []).append(item)
            for number, lines in by_partition.items():
                data = b"\n".join([*lines, b""])
                writer.write(number, data)
                totals.bytes += len(data)
            totals.items += len(items)
            totals.units += units
            if progress:
                progress(len(items))
    return totals


def _allow_open_files(count: int) -> None:
    """Raise this process's limit of open files so that ``count`` more can be opened.

    Raises:
        UsageError: the system does not allow it.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = count + _SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < needed:
        if hard != resource.RLIM_INFINITY and hard < needed:
            raise UsageError(
                f"segments times partitions are {count} open files, and the system allows {hard} (ulimit "
                "-Hn); give fewer of either"
            )
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


@contextmanager
def _output(output: Path, count: int) -> Iterator[Path]:
    if count < 1:
        raise UsageError(f"partitions: {count} is too few; give at least 1")
    if output.exists() and not output.is_dir():
        raise UsageError(f"{output} is a file; give a folder to make")
    if output.is_dir() and (others := item_files.not_of_extract(output)):
        raise UsageError(
            f"{output} has other files than an extract's, such as {item_files.printable(others[0])}; give "
            "another folder, or empty it"
        )
    try:
        with atomic_folder(output) as folder:
            yield folder
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        raise PipelineError(
            f"{error.strerror}: raw partitions take as much as the items' DynamoDB JSON in {output.parent}; "
            "make room there, or give another --output"
        ) from error


def _append(later: list[Path], folder: Path, count: int) -> None:
    """Append the later segments' partitions to the first segment's, in the segments' order."""
    for number in range(count):
        name = item_files.name(number)
        with (folder / name).open("ab") as whole:
            for segment in later:
                with (segment / name).open("rb") as stream:
                    shutil.copyfileobj(stream, whole, _MEGABYTE)
                (segment / name).unlink()
    for segment in later:
        segment.rmdir()


def _write_record(folder: Path, source: str, count: int, totals: list[_Totals]) -> Extracted:
    done = Extracted(
        source,
        sum(each.items for each in totals),
        sum(each.bytes for each in totals),
        sum(each.units for each in totals),
        [item_files.name(number) for number in range(count)],
    )
    write_bytes(folder / item_files.RECORD, f"{json.dumps(done.as_dict(), indent=1)}\n".encode())
    return done
