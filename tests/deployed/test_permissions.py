"""The doors' roles against the calls that the doors make: none is refused, no grant is in vain.

Recorded are runs on the local AWS: the two functions of the Lambda's zip, and the Glue script by spark-submit
with S3A.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
from base64 import b64encode
from collections.abc import Callable, Collection, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from cat_lab import sample
from cat_lab.local import LocalAws
from cat_lab.local import glue_job as job
from cat_lab.sample.dynamodb_json import as_json, item, message, messages, s
from cat_normalize.core import layout, schema
from cat_normalize.jobs import events as arrival
from cat_normalize.normalize.files import normalize_files
from deployed import calls, check, function
from deployed.conftest import glues_python
from infra.assembly import ACCOUNT, Assembly
from infra.grants import Call, Grant, grants, refused, roles, superfluous, too_wide

BUCKET = "arn:aws:s3:::cat-prod-normalize-reports"
TABLE = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/cat-prod-catia-conversations-table"
LOGS = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:"
JOB_LOGS = f"{LOGS}/aws-glue/jobs/cat-prod-etl2-parquet"
DOCS = "https://docs.aws.amazon.com"
GLUES_ROLE = f"{DOCS}/aws-managed-policy/latest/reference/AWSGlueServiceRole.html"
STREAMS = "logs:CreateLogStream logs:PutLogEvents"
ROLES = {"Lambda": "etl1/NormalizeRole", "Glue job": "etl2/ConvertRole", "check": "etl2/FreshnessRole"}
BY_THE_SERVICE = {
    "Lambda": [
        (STREAMS, f"{LOGS}/aws/lambda/cat-prod-lambda-normalize:*", "", "Lambda writes the function's log",
         f"{DOCS}/lambda/latest/dg/lambda-intro-execution-role.html"),
        ("xray:PutTraceSegments xray:PutTelemetryRecords", "*", "", "Lambda's daemon passes the traces on",
         f"{DOCS}/lambda/latest/dg/services-xray.html"),
        ("sqs:SendMessage", f"arn:aws:sqs:us-east-1:{ACCOUNT}:cat-prod-normalize-dead-letters", "",
         "Lambda leaves the letter of a failure",
         f"{DOCS}/lambda/latest/dg/invocation-async-retain-records.html"),
    ],
    "Glue job": [
        ("s3:GetObject", f"{BUCKET}/scripts/etl-process2/*", "", "Glue fetches script and wheels",
         f"{DOCS}/glue/latest/dg/create-an-iam-role.html"),
        (f"logs:CreateLogGroup {STREAMS}", f"{JOB_LOGS}/error:*", "", "Glue writes its own log", GLUES_ROLE),
        (f"logs:CreateLogGroup {STREAMS}", f"{JOB_LOGS}/output:*", "", "and the script's", GLUES_ROLE),
    ],
    "check": [
        (STREAMS, f"{LOGS}/aws/lambda/cat-prod-lambda-freshness:*", "", "Lambda writes the function's log",
         f"{DOCS}/lambda/latest/dg/lambda-intro-execution-role.html"),
    ],
}  # fmt: skip
"""What a service itself does as the role: actions, resource, condition, what for, and where it says so."""

DRIVER = """
import json, os, runpy, sys
from http.client import HTTPConnection
from urllib.parse import urlsplit
import boto3
from pyspark.sql import SparkSession
def tell(verb):
    moto = HTTPConnection(urlsplit(os.environ["AWS_ENDPOINT_URL"]).netloc)
    moto.request("POST", f"/moto-api/recorder/{verb}-recording")
    moto.getresponse().read()
session = SparkSession.builder.config("spark.hadoop.fs.s3a.multipart.size", "5M")
session.config("spark.hadoop.fs.s3a.directory.marker.retention", "keep").getOrCreate()
script, *runs = sys.argv[1:]
for run in runs:
    words, policy = json.loads(run)
    tell("stop")
    boto3.client("s3").put_bucket_policy(Bucket=os.environ["S3_BUCKET_NAME"], Policy=json.dumps(policy))
    tell("start")
    sys.argv = [script, *words]
    try:
        runpy.run_path(script, run_name="__main__")
    except Exception as error:
        print(json.dumps({"error": type(error).__name__}))
"""
"""Runs the script several times in one Java, each under a policy of the bucket, set unrecorded. Parts are
small, so that a Parquet has two; folders' markers are kept, which is Hadoop 3.4's default: 3.3's is to delete
those of all folders above, whether it may or not."""


@pytest.fixture(scope="module")
def aws(empty_aws: LocalAws) -> LocalAws:
    return empty_aws


Recorded = Callable[[Callable[[], None]], set[Call]]


@pytest.fixture(scope="module")
def recorded(aws: LocalAws, aws_recording: Path) -> Recorded:
    """Run something; return what it asked of IAM."""

    def tell(verb: str) -> None:
        moto = HTTPConnection(urlsplit(aws.endpoint).netloc)
        moto.request("POST", f"/moto-api/recorder/{verb}-recording")
        assert moto.getresponse().status == 200
        moto.close()

    def run(something: Callable[[], None]) -> set[Call]:
        objects = aws.client("s3").list_objects_v2(Bucket=aws.settings.bucket).get("Contents", [])
        tell("start")
        something()
        tell("stop")
        asked = set(calls.replay(calls.read(aws_recording), [f"{BUCKET}/{each['Key']}" for each in objects]))
        aws_recording.unlink()
        return asked

    return run


def refuse_parts(*keys: str) -> dict[str, Any]:
    """Return the policy under which moto begins uploads of those keys and refuses their parts.

    It knows this policy for PUT alone.
    """
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject"}
    return {"Statement": [deny | {"Resource": [f"{BUCKET}/{key}" for key in keys]}]}


@pytest.fixture(scope="module")
def nights(aws: LocalAws, unpacked: Path, recorded: Recorded, tmp_path_factory: Any) -> set[Call]:
    """Three nights of 8 MB and more a file, so in parts: all is well, the CSV fails, the rejects fail."""
    items = []
    noise = s("\x01" * 300_000)  # a control character is a byte in the table and six in JSON
    for n in range(5):
        conversation = messages(message("bot", text=noise))
        items.append(item(f"7{n}", "CONVERSATION#2025-08-01", Conversation=conversation))
        items.append(item(f"7{n}", "PROFILE", Noise=noise))
    sample.put(aws.client("dynamodb"), aws.settings.table_name, items)
    policy = refuse_parts(
        "reports/etl-process1/data_20250902.csv", "rejects/etl-process1/data_20250903.jsonl"
    )
    aws.client("s3").put_bucket_policy(Bucket=aws.settings.bucket, Policy=json.dumps(policy))
    days = [({"run_date": day}, 900) for day in ("20250901", "20250902", "20250903")]

    def run() -> None:
        ran = function.call(aws, unpacked, tmp_path_factory.mktemp("lambda"), days)
        assert ran.errors == [None, "PipelineError", "PipelineError"], ran.out

    return recorded(run)


@pytest.fixture(scope="module")
def csvs(aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Put three CSVs: two small ones, and one of a later day whose Parquet is over 5 MB in every table."""
    folder, noise = tmp_path_factory.mktemp("csvs"), random.Random(7)
    lines = []
    for n in range(10, 36):
        messages_ = [{"from": "user", "text": b64encode(noise.randbytes(225_000)).decode()}]
        lines.append(
            json.dumps(item(f"{n}", "CONVERSATION#2025-08-01", Conversation=as_json(messages_))) + "\n"
        )
    (folder / "items.jsonl").write_text("".join(lines))
    normalize_files([folder / "items.jsonl"], folder / "csv", folder / "rejects", aws.settings.rules)
    csv = (folder / "csv").read_bytes().splitlines(keepends=True)
    for day, length in (("20250912", 2), ("20250913", 3), ("20250914", len(csv))):
        key, body = f"reports/etl-process1/data_{day}.csv", b"".join(csv[:length])
        aws.client("s3").put_object(Bucket=aws.settings.bucket, Key=key, Body=body)


@pytest.fixture(scope="module")
def checks(aws: LocalAws, unpacked: Path, recorded: Recorded) -> set[Call]:
    """A check of tables that are not there yet."""

    def run() -> None:
        assert check.call(aws, unpacked).code == 0

    return recorded(run)


@pytest.fixture(scope="module")
def jobs(
    aws: LocalAws,
    glue: Path,
    dist: Path,
    additional: Path,
    csvs: None,
    checks: set[Call],
    recorded: Recorded,
    tmp_path_factory: Any,
) -> set[Call]:
    """A first run; for each table, one that fails as it uploads and one as it stages; the newest CSV's."""
    folder = tmp_path_factory.mktemp("driven")
    (folder / "driver.py").write_text(DRIVER)
    prefixes = [layout.table_prefix(aws.settings, table) for table in schema.TABLES]
    runs = [
        ("20250912", "none"),
        *(("20250913", f"{prefix}data.parquet") for prefix in prefixes),
        *(("20250914", f"staging/{prefix}*.parquet") for prefix in prefixes),
        ("", "none"),
    ]
    arguments = [str(dist / "glue_job_script.py")]
    for day, broken in runs:
        given = arrival.job_arguments(aws.settings)
        given |= {"--input_key": f"reports/etl-process1/data_{day}.csv"} if day else {}
        words = [word for pair in given.items() for word in pair]
        arguments.append(json.dumps([words, refuse_parts(broken)]))
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}

    def run() -> None:
        line = job.command(aws.settings, folder, folder / "driver.py", arguments)
        own = job.environment(aws.child_environment(kept), glues_python(glue), [additional])
        done = subprocess.run(line, env=own, cwd=folder, capture_output=True, text=True, check=False)
        results = [json.loads(line) for line in done.stdout.splitlines()]
        outcomes = [each.get("error") or each["run_date"] for each in results]
        failed = ["PipelineError"] * 3 + ["ConvertError"] * 3
        assert outcomes == ["2025-09-12", *failed, "2025-09-14"], done.stderr[-3000:]

    return recorded(run)


@pytest.fixture(scope="module")
def prod(synthesised: Path) -> Assembly:
    return Assembly(synthesised, "prod")


Held = tuple[set[Call], set[Grant], set[Grant]]


@pytest.fixture(scope="module")
def asked(nights: set[Call], jobs: set[Call], checks: set[Call]) -> dict[str, set[Call]]:
    """Return each door's calls."""
    return {"Lambda": nights, "Glue job": jobs, "check": checks}


def of(name: str, prod: Assembly, asked: dict[str, set[Call]]) -> Held:
    """Return a door's calls, what its role grants, and what of that its service wants."""
    service = {
        Grant(action, resource, condition)
        for actions, resource, condition, _, _ in BY_THE_SERVICE[name]
        for action in actions.split()
    }
    return asked[name], grants(roles(prod)[ROLES[name]]), service


@pytest.fixture(params=ROLES)
def held(request: pytest.FixtureRequest, prod: Assembly, asked: dict[str, set[Call]]) -> Held:
    return of(request.param, prod, asked)


def lines(found: Collection[Call | Grant]) -> str:
    return "\n".join(" ".join(filter(None, each)) for each in found)


def test_every_call_is_granted(held: Held) -> None:
    asked, given, _ = held
    wrong = refused(asked, given)
    assert not wrong, f"not granted:\n{lines(wrong)}"


def test_every_grant_is_wanted(held: Held) -> None:
    asked, given, service = held
    wrong = superfluous(asked, given - service)
    assert not wrong, f"no call needs:\n{lines(wrong)}"
    assert service <= given, f"the service needs:\n{lines(service - given)}"


def test_no_grant_reaches_further_than_the_folder_of_its_calls(held: Held) -> None:
    asked, given, service = held
    wrong = too_wide(asked, given - service)
    assert not wrong, f"too wide:\n{lines(wrong)}"


def noticed(asked: set[Call], given: set[Grant], service: set[Grant]) -> bool:
    ours = given - service
    wrong = refused(asked, given) or superfluous(asked, ours) or too_wide(asked, ours)
    return bool(wrong) or not service <= given


def test_each_grant_removed_would_be_noticed(held: Held) -> None:
    asked, given, service = held
    assert not noticed(asked, given, service)
    assert [gone for gone in given if not noticed(asked, given - {gone}, service)] == []


def test_each_grant_widened_or_beside_another_would_be_noticed(held: Held) -> None:
    asked, given, service = held
    for grant in given - service:
        for other in (*wider(grant), *beside(grant)):
            assert noticed(asked, given | {other}, service), f"{other} besides"
            assert noticed(asked, given - {grant} | {other}, service), f"{other} for {grant}"


def wider(grant: Grant) -> Iterator[Grant]:
    """Yield a grant with a star one folder up, and with a star for everything."""
    for part in ("resource", "condition"):
        text: str = getattr(grant, part)
        if text.endswith("/*"):
            yield grant._replace(**{part: text[: text.rindex("/", 0, -2) + 1] + "*"})
            yield grant._replace(**{part: text[:-2] + "*"})
    if grant.condition:
        yield grant._replace(condition="")


def beside(grant: Grant) -> Iterator[Grant]:
    """Yield grants of another action, another resource and another prefix."""
    yield grant._replace(action=f"{grant.action}Version")
    yield grant._replace(resource=grant.resource.replace("etl-process", "etl-other").replace("cat-", "dog-"))
    if grant.condition:
        yield grant._replace(condition=f"{grant.condition}else")


@pytest.mark.parametrize(
    ("name", "action", "resource", "condition"),
    [
        ("Lambda", "dynamodb:Query", TABLE, ""),
        ("Lambda", "dynamodb:Scan", f"{TABLE}/index/*", ""),
        ("Lambda", "s3:DeleteObject", f"{BUCKET}/reports/etl-process1/*", ""),
        ("Lambda", "s3:PutObject", f"{BUCKET}/*", ""),
        ("Lambda", "s3:AbortMultipartUpload", f"{BUCKET}/manifests/etl-process1/*", ""),
        ("Lambda", "sqs:SendMessage", "*", ""),
        ("Glue job", "s3:DeleteObject", f"{BUCKET}/reports/etl-process2/*", ""),
        ("Glue job", "s3:DeleteObject", f"{BUCKET}/reports/messages/*", ""),
        ("Glue job", "s3:PutObject", f"{BUCKET}/reports/etl-process1/*", ""),
        ("Glue job", "s3:PutObject", f"{BUCKET}/reports/*", ""),
        ("Glue job", "s3:GetObject", f"{BUCKET}/scripts/*", ""),
        ("Glue job", "s3:ListBucket", BUCKET, ""),
        ("Glue job", "s3:ListBucket", BUCKET, "StringLike s3:prefix manifests/*"),
        ("check", "s3:GetObject", f"{BUCKET}/reports/messages/*", ""),
        ("check", "s3:ListBucket", BUCKET, ""),
    ],
)
def test_one_grant_more_would_be_noticed(
    prod: Assembly, asked: dict[str, set[Call]], name: str, action: str, resource: str, condition: str
) -> None:
    calls_, given, service = of(name, prod, asked)
    assert noticed(calls_, given | {Grant(action, resource, condition)}, service)
