"""A range of users on its own: dealt lines in, its records of the CSV and its rejects out.

What a range takes in memory follows its size. So one that is too large, for a sample misled, is dealt
again here; and where it is a single user's, the texts of the conversations wait in a file.
"""

from __future__ import annotations

import heapq
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import IO, BinaryIO, NamedTuple

from cat_normalize.core import csvfile
from cat_normalize.core.csvfile import Piece
from cat_normalize.core.manifest import Summary
from cat_normalize.core.settings import Rules
from cat_normalize.extract import partitions
from cat_normalize.extract.partitions import PkOf, buffer_of
from cat_normalize.normalize import ranges
from cat_normalize.normalize.dealing import Dealt, Sources, deal
from cat_normalize.normalize.lineup import Lineup, Output, Run
from cat_normalize.normalize.rows import Line, normalize

MAX_PARTS = 512
_TOLERATED = 4
"""A part is dealt again where it is more than this many times as large as aimed at."""


class SplitUserError(Exception):
    """An item was not dealt to where its user belongs."""


@dataclass(frozen=True, slots=True)
class Part:
    """The lines of a range of users, who have a ``PK`` from ``begin`` on and before ``end``."""

    dealt: tuple[Dealt, ...]
    begin: bytes = b""
    end: bytes | None = None

    @property
    def size(self) -> int:
        """Raw bytes, about."""
        return sum(each.size for each in self.dealt)

    def lines(self) -> Iterator[Line]:
        """Return its lines in reading order, with their places."""
        return chain.from_iterable(each.lines() for each in self.dealt)

    def holds(self, keys: Sequence[str]) -> bool:
        """Tell whether users, given in order, are all of the range."""
        if not keys:
            return True
        return self.begin <= keys[0].encode() and (self.end is None or keys[-1].encode() < self.end)


@dataclass(frozen=True, slots=True)
class Work:
    """What all workers do, and where.

    The folder is scratch and holds the lineup; ``table`` is the CSV, which has its header already.
    """

    folder: Path
    table: Path
    rules: Rules
    source: Sources
    part_bytes: int
    pk_of: PkOf

    @property
    def lineup(self) -> Path:
        """What the workers share."""
        return self.folder / "lineup"

    def is_large(self, part: Part) -> bool:
        """Tell a part that is not to be held as it is."""
        return part.size > _TOLERATED * self.part_bytes


@dataclass(slots=True)
class Made:
    """What became of the parts that one worker took: counts, and the rejects of each part."""

    summary: Summary = field(default_factory=Summary)
    rejects: list[Run] = field(default_factory=list)


def work(parts: Sequence[Part], what: Work) -> Made:
    """Normalise the parts that no other worker takes, each to its place in the CSV.

    Raises:
        SplitUserError: a user is not of the part's range.
        AbandonedError: another worker failed.
    """
    own = Path(tempfile.mkdtemp(dir=what.folder))
    with (
        Lineup(what.lineup) as lineup,
        what.table.open("r+b", partitions.BUFFER) as table,
        (own / "rejects").open("xb", partitions.BUFFER) as refused,
    ):
        output = Output(lineup, table, len(csvfile.HEADER), own / "aside")
        worker = _Worker(what, own, refused)
        for number in lineup.take(_order(parts)):
            pieces = worker.pieces(parts[number])
            if what.is_large(parts[number]):
                output.add_large(number, pieces)
            else:
                output.add(number, b"".join(pieces))
        output.finish()
    return worker.made


def _order(parts: Sequence[Part]) -> list[int]:
    """Return the parts' numbers, those that will take longest first."""
    usual = _TOLERATED * sum(part.size for part in parts) // len(parts)
    return sorted(range(len(parts)), key=lambda number: (-max(usual, parts[number].size), number))


class _Worker:
    def __init__(self, what: Work, folder: Path, refused: BinaryIO) -> None:
        self._what, self._folder, self._refused = what, folder, refused
        self.made = Made()

    def pieces(self, part: Part) -> Iterator[bytes]:
        """Yield the records of a part's users, as bytes to be written one after the other."""
        if not self._what.is_large(part):
            yield from self._records(part, bytes)
        elif begins := self._cuts(part):
            of_line = partial(ranges.of_line, begins=begins, pk_of=self._what.pk_of)
            with tempfile.TemporaryDirectory(dir=self._folder) as scratch:
                _, dealt = deal(part.lines(), Path(scratch, "dealt"), len(begins) + 1, of_line)
                first = len(self.made.rejects)
                for each in together([dealt], begins, part.begin, part.end):
                    yield from self.pieces(each)
                self._gather_rejects(first)
        else:
            with tempfile.TemporaryFile(buffering=partitions.BUFFER, dir=self._folder) as file:
                yield from self._records(part, _Shelf(file).keep)

    def _records(self, part: Part, keep: Callable[[bytes], Piece]) -> Iterator[bytes]:
        done = normalize(part.lines(), self._what.rules, self._what.source, keep)
        if not part.holds(done.keys):
            raise SplitUserError
        self._refuse(b"%d\t%b" % reject for reject in done.rejects)
        self.made.summary.add(done.summary)
        return chain.from_iterable(map(csvfile.pieces, done.rows))

    def _refuse(self, lines: Iterable[bytes]) -> None:
        begin = self._refused.tell()
        self._refused.writelines(lines)
        self.made.rejects.append(Run(Path(self._refused.name), begin, self._refused.tell()))

    def _gather_rejects(self, first: int) -> None:
        """Make one run of those from the first one on, so that a part has one, however often it was cut."""
        self._refused.flush()
        runs = self.made.rejects[first:]
        del self.made.rejects[first:]
        self._refuse(merged(runs))

    def _cuts(self, part: Part) -> list[bytes]:
        """Return where parts of this one begin; nowhere where it is a single user's."""
        count = parts_of(part.size, self._what.part_bytes)
        lines = sum(each.count for each in part.dealt)
        sampled = islice(part.lines(), 0, None, max(1, lines // (ranges.SAMPLED * count)))
        return ranges.cuts(filter(None, (self._what.pk_of(line) for _, line in sampled)), count)


class _Shelf:
    """Keeps bytes in a file."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._size = file, 0

    def keep(self, data: bytes) -> _Kept:
        kept = _Kept(self._file, self._size, len(data))
        self._size += self._file.write(data)
        return kept


class _Kept(NamedTuple):
    file: IO[bytes]
    start: int
    size: int

    def __bytes__(self) -> bytes:
        self.file.flush()
        return os.pread(self.file.fileno(), self.size, self.start)


def parts_of(size: int, part_bytes: int) -> int:
    """Return how many parts there are to be of so many bytes.

    >>> parts_of(0, 100), parts_of(101, 100), parts_of(10**9, 100)
    (1, 2, 512)
    """
    return max(1, min(-(-size // part_bytes), MAX_PARTS))


def together(
    dealt: Iterable[Sequence[Dealt]], begins: Sequence[bytes], begin: bytes = b"", end: bytes | None = None
) -> list[Part]:
    """Return the parts that chunks were dealt into; they begin at ``begin`` and at each of ``begins``."""
    return list(map(Part, zip(*dealt, strict=True), [begin, *begins], [*begins, end]))


def merged(runs: Sequence[Run]) -> Iterator[bytes]:
    """Yield rejects, behind their places, in the order of these; one of each run is in memory at a time."""
    buffer = buffer_of(len(runs) or 1)
    return heapq.merge(*(run.lines(buffer) for run in runs if run.start < run.stop), key=_place)


def _place(line: bytes) -> int:
    return int(line[: line.index(b"\t")])
