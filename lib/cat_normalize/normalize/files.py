"""ETL-1 on files: any item files to one sorted CSV and its rejects, in flat memory, on any number of workers.

The items are dealt into ranges of users, each small enough to hold. Workers normalise a range at a time,
and what they make is put together in the ranges' order while they go on.
"""

from __future__ import annotations

import gc
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, TypeVar

from cat_normalize.core import csvfile
from cat_normalize.core.errors import PipelineError, UsageError
from cat_normalize.core.files import (
    DISK_FULL,
    atomic_file,
    check_file_target,
    private_folder,
    sync_in_background,
)
from cat_normalize.core.processes import signals_deferred
from cat_normalize.core.settings import Rules
from cat_normalize.extract import partitions
from cat_normalize.extract.partitions import PkOf
from cat_normalize.normalize import parts, ranges
from cat_normalize.normalize.dealing import Chunk, Dealt, OfLine, Sources, cut, deal, groups, sources
from cat_normalize.normalize.lineup import AbandonedError, Lineup
from cat_normalize.normalize.parts import Part, SplitUserError, Work
from cat_normalize.normalize.rows import Summary

if TYPE_CHECKING:
    from concurrent.futures import Executor

PART_BYTES = 1 << 20
"""Raw bytes aimed at in one part: well within a processor's cache. 8 MB cost a tenth more time."""
_LOOK = 0.2
"""Seconds between two looks of a worker whether its parent is there."""
_Value = TypeVar("_Value")


class _SideBySide(Protocol):
    def __call__(
        self, function: Callable[..., _Value], tasks: Sequence[tuple[Any, ...]], /
    ) -> list[_Value]: ...


def normalize_files(
    inputs: Iterable[Path],
    csv: Path,
    rejects: Path,
    rules: Rules,
    workers: int = 1,
    part_bytes: int = PART_BYTES,
    accept: Callable[[Summary], None] = lambda _: None,
) -> Summary:
    """Normalise item files into a CSV (§4) and a file of rejects (§3); each appears whole, or not at all.

    The bytes of the CSV depend on the items alone; those of the rejects on the items and their files.

    Args:
        inputs: item files or folders of them, plain or gzip; a pipe is copied to a scratch file first.
        csv: where the CSV appears.
        rejects: where the rejects appear, as JSON lines in the order they were read.
        rules: time zone and filters.
        workers: processes that normalise side by side; one works in this process.
        part_bytes: raw bytes aimed at in what is normalised at a time.
        accept: is told the counts once the rejects are there; if it raises, no CSV appears.

    Raises:
        InputError: an input is missing, unreadable or cut short.
        PipelineError: a disk is full, or a worker died, for want of memory most likely.
        UsageError: an output is an input, would be read as one, or cannot be a file.
    """
    inputs = list(inputs)
    files = partitions.expand(inputs)
    _check_outputs(inputs, files, (csv, rejects))
    with (
        _told_of_room(files, csv.parent),
        private_folder() as folder,
        _pool(workers) as run,
        atomic_file(csv) as table,
    ):
        with atomic_file(rejects) as refused:  # appears first
            job = _Job(_spooled(files, folder), rules, part_bytes, workers, run)
            try:
                summary = job.do(table, refused, folder, partitions.likely_pk)
            except SplitUserError:
                table.seek(0)
                table.truncate()
                summary = job.do(table, refused, folder, partitions.pk)
        accept(summary)
        return summary


def _check_outputs(inputs: Sequence[Path], files: Sequence[Path], outputs: Sequence[Path]) -> None:
    """Refuse outputs that would replace an input, or be read with the inputs the next time."""
    for output in outputs:
        check_file_target(output)
        if any(output.exists() and file.samefile(output) for file in files):
            raise UsageError(f"{output} is an input too; write the output elsewhere")
        for folder in filter(Path.is_dir, inputs):
            kept = (folder / partitions.RECORD).is_file() or partitions.is_item_name(output.name)
            if kept and output.resolve().parent == folder.resolve():
                raise UsageError(
                    f"{output} lies in the input folder {folder}, and the next run would read it as items or "
                    "replace it; write it elsewhere"
                )


def _spooled(files: Sequence[Path], folder: Path) -> list[Path]:
    """Return the files, copies of those that can be read but once: pipes, devices."""
    made = []
    for number, path in enumerate(files):
        if not path.is_file():
            copy = folder / f"input-{number}" / path.name
            copy.parent.mkdir()
            with path.open("rb") as stream, copy.open("xb") as file:
                shutil.copyfileobj(stream, file, 1 << 20)
            path = copy
        made.append(path)
    return made


@dataclass(frozen=True, slots=True)
class _Job:
    files: list[Path]
    rules: Rules
    part_bytes: int
    workers: int
    run: _SideBySide

    def do(self, table: BinaryIO, refused: BinaryIO, place: Path, pk_of: PkOf) -> Summary:
        """Write CSV and rejects, with scratch files in a place.

        Raises:
            SplitUserError: by ``pk_of`` the items of a user did not come together.
        """
        with tempfile.TemporaryDirectory(dir=place) as scratch:
            folder = Path(scratch)
            dealt, source = self.deal(folder, pk_of)
            table.write(csvfile.HEADER)
            table.flush()
            work = Work(folder, Path(table.name), self.rules, source, self.part_bytes, pk_of)
            Lineup.create(work.lineup, len(dealt))
            with sync_in_background(table):
                made = self.run(parts.work, [(dealt, work)] * self.workers)
            rejects = parts.merged([run for each in made for run in each.rejects])
            refused.writelines(line.partition(b"\t")[2] for line in rejects)
        summary = Summary()
        for each in made:
            summary.add(each.summary)
        return summary

    def deal(self, folder: Path, pk_of: PkOf) -> tuple[list[Part], Sources]:
        """Deal the items of all files into ranges of users."""
        count = parts.parts_of(sum(map(partitions.weight, self.files)), self.part_bytes)
        begins = ranges.cuts(ranges.sample(self.files, count), count)
        of_line = partial(ranges.of_line, begins=begins, pk_of=pk_of)
        chunks = cut(self.files, self.workers)
        tasks = [
            (group, folder / f"dealt-{number}", len(begins) + 1, of_line)
            for number, group in enumerate(groups(chunks, self.workers))
        ]
        counts, dealt = zip(*self.run(_deal, tasks), strict=True)
        source = sources(self.files, chunks, list(chain.from_iterable(counts)))
        return parts.together(dealt, begins), source


def _deal(chunks: Sequence[Chunk], path: Path, count: int, of_line: OfLine) -> tuple[list[int], list[Dealt]]:
    """Deal the lines of chunks; return how many each has, which of whole files nobody asks for."""
    total, dealt = deal(chain.from_iterable(chunk.lines() for chunk in chunks), path, count, of_line)
    return [total] if len(chunks) == 1 else [0] * len(chunks), dealt


@contextmanager
def _told_of_room(files: Sequence[Path], folder: Path) -> Iterator[None]:
    """Say what room is wanted, where there is none left."""
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        mb = sum(map(partitions.weight, files)) // 1_000_000 + 1
        raise PipelineError(
            f"{error.strerror}: about {mb} MB of scratch files go to {tempfile.gettempdir()} (TMPDIR), "
            f"and as much of CSV and rejects to {folder}"
        ) from error


@contextmanager
def _pool(workers: int) -> Iterator[_SideBySide]:
    """Yield a way to call a function for every tuple of arguments, on that many processes.

    They end with this process however it ends, and with the block if it raises.
    """
    if workers == 1:
        yield _one_by_one
        return
    import multiprocessing
    from concurrent.futures.process import BrokenProcessPool, ProcessPoolExecutor

    context = multiprocessing.get_context("fork")
    others = set(multiprocessing.active_children())
    with ProcessPoolExecutor(workers, context, initializer=_begin, initargs=(os.getpid(),)) as pool:
        try:
            yield partial(_side_by_side, pool)
        except BrokenProcessPool as error:
            raise PipelineError(
                "a worker was killed, for want of memory most likely; run again with fewer --workers"
            ) from error
        except BaseException:
            for worker in set(multiprocessing.active_children()) - others:
                worker.terminate()
            raise


def _begin(parent: int) -> None:
    """Make a forked process a worker: it ends when it is told to, and when its parent is gone."""
    gc.disable()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK)
    os._exit(1)


def _one_by_one(function: Callable[..., _Value], tasks: Sequence[tuple[Any, ...]]) -> list[_Value]:
    return [function(*task) for task in tasks]


def _side_by_side(
    pool: Executor, function: Callable[..., _Value], tasks: Sequence[tuple[Any, ...]]
) -> list[_Value]:
    with signals_deferred():  # the first call forks; an interruption within a fork is lost
        futures = [pool.submit(function, *task) for task in tasks]
    errors = [error for future in futures if (error := future.exception())]
    for error in sorted(errors, key=lambda error: isinstance(error, AbandonedError)):
        raise error  # the one that made the others stop
    return [future.result() for future in futures]
