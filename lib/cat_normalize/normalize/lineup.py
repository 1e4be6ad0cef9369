"""Workers side by side and one output: who takes which part, and where in the file it goes.

A part's place is known once the sizes of all before it are. These the workers tell each other through a
small file, and each writes its own parts where they belong: nothing is merged, and nearly nothing copied.
To hand it all to one process that writes took a third of a core more.
"""

from __future__ import annotations

import fcntl
import mmap
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple

from cat_normalize.extract.partitions import BUFFER

_HELD = 8 << 20
"""Bytes of finished parts that wait in memory for their places, before they wait in a file."""
_COPIED = 1 << 20
_PAUSE = 0.002
_TAKEN, _FAILED, _FIRST = 0, 1, 2
_CELL = 8


class AbandonedError(Exception):
    """Another worker failed, and its error says why."""


class Run(NamedTuple):
    """A stretch of a file."""

    path: Path
    start: int
    stop: int

    def copy(self, target: BinaryIO) -> None:
        """Write it to another file."""
        left = self.stop - self.start
        with self.path.open("rb", 0) as stream:
            stream.seek(self.start)
            while left:
                left -= target.write(stream.read(min(left, _COPIED)))

    def lines(self, buffer: int) -> Iterator[bytes]:
        """Yield its lines."""
        with self.path.open("rb", buffer) as stream:
            stream.seek(self.start)
            while stream.tell() < self.stop:
                yield stream.readline()


class Lineup:
    """What workers know of each other: which parts are taken, and how large the finished ones are."""

    @staticmethod
    def create(path: Path, parts: int) -> None:
        """Make the file for so many parts, none of them taken."""
        path.write_bytes(bytes(_CELL * (_FIRST + parts)))

    def __init__(self, path: Path) -> None:
        self._file = path.open("r+b", 0)
        self._map = mmap.mmap(self._file.fileno(), 0)
        self._cells = memoryview(self._map).cast("q")
        self._places = [0]

    def take(self, order: Sequence[int]) -> Iterator[int]:
        """Yield the parts that no other worker took.

        Raises:
            AbandonedError: another worker failed.
        """
        while True:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            taken = self._cells[_TAKEN]
            self._cells[_TAKEN] += 1
            fcntl.flock(self._file, fcntl.LOCK_UN)
            self.check()
            if taken >= len(order):
                return
            yield order[taken]

    def tell(self, part: int, size: int) -> None:
        """Say how large a finished part is."""
        self._cells[_FIRST + part] = size + 1

    def place(self, part: int) -> int | None:
        """Return where a part begins; None while one before it is not finished."""
        places = self._places
        while len(places) <= part and (size := self._cells[_FIRST + len(places) - 1]):
            places.append(places[-1] + size - 1)
        return places[part] if part < len(places) else None

    def check(self) -> None:
        """Stop where another worker failed.

        Raises:
            AbandonedError: it did.
        """
        if self._cells[_FAILED]:
            raise AbandonedError

    def __enter__(self) -> Lineup:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._cells[_FAILED] = 1
        self._cells.release()
        self._map.close()
        self._file.close()


class Output:
    """Writes one worker's parts into a file, each at its place."""

    def __init__(self, lineup: Lineup, target: BinaryIO, start: int, aside: Path) -> None:
        """Take the file that all parts go to, where they start in it, and one for what has to wait."""
        self._lineup, self._target, self._start, self._aside = lineup, target, start, aside
        self._waiting: dict[int, bytes | Run] = {}
        self._held = 0

    def add(self, part: int, data: bytes) -> None:
        """Take a finished part over."""
        self._lineup.tell(part, len(data))
        self._waiting[part] = data
        self._held += len(data)
        self._put()
        if self._held > _HELD:
            for each, waiting in self._waiting.items():
                if isinstance(waiting, bytes):
                    self._waiting[each] = self._set_aside([waiting])
            self._held = 0

    def add_large(self, part: int, pieces: Iterable[bytes]) -> None:
        """Take a finished part over that is too large to be held."""
        place = self._lineup.place(part)
        if place is None:
            self._waiting[part] = run = self._set_aside(pieces)
            self._lineup.tell(part, run.stop - run.start)
        else:
            start = self._target.seek(self._start + place)
            self._target.writelines(pieces)
            self._lineup.tell(part, self._target.tell() - start)
        self._put()

    def finish(self) -> None:
        """Wait for the places of all parts that have none yet.

        Raises:
            AbandonedError: another worker failed.
        """
        while self._waiting:
            self._lineup.check()
            self._put()
            if self._waiting:
                time.sleep(_PAUSE)

    def _put(self) -> None:
        """Write what has its place."""
        for part in sorted(self._waiting):
            place = self._lineup.place(part)
            if place is None:
                return
            waiting = self._waiting.pop(part)
            self._target.seek(self._start + place)
            if isinstance(waiting, bytes):
                self._target.write(waiting)
                self._held -= len(waiting)
            else:
                waiting.copy(self._target)

    def _set_aside(self, pieces: Iterable[bytes]) -> Run:
        with self._aside.open("ab", BUFFER) as stream:
            start = stream.tell()
            stream.writelines(pieces)
            return Run(self._aside, start, stream.tell())
