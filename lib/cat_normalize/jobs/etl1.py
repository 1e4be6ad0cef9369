"""ETL-1 in a Lambda: table in; CSV, rejects and manifest out, within limited time, memory and disk.

How it stays within Lambda's limits (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html):

- Files: `SEGMENTS` times `PARTITIONS` are open during the scan; Lambda allows 1024.
- Memory: a few MB of items are in memory at a time, whatever the size of the table.
- Processes: one, because Lambda has no ``/dev/shm``.
- Storage: up to three times the table's DynamoDB JSON.
- Time: see `seconds_needed`.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import date, datetime
from pathlib import Path
from typing import Any

from cat_normalize.core import aws, layout
from cat_normalize.core.errors import CatNormalizeError, OutOfTimeError, PipelineError, SettingsError
from cat_normalize.core.manifest import Etl1Manifest, plain
from cat_normalize.core.settings import Settings, parse_day, refuse_future_days
from cat_normalize.core.settings import today as todays_date
from cat_normalize.extract import extract_table
from cat_normalize.extract.capacity import Scan, TableSize
from cat_normalize.normalize.files import normalize_files
from cat_normalize.normalize.publish import publish_outputs

SEGMENTS = 4
PARTITIONS = 16

GRACE = 15.0
"""Seconds kept for an orderly end: the page being read, the removal of the folder."""
NORMALIZED = 8e6
"""Raw bytes per second that a function of 1 GB, 0.58 of a core, surely normalizes; a core does 29 MB."""
UPLOADED = 20e6
"""Bytes per second surely digested and uploaded."""


def run_date_of(event: object, time_zone: str) -> date:
    """Return the run date of an event (contract §7).

    That is its ``run_date``; else the day, in the time zone, of its ``time``, which stays the same when the
    scheduler retries after midnight; else today.

    Raises:
        SettingsError: one of the two cannot be parsed.

    >>> run_date_of({"time": "2025-09-02T04:30:00Z"}, "America/Bogota")
    datetime.date(2025, 9, 1)
    """
    given = event if isinstance(event, Mapping) else {}
    if given.get("run_date") not in (None, ""):
        return parse_day("run_date", str(given["run_date"]))
    if given.get("time") in (None, ""):
        return todays_date(time_zone)
    try:
        instant = datetime.fromisoformat(given["time"])
        if instant.tzinfo is not None:
            return todays_date(time_zone, instant)
    except (TypeError, ValueError, OverflowError):  # OverflowError: a day before year 1 or after 9999
        pass
    raise SettingsError(
        "time is not an instant with a day in the time zone; write it as 2025-09-02T04:30:00Z"
    )


def is_allowed(event: object, name: str) -> bool:
    """Return whether an event allows ``allow_shrink`` or ``allow_future`` (contract §7).

    Raises:
        SettingsError: the value is neither true nor false.

    >>> is_allowed({"allow_shrink": True}, "allow_shrink"), is_allowed({}, "allow_shrink")
    (True, False)
    """
    value = event.get(name, False) if isinstance(event, Mapping) else False
    if not isinstance(value, bool):
        raise SettingsError(f"{name} is neither true nor false; write true, without quotes, or leave it out")
    return value


def seconds_needed(raw_bytes: float, output_bytes: float) -> float:
    """Return the seconds needed to normalize these raw bytes and to publish these output bytes.

    >>> round(seconds_needed(800e6, 800e6)), seconds_needed(0, 0)
    (155, 15.0)
    """
    return GRACE + raw_bytes / NORMALIZED + output_bytes / UPLOADED


def run(
    settings: Settings,
    run_date: date,
    scratch: Path,
    remaining: Callable[[], float],
    step: Callable[[str], AbstractContextManager[object]] = nullcontext,
    *,
    allow_shrink: bool = False,
    allow_future: bool = False,
    today: date | None = None,
    scanning: Callable[[Scan, str], object] = lambda _scan, _warning: None,
) -> Etl1Manifest:
    """Extract the table, normalize it, publish the outputs, and return the manifest.

    The time left is checked with every answer of the scan, while it waits, and before each later step. If
    it is too short, the run stops with nothing published, because publishing comes last.

    Args:
        settings: table, bucket and rules.
        run_date: the day in the keys of the outputs.
        scratch: the folder in which the run makes its own folder, which is removed at the end.
        remaining: returns the seconds left.
        step: is entered with the name of each step, such as a tracer's subsegment.
        allow_shrink: publish however few users there are.
        allow_future: publish even if the run date is after today.
        today: today in the settings' zone; the clock's by default.
        scanning: called before the scan with what it is about to do, and a warning if the run cannot end in
            time then, else "".

    Raises:
        FutureDateError: the run date is after today; the table was not read.
        GuardError: the guard refused the run (contract §6); no CSV was published.
        OutOfTimeError: the time left is too short.
        ExtractError: the table could not be read completely.
        PipelineError: any other error; if its text might quote an item, only its class and line are given.
    """
    today = today or todays_date(settings.rules.time_zone)
    if not allow_future:
        refuse_future_days(settings, run_date, today)
    with _errors_without_items(), _scratch_folder(scratch / "cat-normalize") as folder:
        raw, csv, rejects = folder / "raw", folder / "users.csv", folder / "rejects.jsonl"
        client = aws.client(settings, "dynamodb")
        with step("extract"), _time_checked(client, remaining) as check_time:
            read = extract_table(
                client, settings.table_name, raw, SEGMENTS, PARTITIONS,
                max_rcu=settings.max_rcu, waiting=check_time,
                before=lambda size, scan: scanning(scan, time_warning(size, scan, remaining())),
            )  # fmt: skip
        _check_time(seconds_needed(read.bytes, read.bytes), remaining, "normalizing")
        with step("normalize"):
            summary = normalize_files([raw], csv, rejects, settings.rules)
        output_bytes = csv.stat().st_size + rejects.stat().st_size
        _check_time(seconds_needed(0, output_bytes), remaining, "publishing")
        with step("publish"):
            s3 = aws.client(settings, "s3")
            return publish_outputs(
                settings, run_date, csv, rejects, summary, s3,
                allow_shrink=allow_shrink, allow_future=allow_future, today=today,
            )  # fmt: skip


def time_warning(size: TableSize, scan: Scan, left: float) -> str:
    """Return why a run is not going to end in the seconds left, as far as the table's size tells, or "".

    >>> table = TableSize("t", 10**6, 10**9, "PROVISIONED", 400)
    >>> print(time_warning(table, table.scan(), 900))  # doctest: +NORMALIZE_WHITESPACE
    not expected to end in time: the scan takes about 122,070.5 read units, at most 100 a second: 1,221
    seconds at least; what follows takes 190, and 900 are left. Give the scan more read units a second
    (CAT_MAX_RCU, max_rcu in environments.py), the table more of them, or run ETL-1 in Spark (docs/scale.md)
    >>> time_warning(table, table.scan(300), 900)
    ''
    """
    work = seconds_needed(size.bytes, size.bytes)
    if (scan.seconds or 0.0) + work <= left:
        return ""
    more = (
        "the scan more read units a second (CAT_MAX_RCU, max_rcu in environments.py), the table more of them"
    )
    if work > left:
        more = "the function more memory"
    return (
        f"not expected to end in time: {scan}; what follows takes {work:.0f}, and {left:.0f} are left. "
        f"Give {more}, or run ETL-1 in Spark (docs/scale.md)"
    )


def answer(manifest: Etl1Manifest) -> dict[str, Any]:
    """Return what the function logs and returns: run date, counts and outputs."""
    made = plain(manifest)
    return {"run_date": made["run_date"], **made["summary"], "outputs": made["outputs"]}


def metrics(manifest: Etl1Manifest, seconds: float) -> list[tuple[str, str, float]]:
    """Return the CloudWatch metrics of a published run: name, unit and value of each."""
    summary = manifest.summary
    return [
        (layout.ITEMS_READ, "Count", summary.items_read),
        (layout.ITEMS_REJECTED, "Count", summary.rejected),
        (layout.RUNS_REFUSED, "Count", 0),
        ("Users", "Count", summary.users),
        ("Bytes", "Bytes", sum(output.bytes for output in manifest.outputs)),
        ("Seconds", "Seconds", seconds),
    ]


def _check_time(needed: float, remaining: Callable[[], float], doing: str) -> None:
    left = remaining()
    if left < needed:
        raise OutOfTimeError(
            f"{left:.0f} seconds are left and {doing} needs {needed:.0f}; nothing was published. Give the "
            "function more time or memory, the scan (CAT_MAX_RCU) or the table more read units, or run the "
            "command line elsewhere"
        )


@contextmanager
def _time_checked(client: Any, remaining: Callable[[], float]) -> Iterator[Callable[[], None]]:
    """Check the time left with every answer to a scan, also a throttled one; yield what checks it in between.

    At a low rate a page of large items is paid for longer than `GRACE`.
    """
    lock = threading.Lock()
    read = 0

    def check_time() -> None:
        _check_time(seconds_needed(read, read), remaining, f"scanning on after {read} bytes")

    def check(response_dict: dict[str, Any], **_others: object) -> None:
        nonlocal read
        with lock:
            read += len(response_dict["body"])
        check_time()

    _check_time(seconds_needed(0, 0), remaining, "scanning")
    client.meta.events.register_first("before-parse.dynamodb.Scan", check)
    try:
        yield check_time
    finally:
        client.meta.events.unregister("before-parse.dynamodb.Scan", check)


@contextmanager
def _scratch_folder(folder: Path) -> Iterator[Path]:
    """Make an empty folder, also for temporary files, and remove it at the end.

    Lambda keeps ``/tmp`` for the next run, also after a run that it killed.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    before, tempfile.tempdir = tempfile.tempdir, str(folder)
    try:
        yield folder
    finally:
        tempfile.tempdir = before
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _errors_without_items() -> Iterator[None]:
    """Replace an error whose text might quote an item, because errors are logged."""
    try:
        yield
    except CatNormalizeError:
        raise
    except OSError as error:
        raise PipelineError(f"on the scratch disk, {_line_of(error)}: {error.strerror}") from None
    except Exception as error:
        if type(error).__module__.partition(".")[0] in {"boto3", "botocore"}:  # these quote AWS alone
            raise PipelineError(str(error)) from error
        raise PipelineError(f"{type(error).__name__}, {_line_of(error)}") from None


def _line_of(error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(last.filename).name} line {last.lineno}"
