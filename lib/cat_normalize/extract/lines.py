"""Lines of item files, read one at a time, none longer than an item can be."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO

from cat_normalize.core.errors import InputError

MAX_LINE = 16 << 20
"""Bytes of the longest line that is read; DynamoDB's items have 400 KB, as JSON a few times that."""


def bounded(stream: BinaryIO, name: object) -> Iterator[bytes]:
    r"""Yield the lines of a stream, each with its LF.

    Raises:
        InputError: a line is longer than `MAX_LINE`; it is not read to its end.

    >>> import io
    >>> list(bounded(io.BytesIO(b"{}\n\n{}"), "a.jsonl"))
    [b'{}\n', b'\n', b'{}']
    """
    for number, line in enumerate(iter(partial(stream.readline, MAX_LINE + 1), b""), start=1):
        if len(line) > MAX_LINE:
            raise too_long(name, number)
        yield line


def next_line(stream: BinaryIO, path: Path) -> bytes:
    """Return what is left of the line that a file's stream stands in.

    Raises:
        InputError: as `bounded`.
    """
    line = stream.readline(MAX_LINE + 1)
    if len(line) > MAX_LINE:
        raise too_long(path, _line_at(path, stream.tell() - len(line)))
    return line


def _line_at(path: Path, offset: int) -> int:
    """Return the number of the line that an offset is in."""
    number = 1
    with path.open("rb") as stream:
        while offset > 0 and (piece := stream.read(min(offset, 1 << 20))):
            number += piece.count(b"\n")
            offset -= len(piece)
    return number


def too_long(name: object, line: int) -> InputError:
    """Return the error of a line that no item can have.

    >>> str(too_long("a.jsonl", 3))[:36]
    'a.jsonl, line 3: longer than 16 MB, '
    """
    return InputError(
        f"{name}, line {line}: longer than {MAX_LINE >> 20} MB, and an item of DynamoDB has 400 KB at most; "
        "give files of items, one a line (JSON lines)"
    )
