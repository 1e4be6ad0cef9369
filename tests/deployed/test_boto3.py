"""The deployed library with the oldest boto3 that it allows, with that of the lock, and with one too old."""

import json
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import botocore
import pytest

from cat_lab import sample
from cat_lab.sample.dynamodb_json import item, message, messages
from deployed.conftest import ROOT, apart, installed
from local_aws import reset

DOORS = Path(__file__).with_name("doors.py")
BOTO3 = ("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six", "urllib3")
NEWEST = "reports/etl-process1/data_20250902.csv"
(BOUND,) = (
    re.match(r"boto3(>=\S+);", each)[1]
    for each in metadata.requires("cat-normalize")
    if re.match(r"boto3>=", each)
)


@pytest.fixture
def aws(shared_aws):
    reset(shared_aws)
    conversation = messages(message("user", text="hola"), message("bot", text="hola"))
    items = [item(f"{n}", "CONVERSATION#2025-08-01", Conversation=conversation) for n in range(3)]
    sample.put(shared_aws.client("dynamodb"), shared_aws.settings.table_name, items)
    return shared_aws


@pytest.fixture
def use_doors(aws, tmp_path):
    def use(boto3):
        others = installed(tmp_path / "modules", "msgspec", "tzdata")
        folders = [str(ROOT / "lib"), str(boto3), str(others)]
        command = [sys.executable, "-I", "-S", "-W", "error", str(DOORS), *folders]
        variables = {**aws.environment, "TMPDIR": str(tmp_path)}
        done = subprocess.run(
            command, env=variables, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return use


def check_etl2(done):
    """Check what ETL-2 asks of S3: a new object, one in place of that alone, the same again, an older day."""
    first, second, again, older = done["replaced"]
    assert done["conditions"] == [{"If-None-Match": "*"}, {"If-Match": first}]
    assert first != second == again
    assert older.startswith("StaleInputError: ")


@pytest.mark.parametrize("which", ["oldest", "the lock's"])
def test_every_door_works_with_every_boto3_that_is_allowed(which, use_doors, tmp_path):
    oldest = which == "oldest"
    done = use_doors(apart("oldest-boto3") if oldest else installed(tmp_path / "boto3", *BOTO3))
    assert done["botocore"] == (BOUND.removeprefix(">=") if oldest else botocore.__version__)
    assert done["extracted"] == [3, 3]
    assert done["read"] == [NEWEST, 3]
    check_etl2(done)


def test_with_one_too_old_the_scan_says_what_to_install_and_etl2_works(aws, use_doors):
    body = b"".join([b",".join([b"x"] * 12), b"\n"])
    aws.client("s3").put_object(Bucket=aws.settings.bucket, Key=NEWEST, Body=body)
    done = use_doors(apart("glue-boto3"))
    wanted = f'botocore {done["botocore"]} cannot scan; run: pip install "boto3{BOUND}"'
    assert done["extracted"] == [f"ExtractError: {wanted}"] * 2
    assert done["read"].startswith(f"MalformedCsvError: s3://{aws.settings.bucket}/{NEWEST}, line 1")
    check_etl2(done)
