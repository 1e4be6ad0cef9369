"""The resources of a running local AWS, and how processes and clients reach it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import boto3
import pytest

from cat_lab import local
from cat_lab.errors import LocalAwsError
from cat_lab.local import LocalAws, running
from cat_normalize.core import aws as core_aws
from cat_normalize.core import layout, schema
from cat_normalize.core.settings import Settings

REAL_ACCOUNT = {
    "AWS_PROFILE": "mine",
    "AWS_ACCESS_KEY_ID": "real",
    "AWS_SESSION_TOKEN": "real",
    "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "http_proxy": "http://127.0.0.1:9",
    "NO_PROXY": "intranet",
    "S3_BUCKET_NAME": "another",
    "CAT_SINCE": "2025-09-01",
}


@pytest.fixture
def real_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set a real account and a proxy in the environment, and create boto3's default session with them."""
    session = boto3.Session(aws_access_key_id="real", aws_secret_access_key="real", region_name="sa-east-1")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", session)
    for name, value in REAL_ACCOUNT.items():
        monkeypatch.setenv(name, value)


def test_the_package_exports_its_verbs() -> None:
    assert local.__all__ == [
        "JobRun",
        "LocalAws",
        "Worker",
        "check_job",
        "create_csv_trigger",
        "jupyterlab_options",
        "load_bucket",
        "run_jupyterlab",
        "running",
        "save_bucket",
    ]


def test_the_bucket_is_versioned(aws: LocalAws) -> None:
    assert aws.client("s3").get_bucket_versioning(Bucket="cat-prod-normalize-reports")["Status"] == "Enabled"


def test_the_table_has_the_keys_of_the_contract(aws: LocalAws) -> None:
    table = aws.client("dynamodb").describe_table(TableName="cat-prod-catia-conversations-table")["Table"]
    keys = [(key["AttributeName"], key["KeyType"]) for key in table["KeySchema"]]
    assert keys == [("PK", "HASH"), ("SK", "RANGE")]
    assert {each["AttributeType"] for each in table["AttributeDefinitions"]} == {"S"}
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"


PREFIXES = {
    "users": "reports/etl-process2/",
    "conversations": "reports/conversations/",
    "messages": "reports/messages/",
}


@pytest.mark.parametrize("declared", schema.TABLES, ids=lambda table: table.name)
def test_a_table_of_the_catalog_reads_its_parquet(aws: LocalAws, declared: schema.Table) -> None:
    glue = aws.client("glue")
    table = glue.get_table(DatabaseName="cat_prod_analytics_db", Name=declared.name)["Table"]
    stored = table["StorageDescriptor"]
    assert table["TableType"] == "EXTERNAL_TABLE"
    assert stored["Columns"] == declared.glue_columns()
    assert stored["Location"] == f"s3://cat-prod-normalize-reports/{PREFIXES[declared.name]}"
    formats = [stored["InputFormat"], stored["OutputFormat"], stored["SerdeInfo"]["SerializationLibrary"]]
    assert [name.rsplit(".", 1)[1] for name in formats] == [
        "MapredParquetInputFormat",
        "MapredParquetOutputFormat",
        "ParquetHiveSerDe",
    ]


def test_the_workgroup_keeps_its_results_in_the_bucket(aws: LocalAws) -> None:
    group = aws.client("athena").get_work_group(WorkGroup=layout.WORKGROUP)["WorkGroup"]
    location = group["Configuration"]["ResultConfiguration"]["OutputLocation"]
    assert (group["Name"], location) == (
        "wg-cat-prod-analytics",
        "s3://cat-prod-normalize-reports/athena/results/",
    )


def events_of_a_new_object(aws: LocalAws) -> list[tuple[str, str, str]]:
    """Put an object into the bucket and return the events that EventBridge sends to a queue."""
    sqs, events = aws.client("sqs"), aws.client("events")
    queue = sqs.create_queue(QueueName="q")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name="r", EventPattern=json.dumps({"detail-type": ["Object Created"]}))
    events.put_targets(Rule="r", Targets=[{"Id": "t", "Arn": arn}])
    aws.client("s3").put_object(Bucket=aws.settings.bucket, Key="new.csv", Body=b"x")
    got = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
    received = [json.loads(each["Body"]) for each in got]
    return [
        (each["detail-type"], each["detail"]["bucket"]["name"], each["detail"]["object"]["key"])
        for each in received
    ]


def test_other_names_and_another_region_without_sample(tmp_path: Path) -> None:
    settings = Settings(table_name="t", bucket="mine-alone", region="sa-east-1", parquet_prefix="p/")
    with running(settings, tmp_path, seed=False) as aws:
        assert [each["Name"] for each in aws.client("s3").list_buckets()["Buckets"]] == ["mine-alone"]
        assert aws.client("dynamodb").scan(TableName="t")["Count"] == 0
        table = aws.client("glue").get_table(DatabaseName=layout.DATABASE, Name="users")["Table"]
        assert table["StorageDescriptor"]["Location"] == "s3://mine-alone/p/"
        assert aws.settings.endpoint_url == aws.endpoint
        assert events_of_a_new_object(aws) == [("Object Created", "mine-alone", "new.csv")]
    with pytest.raises(LocalAwsError, match="ended with"):
        aws.check()


def test_a_resource_that_cannot_be_created_is_an_error(tmp_path: Path) -> None:
    with (
        pytest.raises(LocalAwsError, match=r"(?s)InvalidBucketName.*last lines of .*\"PUT /"),
        running(Settings(bucket="NO"), tmp_path, seed=False),
    ):
        pass


@pytest.mark.usefixtures("real_account")
def test_a_client_ignores_the_real_account(aws: LocalAws) -> None:
    s3 = aws.client("s3")
    assert s3.list_buckets()["Buckets"]
    assert s3._request_signer._credentials.access_key == "local"


@pytest.mark.usefixtures("real_account")
def test_a_child_process_reaches_only_the_local_aws(aws: LocalAws) -> None:
    code = """
import os, boto3
from cat_normalize.core.aws import client
from cat_normalize.core.settings import Settings
settings = Settings.from_environment(os.environ)
assert boto3.client("s3").list_buckets()["Buckets"] and client(settings, "s3").list_buckets()["Buckets"]
credentials = boto3.Session().get_credentials()
print(settings.endpoint_url, settings.bucket, settings.rules.since, credentials.access_key, credentials.token)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], env=aws.child_environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [aws.endpoint, aws.settings.bucket, "None", "local", "None"]
    given = aws.child_environment({"AWS_PROFILE": "mine", "no_proxy": "intranet", "HOME": "/h"})
    assert given == aws.environment | {"HOME": "/h"}
    assert "AWS_PROFILE" not in given


@pytest.mark.usefixtures("real_account")
def test_this_process_reaches_only_the_local_aws_while_activated(aws: LocalAws) -> None:
    before, session = dict(os.environ), boto3.DEFAULT_SESSION

    def use() -> None:
        with aws.activate():
            assert Settings.from_environment(os.environ) == aws.settings
            assert core_aws.client(aws.settings, "s3").list_buckets()["Buckets"]
            assert boto3.client("s3").list_buckets()["Buckets"]
            assert boto3.DEFAULT_SESSION.get_credentials().access_key == "local"
            os.environ["LEFT_BEHIND"] = "1"
            raise RuntimeError

    with pytest.raises(RuntimeError):
        use()
    assert dict(os.environ) == before
    assert boto3.DEFAULT_SESSION is session
