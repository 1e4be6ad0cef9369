"""ETL-1's Glue script as it is deployed: by spark-submit, with the wheel, over an export on the local AWS."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
from base64 import b64encode

import pytest

import exported
from cat_lab import sample
from cat_lab.local import glue_job as job
from cat_normalize.core import layout
from cat_normalize.core.settings import Rules, Settings
from cat_normalize.normalize.files import normalize_files
from cat_normalize.scale import spark as etl1_spark
from deployed.conftest import ROOT, glues_python

SINCE = "2025-08-20"
KEYS = [
    "manifests/etl-process1/20250915.json",
    "rejects/etl-process1/data_20250915.jsonl",
    "reports/etl-process1/data_20250915.csv",
]


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    lines = [
        json.dumps(each, default=lambda raw: b64encode(raw).decode()).encode() for each in sample.items()
    ]
    return exported.write(
        tmp_path_factory.mktemp("items") / "01234-abcd", [lines[:900], lines[900:], [b"{}"]]
    )


@pytest.fixture(scope="module")
def aws(empty_aws, export):
    for path in export.rglob("*"):
        if path.is_file():
            key = f"AWSDynamoDB/01234-abcd/{path.relative_to(export)}"
            empty_aws.client("s3").upload_file(str(path), empty_aws.settings.bucket, key)
    return empty_aws


def submit(aws, glue, dist, modules, arguments):
    """Run it with the wheels where every worker finds them, as --additional-python-modules does on Glue."""
    command = job.command(aws.settings, glue, dist / "glue_etl1_script.py", arguments)
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment = job.environment(aws.child_environment(kept), glues_python(glue), [modules])
    return subprocess.run(command, env=environment, cwd=glue, capture_output=True, text=True, check=False)


def published(aws):
    s3, bucket = aws.client("s3"), aws.settings.bucket
    keys = [each["Key"] for each in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    made = [key for key in keys if not key.startswith("AWSDynamoDB/")]
    return {key: s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in made}


@pytest.mark.timeout(600)  # three sessions of Spark, each with a Java of its own
def test_spark_submit_makes_what_one_machine_makes_and_a_wrong_export_changes_nothing(
    aws, glue, dist, additional, export, tmp_path
):
    bucket = aws.settings.bucket
    address = f"s3://{bucket}/AWSDynamoDB/01234-abcd/manifest-summary.json"
    arguments = ["--JOB_NAME", "x", "--input", address, "--output_bucket", bucket]
    arguments += ["--time", "2025-09-16T04:30:00Z"]  # still the 15th in Bogotá
    arguments += ["--since", SINCE, "--until", ""]
    done = submit(aws, glue, dist, additional, arguments)
    assert done.returncode == 0, done.stderr[-3000:]
    rules = Rules(since=Settings.from_environment({"CAT_SINCE": SINCE}).rules.since)
    outputs = tmp_path / "one.csv", tmp_path / "one.jsonl"
    summary = normalize_files([export / "data"], *outputs, rules)
    assert summary.filtered > 0
    made = published(aws)
    assert sorted(made) == KEYS
    assert made[KEYS[1]] == outputs[1].read_bytes()
    assert made[KEYS[2]] == outputs[0].read_bytes()
    manifest = json.loads(made[KEYS[0]])
    assert manifest == json.loads(done.stdout)
    assert manifest["summary"] == summary.as_dict()
    assert (manifest["source"], manifest["run_date"]) == (address, "2025-09-15")
    assert [each["uri"] for each in manifest["outputs"]] == [layout.s3_uri(bucket, key) for key in KEYS[1:]]

    for path in exported.write(tmp_path / "few", [[]]).rglob("*.*"):
        key = f"AWSDynamoDB/few/{path.relative_to(tmp_path / 'few')}"
        aws.client("s3").upload_file(str(path), bucket, key)
    few = ["--JOB_NAME", "x", "--input", f"s3://{bucket}/AWSDynamoDB/few/", "--since", SINCE]
    few += ["--output_bucket", bucket, "--run_date", "20250916", "--allow_shrink", "false"]
    shrunk = submit(aws, glue, dist, additional, few)
    assert shrunk.returncode != 0
    assert "ShrunkError: 0 users, less than 50 % of the " in shrunk.stderr + shrunk.stdout
    assert published(aws) == made

    aws.client("s3").delete_object(Bucket=bucket, Key="AWSDynamoDB/01234-abcd/data/0001abcd.json.gz")
    failed = submit(aws, glue, dist, additional, arguments)
    assert failed.returncode != 0
    assert "ExtractError: export " in failed.stderr + failed.stdout
    assert published(aws) == made


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("scale_job", ROOT / "glue/etl-process1/glue_job_script.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_arguments(script):
    given = [
        "job",
        "--JOB_NAME",
        "x",
        "--input",
        "s3://b/e/",
        "--output_bucket=c",
        "--exclude_cities",
        "^A,B",
    ]
    found = script.read_arguments([*given, "--since", "", "--run_date", "2025-09-15"])
    assert found == {
        "input": "s3://b/e/",
        "output_bucket": "c",
        "run_date": "2025-09-15",
        "since": "",
        "exclude_cities": "^A,B",
    }
    more = ["--allow_shrink", "true", "--allow_future=true", "--min_users_percent", "80"]
    assert script.read_arguments([*given, *more]).items() >= {
        ("allow_shrink", "true"), ("allow_future", "true"), ("min_users_percent", "80"),
    }  # fmt: skip
    with pytest.raises(Exception, match="output_bucket"):
        script.read_arguments(["job", "--input", "s3://b/e/"])


def test_arguments_win_over_the_environment_and_empty_ones_count_as_not_given():
    arguments = {"output_bucket": "mine", "exclude_cities": "^A,B", "since": "", "min_users_percent": "80"}
    arguments |= {"naive_time_zone": "UTC", "fallback_patterns": "a,b"}
    made = etl1_spark.settings_of(arguments, {"CAT_SINCE": SINCE, "CAT_EXCLUDE_CITIES": "C"})
    assert (made.bucket, made.min_users_percent) == ("mine", 80)
    assert (made.rules.exclude_cities, made.rules.fallback_patterns) == (("^A", "B"), ("a", "b"))
    assert made.rules.naive_time_zone == "UTC"
    assert made.rules.since.isoformat() == SINCE
