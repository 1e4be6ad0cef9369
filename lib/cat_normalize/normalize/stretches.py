"""Cut item files into stretches that workers read side by side, and name the lines they read.

The position of a line is one number: its stretch, and its number within it. Positions therefore
increase in reading order, whichever worker reads a stretch; file and line are known once the lines of every
stretch are counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from cat_normalize.extract import item_files
from cat_normalize.extract.item_files import next_line
from cat_normalize.normalize.rows import Line

_LINE_BITS = 40
_MIN_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class Stretch:
    """The lines that begin between two offsets of an item file; ``stop`` is None for a whole file."""

    number: int
    file: int
    path: Path
    start: int = 0
    stop: int | None = None

    @property
    def first(self) -> int:
        """The position of the first line."""
        return (self.number << _LINE_BITS) + 1

    def lines(self) -> Iterator[Line]:
        """Return the lines with their positions.

        Raises:
            InputError: the file cannot be read to its end, or a line is too long for an item.
        """
        return zip(count(self.first), self._raw_lines())

    def _raw_lines(self) -> Iterator[bytes]:
        if self.stop is None:
            yield from item_files.read_lines(self.path)
            return
        with self.path.open("rb", item_files.BUFFER) as stream:
            if self.start:
                stream.seek(self.start - 1)  # a line that begins right at the start belongs here
                while not stream.readline(item_files.BUFFER).endswith(b"\n"):
                    if stream.tell() >= self.stop:
                        return
            left = self.stop - stream.tell()
            while left > 0 and (line := next_line(stream, self.path)):
                yield line
                left -= len(line)


def cut(files: Sequence[Path], workers: int, wanted: int | None = None) -> list[list[Stretch]]:
    """Cut item files into tasks of about equal size; a gzip file stays whole.

    Args:
        files: item files in reading order.
        workers: processes that share the tasks.
        wanted: raw bytes of a task; by default two tasks per worker, of 8 MB or more.

    Returns:
        Tasks in reading order, each a list of stretches that follow each other.
    """
    total = sum(map(item_files.weight, files))
    wanted = wanted or max(_MIN_BYTES, -(-total // (2 * workers)))
    tasks: list[list[Stretch]] = [[]]
    number, room = 0, wanted
    for file, path in enumerate(files):
        size = path.stat().st_size
        cuttable = workers > 1 and size > wanted and not item_files.is_packed(path)
        for start in range(0, size, wanted) if cuttable else [0]:
            stop = min(start + wanted, size) if cuttable else None
            weight = item_files.weight(path) if stop is None else stop - start
            if tasks[-1] and weight > room:
                tasks.append([])
                room = wanted
            tasks[-1].append(Stretch(number, file, path, start, stop))
            number, room = number + 1, room - weight
    return tasks


class Sources:
    """Name positions as ``part-00003.jsonl:1842``: file and line.

    Args:
        files: the item files.
        stretches: all stretches in order, where files were cut; by default one per file.
        lines: how many lines each stretch has.
    """

    def __init__(
        self, files: Sequence[Path], stretches: Sequence[Stretch] = (), lines: Sequence[int] = ()
    ) -> None:
        self._names = [item_files.printable(path.name) for path in files]
        self._starts = [(file, 0) for file in range(len(files))]
        if stretches:
            before = [0] * len(files)
            self._starts = []
            for stretch, count in zip(stretches, lines, strict=True):
                self._starts.append((stretch.file, before[stretch.file]))
                before[stretch.file] += count

    def __call__(self, position: int) -> str:
        """Return the file and line of a position."""
        file, before = self._starts[position >> _LINE_BITS]
        return f"{self._names[file]}:{before + (position & ((1 << _LINE_BITS) - 1))}"
