"""ETL-1 in Spark on Glue: one export of the table in; rejects, CSV and manifest out (contract §6, §7).

It publishes the same bytes as `normalize.files`, also for a table too large for one machine. A task reads
one data file of the export. Lines are partitioned by user and sorted in reading order, each partition is
normalized as a whole, then rows and rejects are sorted and written to staging as text. The driver streams
these into one upload. The reasons: docs/decisions/0003.
"""

from __future__ import annotations

import gc
import hashlib
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from functools import partial
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any, BinaryIO

from cat_normalize.core import aws, csvfile, errors, layout, manifest
from cat_normalize.core.errors import InputError, PipelineError
from cat_normalize.core.manifest import Etl1Manifest, Output, Summary
from cat_normalize.core.settings import Rules, Settings, parse_flag, refuse_future_days
from cat_normalize.core.settings import today as todays_date
from cat_normalize.core.storage import Location, locate, spark_address, staging, write_stream
from cat_normalize.extract import item_files
from cat_normalize.extract.export import DataFile, Export
from cat_normalize.jobs import events
from cat_normalize.jobs.etl1 import run_date_of
from cat_normalize.normalize import normalize, refuse_all_rejected, refuse_shrunk
from cat_normalize.normalize.rows import Line

if TYPE_CHECKING:
    from pyspark import RDD
    from pyspark.sql import SparkSession

REQUIRED = ("input", "output_bucket")
SETTINGS = (*events.SETTINGS, "exclude_cities", "since", "until", "min_users_percent")
"""Optional arguments, each written as the setting ``CAT_…`` of its name (§7)."""
ALLOW = ("allow_shrink", "allow_future")
OPTIONAL = ("run_date", "time", *SETTINGS, *ALLOW)
"""The names of the job's optional arguments; an empty one counts as not given."""
PARTITION_BYTES = 64 << 20
"""Raw bytes aimed at in one partition; a task needs a small multiple of it in memory."""
PIECE_BYTES = 256 << 20
"""Bytes aimed at in one sorted piece of the output."""
LINE_BITS = 40
CSV, REJECTS, SUMMARY = 0, 1, 2
Position = tuple[int, int]
Record = tuple[int, Any, Any]
"""CSV with ``usuario_id`` and line, REJECTS with position and line, or SUMMARY with sizes and counts."""


def run(arguments: Mapping[str, str], environment: Mapping[str, str]) -> Etl1Manifest:
    """Normalize the export ``input``; publish rejects, CSV and manifest, which is returned.

    The run date is ``run_date``; else the day, in the time zone, of ``time`` (the schedule's); else today.

    Args:
        arguments: by the names in `REQUIRED` and `OPTIONAL`.
        environment: the environment variables of the job.

    Raises:
        CatNormalizeError: as `publish_export` does; each output is whole or unchanged.
    """
    from pyspark.sql import SparkSession

    settings = settings_of(arguments, environment)
    allow = {name: parse_flag(f"--{name}", arguments.get(name, "")) for name in ALLOW}
    spark, zone = SparkSession.builder.getOrCreate(), settings.rules.time_zone
    run_date, today = run_date_of(arguments, zone), todays_date(zone)
    return publish_export(spark, arguments["input"], settings, run_date, **allow, today=today)


def settings_of(arguments: Mapping[str, str], environment: Mapping[str, str]) -> Settings:
    """Return the settings of a run; arguments win over environment variables.

    >>> given = {"output_bucket": "mine", "time_zone": "UTC", "since": ""}
    >>> made = settings_of(given, {"CAT_SINCE": "20250901"})
    >>> made.bucket, made.rules.time_zone, made.rules.since
    ('mine', 'UTC', datetime.date(2025, 9, 1))
    """
    given = {f"CAT_{name.upper()}": arguments[name] for name in SETTINGS if arguments.get(name)}
    region = {"AWS_REGION": environment.get("AWS_DEFAULT_REGION", "")}
    return Settings.from_environment(region | {**environment} | given, bucket=arguments["output_bucket"])


def publish_export(
    spark: SparkSession,
    uri: str,
    settings: Settings,
    run_date: date,
    *,
    allow_shrink: bool = False,
    allow_future: bool = False,
    today: date | None = None,
) -> Etl1Manifest:
    """Normalize an export and publish rejects, CSV and manifest, which is returned (§6).

    Args:
        spark: any session whose executors have this library.
        uri: the export's folder, ``s3://…/AWSDynamoDB/ID/`` or a copy on a disk that all executors see.
        settings: bucket, rules, the guard's percentage.
        run_date: the day in the keys of the outputs.
        allow_shrink: publish however few users there are.
        allow_future: publish even if the run date is after today.
        today: today in the settings' zone; the clock's by default.

    Raises:
        FutureDateError: the run date is after today; nothing was read.
        GuardError: the guard refused the run; no CSV was published.
        PipelineError: as `normalize_export` does.
    """
    today = today or todays_date(settings.rules.time_zone)
    if not allow_future:
        refuse_future_days(settings, run_date, today)
    s3 = aws.client(settings, "s3")

    def check(summary: Summary) -> None:
        if not allow_shrink:
            refuse_shrunk(settings, summary, s3, today)

    csv = layout.s3_uri(settings.bucket, layout.csv_key(settings, run_date))
    rejects = layout.s3_uri(settings.bucket, layout.rejects_key(settings, run_date))
    accept = partial(refuse_all_rejected, rejects=rejects)
    summary, outputs = normalize_export(spark, uri, csv, rejects, settings, check=check, accept=accept)
    made = Etl1Manifest(run_date, uri, settings, summary, outputs)
    manifest.publish(made, s3)
    return made


def normalize_export(
    spark: SparkSession,
    uri: str,
    csv: str,
    rejects: str,
    settings: Settings,
    count: int | None = None,
    *,
    check: Callable[[Summary], None] = lambda _: None,
    accept: Callable[[Summary], None] = lambda _: None,
) -> tuple[Summary, list[Output]]:
    """Write an export's rejects (§3), then its CSV (§4), each whole or not at all; return counts and outputs.

    Args:
        spark: as for `publish_export`.
        uri: as for `publish_export`.
        csv: where the CSV appears, a path or ``s3://bucket/key``.
        rejects: where the rejects appear, in the same way.
        settings: rules, region and endpoint.
        count: partitions of whole users; by default of about `PARTITION_BYTES`.
        check: called before anything is published; it may raise.
        accept: called between rejects and CSV; it may raise.

    Raises:
        ExtractError: the export is not what its manifests say.
        PipelineError: Spark failed otherwise, or lost bytes; nothing was published.
    """
    folder = locate(uri.removesuffix(item_files.SUMMARY).rstrip("/"), settings)
    with staging(locate(csv, settings)) as staged, _errors_without_items():
        files = Export(uri, settings).files()
        raw_bytes = sum(map(item_files.weight, _files(folder / "data")))
        done = _normalized(spark, uri, files, settings, count or raw_bytes // PARTITION_BYTES + 1)
        summary, made = Summary(), [0, 0]
        try:
            for _, sizes, counts in done.filter(lambda record: record[0] == SUMMARY).collect():
                summary.add(counts)
                made = [sum(pair) for pair in zip(made, sizes, strict=True)]
            if summary.items_read != (items := sum(file.items for file in files)):
                raise InputError(f"export {uri}: {items} items in its manifests, {summary.items_read} read")
            pieces = [_sorted(spark, done, kind, made[kind], staged / str(kind)) for kind in (CSV, REJECTS)]
        finally:
            done.unpersist()
        check(summary)
        outputs = [_publish(b"", pieces[REJECTS], locate(rejects, settings))]
        accept(summary)
        outputs.append(_publish(csvfile.HEADER, pieces[CSV], locate(csv, settings)))
    return summary, outputs


def _normalized(
    spark: SparkSession, uri: str, files: list[DataFile], settings: Settings, count: int
) -> RDD[Record]:
    from pyspark import StorageLevel

    read = partial(_read, uri=uri, settings=settings, count=count)
    lines: Any = spark.sparkContext.parallelize(list(enumerate(files)), len(files) or 1).flatMap(read)
    names = [item_files.printable(file.name) for file in files]
    work = partial(_normalize, rules=settings.rules, names=names)
    done: RDD[Record] = lines.repartitionAndSortWithinPartitions(count, itemgetter(0)).mapPartitions(work)
    return done.persist(StorageLevel.DISK_ONLY)


def _read(
    numbered: tuple[int, DataFile], uri: str, settings: Settings, count: int
) -> Iterator[tuple[Position, bytes]]:
    """Yield the lines of a data file, each with its partition and its position in reading order."""
    number, file = numbered
    for position, line in enumerate(Export(uri, settings).lines(file), (number << LINE_BITS) + 1):
        yield (item_files.of_line(line, count), position), line


def _normalize(lines: Iterable[tuple[Position, bytes]], rules: Rules, names: list[str]) -> Iterator[Record]:
    def source(position: int) -> str:
        return f"{names[position >> LINE_BITS]}:{position & ((1 << LINE_BITS) - 1)}"

    positioned: Iterator[Line] = ((position, line) for (_, position), line in lines)
    gc.disable()  # the items stay until the end and have no cycles
    try:
        done = normalize(positioned, rules, source)
    finally:
        gc.enable()
    rows = ((CSV, str(row[0]).encode(), csvfile.line(row)) for row in done.rows)
    rejects = ((REJECTS, position.to_bytes(8, "big"), line) for position, line in done.rejects)
    sizes = [0, 0]
    for kind, key, line in chain(rows, rejects):
        sizes[kind] += len(line)
        yield kind, key, line[:-1]
    yield SUMMARY, sizes, done.summary


def _sorted(spark: SparkSession, done: RDD[Record], kind: int, size: int, folder: Location) -> list[Location]:
    """Write all lines of a kind, sorted by key, into a folder; return its files in order."""
    rows = done.filter(lambda record: record[0] == kind).map(itemgetter(1, 2))
    frame = spark.createDataFrame(rows, "key binary, line binary", verifySchema=False)
    ranges = frame.repartitionByRange(size // PIECE_BYTES + 1, "key").sortWithinPartitions("key")
    text = ranges.selectExpr("CAST(line AS STRING)")  # the bytes as they are
    writer = text.write.option("mapreduce.fileoutputcommitter.marksuccessfuljobs", "false")
    writer.text(spark_address(folder), lineSep="\n")
    pieces = _files(folder)
    if (written := _size(pieces)) != size:
        raise PipelineError(f"{written} bytes were sorted, and {size} were made; run again")
    return pieces


def _files(folder: Location) -> list[Location]:
    files: Iterable[Location] = folder.iterdir() if folder.is_dir() else ()
    return sorted((each for each in files if not each.name.startswith((".", "_"))), key=str)


def _size(files: Iterable[Location]) -> int:
    return sum(each.stat().st_size for each in files)


def _publish(header: bytes, pieces: list[Location], target: Location) -> Output:
    whole = _Joined(chain([io.BytesIO(header)], (piece.open("rb") for piece in pieces)))
    with io.BufferedReader(whole, 1 << 20) as reader:
        write_stream(target, reader, _size(pieces))
    return Output(str(target), whole.size, whole.digest.hexdigest())


class _Joined(io.RawIOBase):
    """Streams, one after the other, with the size and the SHA-256 of what was read."""

    def __init__(self, streams: Iterator[BinaryIO]) -> None:
        self._streams, self._stream = streams, next(streams, None)
        self.size, self.digest = 0, hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while self._stream:
            if data := self._stream.read(len(buffer)):
                buffer[: len(data)] = data
                self.digest.update(data)
                self.size += len(data)
                return len(data)
            self._stream.close()
            self._stream = next(self._streams, None)
        return 0


@contextmanager
def _errors_without_items() -> Iterator[None]:
    """Raise a task's own error again; of any other tell only the kind, for its text may quote an item."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        yield
    except (Py4JError, PySparkException, ConnectionError) as error:
        raise errors.of_task(str(error)) from None
