r"""CSV to Parquet with Spark (contract §5): one object, its types declared, its rows in the CSV's order.

Spark's CSV reader lets pass what the contract refuses (bytes that are not UTF-8, a quote out of place,
CR, blank lines, ``+5``), so each line is first held to the dialect and only then parsed. Runs on Glue
as it stands.
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

from cat_normalize import csvfile, layout, staging
from cat_normalize.errors import ConvertError, InputError, UsageError
from cat_normalize.schema import COLUMNS, NAMES, spark_ddl
from cat_normalize.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, Observation, SparkSession

# The same dialect as csvfile's, for Java; possessive throughout, so a long field needs no stack.
_DAY = "[0-9]{2}/[0-9]{2}/(?!0000)[0-9]{4}"
_FIELDS = {
    "string": r'(?:"[^"\r]*+(?:""[^"\r]*+)*+"|[^",\r]*+)',
    "int": r'(?:-?[0-9]{1,10}|"-?[0-9]{1,10}")?+',
    "date": rf'(?:{_DAY}|"{_DAY}")?+',
}
RECORD = r"\A" + ",".join(_FIELDS[column.kind] for column in COLUMNS) + r"\z"

_FAULTY = "_faulty"
_NOT_OURS = "a line is not the contract's"
_PARSING = {
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
_SESSION = {
    "spark.sql.adaptive.enabled": "false",  # one shuffle to one task: there is nothing to adapt
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
    spark: SparkSession, source: str, target: str, s3: Any = None, run_date: date | None = None
) -> Converted:
    """Publish a CSV as one Parquet object; both are paths or ``s3://bucket/key``.

    Args:
        spark: any session that reads and writes both places.
        source: a CSV of contract §4.
        target: the object's own name, not a folder.
        s3: a boto3 client, wanted if either is on S3.
        run_date: kept on an S3 target against older runs; by default the one in the CSV's name.

    Raises:
        InputError: the CSV cannot be read.
        MalformedCsvError: it is not the contract's; names file, line and column.
        StaleInputError: the target is of a later run.
        ConvertError: Spark failed otherwise, or the CSV was replaced meanwhile.
        UsageError: an S3 address without a client.
    """
    if s3 is None and (layout.is_s3(source) or layout.is_s3(target)):
        raise UsageError(f"{source} to {target}: an S3 address needs an S3 client")
    csv = _look(source, s3)
    run_date = run_date or layout.run_date_of(source)
    _preflight(csv)
    with staging.staging(target, s3) as folder:
        rows = _write(spark, csv, folder)
        if _look(source, s3).version != csv.version:
            raise ConvertError(f"{source} was replaced while it was read; run again")
        done = staging.publish_only(folder, ".parquet", target, s3, run_date)
    etag = csv.version if layout.is_s3(source) else None
    return Converted(source, csv.size, etag, target, rows, done.bytes, done.sha256, done.etag, run_date)


def newest_csv(s3: Any, settings: Settings) -> str:
    """Return the key of the newest CSV of ETL-1, by the date in its name.

    Raises:
        InputError: there is none.
    """
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=settings.bucket, Prefix=settings.csv_prefix)
    keys = [found["Key"] for page in pages for found in page.get("Contents", [])]
    days = [day for key in keys if (day := layout.run_date_of(key)) and key == layout.csv_key(settings, day)]
    if not days:
        where = layout.s3_uri(settings.bucket, settings.csv_prefix)
        raise InputError(f"no data_YYYYMMDD.csv under {where}; run ETL-1 first")
    return layout.csv_key(settings, max(days))


def frame(spark: SparkSession, path: str, seen: Observation) -> DataFrame:
    """Read a CSV as the twelve typed columns, in one partition and in its order.

    Lines are checked and parsed in parallel, split by split; then one task puts them in order. ``seen``
    gets ``rows`` and ``bytes``, the lines' own with their LF, once the rows are used.
    """
    from pyspark.sql import functions as f

    line = f.col("value")
    lines = spark.read.option("lineSep", "\n").text(path)
    placed = lines.select(
        line, f.col("_metadata.file_block_start").alias("block"), f.monotonically_increasing_id().alias("row")
    )
    header = (f.col("block") == 0) & (f.col("row").bitwiseAND((1 << 33) - 1) == 0)
    parsed = f.when(_well_formed(line), f.from_csv(line, f"{spark_ddl()}, {_FAULTY} STRING", _PARSING))
    size = f.octet_length(line) + 1
    records = placed.where(~header).select("block", "row", parsed.alias("record"), size.alias("size"))
    ordered = records.repartition(1).sortWithinPartitions("block", "row")
    counted = ordered.observe(seen, f.count(f.lit(1)).alias("rows"), f.sum("size").alias("bytes"))
    good = f.col("record").isNotNull() & f.col(f"record.{_FAULTY}").isNull()
    first = f.when(good, f.col(f"record.{NAMES[0]}")).otherwise(f.raise_error(f.lit(_NOT_OURS)))
    return counted.select(first.alias(NAMES[0]), *(f"record.{name}" for name in NAMES[1:]))


def _well_formed(line: Column) -> Column:
    """Tell a line of the dialect, in UTF-8: decoding puts U+FFFD for what is not, and so changes it."""
    from pyspark.sql import functions as f

    raw = line.cast("binary")
    return (f.encode(f.decode(raw, "UTF-8"), "UTF-8") == raw) & line.rlike(RECORD)


def _write(spark: SparkSession, csv: _Csv, folder: str) -> int:
    """Write the CSV as one Parquet file into a folder; return the number of rows."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException
    from pyspark.sql import Observation

    own = spark.newSession()
    for name, value in _SESSION.items():
        own.conf.set(name, value)
    seen = Observation()
    writer = frame(own, _spark_path(csv.path), seen).write.option("compression", "zstd")
    writer = writer.option("mapreduce.fileoutputcommitter.marksuccessfuljobs", "false")
    try:
        writer.parquet(folder if layout.is_s3(folder) else f"file://{folder}")
    except (Py4JError, PySparkException, ConnectionError) as error:
        _diagnose(csv)
        raise ConvertError(f"{csv.path}: Spark failed: {_reason(error)}") from error
    read = len(csvfile.HEADER) + (seen.get["bytes"] or 0)
    if read != csv.size:
        raise ConvertError(f"{csv.path}: Spark read {read} bytes of {csv.size}; run again")
    return cast(int, seen.get["rows"])


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
        with Path(path).open("rb"):
            now = Path(path).stat()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    return _Csv(path, now.st_size, f"{now.st_ino} {now.st_mtime_ns}", s3)


def _preflight(csv: _Csv) -> None:
    """Look at the two ends of the CSV, where Spark would not: the header and the last LF."""
    length = len(csvfile.HEADER)
    if csv.size < length or _bytes(csv, 0, length) != csvfile.HEADER or _bytes(csv, csv.size - 1, 1) != b"\n":
        _diagnose(csv)
        raise ConvertError(f"{csv.path} was replaced while it was read; run again")


def _bytes(csv: _Csv, start: int, length: int) -> bytes:
    if layout.is_s3(csv.path):
        bucket, key = layout.split_s3(csv.path)
        span = f"bytes={start}-{start + length - 1}"
        return bytes(csv.s3.get_object(Bucket=bucket, Key=key, Range=span)["Body"].read())
    with Path(csv.path).open("rb") as file:
        file.seek(start)
        return file.read(length)


def _diagnose(csv: _Csv) -> None:
    """Read the CSV once more, in Python, for the line and column of its first fault, if it has one."""
    with _whole(csv) as stream:
        csvfile.check(stream, csv.path)


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
