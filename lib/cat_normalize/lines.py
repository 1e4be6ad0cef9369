"""Lines of item files, read one at a time, none longer than an item can be."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import BinaryIO

from cat_normalize.errors import InputError

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


def too_long(name: object, line: int) -> InputError:
    """Return the error of a line that no item can have.

    >>> str(too_long("a.jsonl", 3))[:36]
    'a.jsonl, line 3: longer than 16 MB, '
    """
    return InputError(
        f"{name}, line {line}: longer than {MAX_LINE >> 20} MB, and an item of DynamoDB has 400 KB at most; "
        "give files of items, one a line (JSON lines)"
    )
