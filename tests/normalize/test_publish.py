"""The publication of ETL-1, its order and its guard (contract §6)."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, ResponseStreamingError
from moto import mock_aws
from msgspec.structs import replace

from cat_normalize.core import layout, manifest
from cat_normalize.core.errors import AllRejectedError, FutureDateError, PipelineError, ShrunkError
from cat_normalize.core.manifest import Etl1Manifest, Output, Summary
from cat_normalize.core.settings import Rules, Settings
from cat_normalize.normalize import publish as etl1

SETTINGS = Settings(bucket="mine")
DAY, BEFORE, LONG_BEFORE = date(2025, 9, 15), date(2025, 9, 14), date(2025, 9, 1)
Publish = Callable[..., Etl1Manifest]


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        made = boto3.client("s3", region_name="us-east-1")
        made.create_bucket(Bucket="mine")
        yield made


@pytest.fixture
def publish(s3: Any, tmp_path: Path) -> Publish:
    """Publish a run of so many users."""
    csv, rejects = tmp_path / "a.csv", tmp_path / "b.jsonl"

    def publish(users: int, day: date = DAY, settings: Settings = SETTINGS, **given: Any) -> Etl1Manifest:
        csv.write_text(f"{users} of {day}")
        rejects.write_text(f"rejects of {day}")
        summary = given.pop("summary", Summary(items_read=2 * users, conversations=2 * users, users=users))
        return etl1.publish_outputs(
            settings, day, csv, rejects, summary, s3, **{"today": date(2025, 9, 15), **given}
        )

    return publish


def bucket(s3: Any) -> dict[str, bytes]:
    keys = [each["Key"] for each in s3.list_objects_v2(Bucket="mine").get("Contents", [])]
    return {key: s3.get_object(Bucket="mine", Key=key)["Body"].read() for key in keys}


def filtered(**rules: Any) -> Settings:
    return replace(SETTINGS, rules=Rules(**rules))


def put_manifest(s3: Any, day: date, body: bytes) -> None:
    s3.put_object(Bucket="mine", Key=layout.manifest_key(SETTINGS, 1, day), Body=body)


KEYS = [
    layout.rejects_key(SETTINGS, DAY),
    layout.csv_key(SETTINGS, DAY),
    layout.manifest_key(SETTINGS, 1, DAY),
]


def test_rejects_come_first_then_the_csv_then_the_manifest(publish: Publish, s3: Any) -> None:
    order: list[str] = []
    s3.meta.events.register("before-call.s3.PutObject", lambda params, **_: order.append(params["url_path"]))
    publish(1)
    assert [path.removeprefix("/mine/").lstrip("/") for path in order] == KEYS
    assert set(bucket(s3)) == set(KEYS)


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_nothing_is_published_after_what_failed(publish: Publish, s3: Any, failing: int) -> None:
    def fail(params: dict[str, Any], **_: Any) -> None:
        if params["url_path"].endswith(KEYS[failing]):
            raise OSError("the network is down")

    s3.meta.events.register("before-call.s3.PutObject", fail)
    with pytest.raises(OSError, match="network"):
        publish(1)
    assert set(bucket(s3)) == set(KEYS[:failing])


def test_the_manifest_that_is_returned_is_published_and_true(publish: Publish, s3: Any) -> None:
    made, stored = publish(7), bucket(s3)
    assert stored[KEYS[2]] == manifest.encode(made)
    assert (made.run_date, made.source) == (DAY, f"dynamodb://{SETTINGS.table_name}")
    assert made.summary == Summary(items_read=14, conversations=14, users=7)
    for output, key in zip(made.outputs, KEYS[:2], strict=True):
        digest = hashlib.sha256(stored[key]).hexdigest()
        assert output == Output(f"s3://mine/{key}", len(stored[key]), digest)


@pytest.mark.parametrize(
    ("read", "rejected", "refused"),
    [(0, 0, False), (3, 0, False), (3, 2, False), (1, 1, True), (3, 3, True)],
)
def test_a_run_is_refused_only_if_every_item_was_rejected(read: int, rejected: int, refused: bool) -> None:
    summary = Summary(items_read=read, rejected=rejected, rejected_by_reason={"bad_key": rejected})
    if refused:
        with pytest.raises(
            AllRejectedError, match=rf"all {read} items were rejected \(bad_key {rejected}\).*s3://r"
        ):
            etl1.refuse_all_rejected(summary, "s3://r")
    else:
        etl1.refuse_all_rejected(summary)


@pytest.mark.parametrize(
    ("users", "earlier", "percent", "refused"),
    [
        (50, 100, 50, False),
        (49, 100, 50, True),
        (0, 1, 50, True),
        (1, 2, 50, False),
        (1, 3, 50, True),
        (0, 0, 100, False),
        (99, 100, 100, True),
        (100, 100, 100, False),
        (0, 10**9, 0, False),
        (9, 1000, 1, True),
        (10, 1000, 1, False),
    ],
)
def test_how_few_users_are_too_few(
    publish: Publish, users: int, earlier: int, percent: int, refused: bool
) -> None:
    publish(earlier, BEFORE)
    settings = replace(SETTINGS, min_users_percent=percent)
    if not refused:
        publish(users, settings=settings)
        return
    with pytest.raises(ShrunkError, match=f"^{users} users, less than {percent} % of the {earlier} of s3://"):
        publish(users, settings=settings)


@pytest.mark.parametrize(
    "summary", [Summary(), Summary(items_read=3, registrations=3), Summary(items_read=1, filtered=1)]
)
def test_a_first_run_without_users_is_published(publish: Publish, s3: Any, summary: Summary) -> None:
    publish(0, summary=summary)
    assert len(bucket(s3)) == 3
    publish(0, summary=summary)  # and again: a manifest without users guards nothing
    publish(7)


def test_a_table_that_was_full_yesterday_and_is_empty_today_is_stopped(publish: Publish, s3: Any) -> None:
    publish(100, BEFORE)
    before = bucket(s3)
    for users in (0, 49):
        with pytest.raises(
            ShrunkError,
            match=rf"{users} users, less than 50 % of the 100 of s3://mine/.*20250914\.json; nothing was",
        ):
            publish(users)
    assert bucket(s3) == before
    publish(50)


def test_a_shrunk_table_is_published_if_allowed_and_is_the_earlier_run_from_then_on(
    publish: Publish, s3: Any
) -> None:
    publish(100, LONG_BEFORE)
    publish(3, BEFORE, allow_shrink=True)
    publish(2)
    assert json.loads(bucket(s3)[layout.manifest_key(SETTINGS, 1, DAY)])["summary"]["users"] == 2


def test_the_percentage_is_a_setting_and_0_reads_no_manifest(publish: Publish, s3: Any) -> None:
    publish(100, BEFORE)
    with pytest.raises(ShrunkError, match="less than 90 %"):
        publish(89, settings=replace(SETTINGS, min_users_percent=90))
    publish(90, settings=replace(SETTINGS, min_users_percent=90))
    s3.meta.events.register("before-call.s3.ListObjectsV2", refuse)
    publish(1, settings=replace(SETTINGS, min_users_percent=0))
    publish(1, allow_shrink=True)


def refuse(**_: Any) -> None:
    raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "ListObjectsV2")


def cut(**_: Any) -> None:
    raise ResponseStreamingError(error="Connection broken")


@pytest.mark.parametrize(
    ("call", "fails", "why"),
    [("ListObjectsV2", refuse, "AccessDenied"), ("GetObject", cut, "Connection broken")],
)
def test_manifests_that_cannot_be_read_are_a_failure(
    publish: Publish, s3: Any, call: str, fails: Callable[..., None], why: str
) -> None:
    publish(100, BEFORE)
    before = bucket(s3)
    s3.meta.events.register(f"before-call.s3.{call}", fails)
    with pytest.raises(PipelineError, match=f"s3://mine/manifests/etl-process1/, cannot be read, .*{why}"):
        publish(100)
    s3.meta.events.unregister(f"before-call.s3.{call}", fails)
    assert bucket(s3) == before


SINCE = {"since": date(2025, 9, 10)}


@pytest.mark.parametrize(
    ("first", "then", "guarded"),
    [
        ({}, SINCE, False),
        (SINCE, {}, False),
        (SINCE, {"since": date(2025, 9, 11)}, False),
        ({"until": date(2025, 9, 10)}, SINCE, False),
        ({"exclude_cities": ("^A",)}, {}, False),
        (SINCE, SINCE, True),
        ({"exclude_cities": ("^A", "B")}, {"exclude_cities": ("B", "^A")}, True),
        ({}, {"time_zone": "Asia/Tokyo"}, True),
    ],
)
def test_only_runs_of_the_same_filters_are_compared(
    publish: Publish, first: dict[str, Any], then: dict[str, Any], guarded: bool
) -> None:
    publish(100, BEFORE, filtered(**first))
    if guarded:
        with pytest.raises(ShrunkError):
            publish(1, settings=filtered(**then))
    else:
        publish(1, settings=filtered(**then))


def test_the_newest_run_with_the_same_filters_and_with_users_counts(publish: Publish) -> None:
    publish(1000, date(2025, 8, 31))
    publish(600, LONG_BEFORE)
    publish(0, date(2025, 9, 2), allow_shrink=True)
    publish(1, date(2025, 9, 3), filtered(**SINCE))
    with pytest.raises(ShrunkError, match=r"the 600 of s3://mine/manifests/etl-process1/20250901\.json"):
        publish(299)
    publish(300)


def test_a_repeated_day_is_compared_with_the_newest_run(publish: Publish) -> None:
    publish(100, DAY)
    with pytest.raises(ShrunkError, match="20250915"):
        publish(3, BEFORE)
    with pytest.raises(ShrunkError, match="20250915"):
        publish(3, DAY)


OTHERS = {
    "empty": b"",
    "torn": b'{"process": "etl-process1", "settings": {"rules": {"exclude_cit',
    "no object": b"[]",
    "null": b"null",
    "of another shape": b'{"users": 3}',
    "of ETL-2": b'{"settings": {"rules": {"exclude_cities": [], "since": null, "until": null}}, "summary": {"rows": 3}}',  # noqa: E501
    "users in words": b'{"settings": {"rules": {"exclude_cities": [], "since": null, "until": null}}, "summary": {"users": "3"}}',  # noqa: E501
    "cities in a text": b'{"settings": {"rules": {"exclude_cities": "", "since": null, "until": null}}, "summary": {"users": 3}}',  # noqa: E501
    "not UTF-8": b'{"settings": {"rules": {"exclude_cities": [], "since": "\xff", "until": null}}, "summary": {"users": 3}}',  # noqa: E501
    "too deep": b'{"x":' + b"[" * 100_000,
    "a Parquet": b"PAR1\x00\x01",
}


@pytest.mark.parametrize("case", OTHERS)
def test_an_unreadable_manifest_is_passed_over_with_a_warning(
    publish: Publish, s3: Any, caplog: pytest.LogCaptureFixture, case: str
) -> None:
    publish(100, LONG_BEFORE)
    put_manifest(s3, BEFORE, OTHERS[case])
    with caplog.at_level(logging.WARNING), pytest.raises(ShrunkError, match="20250901"):
        publish(3)
    (message,) = [each.getMessage() for each in caplog.records]
    assert message.startswith("s3://mine/manifests/etl-process1/20250914.json is not a manifest of ETL-1")
    publish(100)


def test_without_a_readable_manifest_there_is_no_guard(publish: Publish, s3: Any) -> None:
    put_manifest(s3, BEFORE, b"")
    for key in ("notes.txt", "20251301.json", "old/20250913.json", "20250914.json.gz", "2025-09-14.json"):
        s3.put_object(Bucket="mine", Key=f"manifests/etl-process1/{key}", Body=b"x")
    publish(3)


def test_the_uploads_of_killed_runs_are_dropped(publish: Publish, s3: Any) -> None:
    for key in (layout.csv_key(SETTINGS, BEFORE), layout.rejects_key(SETTINGS, BEFORE)):
        s3.create_multipart_upload(Bucket="mine", Key=key)
    publish(3)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="mine")


def test_no_more_is_read_than_is_needed(publish: Publish, s3: Any) -> None:
    for day in range(1, 11):
        publish(100, date(2025, 9, day))
    read: list[str] = []
    s3.meta.events.register("before-call.s3.GetObject", lambda params, **_: read.append(params["url_path"]))
    publish(100)
    assert [path.rpartition("/")[2] for path in read] == ["20250910.json"]


def test_a_manifest_of_a_day_after_today_is_ignored(publish: Publish) -> None:
    publish(100, BEFORE)
    publish(100_000, date(2035, 1, 1), allow_future=True)
    publish(50)
    publish(1, date(2036, 1, 1), allow_future=True, allow_shrink=True)
    with pytest.raises(ShrunkError, match="the 50 of"):
        publish(24)


def test_if_all_were_rejected_only_the_rejects_are_published(publish: Publish, s3: Any) -> None:
    publish(100, BEFORE)
    before = bucket(s3)
    summary = Summary(items_read=4, rejected=4, rejected_by_reason={"not_json": 3, "bad_key": 1})
    with pytest.raises(AllRejectedError, match=r"\(bad_key 1, not_json 3\).*s3://mine/rejects/.*20250915"):
        publish(0, summary=summary)
    key = layout.rejects_key(SETTINGS, DAY)
    assert bucket(s3) == before | {key: b"rejects of 2025-09-15"}
    with pytest.raises(AllRejectedError):
        publish(0, summary=summary, allow_shrink=True)
    assert layout.csv_key(SETTINGS, DAY) not in bucket(s3)


def test_a_day_after_today_is_refused_before_anything_is_published(publish: Publish, s3: Any) -> None:
    late = date(2025, 9, 16)
    with pytest.raises(FutureDateError, match="run date 2025-09-16 is after today, 2025-09-15; nothing was"):
        publish(1, late)
    assert bucket(s3) == {}
    publish(1, late, allow_future=True)
    assert len(bucket(s3)) == 3


def test_today_is_the_clocks_by_default(publish: Publish, s3: Any) -> None:
    with pytest.raises(FutureDateError):
        publish(1, date(9999, 12, 31), today=None)
    publish(1, today=None)


def test_the_source_is_the_table_or_the_given_one(publish: Publish) -> None:
    assert publish(1).source == f"dynamodb://{SETTINGS.table_name}"
    assert publish(1, source="file:///items.jsonl").source == "file:///items.jsonl"
