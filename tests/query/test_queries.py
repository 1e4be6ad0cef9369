"""The named queries: their answers on rows that bite, the translation they rest on, what Athena is sent."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import boto3
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import requests
import sqlglot
from moto.server import ThreadedMotoServer
from sqlglot import exp

from cat_normalize.core import layout, schema
from cat_normalize.core.errors import (
    InputError,
    ParameterError,
    QueryError,
    UnknownQueryError,
    UntestedFunctionError,
)
from cat_normalize.core.settings import Settings
from cat_normalize.query import queries as query

FAKE = 'say "sk":"CONVERSATION#2020-01-01T00:00:00" or \\"sk\\":"CONVERSATION#2020-01-02'


def conversations(*keys: str, text: str = "hola") -> str:
    """Return column 7 for conversations with these sort keys, each with one message."""
    told = [{"sk": sk, "messages": [{"from": "user", "text": text, "timestamp": "sk"}]} for sk in keys]
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))


def user(usuario_id: str, **columns: Any) -> dict[str, Any]:
    """Return a row: a user without conversations or feedback, but for the columns given."""
    empty: dict[str, Any] = dict.fromkeys(schema.NAMES) | {
        "nombre": "Usuario Anónimo",
        "numero_conversaciones": 0,
        "conversacion_completa": "[]",
        "numero_feedback": 0,
    }
    return empty | {"usuario_id": usuario_id} | columns


ROWS = [
    user(
        "Zoe",  # before "ana" in byte order
        nombre="Zoé",
        gerencia="Ventas",
        ciudad="Cúcuta",
        fecha_primera_conversacion=date(2025, 8, 17),  # a Sunday
        numero_conversaciones=2,
        conversacion_completa=conversations("CONVERSATION#2025-08-17T23:59:59#a", "CONVERSATION#2025-08-18"),
        pregunta_conversacion="¿Qué hay? | hola | a/b",
    ),
    user(
        "ana",
        gerencia="Ventas",
        ciudad="Bogotá",
        fecha_primera_conversacion=date(2025, 8, 18),  # the Monday after
        numero_conversaciones=3,
        conversacion_completa=conversations(
            "CONVERSATION#2025-08-18T08:00:00",
            "CONVERSATION#2025-08-18T09:00:00",
            "CONVERSATION#x",
            text=FAKE,
        ),
        numero_feedback=2,
        pregunta_conversacion="hola | ¿Qué hay? | Hola",
        feedback="mixed",
    ),
    user(
        "beto",
        gerencia="Bogotá",
        ciudad="Bogotá",
        fecha_primera_conversacion=date(2025, 8, 24),  # the Sunday of that week
        numero_conversaciones=2,
        conversacion_completa=conversations(
            "CONVERSATION#2025-02-30T08:00:00", "CONVERSATION#2025-08-24#z|z"
        ),
        numero_feedback=1,
        pregunta_conversacion="¿Qué hay?",
        feedback="like",
    ),
    user("caro", numero_feedback=1, feedback="dislike"),  # feedback alone, and nothing known of her
    user(
        "dani",
        ciudad="Cali",
        gerencia="Cali",
        numero_conversaciones=1,  # nobody can read its day
        conversacion_completa=conversations("CONVERSATION#"),
        numero_feedback=1,  # of a type that is neither
        pregunta_conversacion="|| | a/b",
    ),
]

# Every query's whole answer: its parameters, its columns with Athena's types, its rows.
ANSWERS: dict[str, tuple[dict[str, Any], dict[str, str], list[tuple[Any, ...]]]] = {
    "totals": (
        {},
        {"user_count": "bigint", "conversation_count": "bigint", "feedback_count": "bigint"},
        [(5, 8, 5)],
    ),
    "conversations_by_day": (
        {},
        {"day": "date", "conversation_count": "bigint", "user_count": "bigint"},
        [
            (date(2025, 8, 17), 1, 1),
            (date(2025, 8, 18), 3, 2),
            (date(2025, 8, 24), 1, 1),
            (None, 3, 3),
        ],
    ),
    "new_users_by_week": (
        {},
        {"week": "date", "user_count": "bigint"},
        [(date(2025, 8, 11), 1), (date(2025, 8, 18), 2), (None, 2)],
    ),
    "feedback_split": (
        {},
        {"feedback": "varchar", "user_count": "bigint"},
        [("none", 2), ("dislike", 1), ("like", 1), ("mixed", 1)],
    ),
    "most_asked_questions": (
        {"top": 4},
        {"place": "bigint", "question": "varchar", "user_count": "bigint"},
        [(1, "¿Qué hay?", 3), (2, "a/b", 2), (3, "hola", 2), (4, "Hola", 1)],
    ),
    "users_by_city": (
        {},
        {
            "ciudad": "varchar",
            "user_count": "bigint",
            "conversation_count": "bigint",
            "feedback_count": "bigint",
        },
        [("Bogotá", 2, 5, 3), ("Cali", 1, 1, 1), ("Cúcuta", 1, 2, 0), (None, 1, 0, 1)],
    ),
    "users_by_gerencia": (
        {},
        {
            "gerencia": "varchar",
            "user_count": "bigint",
            "conversation_count": "bigint",
            "feedback_count": "bigint",
        },
        [("Ventas", 2, 5, 2), ("Bogotá", 1, 2, 1), ("Cali", 1, 1, 1), (None, 1, 0, 1)],
    ),
    "feedback_share": (
        {},
        {
            "user_count": "bigint",
            "users_with_feedback": "bigint",
            "share_of_users": "double",
            "feedback_per_conversation": "double",
        },
        [(5, 4, 0.8, 0.625)],
    ),
    "heaviest_users": (
        {"top": 3},
        {
            "place": "bigint",
            "usuario_id": "varchar",
            "nombre": "varchar",
            "numero_conversaciones": "integer",
            "numero_feedback": "integer",
        },
        [
            (1, "ana", "Usuario Anónimo", 3, 2),
            (2, "Zoe", "Zoé", 2, 0),
            (3, "beto", "Usuario Anónimo", 2, 1),
        ],
    ),
}

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


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    pq.write_table(pa.Table.from_pylist(rows, schema=schema.arrow_schema()), path)
    return path


@pytest.fixture(scope="module")
def parquet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("query") / "data.parquet", ROWS)


def rows_of(frame: pd.DataFrame) -> list[tuple[Any, ...]]:
    columns = [[None if pd.isna(value) else value for value in frame[name]] for name in frame.columns]
    return list(zip(*columns, strict=True))


def translated(parquet: Path, sql: str) -> list[tuple[Any, ...]]:
    with query.open_local(parquet) as connection:
        return connection.sql(query.to_duckdb(sql)).fetchall()


def functions_of(sql: str) -> set[str]:
    """Return the functions of a query as its text names them: a word before a parenthesis."""
    tokens = sqlglot.tokenize(sql, dialect="athena")
    pairs = itertools.pairwise(tokens)
    words = {word.text.upper() for word, after in pairs if after.text == "(" and word.text[0].isalpha()}
    return words - {"AS", "FILTER", "FROM", "IN", "OVER", "T"}


@pytest.mark.parametrize("name", query.names())
def test_a_query_answers_whole(name: str, parquet: Path) -> None:
    parameters, columns, rows = ANSWERS[name]
    frame = query.run_local(name, parquet, **parameters)
    assert list(frame.columns) == list(columns)
    assert rows_of(frame) == rows


@pytest.mark.parametrize("name", query.names())
def test_a_query_answers_on_a_table_without_rows(name: str, tmp_path: Path) -> None:
    frame = query.run_local(name, write(tmp_path / "data.parquet", []))
    expected = {"totals": [(0, 0, 0)], "feedback_share": [(0, 0, None, None)]}
    assert rows_of(frame) == expected.get(name, [])
    assert list(frame.columns) == list(ANSWERS[name][1])


def test_a_parameter_takes_its_default(parquet: Path) -> None:
    assert [len(query.run_local("most_asked_questions", parquet, top=top)) for top in (0, 1, 99)] == [0, 1, 5]
    assert len(query.run_local("most_asked_questions", parquet)) == 5


@pytest.mark.parametrize("name", query.names())
def test_a_file_says_what_it_answers_and_takes(name: str) -> None:
    found = query.load(name)
    assert found.name == name
    assert found.question.endswith(".")
    assert "parameter:" not in found.question
    assert found.sql.startswith("-- ")
    assert found.sql.count("?") == len(found.parameters)  # none in a comment, where it might be counted
    assert query.to_duckdb(found.sql).count("?") == len(found.parameters)


@pytest.mark.parametrize("name", query.names())
def test_a_query_is_one_ordered_select_that_names_what_it_reads(name: str) -> None:
    tree = sqlglot.parse_one(query.load(name).sql, dialect="athena")
    assert isinstance(tree, exp.Select)
    assert tree.args["order"]
    assert {table.name for table in tree.find_all(exp.Table)} == {"users"}
    assert all(isinstance(star.parent, exp.Count) for star in tree.find_all(exp.Star))
    json_columns = {"conversacion_completa", "feedback_total"} & {c.name for c in tree.find_all(exp.Column)}
    assert json_columns == ({"conversacion_completa"} if name == "conversations_by_day" else set())
    for placeholder in tree.find_all(exp.Placeholder):  # Athena takes one there alone
        assert placeholder.find_ancestor(exp.Where, exp.Limit, exp.Select).key == "where"


def test_the_questions_asked_for_are_there() -> None:
    assert query.names() == sorted(ANSWERS)
    assert len(query.names()) >= 9


@pytest.mark.parametrize(
    ("name", "sql", "promised"), [(n, *c) for n, cases in FUNCTIONS.items() for c in cases]
)
def test_a_function_means_in_duckdb_what_it_means_in_athena(
    name: str, sql: str, promised: Any, parquet: Path
) -> None:
    assert name in functions_of(sql) or f" {name} " in sql
    [(value,)] = translated(parquet, f"SELECT {sql}")
    assert value == promised
    assert type(value) is type(promised)


@pytest.mark.parametrize(("sql", "promised"), HABITS)
def test_the_engine_keeps_athenas_habits(sql: str, promised: list[tuple[Any, ...]], parquet: Path) -> None:
    assert translated(parquet, sql) == promised


def test_the_allowed_functions_are_those_with_a_case() -> None:
    assert set(FUNCTIONS) == query.TESTED_FUNCTIONS


def test_the_queries_use_allowed_functions_alone() -> None:
    used = set().union(*(functions_of(query.load(name).sql) for name in query.names()))
    assert used <= query.TESTED_FUNCTIONS
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
        query.to_duckdb(sql)


@pytest.mark.parametrize("sql", ["SELECT FROM WHERE", "SELECT (1", "SELECT 1; SELECT 2", "DROP TABLE users"])
def test_what_is_not_one_query_is_refused(sql: str) -> None:
    with pytest.raises(QueryError, match="cannot be translated"):
        query.to_duckdb(sql)


def test_an_unknown_query_lists_those_there_are(parquet: Path) -> None:
    for name in ("nope", "", "../query", "totals.sql"):
        with pytest.raises(
            UnknownQueryError, match=r"conversations_by_day, feedback_share, .*users_by_gerencia"
        ):
            query.run_local(name, parquet)
    with pytest.raises(UnknownQueryError):
        query.run_athena("nope", Settings())


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("totals", {"top": 1}, r"totals has no parameter top; it takes none"),
        (
            "heaviest_users",
            {"n": 1},
            r"heaviest_users has no parameter n; it takes top \(integer, default 10\)",
        ),
        ("heaviest_users", {"top": "3"}, r"top='3' is a str; it takes top \(integer, default 10\)"),
        ("heaviest_users", {"top": "1 OR 1=1"}, "is a str"),
        ("heaviest_users", {"top": 3.0}, "is a float"),
        ("heaviest_users", {"top": True}, "is a bool"),
        ("heaviest_users", {"top": None}, "is a NoneType"),
    ],
)
def test_a_wrong_parameter_names_those_allowed(
    name: str, given: dict[str, Any], message: str, parquet: Path
) -> None:
    with pytest.raises(ParameterError, match=message):
        query.run_local(name, parquet, **given)
    with pytest.raises(ParameterError, match=message):
        query.run_athena(name, Settings(), **given)


def test_a_missing_or_broken_file_is_an_input_error(tmp_path: Path) -> None:
    broken = tmp_path / "broken.parquet"
    broken.write_text("no Parquet")
    for path in (tmp_path / "none.parquet", tmp_path, broken):
        with pytest.raises(InputError, match=path.name):
            query.run_local("totals", path)


def test_a_file_without_the_columns_is_a_query_error(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": [1]}), tmp_path / "data.parquet")
    with pytest.raises(QueryError, match=r"totals on .*data\.parquet.*numero_conversaciones"):
        query.run_local("totals", tmp_path / "data.parquet")


def test_a_path_is_a_name_and_no_pattern(tmp_path: Path) -> None:
    write(tmp_path / "other.parquet", ROWS[:1])
    asked = write(tmp_path / "?ther.parquet", ROWS[:2])
    assert rows_of(query.run_local("totals", str(asked))) == [(2, 5, 2)]


def test_nothing_heavy_is_imported_and_the_clock_does_not_matter(parquet: Path) -> None:
    script = (
        "import sys, cat_normalize.query.queries as query\n"
        "assert not {'awswrangler', 'boto3', 'duckdb', 'pandas', 'sqlglot'} & set(sys.modules)\n"
        f"print(query.run_local('new_users_by_week', {str(parquet)!r}).to_csv())\n"
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


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Start a local AWS; yield its address."""
    started = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    started.start()
    host, port = started.get_host_and_port()
    yield f"http://{host}:{port}"
    started.stop()


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_PROFILE", raising=False)


@pytest.fixture
def athena(server: str, credentials: None) -> Settings:
    """Return settings that point at an empty local Athena with the contract's bucket and workgroup."""
    settings = Settings(endpoint_url=server)
    requests.post(f"{server}/moto-api/reset", timeout=10)
    client(settings, "s3").create_bucket(Bucket=settings.bucket)
    client(settings, "athena").create_work_group(
        Name=layout.WORKGROUP,
        Configuration={
            "EnforceWorkGroupConfiguration": True,
            "ResultConfiguration": {"OutputLocation": f"s3://{settings.bucket}/{settings.athena_prefix}"},
        },
    )
    return settings


def client(settings: Settings, service: str) -> Any:
    return boto3.client(service, region_name=settings.region, endpoint_url=settings.endpoint_url)


def promise(settings: Settings, columns: dict[str, str], rows: list[tuple[Any, ...]]) -> None:
    """Queue what Athena answers next: a row of names, then the rows, every value as text."""
    cells = [tuple(columns), *rows]
    result = {
        "rows": [{"Data": [{} if c is None else {"VarCharValue": str(c)} for c in row]} for row in cells],
        "column_info": [{"Name": name, "Type": kind} for name, kind in columns.items()],
    }
    url = f"{settings.endpoint_url}/moto-api/static/athena/query-results"
    answer = requests.post(url, json={"region": settings.region, "results": [result]}, timeout=10)
    assert answer.status_code == 201


def sent(settings: Settings) -> dict[str, Any]:
    """Return the one query that Athena was sent."""
    api = client(settings, "athena")
    [execution] = api.list_query_executions()["QueryExecutionIds"]
    found: dict[str, Any] = api.get_query_execution(QueryExecutionId=execution)["QueryExecution"]
    return found


@pytest.mark.parametrize("name", query.names())
def test_athena_is_sent_the_text_and_the_values_apart(name: str, athena: Settings, parquet: Path) -> None:
    parameters, columns, rows = ANSWERS[name]
    promise(athena, columns, rows)
    frame = query.run_athena(name, athena, **parameters)
    pd.testing.assert_frame_equal(frame, query.run_local(name, parquet, **parameters))
    request = sent(athena)
    assert request["Query"] == query.load(name).sql
    assert request.get("ExecutionParameters", []) == [str(value) for value in parameters.values()]
    assert request["WorkGroup"] == "wg-cat-prod-analytics"
    assert request["QueryExecutionContext"] == {"Database": "cat_prod_analytics_db"}
    output = request["ResultConfiguration"]["OutputLocation"]
    assert output.startswith("s3://cat-prod-normalize-reports/athena/results/")


@pytest.mark.parametrize("name", ["heaviest_users", "new_users_by_week"])
def test_athena_is_asked_with_the_default_and_may_answer_nothing(
    name: str, athena: Settings, tmp_path: Path
) -> None:
    promise(athena, ANSWERS[name][1], [])
    frame = query.run_athena(name, athena)
    pd.testing.assert_frame_equal(frame, query.run_local(name, write(tmp_path / "data.parquet", [])))
    assert sent(athena).get("ExecutionParameters", []) == (["10"] if "top" in ANSWERS[name][0] else [])


def test_awswranglers_own_endpoints_are_left_as_they_were(athena: Settings) -> None:
    import awswrangler as wr

    wr.config.athena_endpoint_url = "http://elsewhere"
    try:
        promise(athena, {"user_count": "bigint"}, [(1,)])
        query.run_athena("totals", athena)
        assert (wr.config.athena_endpoint_url, wr.config.s3_endpoint_url) == ("http://elsewhere", None)
    finally:
        wr.config.athena_endpoint_url = None


class FailingAthena(BaseHTTPRequestHandler):
    """Athena's protocol, as far as a query that fails needs it; ``state`` is how it ends."""

    state = "FAILED"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        status = {"State": self.state, "StateChangeReason": "TABLE_NOT_FOUND: users"}
        workgroup = {"Name": "w", "Configuration": {"EnforceWorkGroupConfiguration": False}}
        answers = {
            "GetWorkGroup": {"WorkGroup": workgroup},
            "StartQueryExecution": {"QueryExecutionId": "1"},
            "GetQueryExecution": {"QueryExecution": {"QueryExecutionId": "1", "Status": status}},
        }
        refused = self.state == "REFUSED"
        problem = {"__type": "InvalidRequestException", "message": "WorkGroup is not found."}
        operation = self.headers["X-Amz-Target"].split(".")[1]
        body = json.dumps(problem if refused else answers[operation]).encode()
        self.send_response(400 if refused else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ("FAILED", "TABLE_NOT_FOUND: users"),
        ("CANCELLED", "TABLE_NOT_FOUND"),
        ("REFUSED", "WorkGroup is not found"),
    ],
)
@pytest.mark.usefixtures("credentials")
def test_what_athena_fails_is_a_query_error(
    state: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FailingAthena, "state", state)
    with HTTPServer(("127.0.0.1", 0), FailingAthena) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        settings = Settings(endpoint_url=f"http://127.0.0.1:{server.server_port}")
        with pytest.raises(QueryError, match=f"totals through Athena's workgroup wg-cat.*{message}"):
            query.run_athena("totals", settings)
        server.shutdown()
