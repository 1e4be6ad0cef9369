"""Item files: find them, read their lines, and write them to partitions of whole users.

A partition is a file of JSON lines. The CRC-32 of an item's ``PK`` decides its partition, so all items of a
user are in the same one, in any order of arrival.
"""

from __future__ import annotations

import gzip
import logging
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, nullcontext
from functools import partial
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, cast

from msgspec import UNSET, DecodeError, Raw, Struct, UnsetType, json
from msgspec.json import Decoder

from cat_normalize.core.errors import InputError, UsageError
from cat_normalize.core.files import sweep
from cat_normalize.core.storage import Location

RECORD = "_extract.json"
"""Next to the partitions of an extract: what was read; it also says that the partitions have whole users."""
SUMMARY = "manifest-summary.json"
"""In the folder of a DynamoDB export."""
MAX_LINE = 16 << 20
"""Bytes of the longest line that is read; DynamoDB's items have 400 KB, as JSON a few times that."""
BUFFER = 1 << 16
"""Bytes written at a time: in the usual 8 KB a file system zeroes most blocks before it fills them."""
_SMALL_BUFFER = 1 << 13
_BUFFERED = 6 << 20
_GZIP = b"\x1f\x8b"
_GZIP_RATIO = 8
_SUFFIXES = (".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz", ".json", ".json.gz")
logger = logging.getLogger(__name__)


class _Pk(Struct, gc=False):
    S: str


class _Record(Struct):
    files: list[str]
    bytes: int


class _Key(Struct, gc=False):
    PK: _Pk | UnsetType = UNSET
    Item: Raw = Raw()


_key = Decoder(_Key)


def buffer_of(files: int) -> int:
    """Return the buffer of each of so many files that are open together: few MB for all of them.

    >>> buffer_of(4), buffer_of(400), buffer_of(4000)
    (65536, 15728, 8192)
    """
    return max(_SMALL_BUFFER, min(BUFFER, _BUFFERED // files))


def name(number: int) -> str:
    """Return the file name of a partition.

    >>> name(3)
    'part-00003.jsonl'
    """
    return f"part-{number:05d}.jsonl"


def of_line(line: bytes, count: int, level: int = 0) -> int:
    """Return the partition of one raw item, bare or wrapped.

    Args:
        line: the item; one without a readable ``PK`` may be in any partition, since it is rejected anyway.
        count: how many partitions there are.
        level: 1 where a partition is split once more; its hash then uses other bits than level 0.

    >>> line = b'{"PK":{"S":"USER#7"},"SK":{"S":"REGISTER"}}'
    >>> of_line(line, 8) == of_line(b'{"Item":' + line + b'}', 8)
    True
    """
    user = line
    try:
        key = _key.decode(line)
        if key.PK is UNSET and key.Item:
            key = _key.decode(key.Item)
        if key.PK is not UNSET:
            user = key.PK.S.encode()
    except (DecodeError, UnicodeDecodeError, RecursionError):
        pass
    return (zlib.crc32(user) >> 16 * level) % count


def expand(paths: Iterable[Path]) -> list[Path]:
    """Return the item files that paths name: files as they are, folders by their sorted item files.

    In a folder, `is_item_name` decides; a warning names the others unless they start with ``_`` or ``.``.

    Raises:
        InputError: a path does not exist, a folder has no item file or one that cannot be read, or an
            extract's folder was changed.
        UsageError: a file is named twice.
    """
    files: list[Path] = []
    for path in paths:
        if isinstance(path, Path) and not path.exists() and path.parent.is_dir():
            sweep(path.parent)  # restores what an extract was killed while replacing
        if path.is_dir():
            files += _of_folder(path)
        elif path.exists():
            files.append(path)
        else:
            raise InputError(f"{path} does not exist; give item files (JSON lines) or a folder of them")
    _refuse_twice(files)
    return files


def _refuse_twice(files: Iterable[Path]) -> None:
    """Refuse a file that is named twice, by whatever names: its items would count twice."""
    seen: dict[object, Path] = {}
    for path in files:
        found = path.stat()
        same = seen.setdefault((found.st_dev, found.st_ino) if isinstance(path, Path) else str(path), path)
        if same is not path:
            raise UsageError(f"{path} is the same file as {same}; name it once, or its items count twice")


def _of_folder(folder: Path) -> list[Path]:
    if (folder / SUMMARY).is_file():
        raise InputError(
            f"{folder} is a DynamoDB export; extract it first (--export), or give its data folder"
        )
    entries = sorted(each for each in folder.iterdir() if each.name[0] not in "._")
    found = [each for each in entries if is_item_name(each.name) and not each.is_dir()]
    if not found:
        raise InputError(f"{folder} holds no item file ({', '.join(_SUFFIXES)})")
    for each in found:
        if not each.is_file():
            raise InputError(f"{each} is named as an item file and is none that can be read; remove it")
    if others := [each.name for each in entries if each not in found]:
        shown = ", ".join(map(printable, others[:5])) + (" …" if len(others) > 5 else "")
        logger.warning("%s: left out %d that are no item files: %s", folder, len(others), shown)
    _check_record(folder, found)
    return found


def is_item_name(name: str) -> bool:
    """Tell by its name whether a file in a folder is an item file.

    >>> [is_item_name(name) for name in ("a.jsonl", "B.JSON.GZ", "_extract.json", "a.csv")]
    [True, True, False, False]
    """
    return name[0] not in "._" and name.lower().endswith(_SUFFIXES)


def _check_record(folder: Path, files: Sequence[Path]) -> None:
    """Refuse an extract's folder whose item files are not the recorded ones, to the byte."""
    path = folder / RECORD
    if not path.is_file():
        return
    try:
        record = json.decode(path.read_bytes(), type=_Record)
    except DecodeError as error:
        raise InputError(f"{path} is damaged ({error}); extract again") from error
    names = {each.name for each in files}
    if lacking := sorted(set(record.files) - names):
        raise InputError(f"{folder}: {lacking[0]} is in {RECORD} and not in the folder; extract again")
    if strange := sorted(names - set(record.files)):
        raise InputError(f"{folder}: {printable(strange[0])} is not of this extract; move it elsewhere")
    size = sum(each.stat().st_size for each in files)
    if size != record.bytes:
        raise InputError(
            f"{folder}: expected {record.bytes} bytes of items ({RECORD}), found {size}: a partition was "
            f"changed or cut short; extract again, or remove {RECORD} to read what is there"
        )


def not_of_extract(folder: Path) -> list[str]:
    """Return the names in a folder that no extract left there, sorted; without a record, all of them."""
    try:
        known = {RECORD, *json.decode((folder / RECORD).read_bytes(), type=_Record).files}
    except (DecodeError, OSError):
        known = set()
    return sorted(each.name for each in folder.iterdir() if each.name not in known)


def printable(name: str) -> str:
    r"""Return a file's name so that it can be written as UTF-8, whatever bytes it is made of.

    >>> printable("mañana.json"), printable("ma\udcf1ana.json")
    ('mañana.json', 'ma\\xf1ana.json')
    """
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def read_lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of one item file, plain or gzip (recognized by its first bytes), one at a time.

    Raises:
        InputError: the file cannot be read, is damaged or cut short, or has a line longer than `MAX_LINE`.
    """
    try:
        with path.open("rb", BUFFER) as plain:
            packed = cast(BufferedReader, plain).peek(2).startswith(_GZIP)
            with gzip.open(plain) if packed else nullcontext(plain) as stream:
                yield from bounded(cast(BinaryIO, stream), path)
    except (EOFError, zlib.error, OSError) as error:
        raise InputError(f"{path} cannot be read to its end: {error}") from error


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
            raise _too_long(name, number)
        yield line


def next_line(stream: BinaryIO, path: Path) -> bytes:
    """Return the rest of the line at which a file's stream is.

    Raises:
        InputError: as `bounded`.
    """
    line = stream.readline(MAX_LINE + 1)
    if len(line) > MAX_LINE:
        raise _too_long(path, _line_at(path, stream.tell() - len(line)))
    return line


def _line_at(path: Path, offset: int) -> int:
    """Return the number of the line that an offset is in."""
    number = 1
    with path.open("rb") as stream:
        while offset > 0 and (piece := stream.read(min(offset, 1 << 20))):
            number += piece.count(b"\n")
            offset -= len(piece)
    return number


def _too_long(name: object, line: int) -> InputError:
    return InputError(
        f"{name}, line {line}: longer than {MAX_LINE >> 20} MB, and an item of DynamoDB has 400 KB at most; "
        "give files of items, one a line (JSON lines)"
    )


def weight(path: Location) -> int:
    """Return the estimated number of raw bytes in an item file."""
    return path.stat().st_size * (_GZIP_RATIO if path.name.lower().endswith(".gz") else 1)


def is_packed(path: Path) -> bool:
    """Return whether a file is gzip by its first bytes, or cannot be read, which `read_lines` reports."""
    try:
        with path.open("rb") as stream:
            return stream.read(2) == _GZIP
    except OSError:
        return True


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


class Writer:
    """Write lines to the partitions of one folder, which are complete once it is closed."""

    def __init__(self, folder: Path, count: int) -> None:
        self.paths = [folder / name(number) for number in range(count)]
        buffer = buffer_of(count)
        # New files, never truncated ones, which ext4 would write to disk as soon as they are closed.
        with ExitStack() as stack:
            self._files: list[BinaryIO] = [
                stack.enter_context(open(path, "xb", buffer, opener=_private)) for path in self.paths
            ]
            self._stack = stack.pop_all()

    def write(self, number: int, line: bytes) -> None:
        """Append one line, its LF included."""
        self._files[number].write(line)

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()
