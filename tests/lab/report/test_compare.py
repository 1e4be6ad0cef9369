"""Comparing a Parquet file with its CSV: equal rows pass, and a difference is located."""

from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cat_lab.report import same_rows
from cat_normalize.core import csvfile
from cat_normalize.core.errors import ConvertError, MalformedCsvError
from cat_normalize.core.schema import COLUMNS, NAMES, USERS

SECRET = "lo que dijo"
ROW = {
    "usuario_id": "u1",
    "nombre": SECRET,
    "fecha_primera_conversacion": date(1, 1, 1),
    "numero_conversaciones": 2,
    "conversacion_completa": '[{"sk":"a, b"}]',
    "numero_feedback": 0,
}
TEXT = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), min_size=1)
VALUES = {"string": TEXT, "int": st.integers(-(2**31), 2**31 - 1), "date": st.dates()}
ROWS = st.lists(st.fixed_dictionaries({c.name: st.none() | VALUES[c.kind] for c in COLUMNS}), max_size=9)


def lines(*rows):
    written = [
        [csvfile.format_day(v) if isinstance(v, date) else v for v in map(row.get, NAMES)] for row in rows
    ]
    return [csvfile.HEADER, *map(csvfile.line, written)]


@pytest.fixture
def parquet(tmp_path):
    def write(*rows, schema=None, group=2):
        path = tmp_path / "users.parquet"
        full = [dict.fromkeys(NAMES) | row for row in rows]
        pq.write_table(pa.Table.from_pylist(full, schema or USERS.arrow_schema()), path, row_group_size=group)
        return path

    return write


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ROWS)
def test_a_csv_and_its_parquet_are_equal(parquet, rows):
    assert same_rows(lines(*rows), "x.csv", parquet(*rows)) == len(rows)


@pytest.mark.parametrize(
    "line",
    [b'u1,"x",,,"01/01/0001","2","[]",,0,,,\n', b"u1,x,,,01/01/0001,2,[],,00,,,\n"],
    ids=["needless quotes", "zeros"],
)
def test_equal_values_written_differently_are_equal(parquet, line):
    path = parquet(ROW | {"nombre": "x", "conversacion_completa": "[]"})
    assert same_rows([csvfile.HEADER, line], "x.csv", path) == 1


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("nombre", "otra cosa"),
        ("nombre", None),
        ("gerencia", ""),
        ("gerencia", "x"),
        ("fecha_primera_conversacion", date(1, 1, 2)),
        ("fecha_primera_conversacion", None),
        ("numero_feedback", None),
        ("numero_conversaciones", 3),
        ("conversacion_completa", '[{"sk":"a,b"}]'),
    ],
)
def test_a_difference_is_located_without_quoting_values(parquet, column, value):
    rows = [ROW | {"usuario_id": f"u{n}"} for n in range(5)]
    other = [*rows[:3], rows[3] | {column: value}, rows[4]]
    with pytest.raises(
        ConvertError, match=rf"row 4, column {column}: users.parquet differs from x.csv"
    ) as caught:
        same_rows(lines(*rows), "x.csv", parquet(*other))
    assert SECRET not in str(caught.value)
    assert "otra cosa" not in str(caught.value)


def test_rows_in_another_order_differ(parquet):
    rows = [ROW | {"usuario_id": each} for each in ("a", "b")]
    with pytest.raises(ConvertError, match="row 1, column usuario_id"):
        same_rows(lines(*rows), "x.csv", parquet(*reversed(rows)))


@pytest.mark.parametrize(
    ("in_csv", "in_parquet", "longer"), [(2, 3, "users.parquet"), (3, 2, "x.csv"), (0, 1, "users.parquet")]
)
def test_an_extra_row_is_located(parquet, in_csv, in_parquet, longer):
    with pytest.raises(ConvertError, match=f"row {min(in_csv, in_parquet) + 1} is only in {longer}"):
        same_rows(lines(*[ROW] * in_csv), "x.csv", parquet(*[ROW] * in_parquet))


def test_other_types_are_refused(parquet):
    schema = pa.schema([field.with_type(pa.string()) for field in USERS.arrow_schema()])
    with pytest.raises(ConvertError, match="types are not the declared ones"):
        same_rows(lines(), "x.csv", parquet(schema=schema))


@pytest.mark.parametrize("stream", [[], [b"a,b\n"]], ids=["empty", "another header"])
def test_a_malformed_csv_is_refused(parquet, stream):
    with pytest.raises(MalformedCsvError):
        same_rows(stream, "x.csv", parquet())


@pytest.mark.parametrize("text", ['"a", ñ' * 500_000, "a" * 3_000_000], ids=["quoted", "plain"])
def test_a_long_text_is_compared_to_its_end(parquet, text):
    path = parquet(ROW | {"conversacion_completa": text})
    assert same_rows(lines(ROW | {"conversacion_completa": text}), "x.csv", path) == 1
    for other in (text[:-1] + "b", text + "b", text[:-1]):
        with pytest.raises(ConvertError, match="row 1, column conversacion_completa"):
            same_rows(lines(ROW | {"conversacion_completa": other}), "x.csv", path)
