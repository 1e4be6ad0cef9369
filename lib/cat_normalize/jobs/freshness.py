"""How old the published tables are, by the run dates in their metadata (contract §7).

It depends on neither ETL: one that has stopped, or that goes well and publishes nothing, shows all the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from cat_normalize.core import layout
from cat_normalize.core.aws import S3Path
from cat_normalize.core.settings import Settings, today
from cat_normalize.core.storage import published_date

NEVER = 365 * 24.0
"""The hours of a table that is not there, has no readable run date, or one that has not come yet."""


def run_dates(settings: Settings, s3: Any) -> dict[str, date | None]:
    """Return the run date of each table's published object, None if it has none or is not there.

    Args:
        settings: bucket and prefixes.
        s3: a boto3 S3 client.

    Raises:
        PipelineError: S3 refused, or was out of reach; names the object.
    """
    return {table: published_date(S3Path(uri, s3)) for table, uri in layout.table_uris(settings).items()}


def hours_old(dates: Mapping[str, date | None], time_zone: str, now: datetime | None = None) -> float:
    """Return the hours since the run date of the oldest table ended in the time zone, at least 0.

    Where each night at 23:30 publishes its day, that grows to 24 and falls to 0 again.

    Args:
        dates: the run dates that `run_dates` returns.
        time_zone: IANA name.
        now: an instant with an offset; the clock's by default.

    >>> hours_old({"users": date(2025, 9, 1)}, "America/Bogota", datetime(2025, 9, 3, 4, 30, tzinfo=UTC))
    23.5
    """
    now = now or datetime.now(UTC)
    return max(_age(day, time_zone, now) for day in dates.values())


def _age(day: date | None, time_zone: str, now: datetime) -> float:
    if day is None or day > today(time_zone, now):
        return NEVER
    midnight = datetime.combine(day, time(), ZoneInfo(time_zone)) + timedelta(days=1)
    return max(0.0, (now - midnight) / timedelta(hours=1))
