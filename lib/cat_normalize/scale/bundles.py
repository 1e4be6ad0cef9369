"""Lines on their way between machines: those of one chunk and one partition travel as one bundle.

A line's place goes with it (see `dealing`), so that the reading order is there again wherever, and in
whatever order, bundles arrive.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from functools import partial
from io import BytesIO

from cat_normalize.extract import partitions
from cat_normalize.normalize import dealing
from cat_normalize.normalize.dealing import Chunk
from cat_normalize.normalize.rows import Line

DEALT_BYTES = 256 << 20
"""Raw bytes held before the bundles made of them are handed on."""
Bundle = tuple[int, bytes, bytes]
"""The first place, all places, and the lines."""


def deal(chunk: Chunk, parts: int, most: int = DEALT_BYTES) -> Iterator[tuple[int, Bundle]]:
    """Yield the lines of a chunk as bundles of one partition each, `most` bytes and a line at a time."""
    of_line = partial(partitions.of_line, count=parts)
    for part, places, lines in dealing.bundles(chunk.lines(), of_line, most):
        yield part, (places[0], places.tobytes(), b"".join(lines))


def lines(bundles: Iterable[Bundle]) -> Iterator[Line]:
    r"""Yield the lines of bundles with their places, in reading order; bundles come in any.

    >>> one, two = array("Q", [7, 9]).tobytes(), array("Q", [3]).tobytes()
    >>> list(lines([(7, one, b"a\rb\nc\n"), (3, two, b"d\n")]))
    [(3, b'd\n'), (7, b'a\rb\n'), (9, b'c\n')]
    """
    waiting = sorted(bundles, reverse=True)
    while waiting:
        _, places, text = waiting.pop()
        yield from zip(array("Q", places), BytesIO(text), strict=True)
