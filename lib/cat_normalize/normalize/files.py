"""Normalize item files into one sorted CSV and its rejects, in flat memory, on any number of workers.

The items are split by the hash of their PK into partitions of whole users, each small enough for memory.
Each partition is normalized on its own into sorted runs, and the runs are merged into the outputs. The
partitions of an extract hold whole users already and are used as they are.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from cat_normalize.core import csvfile
from cat_normalize.core.errors import PipelineError, UsageError
from cat_normalize.core.files import DISK_FULL, atomic_file, check_file_target, private_folder
from cat_normalize.core.manifest import Summary
from cat_normalize.core.settings import Rules
from cat_normalize.extract import item_files
from cat_normalize.normalize.rows import Line, normalize
from cat_normalize.normalize.sorted_runs import merge_records, merge_runs, write_run
from cat_normalize.normalize.stretches import Sources, Stretch, cut
from cat_normalize.normalize.workers import RunTasks, worker_pool

PARTITION_BYTES = 16 << 20
"""Raw bytes aimed at in one partition. A worker holds three times as much; smaller ones cost more files."""
_SPLIT_FACTOR = 2
"""A partition of more than this many times `PARTITION_BYTES` is split once more."""
_MAX_PARTITIONS = 256
_COPY_BUFFER = 1 << 20


@dataclass(frozen=True, slots=True)
class _Piece:
    """Lines of one partition in a scratch file, each after a line with its position in hexadecimal."""

    path: Path

    def lines(self) -> Iterator[Line]:
        with self.path.open("rb", item_files.BUFFER) as stream:
            for position, line in zip(stream, stream, strict=True):
                yield int(position, 16), line


@dataclass(frozen=True, slots=True)
class _Partition:
    """All items of some users, in reading order; ``bytes`` is an estimate of their raw size."""

    pieces: tuple[_Piece | Stretch, ...]
    bytes: int

    def lines(self) -> Iterator[Line]:
        return chain.from_iterable(piece.lines() for piece in self.pieces)


@dataclass(frozen=True, slots=True)
class _Job:
    """What every worker needs: a scratch folder, the rules, how to name a position, and a size."""

    folder: Path
    rules: Rules
    source: Sources
    partition_bytes: int


@dataclass(frozen=True, slots=True)
class _Done:
    """A normalized partition: its counts, and the sorted runs of its rows and of its rejects."""

    summary: Summary
    rows: Path
    rejects: Path


def normalize_files(
    inputs: Iterable[Path],
    csv: Path,
    rejects: Path,
    rules: Rules,
    workers: int = 1,
    partition_bytes: int = PARTITION_BYTES,
    stretch_bytes: int | None = None,
    accept: Callable[[Summary], None] = lambda _: None,
) -> Summary:
    """Normalize item files into a CSV (§4) and a file of rejects (§3); each appears whole, or not at all.

    The bytes of the CSV depend on the items alone; those of the rejects on the items and their files.

    Args:
        inputs: item files or folders of them, plain or gzip; a pipe is copied to a scratch file first.
        csv: the CSV to write.
        rejects: the rejects to write, as JSON lines in reading order; they appear before the CSV.
        rules: time zone and filters.
        workers: processes that work side by side; one works in this process.
        partition_bytes: raw bytes aimed at in one partition.
        stretch_bytes: raw bytes of a file that one task splits; by default for two tasks per worker.
        accept: called with the counts when the rejects are in place; if it raises, no CSV appears.

    Raises:
        InputError: an input is missing, unreadable or cut short.
        PipelineError: a disk is full, or a worker was killed.
        UsageError: an output is an input, would be read as one, or cannot be a file.
    """
    inputs = list(inputs)
    files = item_files.expand(inputs)
    _check_outputs(inputs, files, (csv, rejects))
    with (
        _explaining_full_disk(files, csv.parent),
        private_folder() as folder,
        worker_pool(workers) as run_tasks,
        atomic_file(csv) as table,
    ):
        with atomic_file(rejects) as rejected:
            files = _copy_pipes(files, folder)
            job = _Job(folder, rules, Sources(files), partition_bytes)
            if len(inputs) == 1 and (inputs[0] / item_files.RECORD).is_file():
                whole = [Stretch(number, number, path) for number, path in enumerate(files)]
                split = [_Partition((each,), item_files.weight(each.path)) for each in whole]
            else:
                tasks = cut(files, workers, stretch_bytes)
                count = _partition_count(sum(map(item_files.weight, files)), job.partition_bytes, workers)
                split, lines = _split_all(tasks, count, job, run_tasks)
                job = replace(job, source=Sources(files, list(chain(*tasks)), lines))
            split.sort(key=lambda partition: -partition.bytes)  # the largest first keep all workers busy
            done = run_tasks(_normalize_partition, [(partition, job) for partition in split])
            merge_records([each.rejects for each in done], rejected)
            table.write(csvfile.HEADER)
            merge_records([each.rows for each in done], table)
        summary = Summary()
        for each in done:
            summary.add(each.summary)
        accept(summary)
        return summary


def _split_all(
    tasks: Sequence[Sequence[Stretch]], count: int, job: _Job, run_tasks: RunTasks
) -> tuple[list[_Partition], list[int]]:
    """Split stretches of files into partitions; return these, and the number of lines of each stretch."""
    made = run_tasks(_split_stretches, [(task, count, job.folder) for task in tasks])
    pieces = zip(*(split for _, split in made), strict=True)
    return [_joined(each) for each in pieces], list(chain(*(lines for lines, _ in made)))


def _split_stretches(
    stretches: Sequence[Stretch], count: int, folder: Path
) -> tuple[list[int], list[_Partition]]:
    ends: list[int] = []

    def lines() -> Iterator[Line]:
        for stretch in stretches:
            position = stretch.first - 1
            for position, line in stretch.lines():
                yield position, line
            ends.append(position - stretch.first + 1)

    split = _split(lines(), count, 0, folder)
    return ends, split


def _split(lines: Iterable[Line], count: int, level: int, folder: Path) -> list[_Partition]:
    """Write lines to as many scratch files as there are to be partitions; users stay whole."""
    own = Path(tempfile.mkdtemp(dir=folder))
    with item_files.Writer(own, count) as writer:
        for position, line in lines:
            end = b"" if line.endswith(b"\n") else b"\n"
            writer.write(item_files.of_line(line, count, level), b"%x\n%b%b" % (position, line, end))
    return [_Partition((_Piece(path),), path.stat().st_size) for path in writer.paths]


def _joined(split: Iterable[_Partition]) -> _Partition:
    """Return the partition made of the pieces that several workers wrote, in reading order."""
    parts = [each for each in split if each.bytes]
    return _Partition(
        tuple(chain.from_iterable(each.pieces for each in parts)), sum(each.bytes for each in parts)
    )


def _normalize_partition(partition: _Partition, job: _Job, split_once_more: bool = True) -> _Done:
    """Normalize one partition into sorted runs; one that is too large for memory is split once more."""
    folder = Path(tempfile.mkdtemp(dir=job.folder))
    done = _Done(Summary(), folder / "rows", folder / "rejects")
    if split_once_more and partition.bytes > _SPLIT_FACTOR * job.partition_bytes:
        count = _partition_count(partition.bytes, job.partition_bytes)
        smaller = [each for each in _split(partition.lines(), count, 1, folder) if each.bytes]
        parts = [_normalize_partition(each, job, split_once_more=False) for each in smaller]
        merge_runs([part.rows for part in parts], done.rows)
        merge_runs([part.rejects for part in parts], done.rejects)
        for part in parts:
            done.summary.add(part.summary)
        return done
    made = normalize(partition.lines(), job.rules, job.source)
    write_run(done.rows, ((str(row[0]).encode(), csvfile.pieces(row)) for row in made.rows))
    write_run(done.rejects, ((b"%016x" % position, [line]) for position, line in made.rejects))
    for piece in partition.pieces:
        if isinstance(piece, _Piece):
            piece.path.unlink()
    done.summary.add(made.summary)
    return done


def _partition_count(size: int, wanted: int, workers: int = 1) -> int:
    """Return the number of partitions for so many bytes, a multiple of ``workers``."""
    for_each = min(-(-size // (wanted * workers)), _MAX_PARTITIONS // workers)
    return max(1, for_each) * workers


def _check_outputs(inputs: Sequence[Path], files: Sequence[Path], outputs: Sequence[Path]) -> None:
    """Refuse outputs that would replace an input, or be read with the inputs by the next run."""
    for output in outputs:
        check_file_target(output)
        if any(output.exists() and file.samefile(output) for file in files):
            raise UsageError(f"{output} is an input too; write the output elsewhere")
        for folder in filter(Path.is_dir, inputs):
            read = (folder / item_files.RECORD).is_file() or item_files.is_item_name(output.name)
            if read and output.resolve().parent == folder.resolve():
                raise UsageError(
                    f"{output} lies in the input folder {folder}, and the next run would read it as items or "
                    "replace it; write it elsewhere"
                )


def _copy_pipes(files: Sequence[Path], folder: Path) -> list[Path]:
    """Return the files, with a copy in place of each that can be read only once: a pipe, a device."""
    readable = []
    for number, path in enumerate(files):
        if not path.is_file():
            copy = folder / f"input-{number}" / path.name
            copy.parent.mkdir()
            with path.open("rb") as stream, copy.open("xb") as file:
                shutil.copyfileobj(stream, file, _COPY_BUFFER)
            path = copy
        readable.append(path)
    return readable


@contextmanager
def _explaining_full_disk(files: Sequence[Path], folder: Path) -> Iterator[None]:
    """Report the scratch space needed when the disk is full."""
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        mb = sum(map(item_files.weight, files)) // 1_000_000 + 1
        raise PipelineError(
            f"{error.strerror}: about {mb} MB of scratch files go to {tempfile.gettempdir()} (TMPDIR), "
            f"and as much of CSV and rejects to {folder}"
        ) from error
