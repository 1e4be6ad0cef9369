"""The check of the tables' age as it is deployed: the metric that it sends, and what it says."""

from datetime import timedelta

import pytest

from cat_normalize.core import layout
from cat_normalize.core.settings import today
from cat_normalize.jobs.freshness import NEVER
from deployed import check


@pytest.fixture(scope="module")
def aws(empty_aws):
    return empty_aws


@pytest.fixture(scope="module")
def called(aws, unpacked):
    def call(**environment):
        return check.call(aws, unpacked, **environment)

    return call


def sent(done):
    """Return the age that CloudWatch reads out of the log, and what the check says of the tables."""
    metric, said = done.lines
    (directive,) = metric["_aws"]["CloudWatchMetrics"]
    assert directive == {
        "Namespace": layout.METRICS,
        "Dimensions": [["service"]],
        "Metrics": [{"Name": layout.TABLES_AGE, "Unit": "None"}],
    }
    assert metric["service"] == layout.FRESHNESS
    assert said["message"] == "checked"
    (hours,) = metric[layout.TABLES_AGE]
    assert said["hours"] == round(hours, 2)
    return hours, said["run_dates"]


def test_a_table_that_is_not_there_is_as_old_as_never(called):
    assert sent(called()) == (NEVER, {"users": None, "conversations": None, "messages": None})


def test_the_age_is_that_of_the_oldest_run_date(aws, called):
    newest = today("Asia/Tokyo")
    days = [newest, newest - timedelta(days=3), newest - timedelta(days=1)]
    for uri, day in zip(layout.table_uris(aws.settings).values(), days, strict=True):
        bucket, key = layout.split_s3(uri)
        metadata = {"run-date": day.isoformat()}
        aws.client("s3").put_object(Bucket=bucket, Key=key, Body=b"", Metadata=metadata)
    hours, dates = sent(called(CAT_TIME_ZONE="Asia/Tokyo"))
    assert 48 <= hours <= 72 + 1  # the clock may pass midnight meanwhile
    assert dates == dict(zip(("users", "conversations", "messages"), map(str, days), strict=True))


def test_a_check_that_fails_sends_no_metric(called):
    failed = called(S3_BUCKET_NAME="no-such-bucket", AWS_ENDPOINT_URL="http://127.0.0.1:1")
    assert failed.code == 1
    assert "EndpointConnectionError" in failed.err
    assert not [line for line in failed.lines if "_aws" in line]
