"""Sorted runs of CSV records, and their merge into one, with no record in memory whole.

Before each record stands a line with its size and user id: so a merge compares ids and copies bytes, and
a user's record of many MB costs no more than the bytes copied at a time.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO

from cat_normalize import csvfile
from cat_normalize.partitions import BUFFER, buffer_of

COPIED = 1 << 20
_Entry = tuple[bytes, int, BinaryIO]


class SplitUserError(Exception):
    """The items of a user did not come together."""


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of a file, of lines or of records; ``csv_bytes`` is what the records take in the CSV."""

    path: Path
    start: int
    stop: int
    csv_bytes: int = 0

    def open(self, buffer: int = BUFFER) -> BinaryIO:
        """Return the file at its start."""
        stream = self.path.open("rb", buffer)
        stream.seek(self.start)
        return stream


def write(rows: Iterable[Sequence[csvfile.Field]], stream: BinaryIO) -> int:
    """Write rows, sorted by their first column, which is never NULL; return the bytes of the CSV they are."""
    total = 0
    for row in rows:
        record = csvfile.pieces(row)
        size = sum(map(len, record))
        stream.write(b"%d %b\n" % (size, str(row[0]).encode()))
        stream.writelines(record)
        total += size
    return total


def merge(runs: Sequence[Run], csv: Path, start: int) -> None:
    """Merge runs into a file that is there, from a byte of it on, in byte order of the first column.

    Raises:
        SplitUserError: a user has two records.
    """
    before = None
    with csv.open("r+b", COPIED) as target, ExitStack() as stack:
        target.seek(start)
        streams = [stack.enter_context(run.open(buffer_of(len(runs)))) for run in runs]
        entries = [_entries(stream, run) for stream, run in zip(streams, runs, strict=True)]
        for user_id, left, stream in heapq.merge(*entries, key=itemgetter(0)):
            if user_id == before:
                raise SplitUserError
            before = user_id
            while left:
                data = stream.read(min(left, COPIED))
                target.write(data)
                left -= len(data)


def _entries(stream: BinaryIO, run: Run) -> Iterator[_Entry]:
    """Yield id and size of each record; whoever asks for the next one has read this one to its end."""
    left = run.stop - run.start
    while left:
        head = stream.readline()
        size, _, user_id = head[:-1].partition(b" ")
        yield user_id, int(size), stream
        left -= len(head) + int(size)
