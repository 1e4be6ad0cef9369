"""The manifests: their exact bytes, what reads them, and nothing of the machine in them (§6)."""

import hashlib
import json
from datetime import date

import boto3
import pytest
from moto import mock_aws
from msgspec.structs import replace

from cat_normalize.core import manifest
from cat_normalize.core.errors import InputError
from cat_normalize.core.manifest import Conversion, Etl1Manifest, Etl2Manifest, Output, Summary
from cat_normalize.core.settings import Rules, Settings

DAY = date(2025, 9, 1)
ENDPOINT = "http://127.0.0.1:45678"
SETTINGS = Settings(
    table_name="talks",
    bucket="mine",
    endpoint_url=ENDPOINT,
    rules=Rules("Asia/Tokyo", ("^Prueba",), date(2025, 8, 1), fallback_patterns=("^Lo siento",)),
)
CSV = Output("s3://mine/reports/etl-process1/data_20250901.csv", 20, "00")
REJECTS = Output("s3://mine/rejects/etl-process1/data_20250901.jsonl", 0, "11")
SUMMARY = Summary(
    items_read=4,
    conversations=2,
    rejected=2,
    rejected_by_reason={"not_json": 1, "bad_key": 1},
    warnings={"user_data_unreadable": 1, "date_unreadable": 3},
    users=1,
)
ETL1 = Etl1Manifest(DAY, "dynamodb://charlas_ñ", SETTINGS, SUMMARY, [REJECTS, CSV])
ETL2 = Etl2Manifest(
    DAY, CSV.uri, SETTINGS, Conversion(3, 20, '"e1"', 5, 8, 1), [Output("s3://mine/p", 20, "22")]
)
PUBLISHED = {
    "manifests/etl-process1/20250901.json": (
        ETL1,
        """{
 "process": "etl-process1",
 "run_date": "2025-09-01",
 "source": "dynamodb://charlas_ñ",
 "settings": {
  "table_name": "talks",
  "bucket": "mine",
  "region": "us-east-1",
  "csv_prefix": "reports/etl-process1/",
  "parquet_prefix": "reports/etl-process2/",
  "conversations_prefix": "reports/conversations/",
  "messages_prefix": "reports/messages/",
  "rejects_prefix": "rejects/etl-process1/",
  "manifests_prefix": "manifests/",
  "scripts_prefix": "scripts/etl-process2/",
  "athena_prefix": "athena/results/",
  "min_users_percent": 50,
  "max_rcu": null,
  "rules": {
   "time_zone": "Asia/Tokyo",
   "exclude_cities": [
    "^Prueba"
   ],
   "since": "2025-08-01",
   "until": null,
   "naive_time_zone": null,
   "fallback_patterns": [
    "^Lo siento"
   ]
  }
 },
 "summary": {
  "items_read": 4,
  "conversations": 2,
  "feedback": 0,
  "registrations": 0,
  "filtered": 0,
  "rejected": 2,
  "rejected_by_reason": {
   "bad_key": 1,
   "not_json": 1
  },
  "warnings": {
   "date_unreadable": 3,
   "user_data_unreadable": 1
  },
  "users": 1
 },
 "outputs": [
  {
   "uri": "s3://mine/rejects/etl-process1/data_20250901.jsonl",
   "bytes": 0,
   "sha256": "11"
  },
  {
   "uri": "s3://mine/reports/etl-process1/data_20250901.csv",
   "bytes": 20,
   "sha256": "00"
  }
 ]
}
""",
    ),
    "manifests/etl-process2/20250901.json": (
        ETL2,
        """{
 "process": "etl-process2",
 "run_date": "2025-09-01",
 "source": "s3://mine/reports/etl-process1/data_20250901.csv",
 "settings": SETTINGS,
 "summary": {
  "rows": 3,
  "source_bytes": 20,
  "source_etag": "\\"e1\\"",
  "conversations": 5,
  "messages": 8,
  "feedback_unmatched": 1
 },
 "outputs": [
  {
   "uri": "s3://mine/p",
   "bytes": 20,
   "sha256": "22"
  }
 ]
}
""",
    ),
}


@pytest.fixture
def s3(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        made = boto3.client("s3", region_name="us-east-1")
        made.create_bucket(Bucket="mine")
        yield made


@pytest.mark.parametrize("key", PUBLISHED)
def test_the_published_json_keeps_its_exact_bytes(s3, key):
    made, text = PUBLISHED[key]
    etl1 = PUBLISHED["manifests/etl-process1/20250901.json"][1]
    settings = etl1[etl1.index('"settings": ') + 12 : etl1.index(',\n "summary"')]
    manifest.publish(made, s3)
    published = s3.get_object(Bucket="mine", Key=key)["Body"].read().decode()
    assert published == text.replace("SETTINGS", settings)
    assert [each["Key"] for each in s3.list_objects_v2(Bucket="mine")["Contents"]] == [key]


def test_settings_are_recorded_without_the_machines_address():
    for text in (manifest.encode(ETL1).decode(), repr(manifest.plain(ETL2))):
        assert ENDPOINT not in text
        assert "endpoint" not in text


@pytest.mark.parametrize("made", [ETL1, ETL2])
def test_a_manifest_reads_back_as_it_was_but_for_the_endpoint(made):
    read = manifest.decode(manifest.encode(made), type(made))
    assert read == replace(made, settings=replace(SETTINGS, endpoint_url=None))


def test_a_manifest_of_an_older_version_may_lack_settings():
    older = manifest.plain(ETL1) | {"settings": {"bucket": "mine"}, "new": 1}
    assert manifest.decode(json.dumps(older).encode(), Etl1Manifest).settings == Settings(bucket="mine")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b'{"x":' + b"[" * 100_000,
        manifest.encode(ETL2),
        manifest.encode(ETL1).replace(b"Asia/Tokyo", b"Asia/Nowhere"),
        manifest.encode(ETL1).replace("ñ".encode(), b"\xff"),
    ],
)
def test_what_is_not_a_manifest_of_etl1_is_an_error(data):
    with pytest.raises(InputError, match=r"^not a manifest: "):
        manifest.decode(data, Etl1Manifest)


def test_an_output_is_described_by_its_size_and_digest(tmp_path):
    body = "header\nfilé\n".encode()
    (tmp_path / "a.csv").write_bytes(body)
    assert Output.of(tmp_path / "a.csv", "s3://b/k") == Output(
        "s3://b/k", len(body), hashlib.sha256(body).hexdigest()
    )


def test_summaries_add_up():
    total = Summary()
    total.count_reject("not_json")
    total.count_warning("date_unreadable")
    total.add(SUMMARY)
    total.count_reject("bad_key")
    assert total.as_dict() == {
        "items_read": 4,
        "conversations": 2,
        "feedback": 0,
        "registrations": 0,
        "filtered": 0,
        "rejected": 4,
        "rejected_by_reason": {"bad_key": 2, "not_json": 2},
        "warnings": {"date_unreadable": 4, "user_data_unreadable": 1},
        "users": 1,
    }
    assert [*total.as_dict()["warnings"]] == ["date_unreadable", "user_data_unreadable"]
    assert SUMMARY.rejected == 2
