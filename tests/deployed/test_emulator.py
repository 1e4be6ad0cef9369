"""Schedule → function → CSV → event → rule → state machine → Glue → Parquet → Athena, by AWS's clients.

Both stacks are created by an independent emulator from the synthesised templates and the artefacts.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pandas.testing import assert_frame_equal

from cat_lab import sample
from cat_lab.local import LocalAws, provision
from cat_lab.local_athena import run_local
from cat_normalize import query
from cat_normalize.core import csvfile, layout
from cat_normalize.core.schema import NAMES, TABLES
from cat_normalize.core.settings import parse_day
from cat_normalize.query import run_athena
from deployed import emulator
from deployed.conftest import ROOT
from infra.assembly import Assembly

OTHERS = (
    "reports/etl-process1/notes.txt",
    "reports/etl-process1/data_20250901.csv.gz",
    "reports/etl-process2/data_20250901.csv",
    "rejects/etl-process1/data_20250901.jsonl",
    "manifests/etl-process1/20250901.json",
    "old/reports/etl-process1/data_20250901.csv",
)


@pytest.fixture(scope="module")
def assembly(synthesised: Path) -> Assembly:
    return Assembly(synthesised, "prod")


@pytest.fixture(scope="module")
def aws(assembly: Assembly, dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    """Both stacks of prod, and the chatbot's table with the sample."""
    with emulator.running(tmp_path_factory.mktemp("emulator"), "mended") as aws:
        provision.create_table(aws.settings)
        sample.put(aws.client("dynamodb"), aws.settings.table_name, sample.items())
        emulator.create_stacks(aws, assembly, dist)
        yield aws


@pytest.fixture(scope="module")
def job(aws: LocalAws, glue: Path, tmp_path_factory: pytest.TempPathFactory) -> emulator.Glue:
    return emulator.Glue(aws, glue, tmp_path_factory.mktemp("glue-runs"))


@dataclass(frozen=True)
class Night:
    """What the smoke test printed, the job's manifest, the key of the CSV, that of the day before."""

    told: list[str]
    manifest: dict[str, Any]
    key: str
    older: str


@pytest.fixture(scope="module")
def night(aws: LocalAws, job: emulator.Glue) -> Night:
    """Run the smoke test that a delivery runs: one night, all that follows from it, and one query."""
    command = [sys.executable, str(ROOT / "infra" / "smoke.py"), "prod"]
    with ThreadPoolExecutor() as pool:
        ran = pool.submit(job.runs)
        smoke = subprocess.run(
            command, env=aws.child_environment(), capture_output=True, text=True, check=False
        )
        assert smoke.returncode == 0, smoke.stdout + smoke.stderr
    manifest = json.loads(ran.result().splitlines()[-1])
    day = parse_day("run_date", manifest["run_date"])
    key, older = (layout.csv_key(aws.settings, each) for each in (day, day - timedelta(days=1)))
    return Night(smoke.stdout.splitlines(), manifest, key, older)


def invoke(aws: LocalAws, instant: str) -> None:
    """Invoke the schedule's target as the scheduler does; the emulator's does not fill in the time."""
    target = aws.client("scheduler").get_schedule(Name="cat-prod-normalize-daily")["Target"]
    event = target["Input"].replace(emulator.SCHEDULED_TIME, instant)
    aws.client("lambda").invoke(FunctionName=target["Arn"], InvocationType="Event", Payload=event)


def until(found: Callable[[], Any]) -> Any:
    """Return what is found, as soon as there is something; the test's time limit ends the waiting."""
    while not (answer := found()):
        time.sleep(0.05)
    return answer


def executions(aws: LocalAws) -> list[dict[str, Any]]:
    """Return all executions of the state machine, the newest first."""
    states = aws.client("stepfunctions")
    (machine,) = states.list_state_machines()["stateMachines"]
    listed = states.list_executions(stateMachineArn=machine["stateMachineArn"])["executions"]
    return [states.describe_execution(executionArn=each["executionArn"]) for each in listed]


def started_by(aws: LocalAws, key: str) -> list[dict[str, Any]]:
    return [each for each in executions(aws) if json.loads(each["input"])["detail"]["object"]["key"] == key]


def ended(aws: LocalAws, key: str, number: int = 1) -> dict[str, Any]:
    """Wait until a key's events have started so many executions and the newest has ended; return it."""
    until(lambda: len(started_by(aws, key)) == number)
    return until(lambda: next((e for e in started_by(aws, key)[:1] if e["status"] != "RUNNING"), None))


def put(aws: LocalAws, key: str, body: bytes) -> None:
    aws.client("s3").put_object(Bucket=aws.settings.bucket, Key=key, Body=body)


def body(aws: LocalAws, key: str) -> bytes:
    return bytes(aws.client("s3").get_object(Bucket=aws.settings.bucket, Key=key)["Body"].read())


def parquets(aws: LocalAws) -> dict[str, Any]:
    """Return which object each table has, where the deployed catalogue says that it is."""
    found = {}
    for table in aws.client("glue").get_tables(DatabaseName=layout.DATABASE)["TableList"]:
        bucket, prefix = layout.split_s3(table["StorageDescriptor"]["Location"])
        prefix += layout.PARQUET_NAME
        (version,) = aws.client("s3").list_object_versions(Bucket=bucket, Prefix=prefix)["Versions"]
        head = aws.client("s3").head_object(Bucket=bucket, Key=version["Key"])
        found[table["Name"]] = (version["Key"], version["VersionId"], head["Metadata"]["run-date"])
    return found


def test_the_smoke_test_tells_each_step(night: Night) -> None:
    steps = [line.split(":")[0].split()[-1] for line in night.told]
    assert steps == ["ETL-1", "ETL-2", "Parquet", "Athena"]


def test_the_csv_alone_starts_one_execution_which_ends_well(aws: LocalAws, night: Night) -> None:
    (execution,) = executions(aws)  # none by rejects, manifests, staging, Parquet
    assert execution["status"] == "SUCCEEDED"
    assert json.loads(execution["input"])["detail"]["object"]["key"] == night.key


def test_every_table_of_the_catalogue_has_one_object_of_the_day(aws: LocalAws, night: Night) -> None:
    keys = {table.name: layout.parquet_key(aws.settings, table) for table in TABLES}
    assert {name: key for name, (key, _, _) in parquets(aws).items()} == keys
    assert {day for _, _, day in parquets(aws).values()} == {night.manifest["run_date"]}


def test_the_manifest_of_the_job_names_the_csv(aws: LocalAws, night: Night) -> None:
    day = parse_day("run_date", night.manifest["run_date"])
    assert json.loads(body(aws, layout.manifest_key(aws.settings, 2, day))) == night.manifest
    assert night.manifest["source"] == layout.s3_uri(aws.settings.bucket, night.key)


def test_athena_answers_the_named_queries_from_the_deployed_catalogue(
    aws: LocalAws, night: Night, tmp_path: Path
) -> None:
    tables = {table.name: tmp_path / f"{table.name}.parquet" for table in TABLES}
    for table in TABLES:
        tables[table.name].write_bytes(body(aws, layout.parquet_key(aws.settings, table)))
    rows = list(csvfile.rows(io.BytesIO(body(aws, night.key)), night.key))
    with aws.activate():
        (totals,) = run_athena("totals", aws.settings).to_dict(orient="records")
        assert totals["user_count"] == len(rows) > 300
        assert totals["conversation_count"] == sum(r[NAMES.index("numero_conversaciones")] for r in rows)
        for name in query.names():
            assert_frame_equal(run_athena(name, aws.settings), run_local(name, tables), check_dtype=False)


def test_the_function_logs_json_in_its_own_log_group(aws: LocalAws, night: Night) -> None:
    logs = aws.client("logs")
    events = logs.filter_log_events(logGroupName=f"/aws/lambda/{layout.LAMBDA}")["events"]
    lines = [json.loads(each["message"]) for each in events if each["message"].startswith("{")]
    assert any(line.get("users", 0) > 300 for line in lines), events


def test_the_check_of_freshness_sends_the_age_of_the_tables(aws: LocalAws, night: Night) -> None:
    target = aws.client("scheduler").get_schedule(Name="cat-prod-freshness-hourly")["Target"]
    done = aws.client("lambda").invoke(FunctionName=target["Arn"], Payload=target.get("Input", "{}"))
    told = json.load(done["Payload"])
    assert told == {"hours": 0.0, "run_dates": dict.fromkeys(parquets(aws), night.manifest["run_date"])}


def test_the_same_csv_again_changes_nothing(aws: LocalAws, job: emulator.Glue, night: Night) -> None:
    before = parquets(aws)
    put(aws, night.key, body(aws, night.key))
    job.runs()
    assert ended(aws, night.key, 2)["status"] == "SUCCEEDED"
    assert parquets(aws) == before


def test_an_older_csv_waits_for_a_busy_job_and_leaves_the_parquet(
    aws: LocalAws, job: emulator.Glue, night: Night
) -> None:
    before = parquets(aws)
    put(aws, night.older, body(aws, night.key))
    job.is_busy()
    job.is_busy()
    job.runs()
    run = ended(aws, night.older)
    assert run["status"] == "SUCCEEDED"
    assert "StaleInputError" in run["output"]
    assert parquets(aws) == before


def test_a_malformed_csv_is_told_with_its_key_and_line(
    aws: LocalAws, job: emulator.Glue, night: Night
) -> None:
    before = parquets(aws)
    put(aws, night.key, b"usuario_id,nombre\n")
    job.runs()
    run = ended(aws, night.key, 3)
    assert (run["status"], run["error"]) == ("FAILED", "GlueJobFailed")
    assert "MalformedCsvError" in run["cause"]
    assert f"{night.key}, line 1" in run["cause"]
    assert parquets(aws) == before


def test_what_is_no_csv_of_etl1_starts_nothing(aws: LocalAws, night: Night) -> None:
    before = len(executions(aws))
    for key in OTHERS:
        put(aws, key, b"x")
    put(aws, night.key, b"usuario_id,nombre\n")  # an event that is delivered after theirs
    until(lambda: len(executions(aws)) > before)
    assert len(executions(aws)) == before + 1


def test_a_night_that_fails_thrice_leaves_its_event_in_the_queue(aws: LocalAws, night: Night) -> None:
    before = parquets(aws)
    invoke(aws, "tonight")
    sqs = aws.client("sqs")
    url = sqs.get_queue_url(QueueName="cat-prod-normalize-dead-letters")["QueueUrl"]
    (letter,) = until(lambda: sqs.receive_message(QueueUrl=url).get("Messages"))
    told = json.loads(letter["Body"])
    assert told["requestPayload"] == {"time": "tonight"}
    assert "time is not an instant" in json.dumps(told["responsePayload"])
    assert parquets(aws) == before
