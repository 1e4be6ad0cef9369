r"""The CSV of contract §4: how a record is written and read, and where the fault is in a malformed one.

The dialect is small: UTF-8, commas, `"` quoting with `""`, LF, one record per line. NULL is nothing between
two commas; no field is an empty string, and none contains CR or LF. An error gives the position of a fault
and never quotes the field, because errors are logged and the field may be a conversation.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator, Sequence
from datetime import date

from cat_normalize.core.errors import MalformedCsvError
from cat_normalize.core.schema import COLUMNS, NAMES, Column, csv_header

HEADER = (csv_header() + "\n").encode()

Value = str | int | date | None
"""A value of its column's type."""
Field = str | bytes | int | Iterable[bytes] | None
"""A value of a record to write; bytes are text in UTF-8, an iterable is a text in pieces."""
# All fields of a record at once. Possessive, so it neither backtracks nor recurses. With the check of UTF-8
# it takes 3 ns per byte; `row`, which finds the fault, takes 40.
_QUOTED = '"[^"]*+"(?:"[^"]*+")*+'
_fields = re.compile(",".join([f'({_QUOTED}|[^",]*+)'] * len(COLUMNS)).encode()).fullmatch
_field = re.compile(rf'({_QUOTED}|[^",]*+)(,|\Z)').match
_TYPED = [index for index, column in enumerate(COLUMNS) if column.kind != "string"]
_DATE = re.compile(r"(\d\d)/(\d\d)/(\d{4})", re.ASCII)
_INT = re.compile(r"-?\d{1,10}", re.ASCII)


def line(fields: Sequence[Field]) -> bytes:
    r"""Write one record, its LF included.

    >>> line(["u1", None, 'say "no", twice', [b'["a"', b',"b"]'], 3])
    b'u1,,"say ""no"", twice","[""a"",""b""]",3\n'
    """
    return b"".join(pieces(fields))


def pieces(fields: Sequence[Field]) -> Iterator[bytes]:
    """Yield the bytes of one record piece by piece, so that a text of many MB is never copied whole."""
    start: list[bytes] = []
    for value in fields:
        if value is None or isinstance(value, (str, bytes, int)):
            start.append(_field_bytes(value))
        else:
            start.append(b'"')
            yield b",".join(start)
            yield from map(_double_quotes, value)
            start = [b'"']
    yield b",".join(start) + b"\n"


def _field_bytes(value: str | bytes | int | None) -> bytes:
    if value is None:
        return b""
    if isinstance(value, int):
        return b"%d" % value
    data = value if isinstance(value, bytes) else value.encode()
    return b'"%b"' % _double_quotes(data) if b'"' in data or b"," in data else data


def _double_quotes(data: bytes) -> bytes:
    return data.replace(b'"', b'""')


def format_day(value: date | None) -> str | None:
    """Write a date as ``DD/MM/YYYY``, always with four digits of the year.

    >>> format_day(date(2025, 8, 1)), format_day(date(33, 4, 3)), format_day(None)
    ('01/08/2025', '03/04/0033', None)
    """
    return None if value is None else f"{value.day:02}/{value.month:02}/{value.year:04}"


def cast(column: Column, value: str | None) -> Value:
    """Convert a field to its column's type.

    Raises:
        ValueError: says what the value is not, without quoting it.

    >>> cast(COLUMNS[4], "18/08/2025")
    datetime.date(2025, 8, 18)
    """
    if value is None or column.kind == "string":
        return value
    if column.kind == "int":
        if not _INT.fullmatch(value) or not -(2**31) <= int(value) < 2**31:
            raise ValueError("not an int of 32 bits")
        return int(value)
    found = _DATE.fullmatch(value)
    if found is None:
        raise ValueError("not a date DD/MM/YYYY")
    try:
        return date(int(found[3]), int(found[2]), int(found[1]))
    except ValueError:
        raise ValueError("not a day of the calendar") from None


def rows(stream: Iterable[bytes], file: str) -> Iterator[list[Value]]:
    """Yield the typed rows of a CSV, given by its lines; one line is in memory at a time.

    Raises:
        MalformedCsvError: names file, line (the header is 1) and column of the first fault (§5).
    """
    for number, raw in _records(stream, file):
        yield row(raw, file, number)


def columns(stream: Iterable[bytes], file: str, wanted: Sequence[str]) -> Iterator[list[Value]]:
    r"""Yield the typed values of some columns; the others are skipped, however long they are.

    Raises:
        MalformedCsvError: as `rows` does, except for faults inside a skipped column.

    >>> list(columns([HEADER, b'u1,,,,,3,"[]",,0,,,\n'], "x.csv", ["usuario_id", "numero_conversaciones"]))
    [['u1', 3]]
    """
    indexes = [NAMES.index(name) for name in wanted]
    for number, raw in _records(stream, file):
        values = _values(raw, indexes)
        if values is None:
            whole = row(raw, file, number)
            values = [whole[index] for index in indexes]
        yield values


def check(stream: Iterable[bytes], file: str) -> int:
    """Check dialect and types of a whole CSV, and return the number of its records.

    Raises:
        MalformedCsvError: as `rows` does.
    """
    number = 1
    for number, raw in _records(stream, file):
        if not _is_good(raw):
            row(raw, file, number)
    return number - 1


def row(raw: bytes, file: str, number: int) -> list[Value]:
    """Return the typed values of one record, which is the line of that number.

    Raises:
        MalformedCsvError: as `rows` does.
    """

    def fault(column: int, problem: str) -> MalformedCsvError:
        name = NAMES[column] if column < len(NAMES) else str(column + 1)
        return MalformedCsvError(file, number, name, problem)

    last = len(NAMES) - 1
    try:
        text = raw[:-1].decode()
    except UnicodeDecodeError as error:
        column = min(raw[: error.start].count(b","), last)
        raise fault(column, f"not UTF-8: {error.reason}") from error
    fields, is_whole = _split(text)
    if not is_whole:
        raise fault(min(len(fields), last), "a quote is out of place or not closed")
    if "\r" in text:
        column = next((n for n, value in enumerate(fields[:last]) if value and "\r" in value), last)
        raise fault(column, "a carriage return; lines end in LF alone")
    if len(fields) < len(COLUMNS):
        raise fault(len(fields), f"missing: {len(fields)} fields of {len(COLUMNS)}")
    if len(fields) > len(COLUMNS):
        raise fault(len(COLUMNS), f"{len(fields)} fields, not {len(COLUMNS)}")
    typed: list[Value] = []
    for column, value in enumerate(fields):
        try:
            typed.append(cast(COLUMNS[column], value))
        except ValueError as error:
            raise fault(column, str(error)) from error
    return typed


def _records(stream: Iterable[bytes], file: str) -> Iterator[tuple[int, bytes]]:
    """Yield every line after the header with its number; check the header and that each line is whole."""
    number = 0
    for number, raw in enumerate(stream, start=1):
        if not raw.endswith(b"\n"):
            raise MalformedCsvError(file, number, NAMES[-1], "the file ends within this line (no LF)")
        if number > 1:
            yield number, raw
        elif raw != HEADER:
            raise MalformedCsvError(file, 1, *_header_fault(raw))
    if number == 0:
        raise MalformedCsvError(file, 1, NAMES[0], "the file is empty; its header is missing")


def _values(raw: bytes, indexes: Sequence[int]) -> list[Value] | None:
    """Return the values of these columns of a record, or None if `row` must look at it."""
    found = _fields(raw, 0, len(raw) - 1)
    try:
        return found and [cast(COLUMNS[index], _unquoted(found[index + 1].decode())) for index in indexes]
    except ValueError:
        return None


def _is_good(raw: bytes) -> bool:
    """Return whether a record is good; if not, it may still be good, and `row` must look at it."""
    if b"\r" in raw or _values(raw, _TYPED) is None:
        return False
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _split(text: str) -> tuple[list[str | None], bool]:
    """Return the fields of a record up to the first quote out of place, and whether there is none.

    >>> _split('u1,,"a ""b"", c"'), _split('u1,a"b')
    ((['u1', None, 'a "b", c'], True), (['u1'], False))
    """
    fields: list[str | None] = []
    at = 0
    while found := _field(text, at):
        fields.append(_unquoted(found[1]))
        if not found[2]:
            return fields, True
        at = found.end()
    return fields, False


def _unquoted(field: str) -> str | None:
    return field[1:-1].replace('""', '"') if field.startswith('"') else field or None


def _header_fault(raw: bytes) -> tuple[str, str]:
    if raw.startswith(BOM_UTF8):
        return NAMES[0], "a byte order mark before the header"
    names = raw.rstrip(b"\r\n").decode(errors="replace").split(",")
    for expected, name in zip(NAMES, names, strict=False):
        if name != expected:
            return expected, "the header has another name here, or there is no header"
    if len(names) < len(NAMES):
        return NAMES[len(names)], "missing from the header"
    if len(names) > len(NAMES):
        return str(len(NAMES) + 1), f"the header has {len(names)} columns, not {len(NAMES)}"
    return NAMES[-1], "the header ends in CR LF; lines end in LF alone"
