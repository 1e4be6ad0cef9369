"""Lambda → CSV → event → rule → queue → Glue job → Parquet → queries: what is deployed, wired as deployed.

The rule's pattern, the job's definition and the arguments of its run come from the synthesised templates;
zip, script and wheel are the artefacts. State machine and Glue are replaced by the library's local worker.
"""

from __future__ import annotations

import io
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from cat_lab.local import LocalAws, Worker, provision
from cat_lab.local_athena import run_local
from cat_normalize import query
from cat_normalize.core import csvfile, layout
from cat_normalize.core.manifest import plain
from cat_normalize.core.schema import NAMES, TABLES
from cat_normalize.jobs import events as arrival
from deployed import function
from deployed.conftest import glues_python
from infra.assembly import Assembly, Template

DAY = date(2025, 9, 1)
KEY = "reports/etl-process1/data_20250901.csv"
OLDER = "reports/etl-process1/data_20250831.csv"
BROKEN = "reports/etl-process1/data_20250930.csv"
OTHERS = (
    "reports/etl-process1/notes.txt",
    "reports/etl-process1/data_20250901.csv.gz",
    "reports/etl-process2/data_20250901.csv",
    "rejects/etl-process1/data_20250901.jsonl",
    "manifests/etl-process1/20250901.json",
    "old/reports/etl-process1/data_20250901.csv",
)
JOB = ("Name", "Role", "Command", "DefaultArguments", "GlueVersion", "MaxRetries", "Timeout", "WorkerType")


@pytest.fixture(scope="module")
def etl2(synthesised: Path) -> Template:
    return Assembly(synthesised, "prod").etl2


@pytest.fixture(scope="module")
def aws(seeded_aws: LocalAws) -> LocalAws:
    return seeded_aws


@pytest.fixture(scope="module")
def queues(aws: LocalAws, etl2: Template, dist: Path) -> list[str]:
    """Deploy script and wheels, job and rule; return the addresses of both queues: events, failed events."""
    prefix = etl2.one("Custom::CDKBucketDeployment")["DestinationBucketKeyPrefix"]
    for file in (dist / "glue_job_script.py", *dist.glob("*.gluewheels.zip")):
        aws.client("s3").upload_file(str(file), aws.settings.bucket, prefix + file.name)
    job = etl2.one("AWS::Glue::Job")
    aws.client("glue").create_job(**{name: job[name] for name in JOB})
    provision.create_rule(aws.settings, etl2.one("AWS::Events::Rule")["EventPattern"])
    names = (provision.EVENTS, provision.FAILED)
    return [aws.client("sqs").get_queue_url(QueueName=name)["QueueUrl"] for name in names]


@pytest.fixture(scope="module")
def machine(etl2: Template) -> dict[str, Any]:
    states: dict[str, Any] = json.loads(etl2.one("AWS::StepFunctions::StateMachine")["DefinitionString"])[
        "States"
    ]
    return states


@pytest.fixture(scope="module")
def worker(
    aws: LocalAws, queues: list[str], machine: dict[str, Any], glue: Path, tmp_path_factory: Any
) -> Worker:
    """The worker of `cat-normalize local`, in Glue's own Python, as the state machine forms the arguments."""
    run = machine["Run the Glue job"]["Parameters"]
    assert run["JobName"] == layout.GLUE_JOB
    paths = {name.removesuffix(".$"): path for name, path in run["Arguments"].items()}
    return Worker(aws, tmp_path_factory.mktemp("worker"), glues_python(glue), paths)


@pytest.fixture(scope="module")
def night(
    aws: LocalAws, worker: Worker, unpacked: Path, runtime: Path, glue: Path, tmp_path_factory: Any
) -> dict[str, Any]:
    """Let the Lambda run, as the schedule calls it, and then all that follows from it."""
    calls = [{"event": {"time": "2025-09-02T04:30:00Z"}, "seconds": 900}]
    ran = function.call(aws, unpacked, runtime, tmp_path_factory.mktemp("lambda"), calls)
    assert ran.code == 0, ran.out
    arrived = worker.receive()
    assert arrived is not None
    ended = worker.run(arrived)
    assert ended.status == "done", (ended, worker.log.read_text()[-3000:])
    return {"lambda": ran.answer["results"][0]["result"], "arrived": arrived, "manifest": ended.manifest}


def put(aws: LocalAws, key: str, body: bytes) -> None:
    aws.client("s3").put_object(Bucket=aws.settings.bucket, Key=key, Body=body)


def body(aws: LocalAws, key: str) -> bytes:
    return bytes(aws.client("s3").get_object(Bucket=aws.settings.bucket, Key=key)["Body"].read())


def parquets(aws: LocalAws) -> dict[str, dict[str, Any]]:
    """Return which object each table has, and how many versions there were."""
    s3, bucket, found = aws.client("s3"), aws.settings.bucket, {}
    for table in TABLES:
        key = layout.parquet_key(aws.settings, table)
        head = s3.head_object(Bucket=bucket, Key=key)
        listed = s3.list_object_versions(Bucket=bucket, Prefix=key)["Versions"]
        kept = {name: head[name] for name in ("ETag", "VersionId", "LastModified")}
        found[table.name] = kept | {"versions": len(listed), "day": head["Metadata"]["run-date"]}
    return found


def waiting(aws: LocalAws, queues: list[str]) -> list[int]:
    """Return how many messages each of the two queues holds, those taken and not yet done included."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    sqs = aws.client("sqs")
    counts = [sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"] for url in queues]
    return [sum(int(each[name]) for name in names) for each in counts]


def test_the_lambdas_csv_alone_starts_the_job_once(aws: LocalAws, queues: list[str], night: Any) -> None:
    assert night["arrived"].key == KEY
    assert waiting(aws, queues) == [0, 0]  # nothing was started by rejects, manifests, staging, Parquet


def test_the_parquet_answers_the_named_queries(aws: LocalAws, night: Any, tmp_path: Path) -> None:
    tables = {table.name: tmp_path / f"{table.name}.parquet" for table in TABLES}
    for table in TABLES:
        tables[table.name].write_bytes(body(aws, layout.parquet_key(aws.settings, table)))
    rows = list(csvfile.rows(io.BytesIO(body(aws, KEY)), KEY))
    assert len(rows) == night["lambda"]["users"] == night["manifest"].summary.rows > 300
    (totals,) = run_local("totals", tables).to_dict(orient="records")
    assert totals == {
        "user_count": len(rows),
        "conversation_count": sum(row[NAMES.index("numero_conversaciones")] for row in rows),
        "feedback_count": sum(row[NAMES.index("numero_feedback")] for row in rows),
    }
    for name in query.names():
        assert len(run_local(name, tables)) > 0, name


def test_every_table_of_the_catalogue_has_its_parquet_of_the_day(
    aws: LocalAws, etl2: Template, night: Any
) -> None:
    made = [table["TableInput"] for table in etl2.all("AWS::Glue::Table")]
    places = {table["Name"]: table["StorageDescriptor"]["Location"] + "data.parquet" for table in made}
    bucket = aws.settings.bucket
    assert places == {
        table.name: layout.s3_uri(bucket, layout.parquet_key(aws.settings, table)) for table in TABLES
    }
    assert {each["day"] for each in parquets(aws).values()} == {DAY.isoformat()}


def test_the_manifest_names_what_the_lambda_wrote(aws: LocalAws, night: Any) -> None:
    kept = json.loads(body(aws, layout.manifest_key(aws.settings, 2, DAY)))
    assert kept == plain(night["manifest"])
    assert kept["source"] == night["lambda"]["outputs"][1]["uri"] == layout.s3_uri(aws.settings.bucket, KEY)


def test_the_same_csv_again_changes_nothing(
    aws: LocalAws, queues: list[str], worker: Worker, night: Any
) -> None:
    before = parquets(aws)
    put(aws, KEY, body(aws, KEY))
    arrived = worker.receive()
    assert arrived is not None
    assert worker.run(arrived).status == "done"
    assert parquets(aws) == before
    assert waiting(aws, queues) == [0, 0]


@pytest.mark.parametrize("key", OTHERS)
def test_what_is_no_csv_of_etl1_starts_nothing(
    aws: LocalAws, queues: list[str], worker: Worker, key: str
) -> None:
    put(aws, key, b"x")
    assert worker.receive() is None
    assert waiting(aws, queues)[0] == 0


def test_an_older_csv_leaves_the_parquet_and_is_no_failure(
    aws: LocalAws, queues: list[str], worker: Worker, machine: dict[str, Any], night: Any
) -> None:
    before, failed = parquets(aws), waiting(aws, queues)[1]
    put(aws, OLDER, body(aws, KEY))
    arrived = worker.receive()
    assert arrived is not None
    ended = worker.run(arrived)
    assert (ended.key, ended.status) == (OLDER, "stale")
    assert ended.reason.endswith("is of 2025-09-01 already; this CSV is of 2025-08-31")
    (rule,) = machine["Was the CSV an older one?"]["Choices"]
    assert rule["StringMatches"] == arrival.IN_ORDER
    assert parquets(aws) == before
    assert waiting(aws, queues) == [0, failed]


def test_a_failed_run_is_told_with_its_key_and_kept_and_the_next_goes_on(
    aws: LocalAws, queues: list[str], worker: Worker, night: Any
) -> None:
    before = parquets(aws)
    put(aws, BROKEN, b"usuario_id,nombre\n")
    arrived = worker.receive()
    assert arrived is not None
    ended = worker.run(arrived)
    assert (ended.key, ended.status) == (BROKEN, "failed")
    assert ended.reason.startswith("MalformedCsvError: s3://")
    assert f"{BROKEN}, line 1" in ended.reason
    assert ended.tail.endswith(ended.reason)
    assert parquets(aws) == before
    assert waiting(aws, queues) == [0, 1]
    (letter,) = aws.client("sqs").receive_message(
        QueueUrl=queues[1], MessageAttributeNames=["All"], VisibilityTimeout=0
    )["Messages"]
    assert json.loads(letter["Body"])["detail"]["object"]["key"] == BROKEN
    assert letter["MessageAttributes"]["ERROR_MESSAGE"]["StringValue"] == ended.reason
