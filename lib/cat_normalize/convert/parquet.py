"""CSV to Parquet with Spark (contract §5): one object, its types declared, its rows in the CSV's order.

Spark's CSV reader lets pass what the contract refuses (bytes that are not UTF-8, a quote out of place,
CR, blank lines, ``+5``), so the whole CSV is first held to the contract here, at 300 MB a second and once,
which Spark's own functions do at a tenth of that. Then each task reads, parses and compresses one stretch
of it, which is one row group in the end. Runs on Glue as it stands.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from cat_normalize.convert import row_groups as rowgroups
from cat_normalize.core import csvfile, layout, manifest, staging
from cat_normalize.core.errors import ConvertError, InputError, UsageError
from cat_normalize.core.manifest import Conversion, Etl2Manifest, Output
from cat_normalize.core.schema import COLUMNS, spark_ddl
from cat_normalize.core.settings import Rules, Settings, refuse_future
from cat_normalize.core.settings import today as todays_date

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, DataFrameWriter, Observation, SparkSession

BLOCK = "block"
_PARTS, _WHOLE = "parts", "whole"
_FAULTY = "_faulty"
_PARSING = {
    "header": "true",
    "lineSep": "\n",
    "mode": "PERMISSIVE",  # FAILFAST quotes the record in its error, and Glue keeps what Spark logs
    "columnNameOfCorruptRecord": _FAULTY,
    "quote": '"',
    "escape": '"',
    "charToEscapeQuoteEscaping": "\r",  # what no line holds; by default NUL, which is lost after a quote
    "dateFormat": "dd/MM/yyyy",
    "enableDateTimeParsingFallback": "false",
    "nullValue": "\n",  # what no line holds: NULL is nothing between two commas, and "" is not NULL
    "emptyValue": "",
}
GROUP_BYTES = 32 << 20
"""Bytes of CSV that one task reads, and one row group holds: for a user that Athena looks up it reads one."""
_SESSION = {
    "spark.sql.files.minPartitionNum": "1",  # or smaller CSVs were cut by the number of cores
    "spark.sql.files.openCostInBytes": "0",
    "spark.sql.maxConcurrentOutputFileWriters": "8",  # or each task sorts its rows by the one block it has
    "spark.sql.legacy.timeParserPolicy": "CORRECTED",
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",  # days before 1582 as they are
    "spark.sql.files.maxRecordsPerFile": "0",
}


@dataclass(frozen=True, slots=True)
class Converted:
    """What a run read and published; sizes in bytes, ``source_etag`` and ``etag`` are S3's."""

    source: str
    source_bytes: int
    source_etag: str | None
    target: str
    rows: int
    bytes: int
    sha256: str
    etag: str | None
    run_date: date | None


@dataclass(frozen=True, slots=True)
class _Csv:
    """A CSV as it was when looked at; ``version`` changes when it is replaced."""

    path: str
    size: int
    version: str
    s3: Any


def convert(
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

    Args:
        spark: any session that reads and writes both places.
        source: a CSV of contract §4.
        target: the object's own name, not a folder.
        s3: a boto3 client, wanted if either is on S3.
        run_date: kept on an S3 target against older runs; by default the one in the CSV's name.
        group_bytes: bytes of the CSV that make one row group, and one task's work.
        allow_future: convert though the run date has not come yet.
        today: today in ``time_zone``; the clock's by default.
        time_zone: the configured zone.

    Raises:
        FutureDateError: the run date is after today; nothing was read.
        InputError: the CSV cannot be read.
        MalformedCsvError: it is not the contract's; names file, line and column.
        StaleInputError: the target is of a later run.
        FutureParquetError: the target is of a day after today.
        ConvertError: Spark failed otherwise, or the CSV was replaced meanwhile.
        UsageError: an S3 address without a client.
    """
    run_date, today = run_date or layout.run_date_of(source), today or todays_date(time_zone)
    check(source, target, s3, run_date, today, allow_future=allow_future)
    csv = _look(source, s3)
    with _whole(csv) as stream:
        records = csvfile.check(stream, source)
    with staging.staging(target, s3) as folder:
        rows = _write(spark, csv, folder, group_bytes)
        if _look(source, s3).version != csv.version:
            raise ConvertError(f"{source} was replaced while it was read; run again")
        if rows != records:
            raise ConvertError(f"{source}: Spark read {rows} of {records} records; run again")
        done = staging.publish_only(f"{folder}/{_WHOLE}", ".parquet", target, s3, run_date, today)
    etag = csv.version if layout.is_s3(source) else None
    return Converted(source, csv.size, etag, target, rows, done.bytes, done.sha256, done.etag, run_date)


def publish_manifest(settings: Settings, run_date: date, done: Converted, s3: Any) -> Etl2Manifest:
    """Publish the manifest of a conversion whose Parquet is published; return it."""
    summary = Conversion(done.rows, done.source_bytes, done.source_etag)
    output = Output(done.target, done.bytes, done.sha256)
    made = Etl2Manifest(run_date, done.source, settings, summary, [output])
    manifest.publish(made, s3)
    return made


def check(
    source: str,
    target: str,
    s3: Any,
    run_date: date | None,
    today: date,
    *,
    allow_future: bool = False,
) -> None:
    """Refuse what `convert` cannot do, before Spark is started or anything is read.

    Raises:
        FutureDateError: the run date is after today.
        InputError: the CSV cannot be read.
        UsageError: the target is the CSV itself or cannot be a file, or an S3 address lacks a client.
    """
    if s3 is None and (layout.is_s3(source) or layout.is_s3(target)):
        raise UsageError(f"{source} to {target}: an S3 address needs an S3 client")
    if run_date and not allow_future:
        refuse_future(run_date, today)
    _look(source, s3)
    if not layout.is_s3(target):
        staging.place(target)
    on_disk = not layout.is_s3(source) and not layout.is_s3(target) and Path(target).exists()
    if source == target or (on_disk and Path(source).samefile(target)):
        raise UsageError(f"{target} is the CSV itself; give another path for the Parquet")


def newest_csv(s3: Any, settings: Settings, *, allow_future: bool = False, today: date | None = None) -> str:
    """Return the key of the newest CSV of ETL-1, by the date in its name; one after today does not count.

    Args:
        s3: a boto3 client.
        settings: bucket, prefix and time zone.
        allow_future: let CSVs of days after today count too.
        today: today in the settings' zone; the clock's by default.

    Raises:
        InputError: there is none.
    """
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=settings.bucket, Prefix=settings.csv_prefix)
    keys = [found["Key"] for page in pages for found in page.get("Contents", [])]
    days = [day for key in keys if (day := layout.run_date_of(key)) and key == layout.csv_key(settings, day)]
    if not allow_future:
        last = today or todays_date(settings.rules.time_zone)
        days = [day for day in days if day <= last]
    if not days:
        where = layout.s3_uri(settings.bucket, settings.csv_prefix)
        raise InputError(f"no data_YYYYMMDD.csv of a day up to today under {where}; run ETL-1 first")
    return layout.csv_key(settings, max(days))


def frame(spark: SparkSession, path: str, seen: Observation) -> DataFrame:
    """Read a CSV as the twelve typed columns and the ``block`` that a row's split begins at.

    Lines are parsed split by split, and stay in order within one. ``seen`` gets ``rows``, and how many of
    them are ``faulty``, once the rows are used.
    """
    from pyspark.sql import functions as f

    schema = f"{spark_ddl()}, {_FAULTY} STRING"
    rows = spark.read.options(**_PARSING).csv(path, schema)
    placed = rows.select("*", f.col("_metadata.file_block_start").alias(BLOCK))
    counted = placed.observe(seen, f.count(f.lit(1)).alias("rows"), f.count(_FAULTY).alias("faulty"))
    return counted.drop(_FAULTY)


def _write(spark: SparkSession, csv: _Csv, folder: str, group_bytes: int) -> int:
    """Write the CSV as one Parquet file into a folder; return the number of rows."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException
    from pyspark.sql import Observation

    own = spark.newSession()
    for name, value in {**_SESSION, "spark.sql.files.maxPartitionBytes": str(group_bytes)}.items():
        own.conf.set(name, value)
    seen = Observation()
    place = folder if layout.is_s3(folder) else f"file://{folder}"
    try:
        rows = _written(frame(own, _spark_path(csv.path), seen)).partitionBy(BLOCK)
        rows.parquet(f"{place}/{_PARTS}")
        if not seen.get["rows"]:  # Spark has made no file
            none = (f"CAST(NULL AS {column.kind}) AS {column.name}" for column in COLUMNS)
            _written(own.range(0).selectExpr(*none)).parquet(f"{place}/{_PARTS}/{BLOCK}=0")
        rowgroups.join(own, f"{place}/{_PARTS}", BLOCK, f"{place}/{_WHOLE}/{layout.PARQUET_NAME}")
    except (Py4JError, PySparkException, ConnectionError) as error:
        raise ConvertError(f"{csv.path}: Spark failed: {_reason(error)}") from error
    if seen.get["faulty"]:
        raise ConvertError(f"{csv.path}: Spark could not read {seen.get['faulty']} records; report this")
    return cast(int, seen.get["rows"])


def _written(rows: DataFrame) -> DataFrameWriter:
    writer = rows.write.option("compression", "zstd")
    return writer.option("mapreduce.fileoutputcommitter.marksuccessfuljobs", "false")


def _look(path: str, s3: Any) -> _Csv:
    if layout.is_s3(path):
        from botocore.exceptions import ClientError

        bucket, key = layout.split_s3(path)
        try:
            found = s3.head_object(Bucket=bucket, Key=key)
        except ClientError as error:
            raise InputError(f"{path} cannot be read: {error}") from error
        return _Csv(path, found["ContentLength"], found["ETag"], s3)
    try:
        now = Path(path).stat()
        if not Path(path).is_file():
            raise InputError(f"{path} is no file that can be read more than once; give the CSV as a file")
        Path(path).open("rb").close()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    return _Csv(path, now.st_size, f"{now.st_ino} {now.st_mtime_ns}", s3)


@contextmanager
def _whole(csv: _Csv) -> Iterator[BinaryIO]:
    if not layout.is_s3(csv.path):
        with Path(csv.path).open("rb") as file:
            yield file
        return
    bucket, key = layout.split_s3(csv.path)
    with tempfile.TemporaryFile() as copy:
        csv.s3.download_fileobj(bucket, key, copy)
        copy.seek(0)
        yield copy


def _spark_path(path: str) -> str:
    r"""Write a path so that Spark takes it by the letter and not as a pattern.

    >>> _spark_path("s3://b/run[1].csv")
    's3://b/run\\[1\\].csv'
    """
    whole = path if layout.is_s3(path) else f"file://{Path(path).absolute()}"
    return re.sub(r"([][{}*?\\])", r"\\\1", whole)


def _reason(error: Exception) -> str:
    """Return the first line of what a Java error was caused by in the end."""
    causes = re.findall(r"^(?:Caused by|): (.+)$", str(error), re.MULTILINE)
    return (causes or str(error).splitlines() or [type(error).__name__])[-1].strip()
