"""ETL-1 on files: any item files to one sorted CSV and its rejects, in flat memory, on any number of workers.

Small inputs are normalised where they lie. Larger ones are first dealt into partitions of whole users,
each small enough to hold; workers normalise a partition at a time and their sorted pieces are merged.
"""

from __future__ import annotations

import gc
import heapq
import json
import multiprocessing
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from cat_normalize import csvfile, partitions
from cat_normalize.errors import PipelineError
from cat_normalize.normalize import Line, Summary, normalize
from cat_normalize.publish import writing
from cat_normalize.settings import Rules

PARTITION_BYTES = 8 << 20
"""Raw bytes aimed at in one partition: what a worker holds at a time is a small multiple of it."""
MAX_PARTITIONS = 512
_GZIP_RATIO = 8
_QUOTED = re.compile(rb'"((?:[^"]|"")*)"')
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class _Part:
    """Item lines to be normalised together.

    Either whole files, ``first`` being the index of the first among all files, or (``dealt``) one file of
    lines that carry the index of their file and their number in front.
    """

    paths: tuple[Path, ...]
    first: int = 0
    dealt: bool = False

    def lines(self) -> Iterator[Line]:
        if self.dealt:
            with self.paths[0].open("rb") as stream:
                for line in stream:
                    place, _, raw = line.partition(b"\t")
                    yield *_numbers(place), raw
        else:
            for file, path in enumerate(self.paths, self.first):
                for number, raw in enumerate(partitions.read_lines(path), start=1):
                    yield file, number, raw


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
    names = [path.name for path in files]
    with tempfile.TemporaryDirectory(prefix="cat-normalize-") as scratch:
        folder = Path(scratch)
        parts = _parts(inputs, files, folder, partition_bytes)
        tasks = [
            (part, folder / f"{number}.csv", folder / f"{number}.rejects")
            for number, part in enumerate(parts)
        ]
        summary = Summary()
        for counts in _run([(part, out, bad, rules, names) for part, out, bad in tasks], workers):
            summary.add(counts)
        with writing(rejects) as stream:
            for line in _merged([bad for _, _, bad in tasks], _place):
                stream.write(line.partition(b"\t")[2])
        with writing(csv) as stream:
            stream.write(csvfile.HEADER)
            stream.writelines(_merged([out for _, out, _ in tasks], _user_id))
    return summary


def _parts(inputs: list[Path], files: list[Path], folder: Path, partition_bytes: int) -> list[_Part]:
    sizes = [_weight(path) for path in files]
    if sum(sizes) <= partition_bytes:
        return [_Part(tuple(files))]
    if len(inputs) == 1 and _holds_whole_users(inputs[0], files) and max(sizes) <= 2 * partition_bytes:
        return [_Part((path,), first=index) for index, path in enumerate(files)]
    count = min(-(-sum(sizes) // partition_bytes), MAX_PARTITIONS)
    (folder / "dealt").mkdir()
    with partitions.Writer(folder / "dealt", count) as writer:
        for file, number, raw in _Part(tuple(files)).lines():
            writer.write(
                partitions.of_line(raw, count), b"%d:%d\t%b\n" % (file, number, raw.removesuffix(b"\n"))
            )
    return [_Part((path,), dealt=True) for path in writer.paths]


def _weight(path: Path) -> int:
    return path.stat().st_size * (_GZIP_RATIO if path.name.endswith(".gz") else 1)


def _holds_whole_users(folder: Path, files: list[Path]) -> bool:
    """Tell whether a folder is an extract's, and holds its partitions and nothing beside them."""
    record = folder / partitions.RECORD
    return record.is_file() and json.loads(record.read_bytes())["files"] == [path.name for path in files]


def _normalize_part(part: _Part, out: Path, bad: Path, rules: Rules, names: list[str]) -> Summary:
    done = normalize(part.lines(), rules, names)
    with out.open("wb") as stream:
        stream.writelines(csvfile.line(row).encode() for row in done.rows)
    with bad.open("wb") as stream:
        stream.writelines(b"%d:%d\t%b" % reject for reject in done.rejects)
    return done.summary


def _run(tasks: list[tuple[_Part, Path, Path, Rules, list[str]]], workers: int) -> Iterator[Summary]:
    if workers == 1 or len(tasks) == 1:
        for task in tasks:
            yield _normalize_part(*task)
        return
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(min(workers, len(tasks)), context, initializer=gc.disable) as pool:
        try:
            for future in _submitted(pool, tasks):
                yield future.result()
        except BrokenProcessPool as error:
            raise PipelineError(
                "a worker was killed, for want of memory most likely; run again with fewer --workers"
            ) from error


def _submitted(
    pool: Executor, tasks: list[tuple[_Part, Path, Path, Rules, list[str]]]
) -> list[Future[Summary]]:
    return [pool.submit(_normalize_part, *task) for task in tasks]


def _merged(paths: list[Path], key: Callable[[bytes], object]) -> Iterator[bytes]:
    """Yield the lines of sorted files in one order, a line of each in memory at a time."""
    with ExitStack() as stack:
        streams = [stack.enter_context(path.open("rb")) for path in paths]
        yield from streams[0] if len(streams) == 1 else heapq.merge(*streams, key=key)  # type: ignore[arg-type]


def _user_id(line: bytes) -> bytes:
    """Return the first field of a CSV line.

    >>> _user_id(b'"a"",",x'), _user_id(b"a,x")
    (b'a",', b'a')
    """
    if line.startswith(b'"') and (found := _QUOTED.match(line)):
        return found[1].replace(b'""', b'"')
    return line[: line.index(b",")]


def _place(line: bytes) -> tuple[int, int]:
    return _numbers(line.partition(b"\t")[0])


def _numbers(place: bytes) -> tuple[int, int]:
    file, _, number = place.partition(b":")
    return int(file), int(number)
