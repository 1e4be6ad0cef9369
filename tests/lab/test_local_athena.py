"""The named queries on a local Parquet file: their answers, and the translation that they depend on."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlglot

from answers import ANSWERS, ROWS, rows_of, write
from cat_lab import local_athena as athena
from cat_lab.errors import UntestedFunctionError
from cat_normalize import query
from cat_normalize.core.errors import InputError, ParameterError, QueryError, UnknownQueryError

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
    "TRY_CAST": [
        ("TRY_CAST('2024-02-29' AS date)", date(2024, 2, 29)),
        ("TRY_CAST('2025-02-30' AS date)", None),
        ("TRY_CAST('' AS date)", None),
        ("TRY_CAST(CAST(NULL AS varchar) AS date)", None),
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
        ("CAST(date_trunc('week', CAST(NULL AS date)) AS date)", None),
    ],
    "SPLIT": [
        ("split('a | b|c', ' | ')", ["a", "b|c"]),
        ("split('a.b', '.')", ["a", "b"]),  # a string, no pattern
        ("split('a | ', ' | ')", ["a", ""]),
        ("split('', ' | ')", [""]),
        ("split(CAST(NULL AS varchar), ' | ')", None),
    ],
    "REGEXP_EXTRACT_ALL": [
        (r"regexp_extract_all('1a 2b 14m', '(\d+)([a-z]+)', 2)", ["a", "b", "m"]),
        ("regexp_extract_all('k:12 k:x', 'k:([0-9]+|)', 1)", ["12", ""]),
        ("regexp_extract_all('x', 'k:([0-9]+|)', 1)", []),
        ("regexp_extract_all(CAST(NULL AS varchar), '(a)', 1)", None),
        ("regexp_extract_all('ñ#é', '#(.)', 1)", ["é"]),
    ],
    "UNNEST": [
        ("(SELECT count(*) FROM (VALUES 'a b') AS v (x) CROSS JOIN UNNEST(split(x, ' ')) AS t (y))", 2),
        (
            "(SELECT count(*) FROM (VALUES CAST(NULL AS varchar)) AS v (x)"
            " CROSS JOIN UNNEST(split(x, ' ')) AS t (y))",
            0,
        ),
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
    ("SELECT numero_conversaciones / 2 FROM users WHERE usuario_id = 'ana'", [(1,)]),
    ("SELECT x FROM (VALUES 1, NULL, 2) AS t (x) ORDER BY x", [(1,), (2,), (None,)]),
    ("SELECT x FROM (VALUES 1, NULL, 2) AS t (x) ORDER BY x DESC", [(2,), (1,), (None,)]),
    ("SELECT x FROM (VALUES 'b', 'á', 'B') AS t (x) ORDER BY x", [("B",), ("b",), ("á",)]),
    ("SELECT 'a' = 'A', NULL = NULL", [(False, None)]),
]


@pytest.fixture(scope="module")
def parquet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("query") / "data.parquet", ROWS)


def translated(parquet: Path, sql: str) -> list[tuple[Any, ...]]:
    with athena.open_local(parquet) as connection:
        return connection.sql(athena.to_duckdb(sql)).fetchall()


def functions_of(sql: str) -> set[str]:
    """Return the functions of a query as its text names them: a word before a parenthesis."""
    tokens = sqlglot.tokenize(sql, dialect="athena")
    pairs = itertools.pairwise(tokens)
    words = {word.text.upper() for word, after in pairs if after.text == "(" and word.text[0].isalpha()}
    return words - {"AS", "FILTER", "FROM", "IN", "OVER", "T"}


@pytest.mark.parametrize("name", query.names())
def test_a_query_gives_its_complete_answer(name: str, parquet: Path) -> None:
    parameters, columns, rows = ANSWERS[name]
    frame = athena.run_local(name, parquet, **parameters)
    assert list(frame.columns) == list(columns)
    assert rows_of(frame) == rows


@pytest.mark.parametrize("name", query.names())
def test_a_query_answers_on_a_table_without_rows(name: str, tmp_path: Path) -> None:
    frame = athena.run_local(name, write(tmp_path / "data.parquet", []))
    expected = {"totals": [(0, 0, 0)], "feedback_share": [(0, 0, None, None)]}
    assert rows_of(frame) == expected.get(name, [])
    assert list(frame.columns) == list(ANSWERS[name][1])


def test_a_parameter_takes_its_default(parquet: Path) -> None:
    assert [len(athena.run_local("most_asked_questions", parquet, top=top)) for top in (0, 1, 99)] == [
        0,
        1,
        5,
    ]
    assert len(athena.run_local("most_asked_questions", parquet)) == 5


@pytest.mark.parametrize("name", query.names())
def test_the_translation_keeps_the_placeholders(name: str) -> None:
    found = query.load(name)
    assert athena.to_duckdb(found.sql).count("?") == len(found.parameters)


@pytest.mark.parametrize(
    ("name", "sql", "promised"), [(n, *c) for n, cases in FUNCTIONS.items() for c in cases]
)
def test_a_function_means_the_same_in_duckdb_as_in_athena(
    name: str, sql: str, promised: Any, parquet: Path
) -> None:
    assert name in functions_of(sql) or f" {name} " in sql
    [(value,)] = translated(parquet, f"SELECT {sql}")
    assert value == promised
    assert type(value) is type(promised)


@pytest.mark.parametrize(("sql", "promised"), HABITS)
def test_the_engine_behaves_as_athena(sql: str, promised: list[tuple[Any, ...]], parquet: Path) -> None:
    assert translated(parquet, sql) == promised


def test_the_allowed_functions_are_those_tested_here() -> None:
    assert set(FUNCTIONS) == athena.TESTED_FUNCTIONS


def test_the_queries_use_only_allowed_functions() -> None:
    used = set().union(*(functions_of(query.load(name).sql) for name in query.names()))
    assert used <= athena.TESTED_FUNCTIONS
    assert {"DATE_TRUNC", "SPLIT", "REGEXP_EXTRACT_ALL", "UNNEST", "TRY_CAST", "ROW_NUMBER"} <= used


@pytest.mark.parametrize(
    ("sql", "name"),
    [
        ("SELECT foo(ciudad) FROM users", "FOO"),
        ("SELECT count_if(numero_feedback > 0) FROM users", "COUNT_IF"),  # of no rows: 0 there, NULL here
        ("SELECT lower(ciudad) FROM users", "LOWER"),
        ("SELECT count(*) FROM users WHERE regexp_like(ciudad, '^B')", "REGEXP_LIKE"),
        ("SELECT current_date", "CURRENT_DATE"),
        ("SELECT sum(x) FROM (SELECT approx_distinct(ciudad) AS x FROM users) AS t", "APPROX_DISTINCT"),
        ("SELECT CASE WHEN true THEN 1 END", "CASE"),
    ],
)
def test_an_untested_function_is_refused_by_name(sql: str, name: str) -> None:
    with pytest.raises(UntestedFunctionError, match=f"^{name}, in "):
        athena.to_duckdb(sql)


@pytest.mark.parametrize("sql", ["SELECT FROM WHERE", "SELECT (1", "SELECT 1; SELECT 2", "DROP TABLE users"])
def test_what_is_not_one_query_is_refused(sql: str) -> None:
    with pytest.raises(QueryError, match="cannot be translated"):
        athena.to_duckdb(sql)


def test_an_unknown_query_or_a_wrong_parameter_is_an_error(parquet: Path) -> None:
    with pytest.raises(UnknownQueryError, match="there are conversations_by_day"):
        athena.run_local("nope", parquet)
    with pytest.raises(ParameterError, match="top='3' is a str"):
        athena.run_local("heaviest_users", parquet, top="3")


def test_a_missing_or_broken_file_is_an_input_error(tmp_path: Path) -> None:
    broken = tmp_path / "broken.parquet"
    broken.write_text("no Parquet")
    for path in (tmp_path / "none.parquet", tmp_path, broken):
        with pytest.raises(InputError, match=path.name):
            athena.run_local("totals", path)


def test_a_file_without_the_columns_is_a_query_error(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": [1]}), tmp_path / "data.parquet")
    with pytest.raises(QueryError, match=r"totals on .*data\.parquet.*numero_conversaciones"):
        athena.run_local("totals", tmp_path / "data.parquet")


def test_a_path_is_not_a_pattern(tmp_path: Path) -> None:
    write(tmp_path / "other.parquet", ROWS[:1])
    asked = write(tmp_path / "?ther.parquet", ROWS[:2])
    assert rows_of(athena.run_local("totals", str(asked))) == [(2, 5, 2)]


@pytest.mark.slow
def test_the_import_is_light_and_the_local_time_zone_does_not_matter(parquet: Path) -> None:
    script = (
        "import sys\nfrom cat_lab.local_athena import run_local\n"
        "assert not {'awswrangler', 'boto3', 'duckdb', 'pandas', 'sqlglot'} & set(sys.modules)\n"
        f"print(run_local('new_users_by_week', {str(parquet)!r}).to_csv())\n"
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
    assert answers == {",week,user_count\n0,2025-08-11,1\n1,2025-08-18,2\n2,,2\n\n"}
