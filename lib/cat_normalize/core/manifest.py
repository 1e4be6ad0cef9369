"""The manifests of contract §6: what a process read, under which settings, and what it wrote.

A manifest is published after what it speaks of, so that one that is there tells the truth.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import MsgspecError, Struct, convert
from msgspec.json import Decoder

from cat_normalize.core import layout
from cat_normalize.core.errors import PipelineError
from cat_normalize.core.settings import Settings, refuse_future_days
from cat_normalize.core.settings import today as todays_date
from cat_normalize.core.storage import locate, write_bytes, write_file
from cat_normalize.core.uploads import abort_stale_uploads
from cat_normalize.normalize import guard
from cat_normalize.normalize.rows import Summary

if TYPE_CHECKING:
    from cat_normalize.convert.parquet import Converted

logger = logging.getLogger(__name__)


class _Filters(Struct):
    """The settings that decide which users there can be; a manifest holds more."""

    exclude_cities: list[str]
    since: str | None
    until: str | None

    def key(self) -> tuple[list[str], str | None, str | None]:
        """Return what is equal where the same users pass; the order of expressions does not matter."""
        return sorted(set(self.exclude_cities)), self.since, self.until


class _Settings(Struct):
    rules: _Filters


class _Counts(Struct):
    users: int


class _Earlier(Struct):
    """What the guard reads of a manifest of ETL-1."""

    settings: _Settings
    summary: _Counts


_read = Decoder(_Earlier).decode


def describe(path: Path, uri: str) -> dict[str, Any]:
    """Return address, size and SHA-256 of a file that is or will be at ``uri``."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return {"uri": uri, "bytes": path.stat().st_size, "sha256": digest}


def publish_etl1(
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
) -> dict[str, Any]:
    """Publish what ETL-1 made: rejects, CSV, and then the manifest, which is also returned.

    The CSV's arrival starts ETL-2, so the rejects are there before it.

    Args:
        settings: bucket, filters and the guard's share.
        run_date: the day that names the outputs.
        csv: the CSV.
        rejects: the rejects.
        summary: what became of the items.
        s3: a boto3 client.
        source: what was read; the settings' table by default.
        allow_shrink: publish however few the users are.
        allow_future: publish though the run date has not come yet.
        today: today in the settings' zone; the clock's by default.

    Raises:
        FutureDateError: the run date is after today; nothing was published.
        ShrunkError: as `refuse_shrunk` does; nothing was published.
        AllRejectedError: every item was rejected; the rejects are published, and nothing else.
    """
    today = today or todays_date(settings.rules.time_zone)
    if not allow_future:
        refuse_future_days(settings, run_date, today)
    if not allow_shrink:
        refuse_shrunk(settings, summary, s3, today)
    outputs = [_put(rejects, layout.s3_uri(settings.bucket, layout.rejects_key(settings, run_date)), s3)]
    guard.refuse_all_rejected(summary, outputs[0]["uri"])
    outputs.append(_put(csv, layout.s3_uri(settings.bucket, layout.csv_key(settings, run_date)), s3))
    return record_etl1(
        settings, run_date, outputs, summary, source or f"dynamodb://{settings.table_name}", s3
    )


def _put(path: Path, uri: str, s3: Any) -> dict[str, Any]:
    abort_stale_uploads(s3, *layout.split_s3(uri))
    write_file(locate(uri, s3), path)
    return describe(path, uri)


def refuse_shrunk(settings: Settings, summary: Summary, s3: Any, today: date) -> None:
    """Refuse a run with far fewer users than the last published one; if there is none, any number is good.

    The last is that of the newest manifest, by the day in its key, of the same filters that has users.
    Those of days after ``today`` are not looked at: a mistyped day would be the newest for years. Where
    every item was rejected, that is what is wrong, and for `guard.refuse_all_rejected` to say.

    Raises:
        ShrunkError: as `guard.refuse_shrunk` does.
        PipelineError: the manifests cannot be read.
    """
    if guard.all_rejected(summary) or not settings.min_users_percent:
        return
    from botocore.exceptions import ClientError

    filters = convert(settings_of(settings), _Settings).rules.key()
    try:
        for uri, earlier in _earlier(settings, s3, today):
            if earlier.summary.users > 0 and earlier.settings.rules.key() == filters:
                guard.refuse_shrunk(summary, earlier.summary.users, settings.min_users_percent, uri)
                return
    except ClientError as error:
        where = layout.s3_uri(settings.bucket, layout.manifests_prefix(settings, 1))
        raise PipelineError(
            f"the manifests of earlier runs, {where}, cannot be read, and nothing was published: {error}; "
            "whoever publishes must be allowed to list and to read them"
        ) from error


def _earlier(settings: Settings, s3: Any, today: date) -> Iterator[tuple[str, _Earlier]]:
    """Yield ETL-1's manifests, the newest first, each read when it is asked for.

    One that cannot be read is told of and passed over: it must not stop every later run.
    """
    prefix = layout.manifests_prefix(settings, 1)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=settings.bucket, Prefix=prefix)
    keys = [each["Key"] for page in pages for each in page.get("Contents", [])]
    days = {day for key in keys if (day := layout.manifest_day(key)) and day <= today}
    dated = {layout.manifest_key(settings, 1, day) for day in days} & set(keys)
    for key in sorted(dated, reverse=True):
        uri = layout.s3_uri(settings.bucket, key)
        body = s3.get_object(Bucket=settings.bucket, Key=key)["Body"].read()
        try:
            earlier = _read(body)
        except (MsgspecError, UnicodeDecodeError, RecursionError) as error:
            logger.warning("%s is no manifest of ETL-1, so an earlier one is looked at: %s", uri, error)
            continue
        yield uri, earlier


def record_etl1(
    settings: Settings,
    run_date: date,
    outputs: list[dict[str, Any]],
    summary: Summary,
    source: str,
    s3: Any,
) -> dict[str, Any]:
    """Publish the manifest of an ETL-1 whose outputs, told as by `describe`, are in place; return it."""
    manifest = {
        "process": "etl-process1",
        "run_date": run_date.isoformat(),
        "source": source,
        "settings": settings_of(settings),
        "summary": summary.as_dict(),
        "outputs": outputs,
    }
    _publish(settings, 1, run_date, manifest, s3)
    return manifest


def publish_etl2(settings: Settings, run_date: date, done: Converted, s3: Any) -> dict[str, Any]:
    """Publish the manifest of an ETL-2 whose Parquet is in place, and return it."""
    manifest = {
        "process": "etl-process2",
        "run_date": run_date.isoformat(),
        "source": done.source,
        "settings": settings_of(settings),
        "summary": {"rows": done.rows, "source_bytes": done.source_bytes, "source_etag": done.source_etag},
        "outputs": [{"uri": done.target, "bytes": done.bytes, "sha256": done.sha256}],
    }
    _publish(settings, 2, run_date, manifest, s3)
    return manifest


def settings_of(settings: Settings) -> dict[str, Any]:
    """Return the settings JSON-ready: days as ISO text, nothing of the machine's own (the endpoint).

    >>> settings_of(Settings())["rules"]["time_zone"]
    'America/Bogota'
    """
    values: dict[str, Any] = json.loads(json.dumps(_plain(asdict(settings)), default=str))
    del values["endpoint_url"]
    return values


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    rules = {name: value for name, value in values["rules"].items() if name not in ("zone", "_cities")}
    return {**values, "rules": rules}


def _publish(settings: Settings, process: int, run_date: date, manifest: dict[str, Any], s3: Any) -> None:
    key = layout.manifest_key(settings, process, run_date)
    text = json.dumps(manifest, indent=1, ensure_ascii=False) + "\n"
    write_bytes(locate(layout.s3_uri(settings.bucket, key), s3), text.encode())
