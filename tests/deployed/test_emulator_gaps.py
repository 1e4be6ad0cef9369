"""What the tests do in the emulator's place, it still cannot do: when one of these fails, use the emulator.

Nothing is mended here, and its functions have boto3, as on Lambda.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cat_lab.local import LocalAws
from cat_normalize.core import layout
from deployed import emulator
from deployed.conftest import apart
from infra.assembly import ACCOUNT, Assembly


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    with emulator.running(tmp_path_factory.mktemp("plain"), modules=apart("glue-boto3")) as aws:
        aws.client("s3").create_bucket(Bucket=aws.settings.bucket)
        schedule(aws)
        yield aws


def schedule(aws: LocalAws) -> None:
    """Make a schedule that is due; the emulator looks for those every ten seconds."""
    sqs = aws.client("sqs")
    url = sqs.create_queue(QueueName="target")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    aws.client("scheduler").create_schedule(
        Name="once",
        ScheduleExpression="at(2025-09-02T04:30:00)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": arn, "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/x", "Input": emulator.SCHEDULED_TIME},
    )


@pytest.fixture(scope="module")
def assembly(synthesised: Path) -> Assembly:
    return Assembly(synthesised, "prod")


def asked(aws: LocalAws, sql: str, *values: str) -> dict[str, Any]:
    """Return how Athena says that a query ended."""
    athena, given = aws.client("athena"), {"ExecutionParameters": list(values)} if values else {}
    results = {"OutputLocation": layout.s3_uri(aws.settings.bucket, "results/")}
    started = athena.start_query_execution(QueryString=sql, ResultConfiguration=results, **given)
    while True:
        run = athena.get_query_execution(QueryExecutionId=started["QueryExecutionId"])["QueryExecution"]
        if run["Status"].get("CompletionDateTime"):
            return run
        time.sleep(0.05)


def test_an_alarm_on_an_expression_is_refused(aws: LocalAws, assembly: Assembly) -> None:
    resources = assembly.etl1.raw["Resources"].items()
    alarms = {name: body for name, body in resources if emulator.left_out(body) == emulator.METRIC_MATH}
    assert alarms
    with pytest.raises(AssertionError, match=r"metric math.* is not supported"):
        emulator.create_stack(aws, "alarms", {"Resources": alarms})


def test_the_cdks_function_does_not_find_the_aws_cli_of_its_layer(aws: LocalAws, assembly: Assembly) -> None:
    emulator.publish(aws, assembly)
    template = emulator.possible(assembly.etl2.raw, emulator.BUCKET_DEPLOYMENT)
    with pytest.raises(AssertionError, match="'/opt/awscli/aws'"):
        emulator.create_stack(aws, "scripts", template)


def test_the_interpreter_does_not_run_a_glue_job(aws: LocalAws) -> None:
    states = aws.client("stepfunctions")
    run = {"Type": "Task", "Resource": f"arn:aws{emulator.RUN_JOB}", "End": True}
    definition = json.dumps({"StartAt": "Run", "States": {"Run": run | {"Parameters": {"JobName": "x"}}}})
    role = f"arn:aws:iam::{ACCOUNT}:role/states"
    machine = states.create_state_machine(name="run", definition=definition, roleArn=role)
    started = states.start_execution(stateMachineArn=machine["stateMachineArn"])
    while (ended := states.describe_execution(executionArn=started["executionArn"]))["status"] == "RUNNING":
        time.sleep(0.05)
    assert ended["status"] == "FAILED"
    assert "startJobRun.sync is not yet implemented" in ended["cause"]


def test_athena_binds_no_parameters(aws: LocalAws) -> None:
    assert "parameter" in asked(aws, "SELECT ?", "5")["Status"]["StateChangeReason"]


def test_athena_knows_no_functions_of_trino(aws: LocalAws) -> None:
    assert "day_of_week" in asked(aws, "SELECT day_of_week(current_date)")["Status"]["StateChangeReason"]


def test_a_result_is_not_where_athena_says(aws: LocalAws) -> None:
    run = asked(aws, "SELECT 1")
    assert run["Status"]["State"] == "SUCCEEDED"
    bucket, key = layout.split_s3(run["ResultConfiguration"]["OutputLocation"])
    with pytest.raises(ClientError, match="404"):
        aws.client("s3").head_object(Bucket=bucket, Key=key)


def test_the_scheduler_does_not_fill_in_the_time(aws: LocalAws) -> None:
    sqs = aws.client("sqs")
    url = sqs.get_queue_url(QueueName="target")["QueueUrl"]
    while not (found := sqs.receive_message(QueueUrl=url).get("Messages")):
        time.sleep(0.2)
    assert found[0]["Body"] == emulator.SCHEDULED_TIME
