"""The named queries: their texts and parameters, and the requests that Athena receives."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import boto3
import pandas as pd
import pytest
import requests
import sqlglot
from moto.server import ThreadedMotoServer
from sqlglot import exp

from answers import ANSWERS, ROWS, write
from cat_lab.local_athena import run_local
from cat_normalize import query
from cat_normalize.core import layout
from cat_normalize.core.errors import ParameterError, QueryError, UnknownQueryError
from cat_normalize.core.settings import Settings


@pytest.fixture(scope="module")
def parquet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("query") / "data.parquet", ROWS)


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
    assert {table.name for table in tree.find_all(exp.Table)} == {"users"}
    assert all(isinstance(star.parent, exp.Count) for star in tree.find_all(exp.Star))
    json_columns = {"conversacion_completa", "feedback_total"} & {c.name for c in tree.find_all(exp.Column)}
    assert json_columns == ({"conversacion_completa"} if name == "conversations_by_day" else set())
    for placeholder in tree.find_all(exp.Placeholder):  # Athena takes one there alone
        assert placeholder.find_ancestor(exp.Where, exp.Limit, exp.Select).key == "where"


def test_every_query_has_its_answers_here() -> None:
    assert query.names() == sorted(ANSWERS)
    assert len(query.names()) >= 9


def test_an_unknown_query_is_an_error_that_lists_all_names() -> None:
    for name in ("nope", "", "../query", "totals.sql"):
        with pytest.raises(
            UnknownQueryError, match=r"conversations_by_day, feedback_share, .*users_by_gerencia"
        ):
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
    ],
)
def test_a_wrong_parameter_is_an_error_that_names_those_allowed(
    name: str, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(ParameterError, match=message):
        query.load(name).values(given)
    with pytest.raises(ParameterError, match=message):
        query.run_athena(name, Settings(), **given)


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


def sent(settings: Settings) -> dict[str, Any]:
    """Return the one query that Athena was sent."""
    api = client(settings, "athena")
    [execution] = api.list_query_executions()["QueryExecutionIds"]
    found: dict[str, Any] = api.get_query_execution(QueryExecutionId=execution)["QueryExecution"]
    return found


@pytest.mark.parametrize("name", query.names())
def test_athena_receives_the_text_and_the_values_separately(
    name: str, athena: Settings, parquet: Path
) -> None:
    parameters, columns, rows = ANSWERS[name]
    promise(athena, columns, rows)
    frame = query.run_athena(name, athena, **parameters)
    pd.testing.assert_frame_equal(frame, run_local(name, parquet, **parameters))
    request = sent(athena)
    assert request["Query"] == query.load(name).sql
    assert request.get("ExecutionParameters", []) == [str(value) for value in parameters.values()]
    assert request["WorkGroup"] == "wg-cat-prod-analytics"
    assert request["QueryExecutionContext"] == {"Database": "cat_prod_analytics_db"}
    output = request["ResultConfiguration"]["OutputLocation"]
    assert output.startswith("s3://cat-prod-normalize-reports/athena/results/")


@pytest.mark.parametrize("name", ["heaviest_users", "new_users_by_week"])
def test_athena_receives_the_default_and_may_answer_nothing(
    name: str, athena: Settings, tmp_path: Path
) -> None:
    promise(athena, ANSWERS[name][1], [])
    frame = query.run_athena(name, athena)
    pd.testing.assert_frame_equal(frame, run_local(name, write(tmp_path / "data.parquet", [])))
    assert sent(athena).get("ExecutionParameters", []) == (["10"] if "top" in ANSWERS[name][0] else [])


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
