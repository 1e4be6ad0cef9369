"""ETL-1 inside Spark: the same CSV, rejects and summary as `etl1`, for a table that one machine cannot hold.

Spark deals and sorts; what becomes of an item is `normalize`'s alone. Each task reads a chunk and deals
its lines into bundles by `partitions.of_line`; a partition holds whole users, puts its bundles in reading
order, and is normalised as a whole. Rows are then ranged by ``usuario_id`` and rejects by place, sorted
range by range, and written as pieces that `compose` joins on S3: no driver, disk or merge carries the CSV.
Spark's own readers are not used; they end lines where the contract does not.
"""

from __future__ import annotations

import gc
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import partial
from itertools import pairwise
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from cat_normalize.core import csvfile, errors, layout, manifest
from cat_normalize.core.aws import s3_client
from cat_normalize.core.errors import InputError, PipelineError
from cat_normalize.core.files import private_folder
from cat_normalize.core.settings import Rules, Settings, refuse_future_days
from cat_normalize.core.settings import today as todays_date
from cat_normalize.core.storage import locate, staging, write_bytes, write_file
from cat_normalize.normalize import guard
from cat_normalize.normalize.dealing import Chunk, Sources, sources
from cat_normalize.normalize.rows import Row, Summary, normalize
from cat_normalize.scale.bundles import Bundle, deal, lines
from cat_normalize.scale.compose import compose
from cat_normalize.scale.source import Source, find

if TYPE_CHECKING:
    from pyspark import RDD
    from pyspark.sql import SparkSession

PARTITION_BYTES = 64 << 20
"""Raw bytes aimed at in one partition: a task holds a small multiple of it."""
RANGES = 4000
"""The most pieces of an output; each is two parts of an upload at most, and that has 10,000."""
_MARKS = 16
_RANGE_PARTITIONS = 4

CSV, REJECTS = 0, 1
Key = tuple[int, Any]
"""Where a line of output goes: CSV and ``usuario_id`` in UTF-8, or REJECTS and place."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a normalised partition tells: its counts, and keys with the bytes of the lines up to each."""

    summary: Summary
    marks: list[tuple[Key, int]]


def run(
    spark: SparkSession,
    uri: str,
    settings: Settings,
    run_date: date,
    *,
    allow_shrink: bool = False,
    allow_future: bool = False,
    today: date | None = None,
) -> dict[str, Any]:
    """Normalise raw items and publish rejects, CSV and manifest under the contract's keys (§6).

    Args:
        spark: any session; its executors have this library.
        uri: an export, an extract's folder, or item files.
        settings: bucket, rules, the guard's share.
        run_date: the day that names the outputs.
        allow_shrink: publish however few the users are.
        allow_future: publish though the run date has not come yet.
        today: today in the settings' zone; the clock's by default.

    Returns:
        The manifest.

    Raises:
        FutureDateError: the run date is after today; nothing was read.
        GuardError: as `manifest.publish_etl1` does; no CSV was published.
        PipelineError: as `normalize_files` does.
    """
    today = today or todays_date(settings.rules.time_zone)
    if not allow_future:
        refuse_future_days(settings, run_date, today)
    s3 = s3_client(settings)

    def check(summary: Summary) -> None:
        if not allow_shrink:
            manifest.refuse_shrunk(settings, summary, s3, today)

    csv = layout.s3_uri(settings.bucket, layout.csv_key(settings, run_date))
    rejects = layout.s3_uri(settings.bucket, layout.rejects_key(settings, run_date))
    accept = partial(guard.refuse_all_rejected, rejects=rejects)
    summary, outputs = normalize_files(spark, uri, csv, rejects, settings, check=check, accept=accept)
    return manifest.record_etl1(settings, run_date, outputs, summary, uri, s3)


def normalize_files(
    spark: SparkSession,
    uri: str,
    csv: str,
    rejects: str,
    settings: Settings,
    partition_bytes: int = PARTITION_BYTES,
    *,
    check: Callable[[Summary], None] = lambda _: None,
    accept: Callable[[Summary], None] = lambda _: None,
) -> tuple[Summary, list[dict[str, Any]]]:
    """Normalise raw items into a CSV (§4) and rejects (§3), each whole or not at all, the rejects first.

    Args:
        spark: any session; its executors have this library.
        uri: an export, an extract's folder, or item files: a path or ``s3://…``.
        csv: where the CSV appears, a path or ``s3://bucket/key``.
        rejects: where the rejects appear, beside the CSV or in its bucket.
        settings: rules, region and endpoint.
        partition_bytes: raw bytes aimed at in one partition.
        check: is called before anything has its name, and may raise.
        accept: is called after the rejects have theirs and before the CSV gets its own, and may raise.

    Returns:
        The counts; and address, size and SHA-256 of rejects and CSV.

    Raises:
        InputError: an input is missing, unreadable, cut short, or holds not as many items as was told.
        ExtractError: an export is not what its manifests say.
        PipelineError: Spark failed otherwise.
    """
    s3 = s3_client(settings) if layout.is_s3(csv) else None
    with staging(locate(csv, settings)) as private, _told():
        folder = str(private)
        source = find(uri, settings, spark.sparkContext.defaultParallelism)
        summary, pieces = _spread(spark, source, folder, settings, partition_bytes)
        header = f"{folder}/header"
        write_bytes(locate(header, settings), csvfile.HEADER)
        check(summary)
        outputs = [compose(pieces[REJECTS], rejects, s3)]
        accept(summary)
        outputs.append(compose([header, *pieces[CSV]], csv, s3))
    return summary, outputs


def _spread(
    spark: SparkSession, source: Source, folder: str, settings: Settings, partition_bytes: int
) -> tuple[Summary, list[list[str]]]:
    """Return the counts, and of CSV and rejects the pieces in order."""
    from pyspark import StorageLevel

    context = spark.sparkContext
    count = -(-source.raw_bytes // partition_bytes) or 1
    chunks = context.parallelize(source.chunks, len(source.chunks))
    names = sources(source.files, source.chunks, _lines_before(spark, source.chunks))
    dealt = chunks.flatMap(partial(deal, parts=count)).partitionBy(count, int)
    work = partial(_normalize, rules=settings.rules, source=names, mark=partition_bytes // _MARKS or 1)
    done = dealt.values().mapPartitions(work).persist(StorageLevel.DISK_ONLY)
    try:
        told: list[Told] = done.filter(_tells).map(itemgetter(1)).collect()
        summary = Summary()
        for each in told:
            summary.add(each.summary)
        if source.items not in (None, summary.items_read):
            raise InputError(f"{summary.items_read} items were read, and {source.items} are told of")
        marks = [mark for each in told for mark in each.marks]
        return summary, _pieces(done, marks, partition_bytes * _RANGE_PARTITIONS, folder, settings)
    finally:
        done.unpersist()


def _lines_before(spark: SparkSession, chunks: list[Chunk]) -> list[int]:
    """Return the lines of every chunk after which one of the same file comes; 0 for the others.

    Places want to be told by line before the lines are dealt. Whole files need no counting.
    """
    ask = [one for one, following in pairwise(chunks) if one.file == following.file]
    lines = [0] * len(chunks)
    if ask:
        counted = spark.sparkContext.parallelize(ask, len(ask)).map(_count).collect()
        for chunk, number in zip(ask, counted, strict=True):
            lines[chunk.index] = number
    return lines


def _count(chunk: Chunk) -> int:
    return sum(1 for _ in chunk.raw_lines())


def _normalize(
    bundles: Iterable[Bundle], rules: Rules, source: Sources, mark: int
) -> Iterator[tuple[Key | None, bytes | Told]]:
    """Yield the lines of CSV and rejects with their keys, and last, without one, what there is to tell."""
    gc.disable()  # what is read is kept, and holds no cycles
    try:
        done = normalize(lines(bundles), rules, source)
    finally:
        gc.enable()
    marks: list[tuple[Key, int]] = []
    for made in (map(_csv_line, done.rows), (((REJECTS, place), line) for place, line in done.rejects)):
        held, key = 0, None
        for key, line in made:
            yield key, line
            held += len(line)
            if held >= mark:
                marks.append((key, held))
                held = 0
        if key and held:
            marks.append((key, held))
    yield None, Told(done.summary, marks)


def _csv_line(row: Row) -> tuple[Key, bytes]:
    return (CSV, str(row[0]).encode()), csvfile.line(row)


def _tells(record: tuple[Key | None, Any]) -> bool:
    return record[0] is None


def _holds_line(record: tuple[Key | None, Any]) -> bool:
    return record[0] is not None


def _pieces(
    done: RDD[Any], marks: list[tuple[Key, int]], wanted: int, folder: str, settings: Settings
) -> list[list[str]]:
    """Sort all lines, write a piece for every range of them, and return the pieces' addresses."""
    size = sum(held for _, held in marks)
    ends = ranges(marks, max(wanted, -(-size // RANGES)))
    pieces: list[list[str]] = [[], []]
    if ends:
        ranged = done.filter(_holds_line).repartitionAndSortWithinPartitions(
            len(ends), partial(bisect_left, ends)
        )
        write = partial(_write, folder=folder, settings=settings)
        written = sum(ranged.mapPartitionsWithIndex(write).collect())
        if written != size:
            raise PipelineError(f"{written} bytes were sorted, and {size} were made; run again")
        for number, (kind, _) in enumerate(ends):
            pieces[kind].append(_piece(folder, number))
    return pieces


def ranges(marks: Iterable[tuple[Key, int]], wanted: int) -> list[Key]:
    """Return the last key of each range; a range has about `wanted` bytes, of CSV or of rejects.

    >>> ranges([((CSV, b"d"), 4), ((CSV, b"b"), 5), ((CSV, b"c"), 5), ((REJECTS, 9), 1)], 8)
    [(0, b'c'), (0, b'd'), (1, 9)]
    """
    ends: list[Key] = []
    held = 0
    ordered = sorted(marks)
    for (key, size), following in zip(ordered, [*ordered[1:], None], strict=False):
        held += size
        if held >= wanted or following is None or following[0][0] != key[0]:
            ends.append(key)
            held = 0
    return ends


def _piece(folder: str, number: int) -> str:
    return f"{folder}/{number:05d}"


def _write(
    number: int, records: Iterable[tuple[Key, bytes]], folder: str, settings: Settings
) -> Iterator[int]:
    target = _piece(folder, number)
    with private_folder() as scratch:
        with (scratch / "piece").open("xb") as file:
            size = sum(file.write(line) for _, line in records)
        write_file(locate(target, settings), scratch / "piece")
    yield size


@contextmanager
def _told() -> Iterator[None]:
    """Raise a task's own error again; of what is not the library's tell the kind: it may quote an item."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        yield
    except (Py4JError, PySparkException, ConnectionError) as error:
        raise reason(str(error)) from None


def reason(text: str) -> PipelineError:
    r"""Return the error that made a task fail, of what Spark says of it.

    >>> reason("x\ncat_normalize.core.errors.InputError: a.gz ends early\n\n\tat org.apache")
    InputError('a.gz ends early')
    >>> reason("x\nKeyError: 'María'\n")
    PipelineError('Spark failed: KeyError')
    """
    own = re.findall(r"^cat_normalize\.core\.errors\.(\w+): (.+)$", text, re.MULTILINE)
    if own:
        made: PipelineError = getattr(errors, own[-1][0])(own[-1][1])
        return made
    kinds = re.findall(r"^(?:Caused by: )?([\w.]+(?:Error|Exception))\b", text, re.MULTILINE)
    return PipelineError(f"Spark failed: {kinds[-1] if kinds else 'its executors are gone'}")
