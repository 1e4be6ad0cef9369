"""The manifests: published last, true to what they speak of, and nothing of the machine in them (§6)."""

import hashlib
import json
from datetime import date

import boto3
import pytest
from moto import mock_aws

from cat_normalize.convert import Converted
from cat_normalize.core import manifest
from cat_normalize.core.settings import Rules, Settings
from cat_normalize.normalize.rows import Summary

DAY = date(2025, 9, 1)
ENDPOINT = "http://127.0.0.1:45678"
SETTINGS = Settings(
    table_name="talks",
    bucket="mine",
    endpoint_url=ENDPOINT,
    rules=Rules("Asia/Tokyo", ("^Prueba",), date(2025, 8, 1), None),
)
SUMMARY = Summary(conversations=2, users=1)
KEYS = [
    "rejects/etl-process1/data_20250901.jsonl",
    "reports/etl-process1/data_20250901.csv",
    "manifests/etl-process1/20250901.json",
]


@pytest.fixture
def s3(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        made = boto3.client("s3", region_name="us-east-1")
        made.create_bucket(Bucket="mine")
        yield made


@pytest.fixture
def files(tmp_path):
    csv, rejects = tmp_path / "a.csv", tmp_path / "b.jsonl"
    csv.write_bytes("header\nfilé\n".encode())
    rejects.write_bytes(b'{"reason":"not_json"}\n')
    return csv, rejects


def stored(s3, key):
    return s3.get_object(Bucket="mine", Key=key)["Body"].read()


def test_rejects_come_first_then_the_csv_then_the_manifest(s3, files):
    order = []
    s3.meta.events.register("before-call.s3.PutObject", lambda params, **_: order.append(params["url_path"]))
    manifest.publish_etl1(SETTINGS, DAY, *files, SUMMARY, s3)
    assert [path.removeprefix("/mine/").lstrip("/") for path in order] == KEYS
    assert {each["Key"] for each in s3.list_objects_v2(Bucket="mine")["Contents"]} == set(KEYS)


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_nothing_is_published_after_what_failed(s3, files, failing):
    def fail(params, **_):
        if params["url_path"].endswith(KEYS[failing]):
            raise OSError("the network is down")

    s3.meta.events.register("before-call.s3.PutObject", fail)
    with pytest.raises(OSError, match="network"):
        manifest.publish_etl1(SETTINGS, DAY, *files, SUMMARY, s3)
    found = s3.list_objects_v2(Bucket="mine").get("Contents", [])
    assert {each["Key"] for each in found} == set(KEYS[:failing])


def test_what_it_says_of_its_outputs_is_true(s3, files):
    told = manifest.publish_etl1(SETTINGS, DAY, *files, SUMMARY, s3)
    assert [each["uri"] for each in told["outputs"]] == [f"s3://mine/{key}" for key in KEYS[:2]]
    for each in told["outputs"]:
        body = stored(s3, each["uri"].removeprefix("s3://mine/"))
        assert (each["bytes"], each["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())


def test_what_is_returned_is_what_is_stored(s3, files):
    told = manifest.publish_etl1(SETTINGS, DAY, *files, SUMMARY, s3)
    assert json.loads(stored(s3, KEYS[2])) == told
    assert (told["process"], told["run_date"], told["source"]) == (
        "etl-process1",
        "2025-09-01",
        "dynamodb://talks",
    )
    assert told["summary"] == SUMMARY.as_dict()


def test_settings_are_told_without_the_machines_address(s3, files):
    manifest.publish_etl1(SETTINGS, DAY, *files, SUMMARY, s3)
    text = stored(s3, KEYS[2]).decode()
    assert ENDPOINT not in text
    assert "endpoint" not in text
    rules = json.loads(text)["settings"]["rules"]
    assert rules == {
        "time_zone": "Asia/Tokyo",
        "exclude_cities": ["^Prueba"],
        "since": "2025-08-01",
        "until": None,
    }


def test_a_conversion_tells_its_one_object(s3):
    done = Converted(
        source="s3://mine/reports/etl-process1/data_20250901.csv",
        source_bytes=10,
        source_etag="e1",
        target="s3://mine/reports/etl-process2/data.parquet",
        rows=3,
        bytes=20,
        sha256="0" * 64,
        etag="e2",
        run_date=DAY,
    )
    told = manifest.publish_etl2(SETTINGS, DAY, done, s3)
    assert json.loads(stored(s3, "manifests/etl-process2/20250901.json")) == told
    assert (told["source"], told["summary"]) == (
        done.source,
        {"rows": 3, "source_bytes": 10, "source_etag": "e1"},
    )
    assert told["outputs"] == [{"uri": done.target, "bytes": 20, "sha256": "0" * 64}]
