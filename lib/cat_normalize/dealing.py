"""Item files cut into chunks, and chunks dealt into partitions of whole users, side by side.

A line's place is one number, its chunk and its number within it, so that places grow in reading order
whoever reads what. Which file and line that is can be told once every chunk has been counted.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from cat_normalize import partitions
from cat_normalize.normalize import Line

_LINE_BITS = 40
MIN_CHUNK = 8 << 20
MAX_CHUNK = 512 << 20


@dataclass(frozen=True, slots=True)
class Chunk:
    """A stretch of one item file: the lines that begin in it. ``stop`` is None for a whole file."""

    index: int
    file: int
    path: Path
    start: int = 0
    stop: int | None = None

    def raw_lines(self) -> Iterator[bytes]:
        """Yield its lines."""
        if self.stop is None:
            yield from partitions.read_lines(self.path)
            return
        with self.path.open("rb", partitions.BUFFER) as stream:
            if self.start:
                stream.seek(self.start - 1)
                stream.readline()  # what began in the chunk before ends there
            left = self.stop - stream.tell()
            for line in stream if left > 0 else ():
                yield line
                left -= len(line)
                if left <= 0:
                    return

    def lines(self) -> Iterator[Line]:
        """Return its lines with their places."""
        return zip(count((self.index << _LINE_BITS) + 1), self.raw_lines())


@dataclass(frozen=True, slots=True)
class Dealt:
    """Lines of one chunk that belong to one partition, and their places beside them."""

    path: Path
    places: Path

    def lines(self) -> Iterator[Line]:
        """Yield its lines with their places."""
        numbers = array("Q", self.places.read_bytes())
        with self.path.open("rb", partitions.BUFFER) as stream:
            yield from zip(numbers, stream, strict=True)


def cut(files: Sequence[Path], workers: int) -> list[Chunk]:
    """Cut item files so that `workers` have about as much to read; packed ones stay whole."""
    sizes = [path.stat().st_size for path in files]
    wanted = max(MIN_CHUNK, min(MAX_CHUNK, -(-sum(sizes) // (2 * workers))))
    chunks: list[Chunk] = []
    for file, (path, size) in enumerate(zip(files, sizes, strict=True)):
        if workers == 1 or size <= wanted or partitions.is_packed(path):
            chunks.append(Chunk(len(chunks), file, path))
            continue
        for start in range(0, size, wanted):
            chunks.append(Chunk(len(chunks), file, path, start, min(start + wanted, size)))
    return chunks


def deal(chunk: Chunk, folder: Path, parts: int) -> int:
    """Deal the lines of a chunk into `parts` files of a new folder; return how many lines there were.

    Raises:
        InputError: the file cannot be read to its end.
    """
    folder.mkdir()
    places = [array("Q") for _ in range(parts)]
    place = base = chunk.index << _LINE_BITS
    with partitions.Writer(folder, parts) as writer:
        write, of_line = writer.write, partitions.of_line
        for place, raw in chunk.lines():
            part = of_line(raw, parts)
            write(part, raw if raw.endswith(b"\n") else raw + b"\n")
            places[part].append(place)
    for made, numbers in zip(dealt(folder, parts), places, strict=True):
        made.places.write_bytes(numbers.tobytes())
    return place - base


def dealt(folder: Path, parts: int) -> list[Dealt]:
    """Return the files that `deal` made in a folder."""
    paths = [folder / partitions.name(number) for number in range(parts)]
    return [Dealt(path, path.with_suffix(".places")) for path in paths]


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
    return Sources(tuple(path.name for path in files), tuple(begins))
