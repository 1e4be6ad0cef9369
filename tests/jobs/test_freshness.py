"""How old the published tables are: whatever the run dates and the clock, and whatever is published."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from cat_lab.local import LocalAws
from cat_normalize.core import layout
from cat_normalize.core.errors import PipelineError
from cat_normalize.jobs import freshness
from cat_normalize.jobs.freshness import NEVER, hours_old

BOGOTA, SANTIAGO = "America/Bogota", "America/Santiago"
DAY, BEFORE, LATER = date(2025, 9, 1), date(2025, 8, 30), date(2035, 9, 1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("dates", "zone", "now", "hours"),
    [
        ([DAY, DAY, DAY], BOGOTA, "2025-09-01T23:50:00-05:00", 0),  # just published
        ([DAY, DAY, DAY], BOGOTA, "2025-09-02T00:00:00-05:00", 0),
        ([DAY, DAY, DAY], BOGOTA, "2025-09-02T23:45:00-05:00", 23.75),  # before the next one
        ([DAY, DAY, DAY], BOGOTA, "2025-09-03T02:30:00-05:00", 26.5),
        ([DAY, DAY, DAY], BOGOTA, "2025-09-03T07:30:00+00:00", 26.5),  # any offset of the clock
        ([DAY, DAY, DAY], "Asia/Tokyo", "2025-09-02T04:30:00+09:00", 4.5),
        ([DAY, BEFORE, DAY], BOGOTA, "2025-09-01T12:00:00-05:00", 36),  # the oldest counts
        ([date(2025, 9, 6)], SANTIAGO, "2025-09-08T00:00:00-03:00", 24 - 1),  # a day without its midnight
        ([DAY, None, DAY], BOGOTA, "2025-09-01T23:50:00-05:00", NEVER),  # one is not there
        ([None, None, None], BOGOTA, "2025-09-01T23:50:00-05:00", NEVER),
        ([DAY, LATER, DAY], BOGOTA, "2025-09-01T23:50:00-05:00", NEVER),  # it would hide for ten years
        ([DAY, DAY, DAY], BOGOTA, "2025-08-31T23:59:59-05:00", NEVER),
        ([date.max], "UTC", "2025-09-01T00:00:00+00:00", NEVER),
        ([date.min], "UTC", "0001-01-02T01:00:00+00:00", 1),
    ],
)
def test_the_age_is_that_of_the_oldest_table_since_its_day_ended(
    dates: list[date | None], zone: str, now: str, hours: float
) -> None:
    found = hours_old({str(n): day for n, day in enumerate(dates)}, zone, at(now))
    assert found == pytest.approx(hours)


def test_never_is_the_contracts_year() -> None:
    assert NEVER == 8760


def test_a_table_older_than_never_is_as_old_as_it_is() -> None:
    assert hours_old({"users": DAY}, BOGOTA, at("2028-09-01T00:00:00-05:00")) > 2 * NEVER


def test_without_an_instant_the_clock_counts() -> None:
    assert hours_old({"users": datetime.now(UTC).date()}, "UTC") == 0


def test_run_dates_are_those_in_the_metadata_of_the_three_objects(empty_aws: LocalAws) -> None:
    settings, s3 = empty_aws.settings, empty_aws.client("s3")
    assert freshness.run_dates(settings, s3) == {"users": None, "conversations": None, "messages": None}
    metadata: list[dict[str, str]] = [{"run-date": "2025-09-01"}, {"run-date": "yesterday"}, {}]
    for uri, each in zip(layout.table_uris(settings).values(), metadata, strict=True):
        s3.put_object(Bucket=settings.bucket, Key=layout.split_s3(uri)[1], Body=b"", Metadata=each)
    assert freshness.run_dates(settings, s3) == {"users": DAY, "conversations": None, "messages": None}


def test_an_answer_that_says_nothing_of_the_objects_is_no_age(empty_aws: LocalAws) -> None:
    s3 = empty_aws.client("s3")

    def refuse(response_dict: dict[str, Any], **_: Any) -> None:
        response_dict["status_code"] = 403

    s3.meta.events.register("before-parse.s3.HeadObject", refuse)
    with pytest.raises(PipelineError, match=r"^s3://.*/data\.parquet: .*403"):
        freshness.run_dates(empty_aws.settings, s3)
