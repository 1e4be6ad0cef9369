"""The state machines' own definitions, as the templates have them, executed by an independent interpreter.

moto carries LocalStack's interpreter of the Amazon States Language. It runs the definitions as they are
against moto's Glue and DynamoDB, on a clock that counts the seconds in place of waiting. moto's runs and
exports always succeed; those of this file end as a test asks.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.dynamodb import models as moto_dynamodb
from moto.glue import models as moto_glue
from moto.glue.exceptions import GlueClientError
from moto.moto_api import state_manager
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
    state_task_service_callback,
    state_task_service_glue,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.resource import ResourceCondition
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import WaitFunction

from cat_normalize.core.errors import FutureParquetError, InputError, MalformedCsvError, StaleInputError
from infra.assembly import ACCOUNT, Assembly, Template

KEY = "reports/etl-process1/data_20250901.csv"
BUCKET = "cat-prod-normalize-reports"
TABLE = "cat-prod-catia-conversations-table"
EXPORT = "01693685827463-2d8752fd"
JOB = ("Name", "Role", "Command", "DefaultArguments", "GlueVersion", "MaxRetries", "Timeout", "WorkerType")
JOB += ("NumberOfWorkers", "ExecutionProperty")
RUN, CHECK = "Run the Glue job", "Did the Glue job succeed?"
CAUGHT = [RUN, "Was the CSV an older one?", "The Glue job failed"]
NOT_WELL = [RUN, CHECK, "The Glue job did not succeed"]


class Clock:
    """Counts the seconds of each wait of the interpreter, and calls `then` in place of waiting."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self.then: Callable[[], object] = lambda: None

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.then()


class Run(moto_glue.FakeJobRun):
    """A run that ends in a state, with a message, the third time that it is described."""

    ends = ("SUCCEEDED", "")

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._transitions = [("STARTING", "RUNNING"), ("RUNNING", self.ends[0])]

    def as_dict(self) -> dict[str, Any]:
        state, message = self.ends
        found = super().as_dict() | ({"ErrorMessage": message} if message and self.status == state else {})
        # The interpreter writes what Glue answers as JSON, and fails with its times.
        return {name: value for name, value in found.items() if not name.endswith("On")}


class Export(moto_dynamodb.TableExport):
    """An export with an ARN of AWS's form that has the next of these statuses each time it is described."""

    statuses = ("IN_PROGRESS",)

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.arn = f"{self.table.table_arn}/export/{EXPORT}"
        self._next = iter(self.statuses)

    def run(self) -> None:
        """Write nothing."""

    def response(self) -> dict[str, Any]:
        return super().response() | {"ExportStatus": next(self._next)}


class Machine:
    """The state machine of a template, and Glue with the template's job."""

    def __init__(self, template: Template, **changed: Any) -> None:
        made, job = template.one("AWS::StepFunctions::StateMachine"), template.one("AWS::Glue::Job")
        self.definition: dict[str, Any] = json.loads(made["DefinitionString"]) | changed
        self.job = job["Name"]
        self.glue, self._states = (boto3.client(each, "us-east-1") for each in ("glue", "stepfunctions"))
        self.glue.create_job(**{name: job[name] for name in JOB})
        self._arn = self._states.create_state_machine(
            name=made["StateMachineName"],
            definition=json.dumps(self.definition),
            roleArn=f"arn:aws:iam::{ACCOUNT}:role/states",
        )["stateMachineArn"]

    def run(self, given: object) -> SimpleNamespace:
        """Execute it with an input; return how it ended, and the states that it was in."""
        started = self._states.start_execution(stateMachineArn=self._arn, name="one", input=json.dumps(given))
        arn = started["executionArn"]
        while (found := self._states.describe_execution(executionArn=arn))["status"] == "RUNNING":
            threading.Event().wait(0.01)
        history = self._states.get_execution_history(executionArn=arn)["events"]
        return SimpleNamespace(
            status=found["status"],
            error=found.get("error"),
            cause=found.get("cause", ""),
            states=[
                each["stateEnteredEventDetails"]["name"] for each in history if "Entered" in each["type"]
            ],
            failures=[each["taskFailedEventDetails"] for each in history if each["type"] == "TaskFailed"],
        )

    def runs(self) -> list[dict[str, str]]:
        """Return the arguments of each run of the job, without the job's own."""
        own = self.glue.get_job(JobName=self.job)["Job"]["DefaultArguments"].items()
        found = self.glue.get_job_runs(JobName=self.job)["JobRuns"]
        return [dict(run["Arguments"].items() - own) for run in found]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    """Give moto the interpreter, a clock that does not wait, and the runs and exports of this file."""
    made = Clock()
    monkeypatch.setattr(retrier_decl, "time", SimpleNamespace(sleep=made.wait))
    monkeypatch.setattr(
        WaitFunction, "_wait_interval", lambda _self, env, wait_seconds: made.wait(wait_seconds)
    )
    monkeypatch.setattr(state_task_service_callback, "_DELAY_SECONDS_SYNC_CONDITION_CHECK", 0.001)
    # A step that cannot also wait for a token ends in a defect: https://github.com/localstack/localstack/pull/13705
    patterns = {ResourceCondition.Sync, ResourceCondition.WaitForTaskToken}
    monkeypatch.setattr(state_task_service_glue, "_SUPPORTED_INTEGRATION_PATTERNS", patterns)
    monkeypatch.setattr(moto_glue, "FakeJobRun", Run)
    monkeypatch.setattr(moto_dynamodb, "TableExport", Export)
    with mock_aws(config={"stepfunctions": {"execute_state_machine": True}}):
        glue = state_task_service_glue.boto_client_for(region="us-east-1", service="glue")
        monkeypatch.setattr(state_task_service_glue, "boto_client_for", lambda **_: glue)  # once, for speed
        state_manager.set_transition("glue::job_run", {"progression": "manual", "times": 1})
        yield made
        state_manager.unset_transition("glue::job_run")


EVENT = {"detail": {"object": {"key": KEY}}}


def test_the_event_of_a_new_csv_runs_the_job_with_its_key(prod: Assembly, clock: Clock) -> None:
    machine = Machine(prod.etl2)
    ended = machine.run(event_of_a_new_csv(prod.etl2.one("AWS::Events::Rule")))
    assert (ended.status, ended.states) == ("SUCCEEDED", [RUN, CHECK, "The Glue job succeeded"])
    assert machine.runs() == [{"--input_key": KEY}]
    assert not clock.waits


def event_of_a_new_csv(rule: dict[str, Any]) -> Any:
    """Put a CSV into the bucket, and return what a rule with that pattern and no transformer passes on."""
    s3, sqs, events = (boto3.client(each, "us-east-1") for each in ("s3", "sqs", "events"))
    queue = sqs.create_queue(QueueName="events")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name=rule["Name"], EventPattern=json.dumps(rule["EventPattern"]))
    events.put_targets(Rule=rule["Name"], Targets=[rule["Targets"][0] | {"Arn": arn}])
    s3.create_bucket(Bucket=BUCKET)
    told = {"EventBridgeConfiguration": {}}
    s3.put_bucket_notification_configuration(Bucket=BUCKET, NotificationConfiguration=told)
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=b"x")
    (message,) = sqs.receive_message(QueueUrl=queue)["Messages"]
    return json.loads(message["Body"])


OLDER = "s3://b/data.parquet is of 2025-09-16 already; this CSV is of 2025-09-15"


@pytest.mark.parametrize(
    "message",
    [
        f"{StaleInputError.__name__}: {OLDER}",
        f"cat_normalize.core.errors.{StaleInputError.__name__}: {OLDER}",
        f"Error Category: UNCLASSIFIED_ERROR; {StaleInputError.__name__}: {OLDER}",
    ],
)
def test_an_older_csv_is_in_order(
    prod: Assembly, clock: Clock, monkeypatch: pytest.MonkeyPatch, message: str
) -> None:
    monkeypatch.setattr(Run, "ends", ("FAILED", message))
    machine = Machine(prod.etl2)
    ended = machine.run(EVENT)
    assert (ended.status, ended.states) == ("SUCCEEDED", [*CAUGHT[:2], "The newer Parquet stays"])
    assert len(machine.runs()) == 1


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ("FAILED", f"{MalformedCsvError.__name__}: s3://b/data_20250901.csv, line 3: 11 columns, not 12"),
        ("FAILED", f"{InputError.__name__}: s3://b/data_20250901.csv is not there"),
        ("FAILED", f"{FutureParquetError.__name__}: s3://b/data.parquet is of 2035-09-16, after today"),
        ("TIMEOUT", "Job run exceeded its timeout of 60 minutes"),
        ("ERROR", ""),
    ],
)
def test_a_failed_run_is_a_failure_with_its_state_and_message(
    prod: Assembly, clock: Clock, monkeypatch: pytest.MonkeyPatch, state: str, message: str
) -> None:
    monkeypatch.setattr(Run, "ends", (state, message))
    machine = Machine(prod.etl2)
    ended = machine.run(EVENT)
    assert (ended.status, ended.error, ended.states) == ("FAILED", "GlueJobFailed", CAUGHT)
    error, _, run = ended.cause.partition(": ")
    assert error == "States.TaskFailed"
    told = json.loads(run)
    assert (told["JobRunState"], told.get("ErrorMessage", "")) == (state, message)
    assert told["Arguments"]["--input_key"] == KEY
    assert len(machine.runs()) == 1  # a run that failed is not retried


def test_a_run_that_somebody_stopped_is_a_failure(
    prod: Assembly, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Run, "ends", ("STOPPED", ""))
    machine = Machine(prod.etl2)
    ended = machine.run(EVENT)
    assert (ended.status, ended.error, ended.states) == ("FAILED", "GlueJobFailed", NOT_WELL)
    (run,) = machine.glue.get_job_runs(JobName=machine.job)["JobRuns"]
    assert ended.cause == f"Run {run['Id']} of the Glue job is STOPPED"


def test_a_busy_job_is_started_once_it_is_free(prod: Assembly, clock: Clock) -> None:
    machine = Machine(prod.etl2)
    other = machine.glue.start_job_run(JobName=machine.job)["JobRunId"]
    clock.then = lambda: machine.glue.get_job_run(JobName=machine.job, RunId=other)  # moves it on
    ended = machine.run(EVENT)
    assert ended.status == "SUCCEEDED"
    assert {each["error"] for each in ended.failures} == {"Glue.ConcurrentRunsExceededException"}
    assert clock.waits == [60] * 2
    assert machine.runs() == [{}, {"--input_key": KEY}]


def test_a_job_that_stays_busy_for_three_hours_is_a_failure(prod: Assembly, clock: Clock) -> None:
    machine = Machine(prod.etl2)
    machine.glue.start_job_run(JobName=machine.job)
    ended = machine.run(EVENT)
    assert (ended.status, ended.error, ended.states) == ("FAILED", "GlueJobFailed", CAUGHT)
    assert ended.cause.startswith("Glue.ConcurrentRunsExceededException: ")
    assert clock.waits == [60] * 180
    assert machine.runs() == [{}]


def test_a_glue_that_throttles_is_asked_again_for_five_minutes_at_most(
    prod: Assembly, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise GlueClientError("ThrottlingException", "Rate exceeded")

    monkeypatch.setattr(moto_glue.GlueBackend, "start_job_run", refuse)
    ended = Machine(prod.etl2).run(EVENT)
    assert (ended.status, ended.error, ended.states) == ("FAILED", "GlueJobFailed", CAUGHT)
    assert ended.cause == "Glue.ThrottlingException: Rate exceeded"
    most = [5, 10, 20, 40, 80, 160]
    assert len(clock.waits) == len(most)
    assert all(wait <= bound for wait, bound in zip(clock.waits, most, strict=True))  # with jitter


def test_a_missing_job_is_a_failure_at_once(prod: Assembly, clock: Clock) -> None:
    machine = Machine(prod.etl2)
    machine.glue.delete_job(JobName=machine.job)
    ended = machine.run(EVENT)
    assert (ended.status, ended.error, ended.states) == ("FAILED", "GlueJobFailed", CAUGHT)
    assert ended.cause.startswith("Glue.EntityNotFoundException: ")
    assert not clock.waits


def test_an_execution_ends_after_its_own_limit(
    prod: Assembly, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Run, "ends", ("RUNNING", ""))
    machine = Machine(prod.etl2, TimeoutSeconds=1)
    ended = machine.run(EVENT)
    assert (ended.status, ended.states) == ("TIMED_OUT", [RUN])
    assert len(machine.runs()) == 1


def test_an_event_without_a_key_fails_before_the_job(prod: Assembly, clock: Clock) -> None:
    machine = Machine(prod.etl2)
    ended = machine.run({"detail": {}})
    assert (ended.status, ended.error) == ("FAILED", "States.Runtime")
    assert "$.detail.object.key" in ended.cause
    assert machine.runs() == []


def etl1(spark: Assembly, monkeypatch: pytest.MonkeyPatch, *statuses: str, recovery: bool = True) -> Machine:
    """Return ETL-1's state machine, and a table whose export has these statuses, one after the other."""
    monkeypatch.setattr(Export, "statuses", statuses)
    dynamodb = boto3.client("dynamodb", "us-east-1")
    dynamodb.create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "PK", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "PK", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    dynamodb.update_continuous_backups(
        TableName=TABLE, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": recovery}
    )
    return Machine(spark.etl1)


NIGHT = {"time": "2025-09-02T04:30:00Z"}
EXPORTED = ["Export the table", "Wait for the export", "Describe the export", "Is the export complete?"]


def test_etl1_runs_the_job_over_the_complete_export(
    spark: Assembly, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = etl1(spark, monkeypatch, "IN_PROGRESS", "IN_PROGRESS", "COMPLETED")
    ended = machine.run(NIGHT)
    assert ended.status == "SUCCEEDED"
    assert ended.states == [*EXPORTED, *EXPORTED[1:], RUN, CHECK, "The Glue job succeeded"]
    folder = f"s3://{BUCKET}/exports/etl-process1/AWSDynamoDB/{EXPORT}/"
    assert machine.runs() == [{"--input": folder, "--time": NIGHT["time"]}]
    assert clock.waits == [60, 60]


@pytest.mark.parametrize("status", ["FAILED", "SOMETHING_NEW"])
def test_etl1_without_a_complete_export_runs_no_job(
    spark: Assembly, clock: Clock, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    machine = etl1(spark, monkeypatch, "IN_PROGRESS", status)
    ended = machine.run(NIGHT)
    assert (ended.status, ended.error) == ("FAILED", "ExportFailed")
    assert ended.states == [*EXPORTED, "The export failed"]
    assert machine.runs() == []


def test_etl1_of_a_table_that_cannot_be_exported_fails_with_dynamodbs_error(
    spark: Assembly, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = etl1(spark, monkeypatch, recovery=False).run(NIGHT)
    assert (ended.status, ended.error) == ("FAILED", "DynamoDb.PointInTimeRecoveryUnavailableException")
    assert (ended.states, clock.waits) == (EXPORTED[:1], [10, 20, 40, 80, 160])


@pytest.mark.parametrize(
    ("ends", "error"),
    [(("FAILED", "ShrunkError: 3"), "States.TaskFailed"), (("STOPPED", ""), "GlueJobFailed")],
)
def test_etl1_fails_as_its_job_does(
    spark: Assembly, clock: Clock, monkeypatch: pytest.MonkeyPatch, ends: tuple[str, str], error: str
) -> None:
    monkeypatch.setattr(Run, "ends", ends)
    ended = etl1(spark, monkeypatch, "IN_PROGRESS", "COMPLETED").run(NIGHT)
    assert (ended.status, ended.error) == ("FAILED", error)
    assert ends[0] in ended.cause
