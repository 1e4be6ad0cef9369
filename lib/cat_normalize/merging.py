"""Sorted files of CSV records, and their merge into one, with no record in memory whole.

Before each record stands a line with its size and user id: so a merge compares ids and copies bytes, and
a user's record of many MB costs no more than the bytes copied at a time.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO

from cat_normalize import csvfile
from cat_normalize.partitions import BUFFER, buffer_of

COPIED = 1 << 20
_Entry = tuple[bytes, int, BinaryIO]


def write(rows: Iterable[Sequence[csvfile.Field]], path: Path) -> int:
    """Write rows, sorted by their first column, which is never NULL; return the bytes of the CSV they are."""
    total = 0
    with path.open("wb", BUFFER) as stream:
        for row in rows:
            record = csvfile.pieces(row) if _is_heavy(row) else (csvfile.line(row),)
            size = sum(map(len, record if isinstance(record, tuple) else csvfile.pieces(row)))
            stream.write(b"%d %b\n" % (size, str(row[0]).encode()))
            stream.writelines(record)
            total += size
    return total


def _is_heavy(row: Sequence[csvfile.Field]) -> bool:
    return any(isinstance(value, list) and sum(map(len, value)) > COPIED for value in row)


def merge(paths: Sequence[Path], csv: Path, start: int) -> None:
    """Merge such files into a file that is there, from a byte of it on, in byte order of the first column."""
    with csv.open("r+b", COPIED) as target, ExitStack() as stack:
        target.seek(start)
        streams = [stack.enter_context(path.open("rb", buffer_of(len(paths)))) for path in paths]
        for _, size, stream in heapq.merge(*map(_entries, streams), key=itemgetter(0)):
            left = size
            while left:
                data = stream.read(min(left, COPIED))
                target.write(data)
                left -= len(data)


def _entries(stream: BinaryIO) -> Iterator[_Entry]:
    """Yield id and size of each record; whoever asks for the next one has read this one to its end."""
    while head := stream.readline():
        size, _, user_id = head[:-1].partition(b" ")
        yield user_id, int(size), stream
