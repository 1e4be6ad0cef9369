"""Schedule → ETL-1 → CSV → event → rule → state machine: what starts what, with which input.

What the state machines do is in tests/deployed/test_states.py, which executes them.
"""

from __future__ import annotations

import ast
import json
from typing import Any

import pytest
from moto.events.models import EventPattern

from infra.assembly import ACCOUNT, CDK, Assembly

FUNCTION = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:cat-prod-lambda-normalize"
MACHINE = f"arn:aws:states:us-east-1:{ACCOUNT}:stateMachine:cat-prod-etl2-start"
LETTERS = f"arn:aws:sqs:us-east-1:{ACCOUNT}:cat-prod-{{}}-dead-letters"


def test_the_schedule_calls_the_lambda_at_half_past_eleven_in_bogota(prod: Assembly) -> None:
    schedule = prod.etl1.one("AWS::Scheduler::Schedule")
    target = schedule["Target"]
    assert {key: value for key, value in schedule.items() if key != "Target"} == {
        "Name": "cat-prod-normalize-daily",
        "Description": "ETL-1, every night",
        "ScheduleExpression": "cron(30 23 * * ? *)",
        "ScheduleExpressionTimezone": "America/Bogota",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "State": "ENABLED",
    }
    assert target["Arn"] == FUNCTION
    assert target["RetryPolicy"] == {"MaximumRetryAttempts": 10, "MaximumEventAgeInSeconds": 10800}
    assert target["DeadLetterConfig"] == {"Arn": LETTERS.format("normalize")}
    assert target["RoleArn"].startswith("arn:NightlyRole")


def test_a_retry_after_midnight_keeps_the_day_of_the_schedule(prod: Assembly) -> None:
    target = prod.etl1.one("AWS::Scheduler::Schedule")["Target"]
    assert json.loads(target["Input"]) == {"time": "<aws.scheduler.scheduled-time>"}


def test_the_schedule_of_test_is_off(test: Assembly) -> None:
    assert test.etl1.one("AWS::Scheduler::Schedule")["State"] == "DISABLED"


@pytest.mark.parametrize(("environment", "state"), [("prod", "ENABLED"), ("test", "DISABLED")])
def test_the_age_of_the_tables_is_looked_at_every_hour(
    request: pytest.FixtureRequest, environment: str, state: str
) -> None:
    assembly: Assembly = request.getfixturevalue(environment)
    schedule = assembly.etl2.one("AWS::Scheduler::Schedule")
    assert (schedule["ScheduleExpression"], schedule["State"]) == ("cron(30 * * * ? *)", state)
    assert schedule["Target"]["Arn"].endswith(f":function:cat-{environment}-lambda-freshness")
    retried = assembly.etl2.one("AWS::Lambda::EventInvokeConfig")["MaximumEventAgeInSeconds"]
    tried = schedule["Target"]["RetryPolicy"]["MaximumEventAgeInSeconds"]
    assert retried + tried <= 30 * 60  # all tries of a check are in its hour
    assert schedule["Target"]["RoleArn"].startswith("arn:FreshnessHourlyRole")


def test_a_failed_event_is_retried_twice_and_then_goes_to_the_queue(prod: Assembly) -> None:
    config = prod.etl1.one("AWS::Lambda::EventInvokeConfig")
    assert config["MaximumRetryAttempts"] == 2
    assert config["MaximumEventAgeInSeconds"] == 10800
    assert config["DestinationConfig"] == {"OnFailure": {"Destination": LETTERS.format("normalize")}}
    assert (config["FunctionName"], config["Qualifier"]) == ("cat-prod-lambda-normalize", "$LATEST")


def test_the_handlers_exist(prod: Assembly) -> None:
    functions = [
        each for template in (prod.etl1, prod.etl2) for each in template.all("AWS::Lambda::Function")
    ]
    handlers = [each["Handler"].partition(".") for each in functions if "FunctionName" in each]
    assert len(handlers) == 2
    for module, _, name in handlers:
        (door,) = (CDK.parents[1] / "lambda").glob(f"*/{module}.py")
        assert name in {
            each.name for each in ast.parse(door.read_text()).body if isinstance(each, ast.FunctionDef)
        }


def event(key: str, **other: Any) -> dict[str, Any]:
    """Return an event as S3 sends it to EventBridge."""
    plain: dict[str, Any] = {
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": "Object Created",
        "source": "aws.s3",
        "account": ACCOUNT,
        "time": "2025-09-02T04:31:07Z",
        "region": "us-east-1",
        "resources": ["arn:aws:s3:::cat-prod-normalize-reports"],
        "detail": {
            "version": "0",
            "bucket": {"name": other.pop("bucket", "cat-prod-normalize-reports")},
            "object": {"key": key, "size": 5, "etag": "b1946ac92492d2347c6235b4d2611184", "sequencer": "00"},
            "request-id": "N4N7GDK58NMKJ12R",
            "requester": ACCOUNT,
            "reason": other.pop("reason", "PutObject"),
        },
    }
    return plain | other


CSV = "reports/etl-process1/data_20250901.csv"


@pytest.mark.parametrize(
    ("sent", "starts"),
    [
        (event(CSV), True),
        (event(CSV, reason="CompleteMultipartUpload"), True),
        (event(CSV, reason="CopyObject"), True),
        (event("reports/etl-process1/data_20250901.csv.gz"), False),
        (event("reports/etl-process1/notes.txt"), False),
        (event("reports/etl-process1/"), False),
        (event("reports/etl-process1/other.csv"), False),
        (event("reports/etl-process2/data_20250901.csv"), False),
        (event("reports/etl-process2/data.parquet"), False),
        (event("old/reports/etl-process1/data_20250901.csv"), False),
        (event("rejects/etl-process1/data_20250901.jsonl"), False),
        (event("manifests/etl-process1/20250901.json"), False),
        (event("staging/reports/etl-process2/x/data_20250901.csv"), False),
        (event(CSV, bucket="cat-test-normalize-reports"), False),
        (event(CSV, **{"detail-type": "Object Deleted"}), False),
        (event(CSV, **{"detail-type": "Object Tags Added"}), False),
        (event(CSV, source="my.s3"), False),
    ],
)
def test_the_rule_matches_only_a_csv_of_etl1(prod: Assembly, sent: dict[str, Any], starts: bool) -> None:
    pattern = prod.etl2.one("AWS::Events::Rule")["EventPattern"]
    assert EventPattern.load(json.dumps(pattern)).matches_event(sent) is starts


def test_the_pattern_of_the_rule(prod: Assembly) -> None:
    rule = prod.etl2.one("AWS::Events::Rule")
    assert (rule["Name"], rule["State"]) == ("cat-prod-etl2-csv-created", "ENABLED")
    assert rule["EventPattern"] == {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {
            "bucket": {"name": ["cat-prod-normalize-reports"]},
            "object": {"key": [{"wildcard": "reports/etl-process1/data_*.csv"}]},
        },
    }


def test_the_rule_sends_the_whole_event_to_the_state_machine(prod: Assembly) -> None:
    (target,) = prod.etl2.one("AWS::Events::Rule")["Targets"]
    assert not {"Input", "InputPath", "InputTransformer"} & set(target)
    assert target["Arn"] == MACHINE
    assert target["RetryPolicy"] == {"MaximumRetryAttempts": 185, "MaximumEventAgeInSeconds": 86400}
    assert target["DeadLetterConfig"] == {"Arn": LETTERS.format("etl2")}


def definition(assembly: Assembly) -> dict[str, Any]:
    machine = assembly.etl2.one("AWS::StepFunctions::StateMachine")
    made: dict[str, Any] = json.loads(machine["DefinitionString"])
    return made


def test_no_state_ends_with_a_name_that_is_reserved_for_step_functions(
    prod: Assembly, spark: Assembly
) -> None:
    """https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html#error-handling-error-representation."""
    for made in (definition(prod), etl1_definition(spark)):
        failed = [state for state in made["States"].values() if state["Type"] == "Fail"]
        assert failed
        assert not [it for it in failed if "ErrorPath" in it or it["Error"].startswith("States.")]


def test_a_run_that_an_event_starts_can_never_allow_a_future_day(prod: Assembly) -> None:
    assert set(definition(prod)["States"]["Run the Glue job"]["Parameters"]["Arguments"]) == {"--input_key.$"}
    assert not [name for name in prod.etl2.one("AWS::Glue::Job")["DefaultArguments"] if "allow" in name]


def test_runs_exclude_each_other_and_a_waiting_one_outlasts_the_current_one(prod: Assembly) -> None:
    job = prod.etl2.one("AWS::Glue::Job")
    assert job["ExecutionProperty"] == {"MaxConcurrentRuns": 1}
    assert job["MaxRetries"] == 0
    busy = definition(prod)["States"]["Run the Glue job"]["Retry"][0]
    waits = busy["IntervalSeconds"] * busy["MaxAttempts"]
    assert waits >= 3 * 60 * job["Timeout"]
    assert definition(prod)["TimeoutSeconds"] >= waits + 60 * job["Timeout"]


def test_the_state_machine_is_logged_and_traced(prod: Assembly) -> None:
    machine = prod.etl2.one("AWS::StepFunctions::StateMachine")
    assert machine["StateMachineName"] == "cat-prod-etl2-start"
    assert machine.get("StateMachineType", "STANDARD") == "STANDARD"  # required by .sync
    assert machine["TracingConfiguration"] == {"Enabled": True}
    logs = machine["LoggingConfiguration"]
    assert (logs["Level"], logs["IncludeExecutionData"]) == ("ALL", True)
    (destination,) = logs["Destinations"]
    group = "log-group:/aws/vendedlogs/states/cat-prod-etl2-start:*"
    assert destination["CloudWatchLogsLogGroup"]["LogGroupArn"].endswith(group)


def etl1_definition(spark: Assembly) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(spark.etl1.one("AWS::StepFunctions::StateMachine")["DefinitionString"])
    return made


def test_with_spark_the_same_schedule_starts_the_state_machine(prod: Assembly, spark: Assembly) -> None:
    before, after = (dict(each.etl1.one("AWS::Scheduler::Schedule")) for each in (prod, spark))
    arn = f"arn:aws:states:us-east-1:{ACCOUNT}:stateMachine:cat-prod-etl1-normalize"
    assert after.pop("Target") == before.pop("Target") | {"Arn": arn}
    assert after == before


def test_the_table_is_exported_in_full_and_once_however_often_the_call_is_retried(spark: Assembly) -> None:
    made = etl1_definition(spark)
    state = made["States"][made["StartAt"]]
    assert state["Resource"] == "arn:aws:states:::aws-sdk:dynamodb:exportTableToPointInTime"
    assert state["Parameters"] == {  # without an ExportType the export is a full one
        "TableArn": f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/cat-prod-catia-conversations-table",
        "S3Bucket": "cat-prod-normalize-reports",
        "S3Prefix": "exports/etl-process1",
        "ExportFormat": "DYNAMODB_JSON",
        "ClientToken.$": "$$.Execution.Name",
    }
    assert [retry["ErrorEquals"] for retry in state["Retry"]] == [["States.TaskFailed"]]


def test_a_waiting_run_of_etl1_outlasts_the_current_one(spark: Assembly) -> None:
    minutes = spark.etl1.one("AWS::Glue::Job")["Timeout"]
    busy = etl1_definition(spark)["States"]["Run the Glue job"]["Retry"][0]
    assert busy["ErrorEquals"] == ["Glue.ConcurrentRunsExceededException"]
    assert busy["IntervalSeconds"] * busy["MaxAttempts"] >= 3 * 60 * minutes
    assert etl1_definition(spark)["TimeoutSeconds"] >= 4 * 60 * minutes
