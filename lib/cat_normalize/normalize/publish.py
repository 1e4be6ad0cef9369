"""Publish the outputs of ETL-1, if the guard allows it: rejects, CSV, manifest, in that order (§6)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from msgspec import Struct

from cat_normalize.core import layout, manifest
from cat_normalize.core.errors import AllRejectedError, InputError, PipelineError, ShrunkError
from cat_normalize.core.manifest import Etl1Manifest, Output, Summary
from cat_normalize.core.settings import Rules, Settings, refuse_future_days
from cat_normalize.core.settings import today as todays_date
from cat_normalize.core.storage import locate, write_stream

logger = logging.getLogger(__name__)


def publish_outputs(
    settings: Settings,
    run_date: date,
    csv: Path,
    rejects: Path,
    summary: Summary,
    s3: Any,
    *,
    source: str | None = None,
    allow_shrink: bool = False,
    allow_future: bool = False,
    today: date | None = None,
) -> Etl1Manifest:
    """Publish rejects, CSV and manifest, which is returned; the CSV comes late, for it starts ETL-2.

    Args:
        settings: bucket, filters and the guard's percentage.
        run_date: the day in the keys of the outputs.
        csv: the CSV.
        rejects: the rejects.
        summary: the run's counts.
        s3: a boto3 client.
        source: what was read; the settings' table by default.
        allow_shrink: publish however few users there are.
        allow_future: publish even if the run date is after today.
        today: today in the settings' zone; the clock's by default.

    Raises:
        FutureDateError: the run date is after today; nothing was published.
        ShrunkError: far fewer users than an earlier run; nothing was published.
        AllRejectedError: every item was rejected; only the rejects were published.
    """
    today = today or todays_date(settings.rules.time_zone)
    if not allow_future:
        refuse_future_days(settings, run_date, today)
    if not allow_shrink:
        refuse_shrunk(settings, summary, s3, today)
    outputs = [_put(rejects, layout.s3_uri(settings.bucket, layout.rejects_key(settings, run_date)), s3)]
    refuse_all_rejected(summary, outputs[0].uri)
    outputs.append(_put(csv, layout.s3_uri(settings.bucket, layout.csv_key(settings, run_date)), s3))
    made = Etl1Manifest(run_date, source or f"dynamodb://{settings.table_name}", settings, summary, outputs)
    manifest.publish(made, s3)
    return made


def _put(path: Path, uri: str, s3: Any) -> Output:
    with path.open("rb") as stream:
        write_stream(locate(uri, s3), stream, path.stat().st_size)
    return Output.of(path, uri)


def refuse_all_rejected(summary: Summary, rejects: str = "the rejects") -> None:
    """Raise AllRejectedError if items were read and every one was rejected; the message names ``rejects``.

    >>> refuse_all_rejected(Summary(items_read=2, registrations=2))
    """
    if not _all_rejected(summary):
        return
    reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(summary.rejected_by_reason.items()))
    raise AllRejectedError(
        f"all {summary.items_read} items were rejected ({reasons}), so no CSV was published. Look at "
        f"{rejects}: was it the table that was read, and do its items have the form of contract §1?"
    )


def _all_rejected(summary: Summary) -> bool:
    return summary.rejected == summary.items_read > 0


def refuse_shrunk(settings: Settings, summary: Summary, s3: Any, today: date) -> None:
    """Refuse a run with far fewer users than the last published one; if there is none, any number passes.

    The last one is that of the newest manifest, by the day in its key and up to ``today`` (a mistyped later
    day would stay the newest for years), with the same filters and at least one user. A run whose items were
    all rejected is left to `refuse_all_rejected`.

    Raises:
        ShrunkError: with both counts.
        PipelineError: the manifests cannot be read.
    """
    percent = settings.min_users_percent
    if not percent or _all_rejected(summary):
        return
    from botocore.exceptions import BotoCoreError, ClientError

    filters = _key(settings.rules)
    try:
        runs = (
            (uri, run.summary.users, _key(run.settings.rules)) for uri, run in _earlier(settings, s3, today)
        )
        uri, users, _ = next((run for run in runs if run[1] > 0 and run[2] == filters), ("", 0, None))
    except (BotoCoreError, ClientError) as error:
        where = layout.s3_uri(settings.bucket, layout.manifests_prefix(settings, 1))
        raise PipelineError(
            f"the manifests of earlier runs, {where}, cannot be read, and nothing was published: {error}; "
            "who publishes must be allowed to list and read them"
        ) from error
    if summary.users * 100 < percent * users:
        raise ShrunkError(
            f"{summary.users} users, less than {percent} % of the {users} of {uri}; nothing was published. "
            "Look at the table and the filters; if so few are right, allow it (allow_shrink, --allow-shrink)"
        )


class _Filters(Struct):
    """The settings that decide which users there can be."""

    exclude_cities: list[str]
    since: date | None
    until: date | None


class _Settings(Struct):
    rules: _Filters


class _Counts(Struct):
    users: int


class _Earlier(Struct):
    """The members of an earlier manifest that the guard needs, whatever version wrote it."""

    settings: _Settings
    summary: _Counts


def _key(rules: Rules | _Filters) -> tuple[set[str], date | None, date | None]:
    """Return a value that is equal where the filters are; the order of expressions does not matter."""
    return set(rules.exclude_cities), rules.since, rules.until


def _earlier(settings: Settings, s3: Any, today: date) -> Iterator[tuple[str, _Earlier]]:
    """Yield ETL-1's manifests with their addresses, the newest first; read each only when it is asked for."""
    prefix = layout.manifests_prefix(settings, 1)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=settings.bucket, Prefix=prefix)
    keys = [each["Key"] for page in pages for each in page.get("Contents", [])]
    days = {day for key in keys if (day := layout.manifest_day(key)) and day <= today}
    dated = {layout.manifest_key(settings, 1, day) for day in days} & set(keys)
    for key in sorted(dated, reverse=True):
        uri = layout.s3_uri(settings.bucket, key)
        body = s3.get_object(Bucket=settings.bucket, Key=key)["Body"].read()
        try:
            earlier = manifest.decode(body, _Earlier)
        except InputError as error:  # it must not stop every later run
            logger.warning("%s is not a manifest of ETL-1 and is passed over: %s", uri, error)
            continue
        yield uri, earlier
