"""Item files: finding them, reading their lines, and dealing them into partitions of whole users.

A partition is a file of JSON lines; an item belongs to the partition that the CRC-32 of its ``PK``
names, so that all items of a user come together whatever the order they arrive in.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, nullcontext
from io import BufferedReader
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, cast

from msgspec import UNSET, DecodeError, Raw, Struct, UnsetType
from msgspec.json import Decoder

from cat_normalize.errors import InputError

RECORD = "_extract.json"
"""Beside the partitions of an extract: what it read, and that its files hold whole users."""
BUFFER = 1 << 16
"""Bytes written at a time: in the usual 8 KB a file system zeroes most blocks before it fills them."""
SMALL_BUFFER = 1 << 13
PkOf = Callable[[bytes], "bytes | None"]
_BUFFERED = 6 << 20
_GZIP = b"\x1f\x8b"
_GZIP_RATIO = 8
_SUFFIXES = (".jsonl", ".jsonl.gz", ".json", ".json.gz")


class _Pk(Struct, gc=False):
    S: str


class _Key(Struct, gc=False):
    PK: _Pk | UnsetType = UNSET
    Item: Raw = Raw()


_key = Decoder(_Key)
_begins_with_pk = re.compile(rb'{ ?(?:"Item": ?{ ?)?"PK": ?{ ?"S": ?"([^"\\]*)"').match


def buffer_of(files: int) -> int:
    """Return the buffer of each of so many files that are open together: few MB for all of them.

    >>> buffer_of(4), buffer_of(400), buffer_of(4000)
    (65536, 15728, 8192)
    """
    return max(SMALL_BUFFER, min(BUFFER, _BUFFERED // files))


def name(number: int) -> str:
    """Return the file name of a partition.

    >>> name(3)
    'part-00003.jsonl'
    """
    return f"part-{number:05d}.jsonl"


def of_line(line: bytes, count: int) -> int:
    """Return the partition of one raw item, bare or wrapped.

    An item without a readable ``PK`` goes to the first: normalising rejects it, wherever it lies.

    >>> line = b'{"PK":{"S":"USER#7"},"SK":{"S":"REGISTER"}}'
    >>> of_line(line, 8) == of_line(b'{"Item":' + line + b'}', 8), of_line(b"?", 8)
    (True, 0)
    """
    key = pk(line)
    return 0 if key is None else zlib.crc32(key) % count


def likely_pk(line: bytes) -> bytes | None:
    """Return the same as `pk` in a third of the time, but of a second ``PK`` in the item it knows nothing.

    Whoever deals by it has to see whether a user's items came together.

    >>> likely_pk(b'{"PK":{"S":"USER#7"},"SK":{"S":"REGISTER"}}')
    b'USER#7'
    """
    found = _begins_with_pk(line)
    return found[1] if found else pk(line)


def pk(line: bytes) -> bytes | None:
    r"""Return the ``PK`` of one raw item, bare or wrapped, in UTF-8; None where it cannot be read.

    >>> pk(b'{"Item":{"SK":{"S":"REGISTER"},"PK":{"S":"USER#\\u00f1"}}}')
    b'USER#\xc3\xb1'
    """
    try:
        key = _key.decode(line)
        if key.PK is UNSET and key.Item:
            key = _key.decode(key.Item)
    except (DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return None if key.PK is UNSET else key.PK.S.encode()


def expand(paths: Iterable[Path]) -> list[Path]:
    """Return the item files that paths name: files as they are, folders by their sorted item files.

    In a folder, names that start with ``_`` or ``.`` and other suffixes are no item files.

    Raises:
        InputError: a path does not exist, or a folder holds no item file.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            found = sorted(each for each in path.iterdir() if _is_item_file(each))
            if not found:
                raise InputError(f"{path} holds no item file ({', '.join(_SUFFIXES)})")
            files += found
        elif path.exists():
            files.append(path)
        else:
            raise InputError(f"{path} does not exist; give item files (JSON lines) or a folder of them")
    return files


def _is_item_file(path: Path) -> bool:
    return path.is_file() and path.name[0] not in "._" and path.name.endswith(_SUFFIXES)


def read_lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of one item file, plain or gzip (told by its first bytes), one at a time.

    Raises:
        InputError: the file cannot be read, or its compressed data is damaged or cut short.
    """
    try:
        with path.open("rb", BUFFER) as plain:
            packed = cast(BufferedReader, plain).peek(2).startswith(_GZIP)
            with gzip.open(plain) if packed else nullcontext(plain) as stream:
                yield from stream
    except (EOFError, zlib.error, OSError) as error:
        raise InputError(f"{path} cannot be read to its end: {error}") from error


def weight(path: Path) -> int:
    """Return about how many raw bytes an item file holds."""
    return path.stat().st_size * (_GZIP_RATIO if path.name.endswith(".gz") else 1)


def is_packed(path: Path) -> bool:
    """Tell a gzip file by its first bytes; what cannot be read is for `read_lines` to say."""
    try:
        with path.open("rb") as stream:
            return stream.read(2) == _GZIP
    except OSError:
        return True


class Writer:
    """Deals lines to the partition files of one folder; they are complete once it is closed."""

    def __init__(self, folder: Path, count: int) -> None:
        self.paths = [folder / name(number) for number in range(count)]
        buffer = buffer_of(count)
        with ExitStack() as stack:
            self._files: list[BinaryIO] = [
                stack.enter_context(path.open("wb", buffer)) for path in self.paths
            ]
            self._stack = stack.pop_all()

    def write(self, number: int, line: bytes) -> None:
        """Append one line, its LF included."""
        self._files[number].write(line)

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
