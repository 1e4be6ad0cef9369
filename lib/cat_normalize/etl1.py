"""ETL-1 on files: any item files to one sorted CSV and its rejects, in flat memory, on any number of workers.

Small inputs are normalised where they lie. Larger ones are first dealt into partitions of whole users,
each small enough to hold; workers normalise a partition at a time and their sorted pieces are merged.
"""

from __future__ import annotations

import gc
import heapq
import json
import os
import tempfile
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, chain, islice, pairwise
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, TypeVar

from cat_normalize import csvfile, merging, partitions
from cat_normalize.dealing import Chunk, Dealt, OfLine, Sources, cut, deal, sources
from cat_normalize.errors import PipelineError
from cat_normalize.items import USER
from cat_normalize.merging import Run, SplitUserError
from cat_normalize.normalize import Summary, normalize
from cat_normalize.publish import writing
from cat_normalize.settings import Rules

if TYPE_CHECKING:
    from concurrent.futures import Executor

PARTITION_BYTES = 2 << 20
"""Raw bytes aimed at in one partition: about what a processor's cache holds. 8 MB cost a tenth more time."""
_TOLERATED = 8
"""An extract's own partitions are dealt again only where one is larger than this many times that."""
MAX_PARTITIONS = 512
MAX_RANGES = 8
_SAMPLE = 2000
_Value = TypeVar("_Value")


class _SideBySide(Protocol):
    def __call__(
        self, function: Callable[..., _Value], tasks: Sequence[tuple[Any, ...]], /
    ) -> Iterator[_Value]: ...


Piece = Chunk | Dealt


def normalize_files(
    inputs: Iterable[Path],
    csv: Path,
    rejects: Path,
    rules: Rules,
    workers: int = 1,
    partition_bytes: int = PARTITION_BYTES,
) -> Summary:
    """Normalise item files into a CSV (§4) and a file of rejects (§3); each appears whole, or not at all.

    The bytes of the CSV depend on the items alone; those of the rejects on the items and their files.

    Args:
        inputs: item files or folders of them, plain or gzip.
        csv: where the CSV appears.
        rejects: where the rejects appear, as JSON lines in the order they were read.
        rules: time zone and filters.
        workers: processes that normalise side by side; one works in this process.
        partition_bytes: raw bytes aimed at in one partition.

    Raises:
        InputError: an input is missing, unreadable or cut short.
        PipelineError: a worker died, for want of memory most likely.
    """
    inputs = list(inputs)
    files = partitions.expand(inputs)
    with (
        tempfile.TemporaryDirectory(prefix="cat-normalize-") as scratch,
        _pool(workers) as run,
        writing(csv) as table,
        writing(rejects) as refused,  # appears first
    ):
        job = _Job(inputs, files, Path(scratch), rules, partition_bytes, workers, run)
        try:
            return job.do(table, refused, partitions.likely_of_line)
        except SplitUserError:
            for stream in (table, refused):
                stream.seek(0)
                stream.truncate()
            return job.do(table, refused, partitions.of_line)


@dataclass(frozen=True, slots=True)
class _Job:
    inputs: list[Path]
    files: list[Path]
    folder: Path
    rules: Rules
    partition_bytes: int
    workers: int
    run: _SideBySide

    def do(self, table: BinaryIO, refused: BinaryIO, of_line: OfLine) -> Summary:
        """Write CSV and rejects.

        Raises:
            SplitUserError: ``of_line`` did not bring the items of a user together.
        """
        parts, source = self.parts(of_line)
        bounds = _bounds(parts[0], min(self.workers, MAX_RANGES)) if len(parts) > 1 else []
        tasks = [(part, self.folder, bounds, self.rules, source) for part in parts]
        made = list(self.run(_normalize_part, tasks))
        for line in _in_order([each.rejects for each in made]):
            refused.write(line.partition(b"\t")[2])
        table.write(csvfile.HEADER)
        table.flush()
        self.merge(list(zip(*(each.ranges for each in made), strict=True)), Path(table.name))
        summary = Summary()
        for each in made:
            summary.add(each.summary)
        return summary

    def parts(self, of_line: OfLine) -> tuple[list[tuple[Piece, ...]], Sources]:
        """Return what is to be normalised together: files where they lie, or partitions dealt of them."""
        sizes = [partitions.weight(path) for path in self.files]
        whole = [Chunk(number, number, path) for number, path in enumerate(self.files)]
        in_place = sources(self.files, whole, [0] * len(self.files))
        if sum(sizes) <= self.partition_bytes:
            return [tuple(whole)], in_place
        small = max(sizes) <= _TOLERATED * self.partition_bytes
        if small and len(self.inputs) == 1 and _holds_whole_users(self.inputs[0], self.files):
            return [(chunk,) for chunk in whole], in_place
        count = min(-(-sum(sizes) // self.partition_bytes), MAX_PARTITIONS)
        chunks = cut(self.files, self.workers)
        tasks = [(chunk, self.folder / f"dealt-{chunk.index}", count, of_line) for chunk in chunks]
        lines, dealt = zip(*self.run(deal, tasks), strict=True)
        return list(zip(*dealt, strict=True)), sources(self.files, chunks, lines)

    def merge(self, ranges: Sequence[Sequence[Run]], csv: Path) -> None:
        """Merge the partitions behind the CSV's header, the ranges side by side, each at its own place."""
        sizes = [sum(each.csv_bytes for each in runs) for runs in ranges]
        starts = accumulate(sizes, initial=len(csvfile.HEADER))
        merged = self.run(merging.merge, [(runs, csv, next(starts)) for runs in ranges])
        for path in self.folder.glob("dealt-*"):
            path.unlink()  # while the workers merge
        list(merged)


def _holds_whole_users(folder: Path, files: list[Path]) -> bool:
    """Tell whether a folder is an extract's, and holds its partitions and nothing beside them."""
    record = folder / partitions.RECORD
    return record.is_file() and json.loads(record.read_bytes())["files"] == [path.name for path in files]


def _bounds(part: tuple[Piece, ...], ranges: int) -> list[str]:
    """Return user ids that cut all users into ranges of about one size, for a range is merged by one worker.

    They are taken from one partition, which is a fair sample: a hash dealt the users.
    """
    lines = islice(chain.from_iterable(piece.lines() for piece in part), _SAMPLE)
    users = sorted({key.removeprefix(USER) for _, line in lines if (key := partitions.key_of(line))})
    return [users[len(users) * number // ranges] for number in range(1, ranges)] if users else []


@dataclass(frozen=True, slots=True)
class _Made:
    """What became of a partition: its rejects, and for each range of users a sorted run of records."""

    summary: Summary
    rejects: Run
    ranges: list[Run]


def _normalize_part(
    part: tuple[Piece, ...], folder: Path, bounds: list[str], rules: Rules, source: Sources
) -> _Made:
    """Normalise a partition, at the end of this process's own file."""
    done = normalize(chain.from_iterable(piece.lines() for piece in part), rules, source)
    cuts = [0, *(bisect_left(done.rows, bound, key=itemgetter(0)) for bound in bounds), len(done.rows)]
    path = folder / f"made-{os.getpid()}"
    with path.open("ab", partitions.BUFFER) as stream:
        begin = stream.tell()
        stream.writelines(b"%d\t%b" % reject for reject in done.rejects)
        rejects = Run(path, begin, stream.tell())
        ranges = []
        for start, stop in pairwise(cuts):
            begin = stream.tell()
            size = merging.write(done.rows[start:stop], stream)
            ranges.append(Run(path, begin, stream.tell(), size))
    return _Made(done.summary, rejects, ranges)


def _in_order(runs: list[Run]) -> Iterator[bytes]:
    """Yield the rejects of all partitions by their places, one of each in memory at a time."""
    yield from heapq.merge(*(_lines(run) for run in runs if run.start < run.stop), key=_place)


def _lines(run: Run) -> Iterator[bytes]:
    with run.open() as stream:
        while stream.tell() < run.stop:
            yield stream.readline()


@contextmanager
def _pool(workers: int) -> Iterator[_SideBySide]:
    """Yield a way to call a function for every tuple of arguments, on that many processes."""
    if workers == 1:
        yield _one_by_one
        return
    import multiprocessing
    from concurrent.futures.process import BrokenProcessPool, ProcessPoolExecutor

    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(workers, context, initializer=gc.disable) as pool:
        try:
            yield partial(_side_by_side, pool)
        except BrokenProcessPool as error:
            raise PipelineError(
                "a worker was killed, for want of memory most likely; run again with fewer --workers"
            ) from error


def _one_by_one(function: Callable[..., _Value], tasks: Sequence[tuple[Any, ...]]) -> Iterator[_Value]:
    return (function(*task) for task in tasks)


def _side_by_side(
    pool: Executor, function: Callable[..., _Value], tasks: Sequence[tuple[Any, ...]]
) -> Iterator[_Value]:
    futures = [pool.submit(function, *task) for task in tasks]
    return (future.result() for future in futures)


def _place(line: bytes) -> int:
    return int(line[: line.index(b"\t")])
