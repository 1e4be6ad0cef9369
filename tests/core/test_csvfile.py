"""The CSV of contract §4: its records, and the position of the fault in a malformed one (§5)."""

import csv
import io
import traceback
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cat_normalize.core import csvfile
from cat_normalize.core.errors import MalformedCsvError
from cat_normalize.core.schema import COLUMNS, NAMES
from hostile import TEXT

GOOD = b'u1,Ana,TI,Cali,18/08/2025,2,"[{""sk"":""x""}]",,0,a | b,like,\n'


def good(**fields):
    """Return a good line with some of its fields replaced."""
    written = dict(zip(NAMES, GOOD[:-1].split(b","), strict=True)) | fields
    return b",".join(written.values()) + b"\n"


def read(*lines, header=csvfile.HEADER):
    return list(csvfile.rows([header, *lines], "data.csv"))


@pytest.mark.parametrize(
    ("fields", "written"),
    [
        (["u1", None, 3], "u1,,3\n"),
        ([None, None], ",\n"),
        (["a,b", 'a"b', "a b"], '"a,b","a""b",a b\n'),
        (['"', '""', ","], '"""","""""",","\n'),
        ([" a ", "'", "é😀\u2028"], " a ,',é😀\u2028\n"),
        ([0, -1], "0,-1\n"),
        ([[b"[", b'"a"', b"]"], b'a"b', b"\xc3\xa9"], '"[""a""]","a""b",é\n'),
    ],
)
def test_only_fields_that_need_quotes_are_quoted(fields, written):
    assert csvfile.line(fields) == written.encode()


def test_a_good_file_is_read_with_its_types():
    assert read(GOOD) == [
        [
            "u1",
            "Ana",
            "TI",
            "Cali",
            date(2025, 8, 18),
            2,
            '[{"sk":"x"}]',
            None,
            0,
            "a | b",
            "like",
            None,
        ]
    ]
    assert read() == []


FIELD = TEXT.map(lambda text: text.replace("\n", "").replace("\r", "") or None)
VALUES = {
    "string": FIELD,
    "int": st.none() | st.integers(-(2**31), 2**31 - 1),
    "date": st.none() | st.dates(),
}
ROWS = st.lists(st.tuples(*(VALUES[column.kind] for column in COLUMNS)).map(list), max_size=5)


def written(rows):
    return [csvfile.line([csvfile.format_day(v) if isinstance(v, date) else v for v in row]) for row in rows]


@given(ROWS)
def test_written_rows_are_read_back(rows):
    assert read(*written(rows)) == rows


@given(ROWS)
def test_pythons_own_reader_agrees(rows):
    text = b"".join(written(rows)).decode()
    expected = [
        ["" if v is None else csvfile.format_day(v) if isinstance(v, date) else str(v) for v in row]
        for row in rows
    ]
    assert list(csv.reader(io.StringIO(text, newline=""), strict=True)) == expected


HEADER = csvfile.HEADER


@pytest.mark.parametrize(
    ("lines", "line", "column", "problem"),
    [
        ([], 1, "usuario_id", "empty"),
        ([HEADER[:-1]], 1, "respuesta_feedback", "no LF"),
        ([HEADER[:-1] + b"\r\n"], 1, "respuesta_feedback", "CR LF"),
        ([b"\xef\xbb\xbf" + HEADER], 1, "usuario_id", "byte order mark"),
        ([HEADER.replace(b"ciudad", b"city")], 1, "ciudad", "another name"),
        ([HEADER.replace(b"nombre,", b"")], 1, "nombre", "another name"),
        ([HEADER.replace(b",respuesta_feedback", b"")], 1, "respuesta_feedback", "missing"),
        ([HEADER[:-1] + b",extra\n"], 1, "13", "13 columns"),
        ([HEADER.replace(b",", b";")], 1, "usuario_id", "another name"),
        ([GOOD], 1, "usuario_id", "no header"),
        ([HEADER, GOOD, GOOD[:-1]], 3, "respuesta_feedback", "no LF"),
        ([HEADER, b"\n"], 2, "nombre", "1 fields of 12"),
        ([HEADER, b"u1,Ana\n"], 2, "gerencia", "2 fields of 12"),
        ([HEADER, GOOD, GOOD[:-2] + b"\n"], 3, "respuesta_feedback", "11 fields of 12"),
        ([HEADER, GOOD[:-1] + b",x\n"], 2, "13", "13 fields"),
        ([HEADER, good(nombre=b'A"na')], 2, "nombre", "quote"),
        ([HEADER, good(nombre=b'"Ana')], 2, "nombre", "quote"),
        ([HEADER, good(nombre=b'"Ana"x')], 2, "nombre", "quote"),
        ([HEADER, good(respuesta_feedback=b'"')], 2, "respuesta_feedback", "quote"),
        ([HEADER, b'"a\n', b'b"' + GOOD[2:]], 2, "usuario_id", "quote"),  # a line break inside a field
        ([HEADER, GOOD, GOOD[:-1] + b"\r\n"], 3, "respuesta_feedback", "carriage return"),
        ([HEADER, good(ciudad=b'"Ca\rli"')], 2, "ciudad", "carriage return"),
        ([HEADER, good(gerencia=b"\xff")], 2, "gerencia", "UTF-8"),
        ([HEADER, good(usuario_id=b"\xed\xa0\x80")], 2, "usuario_id", "UTF-8"),
        ([HEADER, good(numero_feedback=b"1.0")], 2, "numero_feedback", "32 bits"),
        ([HEADER, good(numero_feedback=b" 1")], 2, "numero_feedback", "32 bits"),
        ([HEADER, good(numero_feedback="٣".encode())], 2, "numero_feedback", "32 bits"),
        (
            [HEADER, good(fecha_primera_conversacion="٠١/٠١/٢٠٢٥".encode())],
            2,
            "fecha_primera_conversacion",
            "DD",
        ),
        ([HEADER, good(numero_conversaciones=b"2147483648")], 2, "numero_conversaciones", "32 bits"),
        ([HEADER, good(numero_conversaciones=b"-2147483649")], 2, "numero_conversaciones", "32 bits"),
        ([HEADER, good(numero_conversaciones=b"1" * 5000)], 2, "numero_conversaciones", "32 bits"),
        ([HEADER, good(fecha_primera_conversacion=b"2025-08-18")], 2, "fecha_primera_conversacion", "DD/MM"),
        ([HEADER, good(fecha_primera_conversacion=b"8/8/2025")], 2, "fecha_primera_conversacion", "DD/MM"),
        (
            [HEADER, good(fecha_primera_conversacion=b"30/02/2025")],
            2,
            "fecha_primera_conversacion",
            "a day of",
        ),
        (
            [HEADER, good(fecha_primera_conversacion=b"01/01/0000")],
            2,
            "fecha_primera_conversacion",
            "a day of",
        ),
    ],
)
def test_a_malformed_file_names_file_line_and_column(lines, line, column, problem):
    with pytest.raises(MalformedCsvError) as caught:
        csvfile.check(lines, "data.csv")
    found = caught.value
    assert (found.file, found.line, found.column) == ("data.csv", line, column)
    assert problem in found.problem
    assert str(found).startswith(f"data.csv, line {line}, column {column}: ")


def test_rows_before_the_fault_are_returned_first():
    found = csvfile.rows([HEADER, GOOD, b"x\n"], "data.csv")
    assert next(found)[0] == "u1"
    with pytest.raises(MalformedCsvError):
        next(found)


SECRET = "palabra secreta"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("cell", [SECRET, f'a"{SECRET}', f"{SECRET}\r", f"{SECRET},{SECRET}", f'"{SECRET}'])
def test_an_error_never_quotes_the_file(name, cell):
    faulty = good(**{"numero_feedback": SECRET.encode(), name: cell.encode()})
    for lines in ([faulty], [HEADER, faulty], [HEADER[:-1] + b"," + cell.encode() + b"\n"]):
        with pytest.raises(MalformedCsvError) as caught:
            csvfile.check(lines, "data.csv")
        assert "secreta" not in "".join(traceback.format_exception(caught.value))


bits = st.text(st.sampled_from('",a\r é'), max_size=5)
bits |= st.sampled_from(["", '""', '"a,"', '"a""b"', "01/01/2025", "7"])
numbers = st.sampled_from(["", "7", '"7"', "07", "+7", " 7", "x", '""', "-0", "99999999999", "2147483648"])
days = st.sampled_from(["", "18/08/2025", '"18/08/2025"', "31/02/2025", "2025-01-01", '""', "01/01/0000"])
tails = st.sampled_from([b"\n", b"", b"\r\n", b"\xff\n", b"\xc3\xa9\n"])


@settings(max_examples=500, deadline=None)
@given(st.lists(bits, min_size=11, max_size=13), numbers, days, tails)
def test_the_fast_check_accepts_exactly_what_reading_each_field_accepts(parts, number, day, tail):
    fields = [bit if each.kind == "string" else "" for each, bit in zip(COLUMNS, parts, strict=False)]
    fields[4], fields[8] = day, number
    for record in (",".join(parts), ",".join(fields)):
        lines = [HEADER, record.encode() + tail]
        assert outcome(csvfile.check, lines) == outcome(lambda *of: len(list(csvfile.rows(*of))), lines)


def outcome(reading, lines):
    try:
        return reading(lines, "data.csv")
    except MalformedCsvError as error:
        return str(error)
