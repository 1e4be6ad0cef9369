"""The rows of ``conversations`` and ``messages`` (contract §9), without Spark and with it."""

import itertools
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cat_lab.spark import session
from cat_normalize.convert import batches, convert_csv
from cat_normalize.core import csvfile, schema
from cat_normalize.core.errors import ConvertError, MalformedCsvError, UsageError
from cat_normalize.core.schema import CONVERSATIONS, MESSAGES, Table
from cat_normalize.core.settings import Rules, Settings
from convert.cases_tables import CASES
from hostile_tables import PATTERNS, ROWS, ZONES, hostile_rows
from reference_tables import tables

Rows = list[dict[str, Any]]


def split(rows: Rows, rules: Rules, size: int = 256) -> tuple[Rows, Rows, int]:
    """Return conversations, messages and the unmatched feedback that the library makes of rows."""
    kinds = pa.schema([*(pa.field(name, pa.string()) for name in batches.INPUT[:5]), ("block", pa.int64())])
    given = [
        pa.RecordBatch.from_pylist([{**row, "block": 0} for row in rows[at : at + size]], schema=kinds)
        for at in range(0, len(rows), size)
    ]
    made = [row for batch in batches.split(iter(given), rules) for row in batch.to_pylist()]

    def of(table: Table) -> Rows:
        return [{name: row[name] for name in table.names} for row in made if row["table"] == table.name]

    counts = [row for row in made if row["table"] is None]
    assert sum(row["users_read"] for row in counts) == len(rows)
    return of(CONVERSATIONS), of(MESSAGES), sum(row["unmatched"] for row in counts)


def rules_of(zone: str, naive_zone: str | None, patterns: tuple[str, ...]) -> Rules:
    return Rules(time_zone=zone, naive_time_zone=naive_zone, fallback_patterns=tuple(patterns))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_case(case: Any) -> None:
    rules = rules_of(case.zone, case.naive_zone, case.patterns)
    conversations, messages, unmatched = split([case.row], rules)
    for found, wanted in ((conversations, case.conversations), (messages, case.messages)):
        if wanted is not None:
            parts = [{name: each[name] for name in part} for each, part in zip(found, wanted, strict=True)]
            assert parts == wanted
    assert unmatched == case.unmatched


@given(ROWS, st.sampled_from(ZONES), st.integers(1, 3))
def test_any_rows_are_read_as_the_independent_reading_does(rows: Rows, zones: Any, size: int) -> None:
    assert split(rows, rules_of(*zones, PATTERNS), size) == tables(rows, *zones, PATTERNS)


def test_many_hostile_rows_are_read_as_the_independent_reading_does() -> None:
    rows = hostile_rows(7, 3000)
    assert split(rows, rules_of("America/Bogota", "UTC", PATTERNS)) == tables(
        rows, "America/Bogota", "UTC", PATTERNS
    )


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("conversacion_completa", "[{"),
        ("conversacion_completa", '[{"sk":"CONVERSATION#","messages":[{"text":"a"}]}]'),
        ("feedback_total", '[{"sk":"FEEDBACK#"}]'),
        ("feedback_total", "[" * 100_000),
    ],
)
def test_a_column_of_other_json_is_refused_without_quoting_it(column: str, value: str) -> None:
    row = hostile_rows(1, 1)[0] | {column: value}
    with pytest.raises(ConvertError, match=f"^column {column} is not the JSON of contract §2$"):
        split([row], Rules())


# With Spark


@pytest.fixture(scope="module")
def spark(spark_session: object) -> Any:
    return session(Settings(endpoint_url="http://127.0.0.1:1"))


def write(rows: Rows, path: Path) -> str:
    records = (csvfile.line(list(row.values())) for row in rows)
    path.write_bytes(b"".join([csvfile.HEADER, *records]))
    return str(path)


def targets(folder: Path) -> dict[str, str]:
    return {each.name: str(folder / f"{each.name}.parquet") for each in schema.TABLES}


@pytest.mark.slow
@pytest.mark.parametrize("rows", [[], hostile_rows(3, 1), hostile_rows(11, 2000)], ids=len)
def test_spark_writes_what_the_library_makes(spark: Any, tmp_path: Path, rows: Rows) -> None:
    given, where = write(rows, tmp_path / "x.csv"), targets(tmp_path)
    rules = rules_of("America/Bogota", None, PATTERNS)
    done = convert_csv(spark, given, where, group_bytes=100_000, rules=rules)
    conversations, messages, unmatched = tables(rows, "America/Bogota", None, PATTERNS)
    with Path(given).open("rb") as stream:
        users = [dict(zip(schema.USERS.names, row, strict=True)) for row in csvfile.rows(stream, given)]
    expected = {"users": users, "conversations": conversations, "messages": messages}
    for table in schema.TABLES:
        found = pq.read_table(where[table.name])
        assert found.schema.equals(table.arrow_schema()), table.name
        assert found.to_pylist() == expected[table.name], table.name
        assert done.tables[table.name].rows == len(expected[table.name])
    assert done.feedback_unmatched == unmatched


@pytest.mark.slow
def test_spark_reads_its_own_tables_with_the_declared_types(spark: Any, tmp_path: Path) -> None:
    where = targets(tmp_path)
    convert_csv(spark, write(hostile_rows(5, 50), tmp_path / "x.csv"), where)
    for table in schema.TABLES:
        kinds = [kind for _, kind in spark.read.parquet(where[table.name]).dtypes]
        assert kinds == [each.split()[1].lower() for each in table.spark_ddl().split(", ")]


@pytest.mark.slow
def test_a_row_group_holds_a_range_of_users(spark: Any, tmp_path: Path) -> None:
    where = targets(tmp_path)
    convert_csv(spark, write(hostile_rows(5, 400), tmp_path / "x.csv"), where, group_bytes=50_000)
    for path in where.values():
        footer = pq.read_metadata(path)
        ranges = [footer.row_group(n).column(0).statistics for n in range(footer.num_row_groups)]
        assert len(ranges) > 2
        for one, other in itertools.pairwise(ranges):
            assert one.min.encode() <= one.max.encode() < other.min.encode()


@pytest.mark.slow
def test_one_of_the_new_tables_alone_and_the_same_bytes_again(spark: Any, tmp_path: Path) -> None:
    given, where = write(hostile_rows(5, 50), tmp_path / "x.csv"), targets(tmp_path)
    first = convert_csv(spark, given, where)
    for name in ("conversations", "messages"):
        some = {each: where[each] + "2" for each in ("users", name)}
        again = convert_csv(spark, given, some)
        assert {each: table.sha256 for each, table in again.tables.items()} == {
            each: first.tables[each].sha256 for each in some
        }


@pytest.mark.slow
def test_a_conversation_that_is_no_json_stops_the_conversion(spark: Any, tmp_path: Path) -> None:
    rows = hostile_rows(1, 3)
    rows[1] |= {"conversacion_completa": '[{"sk":"geheim"'}
    named = r"x\.csv, line 3, column conversacion_completa: not the JSON of contract §2"
    with pytest.raises(MalformedCsvError, match=named) as raised:
        convert_csv(spark, write(rows, tmp_path / "x.csv"), targets(tmp_path))
    assert "geheim" not in str(raised.value)
    assert [path.name for path in tmp_path.iterdir()] == ["x.csv"]


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"users": "u", "talks": "t"}, "no table talks; there are users, conversations, messages"),
        ({"messages": "m"}, "writes users at least"),
        ({"users": "u", "messages": "u"}, "u is given for two tables"),
        ({"users": "u", "messages": "x.csv"}, "x.csv is the CSV itself"),
    ],
)
def test_targets_that_cannot_be_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], problem: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write([], tmp_path / "x.csv")
    nothing: Any = None
    with pytest.raises(UsageError, match=problem):
        convert_csv(nothing, "x.csv", given)
