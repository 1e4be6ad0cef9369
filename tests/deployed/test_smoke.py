"""`infra/smoke.py` against moto; a stand-in for the deployed function does what the stacks would."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Callable, Iterator
from datetime import date
from hashlib import sha256
from importlib.util import module_from_spec, spec_from_file_location
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.athena.models import QueryResults, athena_backends
from moto.core import DEFAULT_ACCOUNT_ID

from cat_normalize.convert.parquet import origin_of
from cat_normalize.core import layout
from cat_normalize.core.settings import Rules, Settings
from deployed.conftest import ROOT

SPEC = spec_from_file_location("smoke", ROOT / "infra" / "smoke.py")
assert SPEC is not None
assert SPEC.loader is not None
smoke: Any = module_from_spec(SPEC)
SPEC.loader.exec_module(smoke)

TEST = Settings(bucket="cat-test-normalize-reports")
CSV = b"usuario_id\n"
CSV_URI = f"s3://{TEST.bucket}/reports/etl-process1/data_20250901.csv"
WELL, ILL = {"Type": "Succeed"}, {"Type": "Fail", "Error": "GlueJobFailed", "Cause": "StaleError:\n  so"}


class Deployed:
    """A session whose function is this object: it writes what a night writes, and starts the execution."""

    def __init__(self, end: dict[str, Any] = WELL) -> None:
        self.called: list[Any] = []
        self.asked: set[tuple[str, str]] = set()
        self.made_of = {
            "reports/etl-process2/data.parquet": sha256(CSV).hexdigest(),
            "reports/conversations/data.parquet": sha256(CSV).hexdigest(),
            "reports/messages/data.parquet": sha256(CSV).hexdigest(),
        }
        self.error: dict[str, Any] | None = None
        self.key: str | None = layout.split_s3(CSV_URI)[1]
        self.s3, self.states = (boto3.client(each, "us-east-1") for each in ("s3", "stepfunctions"))
        self.s3.create_bucket(Bucket=TEST.bucket)
        self.machine = self.states.create_state_machine(
            name="cat-test-etl2-start",
            definition=json.dumps({"StartAt": "End", "States": {"End": end}}),
            roleArn="arn:aws:iam::123456789012:role/states",
        )["stateMachineArn"]
        self.start("earlier")

    def client(self, service: str, **given: Any) -> Any:
        if service == "lambda":
            return self
        made = boto3.client(service, **given)
        made.meta.events.register("before-call", lambda model, **_: self.asked.add((service, model.name)))
        return made

    def start(self, name: str, key: str | None = "reports/etl-process1/data_20250901.csv") -> None:
        event = json.dumps({"detail": {"object": {"key": key}}})
        self.states.start_execution(stateMachineArn=self.machine, name=name, input=event)

    def invoke(self, FunctionName: str, Payload: str) -> dict[str, Any]:  # noqa: N803  # boto3's names
        self.called.append((FunctionName, json.loads(Payload)))
        if self.error:
            return {"FunctionError": "Unhandled", "Payload": io.BytesIO(json.dumps(self.error).encode())}
        for key, csv in self.made_of.items():
            metadata = origin_of(csv, date(2025, 9, 1), Rules()).metadata()
            self.s3.put_object(Bucket=TEST.bucket, Key=key, Body=b"", Metadata=metadata)
        self.start("other", "reports/etl-process1/data_20250831.csv")
        if self.key:
            self.start("of-the-night", self.key)
        outputs = [{"uri": f"s3://{TEST.bucket}/rejects/etl-process1/data_20250901.jsonl", "sha256": ""}]
        outputs += [{"uri": CSV_URI, "sha256": sha256(CSV).hexdigest()}]
        answer = {"run_date": "2025-09-01", "users": 3, "outputs": outputs}
        return {"Payload": io.BytesIO(json.dumps(answer).encode())}


def answers(*values: str) -> None:
    """Let Athena answer these numbers."""
    names = ("user_count", "conversation_count", "feedback_count")
    rows = [{"Data": [{"VarCharValue": each} for each in row]} for row in (names, values)]
    queue = athena_backends[DEFAULT_ACCOUNT_ID]["us-east-1"].query_results_queue
    queue.append(QueryResults(rows=rows, column_info=[]))
    boto3.client("athena", "us-east-1").create_work_group(Name="wg-cat-test-analytics", Configuration={})


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(smoke, "_PAUSE", 0.01)
    with mock_aws(config={"stepfunctions": {"execute_state_machine": True}}):
        yield


def test_a_night_that_went_well_is_told_step_by_step() -> None:
    said: list[str] = []
    deployed = Deployed()
    answers("3", "5", "1")
    smoke.smoke("test", deployed, said.append)
    ((function, payload),) = deployed.called
    assert function == "cat-test-lambda-normalize"
    assert payload.keys() == {"time"}
    assert [line.partition("s  ")[2] for line in said] == [
        f"ETL-1: 3 users, {CSV_URI}",
        "ETL-2: arn:aws:states:us-east-1:123456789012:execution:cat-test-etl2-start:of-the-night succeeded",
        "Parquet: users, conversations, messages are of this CSV, 2025-09-01, and this library",
        "Athena: totals is user_count 3, conversation_count 5, feedback_count 1",
    ]


def test_the_role_that_the_page_gives_may_make_its_calls_and_no_others_of_those_services() -> None:
    deployed = Deployed()
    answers("3", "5", "1")
    smoke.smoke("test", deployed, lambda _: None)
    page = (ROOT / "docs" / "deploy.md").read_text()
    (policy,) = (
        text for text in re.findall(r"```json\n(.*?)```", page, re.DOTALL) if "InvokeFunction" in text
    )
    given = {action for each in json.loads(policy)["Statement"] for action in listed(each["Action"])}
    prefixes = {"stepfunctions": "states"}
    calls = {f"{prefixes.get(service, service)}:{name}" for service, name in deployed.asked}
    calls = calls - {"s3:HeadObject"} | {"s3:GetObject", "lambda:InvokeFunction"}
    assert calls <= given
    own = {each for each in given if each.partition(":")[0] in ("lambda", "states", "athena")}
    assert own <= calls


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def broken(name: str, value: Any) -> Callable[[Deployed], None]:
    return lambda deployed: setattr(deployed, name, value)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            broken("error", {"errorType": "ShrunkError", "errorMessage": "1 user\nof 9"}),
            "ETL-1: ShrunkError: 1 user of 9",
        ),
        (
            broken("key", None),
            "ETL-2: no time left to wait until the event of reports/etl-process1/data_2025",
        ),
        (
            broken("made_of", {}),
            "Parquet: s3://cat-test-normalize-reports/reports/etl-process2/data.parquet: ",
        ),
        (
            broken("made_of", {"reports/etl-process2/data.parquet": "0" * 64}),
            "Parquet: s3://cat-test-normalize-reports/reports/etl-process2/data.parquet: csv-sha256 is 000",
        ),
        (lambda _: answers("2", "5", "1"), "Athena: totals counts 2 users, ETL-1 3"),
    ],
)
def test_the_first_failure_is_one_line_that_names_its_step(
    change: Callable[[Deployed], None], says: str
) -> None:
    deployed = Deployed()
    change(deployed)
    with pytest.raises(smoke.SmokeError) as failure:
        smoke.smoke("test", deployed, lambda _: None, minutes=30 if deployed.key else 0)
    assert str(failure.value).startswith(says)
    assert "\n" not in str(failure.value)


def test_a_failed_execution_is_told_with_its_error_and_cause() -> None:
    with pytest.raises(smoke.SmokeError, match=r"of-the-night is FAILED: GlueJobFailed: StaleError: so$"):
        smoke.smoke("test", Deployed(ILL), lambda _: None)


def test_what_is_not_deployed_is_named_and_nothing_is_called() -> None:
    deployed = Deployed()
    with pytest.raises(smoke.SmokeError) as failure:
        smoke.smoke("prod", deployed, lambda _: None)
    assert (
        str(failure.value)
        == "ETL-1: there is no state machine cat-prod-etl2-start; deploy cat-prod-etl2-stack"
    )
    assert not deployed.called


def test_the_command_ends_with_1_and_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["smoke.py", "test"])
    with pytest.raises(SystemExit, match=r"^smoke: ETL-1: there is no state machine cat-test-etl2-start"):
        smoke.main()


def test_an_environment_with_etl1_in_spark_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smoke, "environment", lambda _: SimpleNamespace(etl1="spark"))
    with pytest.raises(smoke.SmokeError, match=r"docs/deploy\.md"):
        smoke.smoke("test", Deployed(), lambda _: None)
