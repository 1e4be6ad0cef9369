"""Users cut into ranges of about one size, by the ``PK`` of a sample of their items.

Ranges follow each other as the rows of the CSV do, so what is made of them one by one needs no merge.
A sample may mislead; whoever finds a range too large cuts it again, by a sample of the range itself.
"""

from __future__ import annotations

import zlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path

from cat_normalize.extract import partitions
from cat_normalize.extract.lines import next_line
from cat_normalize.extract.partitions import PkOf

SAMPLED = 8
"""Items sampled for a range: it is then hardly ever more than twice as large as aimed at."""


def sample(files: Sequence[Path], count: int) -> list[bytes]:
    """Return the ``PK`` of items that stand evenly spread in item files, for so many ranges.

    In a packed file one cannot move about: of that it is the first ones.

    Raises:
        InputError: a packed file is damaged or cut short, and that soon; a line no item can have is met.
    """
    sizes = [partitions.weight(path) for path in files]
    total = sum(sizes) or 1
    lines: list[Iterable[bytes]] = []
    for path, size in zip(files, sizes, strict=True):
        wanted = -(-SAMPLED * count * size // total)
        if partitions.is_packed(path):
            lines.append(islice(partitions.read_lines(path), wanted))
        else:
            lines.append(_spread(path, size, wanted))
    return list(filter(None, map(partitions.likely_pk, chain.from_iterable(lines))))


def _spread(path: Path, size: int, wanted: int) -> Iterator[bytes]:
    """Yield lines that evenly spread places of a file are in, or before; a heavy user has more of them.

    No more is read than the file has, however long its lines are.
    """
    left = size
    with path.open("rb", partitions.SMALL_BUFFER) as stream:
        for number in range(wanted):
            stream.seek(size * number // wanted)
            if number:
                left -= len(next_line(stream, path))
            line = next_line(stream, path)
            yield line
            if (left := left - len(line)) < 0:
                return


def cuts(keys: Iterable[bytes], count: int) -> list[bytes]:
    """Return where at most so many ranges begin, all but the first; there are keys before and behind each.

    >>> cuts([b"c", b"a", b"b", b"d"], 2), cuts([b"a", b"b", b"b", b"b"], 4), cuts([b"a", b"a"], 2)
    ([b'c'], [b'b'], [])
    """
    ordered = sorted(keys)
    if not ordered:
        return []
    return sorted({ordered[len(ordered) * number // count] for number in range(1, count)} - {ordered[0]})


def of_line(line: bytes, begins: Sequence[bytes], pk_of: PkOf) -> int:
    """Return the range of one raw item.

    An item without a readable ``PK`` goes to any: normalising rejects it, wherever it lies.

    >>> of_line(b'{"PK":{"S":"USER#7"},"SK":{"S":"REGISTER"}}', [b"USER#5", b"USER#7"], partitions.likely_pk)
    2
    """
    pk = pk_of(line)
    return zlib.crc32(line) % (len(begins) + 1) if pk is None else bisect_right(begins, pk)
