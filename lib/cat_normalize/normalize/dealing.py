"""Item files cut into chunks, and their lines dealt into parts of whole users, side by side.

A line's place is one number, its chunk and its number within it, so that places grow in reading order
whoever reads what. Which file and line that is can be told once every chunk has been counted.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path

from cat_normalize.extract import partitions
from cat_normalize.extract.lines import next_line
from cat_normalize.normalize.rows import Line

_LINE_BITS = 40
MIN_CHUNK = 8 << 20
MAX_CHUNK = 512 << 20
_HELD = 4 << 20
_INTEGER_BYTES = 8
OfLine = Callable[[bytes], int]
"""Gives the part of a line."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A stretch of one item file: the lines that begin in it. ``stop`` is None for a whole file."""

    index: int
    file: int
    path: Path
    start: int = 0
    stop: int | None = None

    def raw_lines(self) -> Iterator[bytes]:
        """Yield its lines.

        Raises:
            InputError: as `partitions.read_lines`.
        """
        if self.stop is None:
            yield from partitions.read_lines(self.path)
            return
        with self.path.open("rb", partitions.BUFFER) as stream:
            if self.start:
                stream.seek(self.start - 1)
                while not stream.readline(partitions.BUFFER).endswith(b"\n"):  # of a line that began before
                    if stream.tell() >= self.stop:
                        return
            left = self.stop - stream.tell()
            while left > 0 and (line := next_line(stream, self.path)):
                yield line
                left -= len(line)

    def lines(self) -> Iterator[Line]:
        """Return its lines with their places."""
        return zip(count((self.index << _LINE_BITS) + 1), self.raw_lines())


@dataclass(frozen=True, slots=True)
class Dealt:
    """Lines of one part that were dealt together: bundles of a file, the places before the lines.

    Where the bundles are stands in the file too: of a large table there are millions.
    """

    path: Path
    size: int
    count: int
    index: int
    bundles: int

    def lines(self) -> Iterator[Line]:
        """Yield its lines with their places."""
        with self.path.open("rb", partitions.BUFFER) as stream:
            wanted = 2 * self.bundles * _INTEGER_BYTES
            index = array("Q", os.pread(stream.fileno(), wanted, self.index))
            for start, count in zip(index[: self.bundles], index[self.bundles :], strict=True):
                stream.seek(start)
                places = array("Q", stream.read(count * _INTEGER_BYTES))
                yield from zip(places, islice(stream, count), strict=True)


def cut(files: Sequence[Path], workers: int) -> list[Chunk]:
    """Cut item files so that `workers` have about as much to read; packed ones stay whole."""
    sizes = [path.stat().st_size for path in files]
    wanted = _wanted(sum(sizes), workers)
    chunks: list[Chunk] = []
    for file, (path, size) in enumerate(zip(files, sizes, strict=True)):
        if workers == 1 or size <= wanted or partitions.is_packed(path):
            chunks.append(Chunk(len(chunks), file, path))
            continue
        for start in range(0, size, wanted):
            chunks.append(Chunk(len(chunks), file, path, start, min(start + wanted, size)))
    return chunks


def groups(chunks: Sequence[Chunk], workers: int) -> list[list[Chunk]]:
    """Put whole files that follow each other together to be dealt as one; what was cut stays alone.

    Many small files would otherwise each be dealt into as many parts as there are.
    """
    sizes = [
        partitions.weight(chunk.path) if chunk.stop is None else chunk.stop - chunk.start for chunk in chunks
    ]
    wanted = _wanted(sum(sizes), workers)
    made: list[list[Chunk]] = []
    room = -1
    for chunk, size in zip(chunks, sizes, strict=True):
        if chunk.stop is not None or size > room:
            made.append([])
            room = wanted
        made[-1].append(chunk)
        room = room - size if chunk.stop is None else -1
    return made


def _wanted(size: int, workers: int) -> int:
    return max(MIN_CHUNK, min(MAX_CHUNK, -(-size // (2 * workers))))


def bundles(
    lines: Iterable[Line], of_line: OfLine, most: int
) -> Iterator[tuple[int, array[int], list[bytes]]]:
    """Yield lines by part, and their places: of `most` bytes and a line at a time."""
    held = 0
    places: dict[int, array[int]] = {}
    dealt: dict[int, list[bytes]] = {}
    for place, raw in lines:
        part = of_line(raw)
        if part not in dealt:
            places[part], dealt[part] = array("Q"), []
        places[part].append(place)
        dealt[part].append(raw if raw.endswith(b"\n") else raw + b"\n")
        held += len(raw)
        if held >= most:
            yield from ((part, places.pop(part), dealt.pop(part)) for part in sorted(dealt))
            held = 0
    yield from ((part, places[part], dealt[part]) for part in sorted(dealt))


def deal(lines: Iterable[Line], path: Path, parts: int, of_line: OfLine) -> tuple[int, list[Dealt]]:
    """Deal lines into parts, all in one new file; return how many lines there were, and the parts.

    One file, for a file system looks long for a place for a new one where many were deleted lately.

    Raises:
        InputError: the lines cannot be read to their end.
    """
    starts = [array("Q") for _ in range(parts)]
    counts = [array("Q") for _ in range(parts)]
    sizes = [0] * parts
    made: list[Dealt] = []
    with path.open("xb", partitions.BUFFER) as stream:
        for part, places, dealt in bundles(lines, of_line, _HELD):
            starts[part].append(stream.tell())
            counts[part].append(len(dealt))
            stream.write(places)
            stream.writelines(dealt)
            sizes[part] += stream.tell() - starts[part][-1]
        for size, where, many in zip(sizes, starts, counts, strict=True):
            made.append(Dealt(path, size, sum(many), stream.tell(), len(many)))
            stream.write(where)
            stream.write(many)
    return sum(each.count for each in made), made


@dataclass(frozen=True, slots=True)
class Sources:
    """Gives a place its name: file and line."""

    names: tuple[str, ...]
    chunks: tuple[tuple[int, int], ...]
    """The file of each chunk, and how many lines of that file come before it."""

    def __call__(self, place: int) -> str:
        """Return such as ``part-00003.jsonl:1842``."""
        file, before = self.chunks[place >> _LINE_BITS]
        return f"{self.names[file]}:{before + (place & ((1 << _LINE_BITS) - 1))}"


def sources(files: Sequence[Path], chunks: Sequence[Chunk], counts: Sequence[int]) -> Sources:
    """Tell where each chunk begins, once the lines of each are counted."""
    begins, before = [], dict.fromkeys(range(len(files)), 0)
    for chunk, lines in zip(chunks, counts, strict=True):
        begins.append((chunk.file, before[chunk.file]))
        before[chunk.file] += lines
    return Sources(tuple(partitions.printable(path.name) for path in files), tuple(begins))
