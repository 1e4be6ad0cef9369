"""ETL-1 in a Lambda: what happens when time, disk, table or bucket fail, and that nothing is left."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from cat_lab import sample
from cat_lab.local import LocalAws
from cat_lab.sample.dynamodb_json import as_json, item
from cat_normalize.core import aws as core_aws
from cat_normalize.core import layout
from cat_normalize.core.errors import (
    ExtractError,
    FutureDateError,
    OutOfTimeError,
    PipelineError,
    SettingsError,
    ShrunkError,
    UsageError,
)
from cat_normalize.core.manifest import Etl1Manifest, Output, Summary
from cat_normalize.core.settings import Rules, Settings, today
from cat_normalize.extract.capacity import Scan
from cat_normalize.jobs import etl1

DAY = date(2025, 9, 15)
LONG = [
    item(
        f"u{n}", f"CONVERSATION#2025-08-0{n}", Conversation=as_json([{"from": "user", "text": "a" * 390_000}])
    )
    for n in range(1, 8)
]
"""Enough for several pages of a megabyte."""


@pytest.fixture(scope="module")
def started(empty_aws: LocalAws) -> LocalAws:
    sample.put(empty_aws.client("dynamodb"), empty_aws.settings.table_name, LONG)
    return empty_aws


@pytest.fixture
def aws(started: LocalAws) -> Iterator[LocalAws]:
    with started.activate():
        yield started
    s3 = started.client("s3")
    for each in s3.list_objects_v2(Bucket=started.settings.bucket).get("Contents", []):
        s3.delete_object(Bucket=started.settings.bucket, Key=each["Key"])


class Clock:
    """The seconds left: constant, until a step given in ``after`` ends."""

    def __init__(self, **after: float) -> None:
        self.left, self.after, self.asked = 900.0, after, 0
        self.steps: list[str] = []

    def remaining(self) -> float:
        self.asked += 1
        return self.left

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        self.steps.append(name)
        yield
        self.left = self.after.get(name, self.left)


def published(aws: LocalAws) -> list[str]:
    found = aws.client("s3").list_objects_v2(Bucket=aws.settings.bucket)
    return [each["Key"] for each in found.get("Contents", [])]


def raising(name: str, error: Exception) -> Callable[[str], Any]:
    """Return a `step` that raises an error in one step."""

    @contextmanager
    def step(entered: str) -> Iterator[None]:
        if entered == name:
            raise error
        yield

    return step


def test_three_steps_publish_three_outputs_and_leave_nothing(aws: LocalAws, tmp_path: Path) -> None:
    (tmp_path / "cat-normalize").mkdir()
    (tmp_path / "cat-normalize" / "left by a killed run").write_text("a" * 100)
    (tmp_path / "other").touch()
    before, clock = tempfile.tempdir, Clock()
    manifest = etl1.run(aws.settings, DAY, tmp_path, clock.remaining, clock.step)
    assert clock.steps == ["extract", "normalize", "publish"]
    assert manifest.summary.users == len(LONG)
    assert manifest.outputs[1].uri == layout.s3_uri(aws.settings.bucket, layout.csv_key(aws.settings, DAY))
    assert published(aws) == [
        layout.manifest_key(aws.settings, 1, DAY),
        layout.rejects_key(aws.settings, DAY),
        layout.csv_key(aws.settings, DAY),
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["other"]
    assert tempfile.tempdir == before


@pytest.mark.parametrize(
    ("provided", "given", "left", "rate", "warned"),
    [
        (None, None, 900.0, None, ""),
        (None, None, etl1.GRACE + 0.01, None, "Give the function more memory"),  # though the scan may be fast
        (400, None, 900.0, 100, ""),
        (400, 300, 900.0, 300, ""),
        (400, None, etl1.GRACE + 1, 100, "Give the scan more read units a second (CAT_MAX_RCU"),
    ],
)
def test_the_limit_of_the_scan_is_told_before_it_and_whether_the_run_can_end(
    aws: LocalAws,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    provided: int | None,
    given: int | None,
    left: float,
    rate: float,
    warned: str,
) -> None:
    name, told, clock = f"table-{provided}-{given}-{left:g}", list[tuple[Scan, str]](), Clock()
    throughput = {"ReadCapacityUnits": provided or 1, "WriteCapacityUnits": 1}
    mode: dict[str, Any] = {"BillingMode": "PROVISIONED", "ProvisionedThroughput": throughput}
    keys = {"PK": "HASH", "SK": "RANGE"}
    aws.client("dynamodb").create_table(
        TableName=name,
        KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in keys.items()],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
        **(mode if provided else {"BillingMode": "PAY_PER_REQUEST"}),
    )
    sample.put(aws.client("dynamodb"), name, LONG[:2])
    clock.left = left

    def counted(parsed: dict[str, Any], **_: Any) -> None:
        parsed["Table"]["TableSizeBytes"] = 819_200  # moto says 0 of every table

    def client(settings: Settings, service: str) -> Any:
        made = core_aws.client(settings, service)
        made.meta.events.register("after-call.dynamodb.DescribeTable", counted)
        return made

    monkeypatch.setattr(etl1, "aws", SimpleNamespace(client=client))

    def scanning(scan: Scan, warning: str) -> None:
        assert clock.steps == ["extract"]
        told.append((scan, warning))
        clock.left = 900.0

    settings = replace(aws.settings, table_name=name, max_rcu=given)
    etl1.run(settings, DAY, tmp_path, clock.remaining, clock.step, scanning=scanning)
    ((scan, warning),) = told
    assert (scan.max_rcu, scan.rcu) == (rate, 100)
    assert (scan.seconds is None) == (rate is None)
    assert bool(warning) == bool(warned)
    assert warned in warning
    assert not warning or str(scan) in warning


def test_temporary_files_are_in_the_folder_that_is_removed(aws: LocalAws, tmp_path: Path) -> None:
    seen: list[str] = []

    @contextmanager
    def step(name: str) -> Iterator[None]:
        seen.append(tempfile.gettempdir())
        yield

    etl1.run(aws.settings, DAY, tmp_path, lambda: 900, step)
    assert set(seen) == {str(tmp_path / "cat-normalize")}


def test_the_time_left_is_checked_with_every_answer_of_the_scan(aws: LocalAws, tmp_path: Path) -> None:
    clock = Clock()
    etl1.run(aws.settings, DAY, tmp_path, clock.remaining)
    answers = clock.asked - 3  # one check before each of the three steps
    assert answers >= max(etl1.SEGMENTS, 3)


def test_the_time_is_checked_while_the_scan_waits_for_its_rate(aws: LocalAws, tmp_path: Path) -> None:
    asked = count()
    settings = replace(aws.settings, max_rcu=1)

    def remaining() -> float:
        return 900.0 if next(asked) < 20 else etl1.GRACE - 1

    with pytest.raises(OutOfTimeError, match=r"scanning on after .* nothing was published"):
        etl1.run(settings, DAY, tmp_path, remaining)
    assert published(aws) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("left", "after", "before"),
    [
        (etl1.GRACE - 1, {}, "scanning needs"),
        (
            etl1.GRACE + 0.01,
            {},
            r"scanning on after \d{4,} bytes needs",
        ),  # these bytes have yet to be normalized
        (900.0, {"extract": etl1.GRACE + 0.3}, "normalizing needs"),
        (900.0, {"normalize": etl1.GRACE - 1}, "publishing needs"),
    ],
)
def test_out_of_time_stops_before_anything_is_published(
    aws: LocalAws, tmp_path: Path, left: float, after: dict[str, float], before: str
) -> None:
    clock = Clock(**after)
    clock.left = left
    with pytest.raises(OutOfTimeError, match=f"seconds are left and {before} .* nothing was published"):
        etl1.run(aws.settings, DAY, tmp_path, clock.remaining, clock.step)
    assert "publish" not in clock.steps
    assert published(aws) == []
    assert list(tmp_path.iterdir()) == []


def test_the_seconds_needed_grow_with_the_bytes_read() -> None:
    assert etl1.seconds_needed(0, 0) == etl1.GRACE
    table = 3.8e9  # what 10 GB of storage hold, and a function of 1 GB scans in about 170 s
    assert 900 - 170 > etl1.seconds_needed(table, table) > table / 15e6


def test_the_scan_stays_within_lambdas_limit_of_open_files() -> None:
    assert etl1.SEGMENTS * etl1.PARTITIONS < 900


@pytest.mark.parametrize(
    ("given", "kind", "message"),
    [
        ({"table_name": "no-such-table"}, ExtractError, "no-such-table"),
        ({"bucket": "no-such-bucket"}, PipelineError, "no-such-bucket"),
    ],
)
def test_a_missing_table_or_bucket_is_named(
    aws: LocalAws, tmp_path: Path, given: dict[str, str], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        etl1.run(replace(aws.settings, **given), DAY, tmp_path, lambda: 900)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["extract", "normalize", "publish"])
@pytest.mark.parametrize(
    ("error", "message"),
    [
        (KeyError("Un secreto de Ana"), r"^KeyError, test_etl1.py line \d+$"),
        (
            OSError(28, "No space left on device", "Un secreto"),
            r"^on the scratch disk, test_etl1.py line \d+: No space left",
        ),
        (UsageError("known"), "^known$"),
    ],
)
def test_an_error_quotes_no_item_and_nothing_is_left(
    aws: LocalAws, tmp_path: Path, name: str, error: Exception, message: str
) -> None:
    with pytest.raises((PipelineError, UsageError), match=message) as caught:
        etl1.run(aws.settings, DAY, tmp_path, lambda: 900, raising(name, error))
    assert "secreto" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value is error
    assert published(aws) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("event", "day"),
    [
        ({"run_date": "2025-09-01"}, date(2025, 9, 1)),
        ({"run_date": "20250901", "time": "2020-01-01T00:00:00Z"}, date(2025, 9, 1)),
        ({"run_date": 20250901}, date(2025, 9, 1)),
        ({"run_date": "", "time": "2025-09-02T04:59:59Z"}, date(2025, 9, 1)),
        ({"run_date": None, "time": "2025-09-02T05:00:00+00:00"}, date(2025, 9, 2)),
    ],
)
def test_an_event_gives_the_run_date(event: object, day: date) -> None:
    assert etl1.run_date_of(event, "America/Bogota") == day


@pytest.mark.parametrize("event", [{}, None, [], "", {"detail-type": "x"}, {"time": ""}, {"time": None}])
def test_an_event_without_a_day_means_today(event: object) -> None:
    before = today("America/Bogota")
    assert before <= etl1.run_date_of(event, "America/Bogota") <= today("America/Bogota")


@pytest.mark.parametrize(
    "event",
    [
        {"run_date": "yesterday"}, {"run_date": 0}, {"run_date": False}, {"run_date": []},
        {"run_date": ["2025-09-01"]}, {"time": "soon"}, {"time": 7},
        {"time": 0}, {"time": []}, {"time": False},
        {"time": "2025-09-02T04:30:00"}, {"time": "0001-01-01T00:00:00Z"},
        {"time": "0001-01-01T00:00:00+05:00"},
    ],
)  # fmt: skip
def test_an_unreadable_day_is_an_error(event: object) -> None:
    with pytest.raises(SettingsError, match=r"run_date|time is not an instant"):
        etl1.run_date_of(event, "America/Bogota")


def test_a_time_whose_day_in_the_zone_is_after_year_9999_is_an_error() -> None:
    last = {"time": "9999-12-31T23:00:00Z"}
    assert etl1.run_date_of(last, "America/Bogota") == date(9999, 12, 31)
    with pytest.raises(SettingsError, match="time is not an instant"):
        etl1.run_date_of(last, "Asia/Tokyo")


@pytest.mark.parametrize("name", ["allow_shrink", "allow_future"])
def test_only_a_boolean_in_an_event_allows_something(name: str) -> None:
    for event in ({}, None, [], {name: False}, {"allow": True}, {name.upper(): True}):
        assert etl1.is_allowed(event, name) is False
    assert etl1.is_allowed({name: True}, name) is True
    for wrong in ("true", "false", 1, 0, None, [], "yes"):
        with pytest.raises(SettingsError, match=f"^{name} is neither true nor false"):
            etl1.is_allowed({name: wrong}, name)


def test_a_day_after_today_is_refused_before_the_table_is_read(aws: LocalAws, tmp_path: Path) -> None:
    clock = Clock()
    with pytest.raises(FutureDateError, match="run date 2025-09-15 is after today, 2025-09-14"):
        etl1.run(aws.settings, DAY, tmp_path, clock.remaining, clock.step, today=date(2025, 9, 14))
    assert (clock.steps, clock.asked, published(aws)) == ([], 0, [])
    run = {"allow_future": True, "today": date(2025, 9, 14)}
    assert etl1.run(aws.settings, DAY, tmp_path, clock.remaining, **run).run_date == DAY


def test_far_fewer_users_than_before_are_refused_and_nothing_is_left(aws: LocalAws, tmp_path: Path) -> None:
    filters = {"exclude_cities": ["x"], "since": None, "until": None}
    earlier = {"settings": {"rules": filters}, "summary": {"users": 2 * len(LONG) + 1}}
    settings = replace(aws.settings, rules=Rules(exclude_cities=("x",)))
    key = layout.manifest_key(settings, 1, date(2025, 9, 14))
    aws.client("s3").put_object(Bucket=settings.bucket, Key=key, Body=json.dumps(earlier).encode())
    with pytest.raises(ShrunkError, match="7 users, less than 50 % of the 15 of s3://"):
        etl1.run(settings, DAY, tmp_path, lambda: 900)
    assert published(aws) == [key]
    assert list(tmp_path.iterdir()) == []
    assert etl1.run(settings, DAY, tmp_path, lambda: 900, allow_shrink=True).summary.users == 7


def test_every_metric_has_its_unit_and_counts_all_outputs() -> None:
    summary = Summary(items_read=9, rejected=2, rejected_by_reason={"bad_key": 2}, users=4)
    outputs = [Output("s3://b/rejects", 100, "00"), Output("s3://b/csv", 23, "11")]
    manifest = Etl1Manifest(DAY, "dynamodb://t", Settings(), summary, outputs)
    assert etl1.metrics(manifest, 1.5) == [
        ("ItemsRead", "Count", 9),
        ("ItemsRejected", "Count", 2),
        ("RunsRefused", "Count", 0),
        ("Users", "Count", 4),
        ("Bytes", "Bytes", 123),
        ("Seconds", "Seconds", 1.5),
    ]
    assert etl1.answer(manifest) == {
        "run_date": "2025-09-15",
        **summary.as_dict(),
        "outputs": [
            {"uri": "s3://b/rejects", "bytes": 100, "sha256": "00"},
            {"uri": "s3://b/csv", "bytes": 23, "sha256": "11"},
        ],
    }
