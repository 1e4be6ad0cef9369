r"""The CSV of contract §4: how a row becomes a line, and what is wrong with a line that is none.

The dialect is tiny: UTF-8, comma, `"` quoting with `""`, LF, one record a line. NULL is nothing
between two commas; no field is an empty string, and none holds CR or LF. An error tells the place of a
fault and never what stands there: it ends in a log, and what stands there may be a conversation.
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
"""A value as its column's type has it."""
Field = str | bytes | int | Iterable[bytes] | None
"""A value to write; bytes are text in UTF-8, an iterable is a text in pieces."""
_RECORD = re.compile(r'(?:"(?:[^"]|"")*"|[^",]*)(?:,(?:"(?:[^"]|"")*"|[^",]*))*')
_FIELD = re.compile(r'(?:^|,)(?:"((?:[^"]|"")*)"|([^",]*))')
# A whole record of bytes at once: possessive, so that it neither turns back nor recurses. It takes 3 ns a
# byte, UTF-8 and all, where looking at each field takes 40; a record it does not know is then looked at so.
_PLAIN = {
    "string": rb'(?:"[^"]*+"(?:"[^"]*+")*+|[^",]*+)',
    "int": rb'("-?[0-9]{1,10}"|-?[0-9]{1,10}|)',
    "date": rb'("[0-9/]{10}"|[0-9/]{10}|)',
}
_plain = re.compile(b",".join(_PLAIN[column.kind] for column in COLUMNS)).fullmatch
_TYPED = [column for column in COLUMNS if column.kind != "string"]
_fields = re.compile(b",".join([rb'("[^"]*+"(?:"[^"]*+")*+|[^",]*+)'] * len(COLUMNS))).fullmatch
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
    separator = b""
    for value in fields:
        if value is None:
            yield separator
        elif isinstance(value, int):
            yield b"%b%d" % (separator, value)
        elif isinstance(value, str | bytes):
            data = value if isinstance(value, bytes) else value.encode()
            quoted = b'"' in data or b"," in data
            yield b'%b"%b"' % (separator, _double_quotes(data)) if quoted else separator + data
        else:
            yield separator + b'"'
            yield from map(_double_quotes, value)
            yield b'"'
        separator = b","
    yield b"\n"


def _double_quotes(data: bytes) -> bytes:
    return data.replace(b'"', b'""')


def format_day(value: date | None) -> str | None:
    """Write a date as ``DD/MM/YYYY``, always with four digits of the year.

    >>> format_day(date(2025, 8, 1)), format_day(date(33, 4, 3)), format_day(None)
    ('01/08/2025', '03/04/0033', None)
    """
    return None if value is None else f"{value.day:02}/{value.month:02}/{value.year:04}"


def parse(record: str) -> list[str | None] | None:
    """Split one record (without LF) into its fields, or return None where a quote is out of place.

    >>> parse('u1,,"a ""b"", c"')
    ['u1', None, 'a "b", c']
    >>> parse('u1,a"b') is None
    True
    """
    if not _RECORD.fullmatch(record):
        return None
    return [
        found[1].replace('""', '"') if found[1] is not None else (found[2] or None)
        for found in _FIELD.finditer(record)
    ]


def cast(column: Column, value: str | None) -> Value:
    """Give a field its column's type.

    Raises:
        ValueError: saying what the value is not; the value is not quoted.

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
        raise ValueError("not a day that there is") from None


def rows(stream: Iterable[bytes], file: str) -> Iterator[list[Value]]:
    """Read typed rows off the lines of a CSV, holding one line at a time.

    Raises:
        MalformedCsvError: naming file, line (the header is 1) and column of the first fault (§5).
    """
    number = 0
    for number, raw in enumerate(stream, start=1):
        if (found := _read(raw, file, number)) is not None:
            yield found
    _not_empty(number, file)


def columns(stream: Iterable[bytes], file: str, wanted: Sequence[str]) -> Iterator[list[Value]]:
    r"""Read the typed values of some columns; the others are passed over as they are, however long.

    Raises:
        MalformedCsvError: as `rows` does, except for what is wrong within a column that is passed over.

    >>> list(columns([HEADER, b'u1,,,,,3,"[]",,0,,,\n'], "x.csv", ["usuario_id", "numero_conversaciones"]))
    [['u1', 3]]
    """
    places = [NAMES.index(name) for name in wanted]
    number = 0
    for number, raw in enumerate(stream, start=1):
        if number > 1 and (values := _some(raw, places)) is not None:
            yield values
        elif (whole := _read(raw, file, number)) is not None:
            yield [whole[place] for place in places]
    _not_empty(number, file)


def _some(raw: bytes, places: Sequence[int]) -> list[Value] | None:
    """Return the values at these places of a record, None where it needs a closer look."""
    found = _fields(raw, 0, len(raw) - 1) if raw.endswith(b"\n") else None
    try:
        return found and [cast(COLUMNS[place], _unquoted(found[place + 1])) for place in places]
    except ValueError:
        return None


def _unquoted(field: bytes) -> str | None:
    quoted = field.startswith(b'"')
    return (field[1:-1].replace(b'""', b'"') if quoted else field).decode() or None


def check(stream: Iterable[bytes], file: str) -> int:
    """Read a CSV to its end, hold it to the dialect and the types, and return the number of its records.

    Raises:
        MalformedCsvError: as `rows` does.
    """
    number = 0
    for number, raw in enumerate(stream, start=1):
        if number == 1 or not _is_plain(raw):
            _read(raw, file, number)
    _not_empty(number, file)
    return number - 1


def _not_empty(lines: int, file: str) -> None:
    if lines == 0:
        raise MalformedCsvError(file, 1, NAMES[0], "the file is empty; its header is missing")


def _is_plain(raw: bytes) -> bool:
    """Tell a good record at a glance; one that is not told so may be good all the same."""
    found = _plain(raw, 0, len(raw) - 1)
    if found is None or not raw.endswith(b"\n") or b"\r" in raw:
        return False
    try:
        raw.decode()
        for column, value in zip(_TYPED, found.groups(), strict=True):
            cast(column, value.strip(b'"').decode() or None)
    except ValueError:
        return False
    return True


def _read(raw: bytes, file: str, number: int) -> list[Value] | None:
    """Read one line, the header as None."""
    if not raw.endswith(b"\n"):
        raise MalformedCsvError(file, number, NAMES[-1], "the file ends within this line (no LF)")
    if number > 1:
        return row(raw, file, number)
    if raw != HEADER:
        raise MalformedCsvError(file, 1, *_header_fault(raw))
    return None


def row(raw: bytes, file: str, number: int) -> list[Value]:
    """Read one record, the line of that number.

    Raises:
        MalformedCsvError: as `rows` does.
    """
    try:
        text = raw[:-1].decode()
    except UnicodeDecodeError as error:
        column = NAMES[min(raw[: error.start].count(b","), len(NAMES) - 1)]
        raise MalformedCsvError(file, number, column, f"not UTF-8: {error.reason}") from error
    fields = parse(text)
    if fields is None:
        column = _column_of_stray_quote(text)
        raise MalformedCsvError(file, number, column, "a quote is out of place or not closed")
    if "\r" in text:
        column = next((n for n, v in zip(NAMES, fields, strict=False) if v and "\r" in v), NAMES[-1])
        raise MalformedCsvError(file, number, column, "a carriage return; lines end in LF alone")
    if len(fields) < len(COLUMNS):
        missing = NAMES[len(fields)]
        raise MalformedCsvError(file, number, missing, f"missing: {len(fields)} fields of {len(COLUMNS)}")
    if len(fields) > len(COLUMNS):
        raise MalformedCsvError(
            file, number, str(len(COLUMNS) + 1), f"{len(fields)} fields, not {len(COLUMNS)}"
        )
    typed = []
    for declared, value in zip(COLUMNS, fields, strict=True):
        try:
            typed.append(cast(declared, value))
        except ValueError as error:
            raise MalformedCsvError(file, number, declared.name, str(error)) from error
    return typed


def _header_fault(raw: bytes) -> tuple[str, str]:
    if raw.startswith(BOM_UTF8):
        return NAMES[0], "a byte order mark before the header"
    found = raw.rstrip(b"\r\n").decode(errors="replace").split(",")
    for name, there in zip(NAMES, found, strict=False):
        if name != there:
            return name, "the header has another name here, or there is no header"
    if len(found) < len(NAMES):
        return NAMES[len(found)], "missing from the header"
    if len(found) > len(NAMES):
        return str(len(NAMES) + 1), f"the header has {len(found)} columns, not {len(NAMES)}"
    return NAMES[-1], "the header ends in CR LF; lines end in LF alone"


def _column_of_stray_quote(text: str) -> str:
    at, index = 0, 0
    field = re.compile(r'(?:"(?:[^"]|"")*"|[^",]*)(?:,|$)')
    while (found := field.match(text, at)) and found.end() > at:
        at, index = found.end(), index + 1
    return NAMES[min(index, len(NAMES) - 1)]
