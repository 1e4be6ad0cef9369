"""The named queries: their texts and parameters, and the requests that Athena receives."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import boto3
import hypothesis
import pandas as pd
import pytest
import requests
import sqlglot
from moto.server import ThreadedMotoServer
from sqlglot import exp

from answers import ANSWERS, rows_of, same
from cat_lab.local_athena import run_local
from cat_normalize import query
from cat_normalize.core import layout, schema
from cat_normalize.core.errors import ParameterError, QueryError, SettingsError, UnknownQueryError
from cat_normalize.core.settings import Settings, today
from query_rows import DATA, GIVEN, PEOPLE, SINCE, UNTIL, Data, conversation, message, sample, write

PERIOD: dict[str, Any] = {
    "since": SINCE,
    "until": UNTIL,
    "ciudad": "",
    "gerencia": "",
    "top": 10,
    "run_date": UNTIL,
}


def of(name: str, given: dict[str, Any]) -> dict[str, Any]:
    """Return the values that a query takes."""
    return {each.name: given[each.name] for each in query.load(name).parameters}


def check(folder: Path, data: Data, given: dict[str, Any], names: Sequence[str] = ()) -> None:
    """Compare the answers of DuckDB with those of plain Python."""
    tables = write(folder, **data)
    for name in names or query.names():
        answer, columns = ANSWERS[name]
        frame = run_local(name, tables, **of(name, given))
        assert list(frame.columns) == list(columns), name
        found, expected = rows_of(frame), answer(data, given)
        assert same(found, expected), (name, found, expected)


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write(tmp_path_factory.mktemp("query"), **sample())


def test_every_query_answers_as_plain_python_does(tmp_path: Path) -> None:
    for name in query.names():
        assert ANSWERS[name][0](sample(), PERIOD), name  # there is something to compare
    for place in (
        {},
        {"ciudad": "Bogotá"},
        {"gerencia": "O'Brien"},
        {"ciudad": "Bogotá", "gerencia": "Ventas"},
    ):
        check(tmp_path, sample(), PERIOD | place)


@hypothesis.settings(max_examples=8, deadline=None)
@hypothesis.given(data=DATA, values=GIVEN)
def test_any_rows_are_answered_as_plain_python_does(
    tmp_path_factory: pytest.TempPathFactory, data: Data, values: dict[str, Any]
) -> None:
    check(tmp_path_factory.getbasetemp(), data, values)


@pytest.mark.parametrize("without", [["users", "conversations", "messages"], ["conversations"], ["messages"]])
def test_tables_may_be_empty(without: list[str], tmp_path: Path) -> None:
    check(tmp_path, sample() | {name: [] for name in without}, PERIOD)


@pytest.mark.parametrize("year", [1, 1582, 9999])
def test_a_period_may_lie_in_any_year(year: int, tmp_path: Path) -> None:
    first, last = date(year, 1, 1), date(year, 12, 31)
    talks = [conversation("u", first), conversation("u", last, 2), conversation("v", date(year, 1, 8))]
    said = [
        message("u", day, "qué tal", hora=9, enviado=datetime(day.year, 1, 1, 9)) for day in (first, last)
    ]
    data: Data = {"users": [], "conversations": talks, "messages": said}
    check(tmp_path, data, PERIOD | {"since": first, "until": last, "run_date": last})


def test_cohorts_have_a_row_for_every_week_of_a_long_period(tmp_path: Path) -> None:
    data: Data = {"conversations": [conversation("u", date.min), conversation("u", date.max, 2)]}
    given = PERIOD | {"since": date.min, "until": date(190, 1, 1)}
    tables = write(tmp_path, **data)
    frame = run_local("cohorts", tables, **of("cohorts", given))
    assert frame["active_users"].tolist() == [1] + [0] * ((given["until"] - date.min).days // 7)
    check(tmp_path, data, given | {"until": date.max}, ["cohorts"])  # at most 9,999 weeks


@pytest.mark.parametrize(
    ("values", "median", "p95"),
    [([5.0], 5, 5), ([1.0, 2.0], 1, 2), ([float(n) for n in range(1, 21)], 10, 19), ([2.0, 2.0, 9.0], 2, 9)],
)
def test_percentiles_are_by_nearest_rank(values: list[float], median: int, p95: int, tmp_path: Path) -> None:
    said = [message("u", SINCE, emisor="bot", respuesta=True, espera_s=value) for value in [*values, None]]
    tables = write(tmp_path, messages=said)
    found = run_local("reply_time_by_day", tables, since=SINCE, until=UNTIL)
    assert rows_of(found) == [(SINCE, len(values) + 1, len(values), median, p95)]


@pytest.mark.parametrize(
    ("after", "end", "counts"),
    [(0, 7, (1, 0)), (1, 7, (1, 1)), (7, 7, (1, 1)), (8, 9, (1, 0)), (3, 6, (0, 0))],
)
def test_who_came_back_within_seven_days_that_have_passed(
    after: int, end: int, counts: tuple[int, int], tmp_path: Path
) -> None:
    last = SINCE + timedelta(end)
    talks = [
        conversation("u", SINCE),
        conversation("u", SINCE + timedelta(after), 2),
        conversation("v", last),
    ]
    tables = write(tmp_path, conversations=[*talks, conversation("v", last + timedelta(1), 2)])
    found = run_local("came_back", tables, since=SINCE, until=UNTIL, run_date=last)
    assert rows_of(found)[0][:2] == counts


def test_questions_of_three_users_come_by_their_number_in_the_spelling_of_most(tmp_path: Path) -> None:
    asked = {"z z": "abcd", "a a": "abc", "Á, a": "b", "b|c": "abc", "d d": "ab", "e  e": "abc", "e e": "c"}
    said = [message(who, SINCE, text) for text, users in asked.items() for who in users]
    tables = write(tmp_path, messages=[*said, message("a", SINCE, "d d")])
    found = run_local("most_asked_questions", tables, since=SINCE, until=UNTIL)
    assert rows_of(found) == [(1, "z z", 4, 4), (2, "a a", 3, 4), (3, "b/c", 3, 3), (4, "e e", 3, 4)]


@pytest.mark.parametrize("who", PEOPLE)
def test_a_comment_never_shows_who_wrote_it(who: str, tmp_path: Path) -> None:
    text = f"soy {who}, escríbanme a yo.mismo@mail.example.org o al 3001234567; la sala 1234 no abre"
    tables = write(tmp_path, conversations=[conversation(who, SINCE, comentario_negativo=text)])
    [row] = run_local("negative_comments", tables, since=SINCE, until=UNTIL).to_dict(orient="records")
    assert "mail.example" not in row["comentario"]
    assert "3001234567" not in row["comentario"]
    assert who not in row["comentario"]
    assert "1234" in row["comentario"] or who == "a"
    assert row["usuario"] in ("***", "***" + who[-2:])
    assert len(row["usuario"]) == (5 if len(who) >= 8 else 3)


@pytest.mark.parametrize("name", query.names())
def test_a_file_begins_with_its_question_and_its_parameters(name: str) -> None:
    found = query.load(name)
    assert found.name == name
    assert found.question.endswith(".")
    assert "parameter:" not in found.question
    assert found.sql.startswith("-- ")
    assert found.sql.count("?") == len(found.parameters)  # none in a comment, where it might be counted


@pytest.mark.parametrize("name", query.names())
def test_a_query_is_one_ordered_select_that_names_its_columns(name: str) -> None:
    tree = sqlglot.parse_one(query.load(name).sql, dialect="athena")
    assert isinstance(tree, exp.Select)
    assert tree.args["order"]
    made = {each.alias for each in tree.find_all(exp.CTE)}
    assert {each.name for each in tree.find_all(exp.Table)} - made <= {table.name for table in schema.TABLES}
    assert all(isinstance(star.parent, exp.Count) for star in tree.find_all(exp.Star))
    assert not {"conversacion_completa", "feedback_total"} & {c.name for c in tree.find_all(exp.Column)}
    for placeholder in tree.find_all(exp.Placeholder):  # Athena takes one there alone
        assert placeholder.find_ancestor(exp.Where, exp.Limit, exp.Select).key == "where"


def test_every_query_has_its_answers_here() -> None:
    assert query.names() == sorted(ANSWERS)


@pytest.mark.parametrize("name", [name for name in query.names() if query.load(name).of_period])
def test_queries_of_a_period_take_it_in_one_order(name: str) -> None:
    declared = [(each.name, each.type, each.default) for each in dict.fromkeys(query.load(name).parameters)]
    period = [
        ("since", "day", None),
        ("until", "day", None),
        ("ciudad", "text", ""),
        ("gerencia", "text", ""),
    ]
    assert declared[:4] == period
    assert declared[4:] in ([], [("top", "integer", 10)], [("run_date", "day", None)])


def test_an_unknown_query_is_an_error_that_lists_all_names() -> None:
    for name in ("nope", "", "../query", "totals.sql"):
        with pytest.raises(UnknownQueryError, match=r"by_city, by_gerencia, .*unanswered_conversations"):
            query.load(name)
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
        ("hours", {"since": 5}, r"since=5 is a int; it takes since \(day\), .*ciudad \(text, default ''\)"),
        ("hours", {"since": datetime(2025, 8, 18, 9)}, "is a datetime"),
        ("hours", {"ciudad": None}, "is a NoneType"),
        ("hours", {"ciudad": 5}, "is a int"),
        ("hours", {"top": 5}, "hours has no parameter top; it takes since"),
        ("hours", {"since": date(2025, 8, 2), "until": "2025-08-01"}, "2025-08-02 is after until 2025-08-01"),
    ],
)
def test_a_wrong_parameter_is_an_error_that_names_those_allowed(
    name: str, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(ParameterError, match=message):
        query.load(name).values(given)
    with pytest.raises(ParameterError, match=message):
        query.run_athena(name, Settings(), **given)


@pytest.mark.parametrize("text", ["yesterday", "", "2025-02-30", "2025-08-18T09:00"])
def test_what_is_no_day_is_refused(text: str) -> None:
    for name in ("since", "run_date"):
        with pytest.raises(SettingsError, match="is not a day; write it as 2025-08-18"):
            query.load("hours").values({name: text})


def test_a_day_may_be_a_text_and_every_parameter_is_needed() -> None:
    hours = query.load("hours")
    assert hours.values({"since": "2025-08-01", "until": date(2025, 8, 2)})[:2] == [
        date(2025, 8, 1),
        date(2025, 8, 2),
    ]
    with pytest.raises(ParameterError, match=r"hours needs since \(day\), until \(day\)"):
        hours.values({})


@pytest.mark.parametrize(
    ("value", "sql"),
    [
        (-3, "-3"),
        (date(1, 1, 1), "DATE '0001-01-01'"),
        (date(9999, 12, 31), "DATE '9999-12-31'"),
        ("", "''"),
        ("Bogotá", "'Bogotá'"),
        ("O'Brien", "'O''Brien'"),
        ("' OR 1=1 --", "''' OR 1=1 --'"),
        ("a\\'?\n", "'a\\''?\n'"),
    ],
)
def test_a_value_is_a_literal_of_athena(value: Any, sql: str) -> None:
    assert query.literal(value) == sql
    assert sqlglot.parse_one(sql, dialect="athena").sql(dialect="athena") in (sql, f"CAST({sql[5:]} AS DATE)")


@pytest.mark.parametrize(
    ("days", "given", "since", "until"),
    [
        ([SINCE, UNTIL, None, date.max], {}, date(2025, 8, 6), UNTIL),  # 28 days, both included
        ([SINCE, UNTIL], {"run_date": date(2025, 9, 1)}, date(2025, 7, 10), SINCE),
        ([SINCE, UNTIL], {"since": date(2025, 8, 31)}, date(2025, 8, 31), UNTIL),
        ([SINCE, UNTIL], {"until": date(2025, 8, 28)}, date(2025, 8, 1), date(2025, 8, 28)),
        ([SINCE, UNTIL], {"since": date(2026, 1, 1)}, date(2026, 1, 1), date(2026, 1, 1)),
        ([date(1, 1, 3)], {}, date.min, date(1, 1, 3)),
        ([], {"run_date": date(2025, 9, 30)}, date(2025, 9, 3), date(2025, 9, 30)),
        ([None, date.max], {"run_date": date(2025, 9, 30)}, date(2025, 9, 3), date(2025, 9, 30)),
    ],
)
def test_the_default_period_is_the_28_days_that_end_with_the_data(
    days: list[date | None], given: dict[str, Any], since: date, until: date, tmp_path: Path
) -> None:
    talks = [conversation("u", day, orden) for orden, day in enumerate(days, 1)]
    tables = write(tmp_path, conversations=talks)

    def ask(run_date: date) -> pd.DataFrame:
        return run_local("data_period", tables, run_date=run_date)

    found = query.with_period(query.load("conversations_by_day"), given, date(2025, 9, 15), ask)
    assert found == {name: given[name] for name in given if name != "run_date"} | {
        "since": since,
        "until": until,
    }
    asked = run_local("conversations_by_day", tables, **{"run_date": date(2025, 9, 15)} | given)
    assert asked["day"].tolist() == sorted(day for day in days if day and since <= day <= until)


def test_the_run_date_is_today_where_none_is_given(tmp_path: Path) -> None:
    day = today(Settings().rules.time_zone)
    tables = write(tmp_path, conversations=[conversation("u", day), conversation("u", day + timedelta(9), 2)])
    assert run_local("data_period", tables)["last_day"].tolist() == [day]
    assert run_local("overview", tables)["conversations"].tolist() == [1]


def test_the_import_is_light() -> None:
    heavy = "{'awswrangler', 'boto3', 'cat_lab', 'duckdb', 'pandas', 'sqlglot'}"
    script = f"import sys, cat_normalize.query; assert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)


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


def sent(settings: Settings) -> list[dict[str, Any]]:
    """Return the queries that Athena was sent, in any order."""
    api = client(settings, "athena")
    asked = api.list_query_executions()["QueryExecutionIds"]
    return [api.get_query_execution(QueryExecutionId=each)["QueryExecution"] for each in asked]


@pytest.mark.parametrize("name", query.names())
def test_athena_receives_the_text_and_the_values_separately(
    name: str, athena: Settings, tables: dict[str, Path]
) -> None:
    frame = run_local(name, tables, **of(name, PERIOD))
    promise(athena, ANSWERS[name][1], rows_of(frame))
    pd.testing.assert_frame_equal(query.run_athena(name, athena, **of(name, PERIOD)), frame)
    [request] = sent(athena)
    assert request["Query"] == query.load(name).sql
    given = {"since": "DATE '2025-08-06'", "until": "DATE '2025-09-02'", "run_date": "DATE '2025-09-02'"}
    given |= {"ciudad": "''", "gerencia": "''", "top": "10"}
    expected = [given[each.name] for each in query.load(name).parameters]
    assert request.get("ExecutionParameters", []) == expected
    assert request["WorkGroup"] == "wg-cat-prod-analytics"
    assert request["QueryExecutionContext"] == {"Database": "cat_prod_analytics_db"}
    output = request["ResultConfiguration"]["OutputLocation"]
    assert output.startswith("s3://cat-prod-normalize-reports/athena/results/")


@pytest.mark.parametrize("name", ["heaviest_users", "cohorts"])
def test_athena_may_answer_nothing(name: str, athena: Settings, tmp_path: Path) -> None:
    promise(athena, ANSWERS[name][1], [])
    frame = query.run_athena(name, athena, **of(name, PERIOD))
    pd.testing.assert_frame_equal(frame, run_local(name, write(tmp_path), **of(name, PERIOD)))


@pytest.mark.parametrize(
    ("last", "since", "until"),
    [("2025-08-31", "2025-08-04", "2025-08-31"), (None, "2025-08-19", "2025-09-15")],
)
def test_athena_is_asked_for_the_default_period_first(
    last: str | None, since: str, until: str, athena: Settings
) -> None:
    promise(athena, ANSWERS["data_period"][1], [(last, last, 1, 0)])
    promise(athena, ANSWERS["hours"][1], [(1, 9, 7)])
    frame = query.run_athena("hours", athena, run_date="2025-09-15", ciudad="O'Brien")
    assert rows_of(frame) == [(1, 9, 7)]
    requests = {request["Query"]: request["ExecutionParameters"] for request in sent(athena)}
    assert requests == {
        query.load("data_period").sql: ["DATE '2025-09-15'"],
        query.load("hours").sql: [f"DATE '{since}'", f"DATE '{until}'", "'O''Brien'", "''"],
    }


def test_awswranglers_own_endpoints_are_restored(athena: Settings) -> None:
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
def test_a_failure_of_athena_is_a_query_error(
    state: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FailingAthena, "state", state)
    with HTTPServer(("127.0.0.1", 0), FailingAthena) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        settings = Settings(endpoint_url=f"http://127.0.0.1:{server.server_port}")
        with pytest.raises(QueryError, match=f"totals through Athena's workgroup wg-cat.*{message}"):
            query.run_athena("totals", settings)
        server.shutdown()
