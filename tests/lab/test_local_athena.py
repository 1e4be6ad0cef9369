"""The named queries on local Parquet files: what opens them, and the translation that they depend on."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlglot

from answers import rows_of
from cat_lab import local_athena as athena
from cat_lab.errors import UntestedFunctionError
from cat_normalize import query
from cat_normalize.core.errors import InputError, ParameterError, QueryError, UnknownQueryError
from query_rows import SINCE, UNTIL, conversation, message, sample, user, write

# What each function, and each habit of the engine, answers in Athena. The sources are Trino's pages on
# functions, which Athena's documentation names as its own.
FUNCTIONS: dict[str, list[tuple[str, Any]]] = {
    "AND": [("CAST(NULL AS boolean) AND false", False), ("CAST(NULL AS boolean) AND true", None)],
    "OR": [("CAST(NULL AS boolean) OR true", True), ("CAST(NULL AS boolean) OR false", None)],
    "CAST": [
        ("CAST('2025-08-18' AS date)", date(2025, 8, 18)),
        ("CAST(5 AS double) / 2", 2.5),
        ("CAST(NULL AS integer)", None),
    ],
    "COALESCE": [("coalesce(NULL, 'none')", "none"), ("coalesce('', 'none')", ""), ("coalesce(0, 1)", 0)],
    "NULLIF": [("nullif(0, 0)", None), ("nullif(1, 0)", 1), ("1.5e0 / nullif(0, 0)", None)],
    "COUNT": [
        ("(SELECT count(*) FROM (VALUES 1, NULL, 1) AS t (x))", 3),
        ("(SELECT count(x) FROM (VALUES 1, NULL, 1) AS t (x))", 2),
        ("(SELECT count(DISTINCT x) FROM (VALUES 1, NULL, 1) AS t (x))", 1),
        ("(SELECT count(x) FROM (VALUES 1) AS t (x) WHERE x > 1)", 0),
        ("(SELECT count(*) FILTER (WHERE x > 1) FROM (VALUES 1, NULL, 2) AS t (x))", 1),
        ("(SELECT count(*) FILTER (WHERE x > 1) FROM (VALUES 1) AS t (x) WHERE x > 1)", 0),
    ],
    "SUM": [
        ("(SELECT sum(x) FROM (VALUES 1, NULL, 2) AS t (x))", 3),
        ("(SELECT sum(x) FROM (VALUES 2147483647, 1) AS t (x))", 2147483648),  # a bigint
        ("(SELECT sum(x) FROM (VALUES 1) AS t (x) WHERE x > 1)", None),
    ],
    "ROUND": [
        ("round(CAST(2.5 AS double), 0)", 3.0),  # half away from zero
        ("round(CAST(-2.5 AS double), 0)", -3.0),
        ("round(CAST(2 AS double) / 3, 4)", 0.6667),
    ],
    "DATE_TRUNC": [  # TIMESTAMP '2001-08-22 03:04:05.321' by week is 2001-08-20 in the documentation
        ("CAST(date_trunc('week', TIMESTAMP '2001-08-22 03:04:05.321') AS date)", date(2001, 8, 20)),
        ("CAST(date_trunc('week', DATE '2025-08-18') AS date)", date(2025, 8, 18)),
        ("CAST(date_trunc('week', DATE '2025-08-17') AS date)", date(2025, 8, 11)),
        ("CAST(date_trunc('week', DATE '2026-01-01') AS date)", date(2025, 12, 29)),
        ("CAST(date_trunc('week', DATE '0001-01-07') AS date)", date(1, 1, 1)),
        ("CAST(date_trunc('week', DATE '9999-12-31') AS date)", date(9999, 12, 27)),
        ("CAST(date_trunc('week', CAST(NULL AS date)) AS date)", None),
    ],
    "CASE": [
        ("CASE WHEN 1 > 2 THEN 'a' WHEN 2 > 1 THEN 'b' ELSE 'c' END", "b"),
        ("CASE WHEN CAST(NULL AS boolean) THEN 'a' ELSE 'c' END", "c"),
        ("CASE WHEN 1 > 2 THEN 'a' END", None),
    ],
    "MAX": [
        ("(SELECT max(x) FROM (VALUES 1, NULL, 2) AS t (x))", 2),
        ("(SELECT max(x) FROM (VALUES 1) AS t (x) WHERE x > 1)", None),
        ("(SELECT count(m) FROM (SELECT max(x) OVER () AS m FROM (VALUES 1, NULL) AS t (x)) AS u)", 2),
    ],
    "MIN": [
        ("(SELECT min(x) FROM (VALUES 2, NULL, 1) AS t (x))", 1),
        ("(SELECT min(x) FROM (VALUES 'á', 'b') AS t (x))", "b"),  # by the bytes of UTF-8
        ("(SELECT min(x) FILTER (WHERE x > 1) FROM (VALUES 1) AS t (x))", None),
    ],
    "LENGTH": [("length('ñandú🙂')", 6), ("length('si\u0301')", 3), ("length('')", 0)],
    "SUBSTR": [("substr('ñandú🙂', -2)", "ú🙂"), ("substr('abc', 2)", "bc"), ("substr('abc', -3)", "abc")],
    "REPLACE": [
        ("replace('a.b.c', '.', '$1')", "a$1b$1c"),
        ("replace('abc', 'x', '*')", "abc"),
        ("replace('abc', CAST(NULL AS varchar), '*')", None),
    ],
    "LOWER": [("lower('ÑANDÚ-1')", "ñandú-1"), ("lower(CAST(NULL AS varchar))", None)],
    "UPPER": [("upper('ñandú-1')", "ÑANDÚ-1"), ("upper(CAST(NULL AS varchar))", None)],
    "TRIM": [("trim('  a b ')", "a b"), ("trim('   ')", "")],
    "REGEXP_REPLACE": [  # every match, not the first
        ("regexp_replace('1a 2b 14m', '[0-9]+', '#')", "#a #b #m"),
        (r"regexp_replace('a  b', '[\p{Z}\p{Cc}]+', ' ')", "a b"),
        ("regexp_replace('a\u00a0\u2028\u3000\x85\x1f\x00\tb', '[\\p{Z}\\p{Cc}]+', ' ')", "a b"),
        ("regexp_replace('a\u200b\u00adb', '[\\p{Z}\\p{Cc}]+', ' ')", "a\u200b\u00adb"),  # Cf is neither
        ("regexp_replace('xñ@é,y＠z', '[^ @＠,;<>]{1,255}[@＠][^ @＠,;<>]{1,255}', '***')", "***,***"),
        (r"regexp_replace('٠١٢٣٤٥ 1234 12345', '\p{Nd}{5,}', '***')", "*** 1234 ***"),
        ("regexp_replace(CAST(NULL AS varchar), 'a', 'b')", None),
    ],
    "DATE_DIFF": [
        ("date_diff('day', DATE '2020-03-01', DATE '2020-03-02')", 1),
        ("date_diff('day', DATE '2020-03-02', DATE '2020-03-01')", -1),
        ("date_diff('day', DATE '0001-01-01', DATE '9999-12-31')", 3652058),
        ("date_diff('day', DATE '1582-10-04', DATE '1582-10-15')", 11),  # one calendar for all years
        ("date_diff('day', CAST(NULL AS date), DATE '2020-03-01')", None),
    ],
    "DATE_ADD": [
        ("CAST(date_add('day', 7, DATE '2024-02-26') AS date)", date(2024, 3, 4)),
        ("CAST(date_add('day', 7 * 2, DATE '9999-12-01') AS date)", date(9999, 12, 15)),
    ],
    "DAY_OF_WEEK": [
        ("day_of_week(DATE '2025-08-18')", 1),
        ("day_of_week(DATE '2025-08-17')", 7),
        ("day_of_week(DATE '0001-01-01')", 1),
        ("day_of_week(DATE '9999-12-31')", 5),
    ],
    "SEQUENCE": [("sequence(0, 3)", [0, 1, 2, 3]), ("sequence(2, 2)", [2])],
    "UNNEST": [
        ("(SELECT sum(x) FROM UNNEST(sequence(1, 3)) AS t (x))", 6),
        ("(SELECT count(*) FROM (VALUES 1, 2) AS v (x) CROSS JOIN UNNEST(sequence(0, 9)) AS t (y))", 20),
    ],
    "ROW_NUMBER": [
        (
            "(SELECT x FROM (SELECT x, row_number() OVER (ORDER BY x DESC) AS place"
            " FROM (VALUES 1, NULL, 2) AS t (x)) AS ranked WHERE place = 1)",
            2,  # NULL comes last, in descending order too
        ),
    ],
}
HABITS: list[tuple[str, list[tuple[Any, ...]]]] = [
    ("SELECT 5 / 2, -5 / 2, 5 / 2.0e0", [(2, -2, 2.5)]),
    ("SELECT numero_conversaciones / 2 FROM users WHERE usuario_id = '1234567'", [(1,)]),
    ("SELECT x FROM (VALUES 1, NULL, 2) AS t (x) ORDER BY x", [(1,), (2,), (None,)]),
    ("SELECT x FROM (VALUES 1, NULL, 2) AS t (x) ORDER BY x DESC", [(2,), (1,), (None,)]),
    ("SELECT x FROM (VALUES 'b', 'á', 'B') AS t (x) ORDER BY x", [("B",), ("b",), ("á",)]),
    ("SELECT 'a' = 'A', NULL = NULL", [(False, None)]),
    ("SELECT '***' || 'a', 'a' || CAST(NULL AS varchar)", [("***a", None)]),
    (
        "SELECT '' IN ('', NULL), 'a' IN ('', NULL), 'a' IN ('', 'a'), 'a' IN ('', 'A')",
        [(True, None, True, False)],
    ),
    (
        "SELECT x, row_number() OVER (ORDER BY x DESC) FROM (VALUES 1, NULL) AS t (x) ORDER BY 2",
        [(1, 1), (None, 2)],
    ),
    ("SELECT 'user' NOT IN ('user', 'bot'), 'x' NOT IN ('user', 'bot')", [(False, True)]),
]


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    users = [user("1234567", numero_conversaciones=3), user("Zoe", numero_conversaciones=2)]
    return write(tmp_path_factory.mktemp("query"), **sample() | {"users": users})


def translated(tables: dict[str, Path], sql: str) -> list[tuple[Any, ...]]:
    with athena.open_local(tables) as connection:
        return connection.sql(athena.to_duckdb(sql)).fetchall()


def functions_of(sql: str) -> set[str]:
    """Return the functions of a query as its text names them: a word before a parenthesis."""
    tokens = sqlglot.tokenize(sql, dialect="athena")
    texts, pairs = {token.text.upper() for token in tokens}, itertools.pairwise(tokens)
    words = {word.text.upper() for word, after in pairs if after.text == "(" and word.text[0].isalpha()}
    return words - {"AND", "AS", "FILTER", "FROM", "IN", "OR", "OVER", "T"} | (
        {"CASE"} if "CASE" in texts else set()
    )


@pytest.mark.parametrize(("top", "rows"), [({"top": 0}, 0), ({"top": 1}, 1), ({"top": 99}, 11), ({}, 10)])
def test_a_parameter_takes_its_default(top: dict[str, int], rows: int, tmp_path: Path) -> None:
    tables = write(tmp_path, users=[user(str(n)) for n in range(11)])
    assert len(athena.run_local("heaviest_users", tables, **top)) == rows


@pytest.mark.parametrize("name", query.names())
def test_the_translation_keeps_the_placeholders(name: str) -> None:
    found = query.load(name)
    assert athena.to_duckdb(found.sql).count("?") == len(found.parameters)


@pytest.mark.parametrize(
    ("name", "sql", "promised"), [(n, *c) for n, cases in FUNCTIONS.items() for c in cases]
)
def test_a_function_means_the_same_in_duckdb_as_in_athena(
    name: str, sql: str, promised: Any, tables: dict[str, Path]
) -> None:
    assert name in functions_of(sql) or f" {name} " in sql
    [(value,)] = translated(tables, f"SELECT {sql}")
    assert value == promised
    assert type(value) is type(promised)


@pytest.mark.parametrize(("sql", "promised"), HABITS)
def test_the_engine_behaves_as_athena(
    sql: str, promised: list[tuple[Any, ...]], tables: dict[str, Path]
) -> None:
    assert translated(tables, sql) == promised


def test_the_allowed_functions_are_those_tested_here() -> None:
    assert set(FUNCTIONS) == athena.TESTED_FUNCTIONS


def test_the_queries_use_only_allowed_functions() -> None:
    used = set().union(*(functions_of(query.load(name).sql) for name in query.names()))
    assert used <= athena.TESTED_FUNCTIONS
    assert {"DATE_TRUNC", "REGEXP_REPLACE", "UNNEST", "SEQUENCE", "CASE", "ROW_NUMBER"} <= used


@pytest.mark.parametrize(
    ("sql", "name"),
    [
        ("SELECT foo(ciudad) FROM users", "FOO"),
        ("SELECT count_if(numero_feedback > 0) FROM users", "COUNT_IF"),  # of no rows: 0 there, NULL here
        ("SELECT reverse(ciudad) FROM users", "REVERSE"),
        ("SELECT count(*) FROM users WHERE regexp_like(ciudad, '^B')", "REGEXP_LIKE"),
        ("SELECT current_date", "CURRENT_DATE"),
        ("SELECT sum(x) FROM (SELECT approx_distinct(ciudad) AS x FROM users) AS t", "APPROX_DISTINCT"),
        ("SELECT split(ciudad, ' ') FROM users", "SPLIT"),
    ],
)
def test_an_untested_function_is_refused_by_name(sql: str, name: str) -> None:
    with pytest.raises(UntestedFunctionError, match=f"^{name}, in "):
        athena.to_duckdb(sql)


@pytest.mark.parametrize("sql", ["SELECT FROM WHERE", "SELECT (1", "SELECT 1; SELECT 2", "DROP TABLE users"])
def test_what_is_not_one_query_is_refused(sql: str) -> None:
    with pytest.raises(QueryError, match="cannot be translated"):
        athena.to_duckdb(sql)


def test_an_unknown_query_or_a_wrong_parameter_is_an_error(tables: dict[str, Path]) -> None:
    with pytest.raises(UnknownQueryError, match="there are by_city"):
        athena.run_local("nope", tables)
    with pytest.raises(ParameterError, match="top='3' is a str"):
        athena.run_local("heaviest_users", tables, top="3")


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("totals", [], "totals reads the table users: give its Parquet file with --parquet PATH"),
        ("time_coverage", ["users"], "time_coverage reads the table conversations: .* --conversations PATH"),
        ("overview", ["conversations"], "overview reads the table messages: .* --messages PATH"),
        ("hours", ["messages"], "data_period reads .* --conversations PATH, or its since and until"),
    ],
)
def test_a_table_that_is_not_given_is_an_error_that_names_its_option(
    name: str, given: list[str], message: str, tables: dict[str, Path]
) -> None:
    with pytest.raises(InputError, match=f"^{message}"):
        athena.run_local(name, {table: tables[table] for table in given})


def test_a_query_needs_only_the_tables_that_it_reads(tables: dict[str, Path]) -> None:
    found = athena.run_local("hours", {"messages": tables["messages"]}, since=SINCE, until=UNTIL)
    assert len(found) > 0


def test_a_missing_or_broken_file_is_an_input_error(tmp_path: Path) -> None:
    broken = tmp_path / "broken.parquet"
    broken.write_text("no Parquet")
    for path in (tmp_path / "none.parquet", tmp_path, broken):
        with pytest.raises(InputError, match=path.name):
            athena.run_local("totals", {"users": path})


def test_a_file_without_the_columns_is_a_query_error(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": [1]}), tmp_path / "data.parquet")
    with pytest.raises(QueryError, match=r"totals on .*data\.parquet.*numero_conversaciones"):
        athena.run_local("totals", {"users": tmp_path / "data.parquet"})


def test_a_path_is_not_a_pattern(tmp_path: Path) -> None:
    write(tmp_path, users=[user("a")])["users"].rename(tmp_path / "other.parquet")
    asked = write(tmp_path, users=[user("a"), user("b")])["users"].rename(tmp_path / "?ther.parquet")
    assert rows_of(athena.run_local("totals", {"users": str(asked)})) == [(2, 0, 0)]


@pytest.mark.slow
def test_the_import_is_light_and_the_local_time_zone_does_not_matter(tmp_path: Path) -> None:
    talk = conversation("u", SINCE, feedback_en=datetime(2025, 8, 6, 23, 59), comentario_negativo="no")
    tables = write(tmp_path, conversations=[talk], messages=[message("u", SINCE, "qué tal", hora=23)])
    period = f"since={str(SINCE)!r}, until={str(UNTIL)!r}"
    paths = {name: str(path) for name, path in tables.items()}
    script = (
        "import sys\nfrom cat_lab.local_athena import run_local\n"
        "assert not {'awswrangler', 'boto3', 'duckdb', 'pandas', 'sqlglot'} & set(sys.modules)\n"
        "for name in ('negative_comments', 'hours', 'cohorts'):\n"
        f"    print(run_local(name, {paths!r}, {period}).to_csv())\n"
    )
    path = os.pathsep.join(sys.path)
    answers = {
        subprocess.run(
            [sys.executable, "-c", script],
            env=os.environ | {"TZ": zone, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for zone in ("UTC", "Pacific/Kiritimati", "America/Bogota")
    }
    assert len(answers) == 1
    assert "2025-08-06 23:59:00,***,no" in answers.pop()
