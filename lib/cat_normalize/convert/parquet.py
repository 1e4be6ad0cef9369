"""CSV to Parquet with Spark (contract §5): one object, its types declared, its rows in the CSV's order.

Spark's CSV reader accepts what the contract refuses (bytes that are not UTF-8, a quote out of place, CR,
blank lines, ``+5``), so the whole CSV is validated here first, in one pass at 300 MB/s; Spark's own
functions would take ten times as long. Runs on Glue without changes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
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
from cat_normalize.core.settings import Rules, Settings, refuse_future
from cat_normalize.core.settings import today as todays_date
from cat_normalize.core.storage import Location, Origin, locate, staging, version_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@dataclass(frozen=True, slots=True)
class Converted:
    """What a conversion read and what is published now.

    Sizes are in bytes; ``source_etag`` and ``etag`` are S3's, None on disk.
    """

    source: str
    source_bytes: int
    source_etag: str | None
    target: str
    rows: int
    bytes: int
    sha256: str
    etag: str | None
    run_date: date | None


def convert_csv(
    spark: SparkSession,
    source: str,
    target: str,
    s3: Any = None,
    run_date: date | None = None,
    group_bytes: int = GROUP_BYTES,
    *,
    allow_future: bool = False,
    today: date | None = None,
    time_zone: str = Rules().time_zone,
) -> Converted:
    """Publish a CSV as one Parquet object; both are paths or ``s3://bucket/key``.

    An object on S3 that this library made of the same CSV, run date and time zone stays as it is, and
    Spark does not run (§6).

    Args:
        spark: any session that can read and write both locations.
        source: a CSV of contract §4.
        target: the object's own name, not a folder.
        s3: a boto3 client or settings; required if either is on S3.
        run_date: recorded on an S3 target to refuse older runs; by default the one in the CSV's name.
        group_bytes: bytes of the CSV in one row group, which is one task's work.
        allow_future: convert even if the run date is after today.
        today: today in ``time_zone``; the clock's by default.
        time_zone: the configured zone.

    Raises:
        FutureDateError: the run date is after today; nothing was read.
        InputError: the CSV cannot be read.
        MalformedCsvError: the CSV breaks the contract; names file, line and column.
        StaleInputError: the target is of a later run.
        FutureParquetError: the target is of a day after today.
        ConvertError: Spark failed otherwise, or the CSV was replaced meanwhile.
        UsageError: an S3 address without a client.
    """
    run_date, today = run_date or layout.run_date_of(source), today or todays_date(time_zone)
    check_conversion(source, target, s3, run_date, today, allow_future=allow_future)
    csv, parquet = _pin(locate(source, s3)), locate(target, s3)
    size, version = csv.stat().st_size, version_of(csv)
    records, digest = _validate(csv)
    inputs = {"csv-sha256": digest, "library-sha256": library_digest(), "time-zone": time_zone}
    origin = Origin(run_date, inputs)
    done = storage.find_published(parquet, origin, today)
    if done is None:
        with staging(parquet) as folder:
            staged, rows = write_parquet(spark, csv, folder, group_bytes)
            if version_of(locate(source, s3)) != version:
                raise ConvertError(f"{source} was replaced while it was read; run again")
            if rows != records:
                raise ConvertError(f"{source}: Spark read {rows} of {records} records; run again")
            done = storage.publish(staged, parquet, origin, today)
    etag = version if isinstance(csv, S3Path) else None
    return Converted(source, size, etag, target, records, done.bytes, done.sha256, done.etag, run_date)


def publish_manifest(settings: Settings, run_date: date, done: Converted, s3: Any) -> Etl2Manifest:
    """Publish the manifest of a conversion whose Parquet is published; return it."""
    summary = Conversion(done.rows, done.source_bytes, done.source_etag)
    output = Output(done.target, done.bytes, done.sha256)
    made = Etl2Manifest(run_date, done.source, settings, summary, [output])
    manifest.publish(made, s3)
    return made


def check_conversion(
    source: str,
    target: str,
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
        UsageError: the target is the CSV itself or cannot be a file, or an S3 address lacks a client.
    """
    csv, parquet = locate(source, s3), locate(target, s3)
    if run_date and not allow_future:
        refuse_future(run_date, today)
    _pin(csv)
    storage.check_target(parquet)
    if storage.is_same(csv, parquet):
        raise UsageError(f"{target} is the CSV itself; give another path for the Parquet")


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
