"""CSV to Parquet with Spark (contract §5): one object per table, typed, its rows in the CSV's order.

Spark's CSV reader accepts what the contract refuses (bytes that are not UTF-8, a quote out of place, CR,
blank lines, ``+5``), so the whole CSV is validated here first, in one pass at 300 MB/s; Spark's own
functions would take ten times as long. Runs on Glue without changes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, Any

from cat_normalize.convert.spark import GROUP_BYTES, write_parquet
from cat_normalize.core import csvfile, layout, manifest, storage
from cat_normalize.core.aws import S3Path, list_objects
from cat_normalize.core.errors import ConvertError, InputError, UsageError
from cat_normalize.core.manifest import Conversion, Etl2Manifest, Output
from cat_normalize.core.schema import CONVERSATIONS, MESSAGES, TABLES, USERS
from cat_normalize.core.settings import Rules, Settings, refuse_future
from cat_normalize.core.settings import today as todays_date
from cat_normalize.core.storage import Location, Origin, Published, locate, staging, version_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_ROWS, _UNMATCHED = "rows", "feedback-unmatched"
"""The counts in the metadata of an object."""


@dataclass(frozen=True, slots=True)
class ConvertedTable:
    """One published Parquet object: address, rows, size in bytes, SHA-256, and S3's ETag (None on disk)."""

    target: str
    rows: int
    bytes: int
    sha256: str
    etag: str | None


@dataclass(frozen=True, slots=True)
class Converted:
    """What a conversion read and what is published now.

    ``source_bytes`` is its size, ``source_etag`` S3's, None on disk. ``tables`` are by name, in the order in
    which they are published; ``feedback_unmatched`` is None without ``conversations`` and ``messages``.
    """

    source: str
    source_bytes: int
    source_etag: str | None
    run_date: date | None
    tables: dict[str, ConvertedTable]
    feedback_unmatched: int | None

    @property
    def users(self) -> ConvertedTable:
        """The object of ``users``."""
        return self.tables[USERS.name]


def convert_csv(
    spark: SparkSession,
    source: str,
    targets: Mapping[str, str],
    s3: Any = None,
    run_date: date | None = None,
    group_bytes: int = GROUP_BYTES,
    *,
    allow_future: bool = False,
    today: date | None = None,
    rules: Rules | None = None,
) -> Converted:
    """Publish a CSV as one Parquet object per table; all are paths or ``s3://bucket/key``.

    All objects are staged, then replaced in the order of `schema.TABLES`. Where all are on S3 and were made
    by this library of the same CSV, run date and rules, they stay as they are and Spark does not run; where
    some were, the others are completed (§6).

    Args:
        spark: any session that can read and write the locations, and whose executors have this library.
        source: a CSV of contract §4.
        targets: by name of the table, the object's own name, not a folder; ``users`` at least.
        s3: a boto3 client or settings; required if one is on S3.
        run_date: recorded on S3 targets to refuse older runs; by default the one in the CSV's name.
        group_bytes: bytes of the CSV in one row group, which is one task's work.
        allow_future: convert even if the run date is after today.
        today: today in the configured zone; the clock's by default.
        rules: zones and fallback patterns; the defaults if None.

    Raises:
        FutureDateError: the run date is after today; nothing was read.
        InputError: the CSV cannot be read.
        MalformedCsvError: the CSV breaks the contract (§2, §4); names file, line and column.
        StaleInputError: a target is of a later run.
        FutureParquetError: a target is of a day after today.
        ConvertError: Spark failed otherwise, or the CSV was replaced meanwhile.
        UsageError: an S3 address without a client.
    """
    rules = rules or Rules()
    run_date, today = run_date or layout.run_date_of(source), today or todays_date(rules.time_zone)
    check_conversion(source, targets, s3, run_date, today, allow_future=allow_future)
    csv = _pin(locate(source, s3))
    size, version = csv.stat().st_size, version_of(csv)
    records, digest = _validate(csv)
    origin = origin_of(digest, run_date, rules)
    places = {each.name: locate(targets[each.name], s3) for each in TABLES if each.name in targets}
    done = {name: storage.find_published(place, origin, today) for name, place in places.items()}
    if not all(done.values()):
        with ExitStack() as stack:
            folders = {name: stack.enter_context(staging(place)) for name, place in places.items()}
            made = write_parquet(spark, csv, folders, group_bytes, rules)
            if version_of(locate(source, s3)) != version:
                raise ConvertError(f"{source} was replaced while it was read; run again")
            for read in made.users_read:
                if read != records:
                    raise ConvertError(f"{source}: Spark read {read} of {records} records; run again")
            for name, place in places.items():
                counts = {_ROWS: made.rows[name], _UNMATCHED: made.unmatched}
                done[name] = storage.publish(made.files[name], place, origin, today, counts)
    published = {name: each for name, each in done.items() if each}
    return Converted(
        source,
        size,
        version if isinstance(csv, S3Path) else None,
        run_date,
        {name: _table(targets[name], each) for name, each in published.items()},
        published[CONVERSATIONS.name].counts[_UNMATCHED] if CONVERSATIONS.name in published else None,
    )


def _table(target: str, done: Published) -> ConvertedTable:
    return ConvertedTable(target, done.counts[_ROWS], done.bytes, done.sha256, done.etag)


def publish_manifest(settings: Settings, run_date: date, done: Converted, s3: Any) -> Etl2Manifest:
    """Publish the manifest of a conversion whose objects are published; return it."""
    rows = {name: each.rows for name, each in done.tables.items()}
    summary = Conversion(
        rows[USERS.name],
        done.source_bytes,
        done.source_etag,
        rows.get(CONVERSATIONS.name),
        rows.get(MESSAGES.name),
        done.feedback_unmatched,
    )
    outputs = [Output(each.target, each.bytes, each.sha256) for each in done.tables.values()]
    made = Etl2Manifest(run_date, done.source, settings, summary, outputs)
    manifest.publish(made, s3)
    return made


def origin_of(digest: str, run_date: date | None, rules: Rules) -> Origin:
    """Return what decides the content of the objects (§6); `digest` is the SHA-256 of the CSV."""
    patterns = hashlib.sha256("\0".join(rules.fallback_patterns).encode())
    inputs = {"csv-sha256": digest, "library-sha256": library_digest(), "time-zone": rules.time_zone}
    naive = {"naive-time-zone": rules.naive_time_zone} if rules.naive_time_zone else {}
    return Origin(run_date, {**inputs, **naive, "fallback-patterns-sha256": patterns.hexdigest()})


def check_conversion(
    source: str,
    targets: Mapping[str, str],
    s3: Any,
    run_date: date | None,
    today: date,
    *,
    allow_future: bool = False,
) -> None:
    """Refuse what `convert_csv` cannot do, before Spark is started or the CSV is read.

    Raises:
        FutureDateError: the run date is after today.
        InputError: the CSV cannot be opened.
        UsageError: a target is the CSV itself, another target, or cannot be a file; a table is unknown or
            ``users`` is missing; an S3 address lacks a client.
    """
    if unknown := set(targets) - {each.name for each in TABLES}:
        raise UsageError(f"no table {', '.join(sorted(unknown))}; there are users, conversations, messages")
    if USERS.name not in targets:
        raise UsageError("a conversion writes users at least; give its Parquet too")
    csv, places = locate(source, s3), [locate(target, s3) for target in targets.values()]
    if run_date and not allow_future:
        refuse_future(run_date, today)
    _pin(csv)
    for number, place in enumerate(places):
        storage.check_target(place)
        if storage.is_same(csv, place):
            raise UsageError(f"{place} is the CSV itself; give another path for the Parquet")
        if any(storage.is_same(place, other) for other in places[:number]):
            raise UsageError(f"{place} is given for two tables; give each its own path")


def newest_csv(s3: Any, settings: Settings, *, allow_future: bool = False, today: date | None = None) -> str:
    """Return the key of ETL-1's newest CSV, by the date in its name; dates after today are ignored.

    Args:
        s3: a boto3 client.
        settings: bucket, prefix and time zone.
        allow_future: include CSVs of days after today.
        today: today in the settings' zone; the clock's by default.

    Raises:
        InputError: no such CSV exists.
    """
    keys = [found["Key"] for found in list_objects(s3, settings.bucket, settings.csv_prefix)]
    days = [day for key in keys if (day := layout.run_date_of(key)) and key == layout.csv_key(settings, day)]
    if not allow_future:
        last = today or todays_date(settings.rules.time_zone)
        days = [day for day in days if day <= last]
    if not days:
        where = layout.s3_uri(settings.bucket, settings.csv_prefix)
        raise InputError(f"no data_YYYYMMDD.csv of a day up to today under {where}; run ETL-1 first")
    return layout.csv_key(settings, max(days))


@cache
def library_digest() -> str:
    """Return the SHA-256 of this library's files, which changes with whatever could change the Parquet."""
    digest = hashlib.sha256()
    for path, data in sorted(_files_of(resources.files("cat_normalize"))):
        digest.update(f"{path} {len(data)} ".encode() + data)
    return digest.hexdigest()


def _files_of(folder: Traversable, path: str = "") -> Iterator[tuple[str, bytes]]:
    for each in folder.iterdir():
        if each.is_dir() and each.name != "__pycache__":
            yield from _files_of(each, f"{path}{each.name}/")
        elif each.name.endswith((".py", ".sql")):
            yield f"{path}{each.name}", each.read_bytes()


def _pin(csv: Location) -> Location:
    try:
        if isinstance(csv, S3Path):
            csv = csv.with_stat()
        csv.stat()
        if not csv.is_file():
            raise InputError(f"{csv} is no file that can be read more than once; give the CSV as a file")
        csv.open("rb").close()
    except OSError as error:
        raise InputError(f"{csv} cannot be read: {error.strerror or error.__cause__ or error}") from error
    return csv


def _validate(csv: Location) -> tuple[int, str]:
    """Read the whole CSV; return the number of its records and the SHA-256 of its bytes."""
    digest = hashlib.sha256()

    def lines() -> Iterator[bytes]:
        with csv.open("rb") as stream:
            for line in stream:
                digest.update(line)
                yield line

    try:
        return csvfile.check(lines(), str(csv)), digest.hexdigest()
    except OSError as error:
        raise InputError(f"{csv} cannot be read to its end: {error}") from error
