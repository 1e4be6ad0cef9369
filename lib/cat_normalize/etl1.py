"""ETL-1 on files: any item files to one sorted CSV and its rejects, in flat memory, on any number of workers.

Small inputs are normalised where they lie. Larger ones are first dealt into partitions of whole users,
each small enough to hold; workers normalise a partition at a time and their sorted pieces are merged.
"""

from __future__ import annotations

import gc
import heapq
import json
import tempfile
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import accumulate, chain, islice, pairwise
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from cat_normalize import csvfile, merging, partitions
from cat_normalize.dealing import Chunk, Dealt, Sources, cut, deal, dealt, sources
from cat_normalize.errors import PipelineError
from cat_normalize.items import USER
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


class _Run(Protocol):
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
    with tempfile.TemporaryDirectory(prefix="cat-normalize-") as scratch, _pool(workers) as run:
        folder = Path(scratch)
        parts, source = _parts(inputs, files, folder, partition_bytes, workers, run)
        bounds = _bounds(parts[0], min(workers, MAX_RANGES)) if len(parts) > 1 else []
        outputs = [(folder / f"{number}.csv", folder / f"{number}.rejects") for number in range(len(parts))]
        tasks = [(part, *output, bounds, rules, source) for part, output in zip(parts, outputs, strict=True)]
        summary, sizes = Summary(), [0] * (len(bounds) + 1)
        for counts, written in run(_normalize_part, tasks):
            summary.add(counts)
            sizes = [size + more for size, more in zip(sizes, written, strict=True)]
        with writing(rejects) as stream:
            for line in _in_order([bad for _, bad in outputs]):
                stream.write(line.partition(b"\t")[2])
        with writing(csv) as stream:
            stream.write(csvfile.HEADER)
            stream.flush()
            _merge(run, [out for out, _ in outputs], sizes, Path(stream.name))
    return summary


def _parts(
    inputs: list[Path], files: list[Path], folder: Path, partition_bytes: int, workers: int, run: _Run
) -> tuple[list[tuple[Piece, ...]], Sources]:
    """Return what is to be normalised together: files where they lie, or partitions dealt of them."""
    sizes = [partitions.weight(path) for path in files]
    whole = [Chunk(number, number, path) for number, path in enumerate(files)]
    in_place = sources(files, whole, [0] * len(files))
    if sum(sizes) <= partition_bytes:
        return [tuple(whole)], in_place
    small = max(sizes) <= _TOLERATED * partition_bytes
    if small and len(inputs) == 1 and _holds_whole_users(inputs[0], files):
        return [(chunk,) for chunk in whole], in_place
    count = min(-(-sum(sizes) // partition_bytes), MAX_PARTITIONS)
    chunks = cut(files, workers)
    folders = [folder / f"chunk-{chunk.index}" for chunk in chunks]
    lines = list(run(deal, [(chunk, each, count) for chunk, each in zip(chunks, folders, strict=True)]))
    parts = zip(*(dealt(each, count) for each in folders), strict=True)
    return list(parts), sources(files, chunks, lines)


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


def _normalize_part(
    part: tuple[Piece, ...], out: Path, bad: Path, bounds: list[str], rules: Rules, source: Sources
) -> tuple[Summary, list[int]]:
    """Normalise a partition into a file of rejects and, for each range of users, a sorted file of records."""
    done = normalize(chain.from_iterable(piece.lines() for piece in part), rules, source)
    cuts = [0, *(bisect_left(done.rows, bound, key=itemgetter(0)) for bound in bounds), len(done.rows)]
    with bad.open("wb") as stream:
        stream.writelines(b"%d\t%b" % reject for reject in done.rejects)
    ranges = enumerate(pairwise(cuts))
    sizes = [merging.write(done.rows[start:stop], _sorted(out, number)) for number, (start, stop) in ranges]
    return done.summary, sizes


def _sorted(out: Path, number: int) -> Path:
    return out.with_suffix(f".{number}.csv")


def _merge(run: _Run, outs: list[Path], sizes: list[int], csv: Path) -> None:
    """Merge the partitions behind the CSV's header, the ranges side by side, each at its own place."""
    starts = accumulate(sizes, initial=len(csvfile.HEADER))
    tasks = [([_sorted(out, number) for out in outs], csv, next(starts)) for number in range(len(sizes))]
    for _ in run(merging.merge, tasks):
        pass


def _in_order(paths: list[Path]) -> Iterator[bytes]:
    """Yield the rejects of all files by their places, one of each file in memory at a time."""
    with ExitStack() as stack:
        yield from heapq.merge(*(stack.enter_context(path.open("rb")) for path in paths), key=_place)


@contextmanager
def _pool(workers: int) -> Iterator[_Run]:
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
