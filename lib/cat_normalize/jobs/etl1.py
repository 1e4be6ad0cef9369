"""ETL-1 in one process of limited time, memory and disk: table in, CSV, rejects and manifest out.

What it keeps to, on AWS Lambda (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html):

- Files: `SEGMENTS` times `PARTITIONS` are open during the scan; Lambda allows 1024.
- Memory: that of a few MB of items, whatever the table (see `etl1`).
- Processes: one, for Lambda has no ``/dev/shm``.
- Storage: up to three times the table's DynamoDB JSON (raw, dealt, CSV).
- Time: see `reserve`.
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

from cat_normalize.core import aws, layout, manifest
from cat_normalize.core.errors import CatNormalizeError, OutOfTimeError, PipelineError, SettingsError
from cat_normalize.core.settings import Settings, parse_day, refuse_future_days
from cat_normalize.core.settings import today as todays_date
from cat_normalize.extract import extract_table
from cat_normalize.normalize.files import normalize_files

SEGMENTS = 4
PARTITIONS = 16

METRICS = {
    layout.ITEMS_READ: "Count",
    layout.ITEMS_REJECTED: "Count",
    layout.RUNS_REFUSED: "Count",
    "Users": "Count",
    "Bytes": "Bytes",
    "Seconds": "Seconds",
}
"""The CloudWatch metrics of a run and their units; rejects are also counted by ``reason``."""

GRACE = 15.0
"""Seconds kept to leave in good order: a page under way, the folder swept."""
NORMALIZED = 8e6
"""Raw bytes a second surely normalised by a function of 1 GB, 0.58 of a core; a whole core does 40 MB."""
UPLOADED = 20e6
"""Bytes a second surely digested and uploaded."""


def run_date_of(event: object, time_zone: str) -> date:
    """Return the day an event asks for.

    That is its ``run_date``, given to run a day again; else the day, in the time zone, of its ``time``,
    which stays the same when the scheduler tries again after midnight; else today.

    Raises:
        SettingsError: one of the two cannot be read.

    >>> run_date_of({"time": "2025-09-02T04:30:00Z"}, "America/Bogota")
    datetime.date(2025, 9, 1)
    """
    asked = event if isinstance(event, Mapping) else {}
    if asked.get("run_date") not in (None, ""):
        return parse_day("run_date", str(asked["run_date"]))
    if not asked.get("time"):
        return todays_date(time_zone)
    try:
        at = datetime.fromisoformat(asked["time"])
        if at.tzinfo is not None:
            return todays_date(time_zone, at)
    except (TypeError, ValueError, OverflowError):  # the last: a day before the year 1, or after 9999
        pass
    raise SettingsError("time is no instant with a day in the time zone; write it as 2025-09-02T04:30:00Z")


def allowed(event: object, name: str) -> bool:
    """Return whether an event allows something: ``allow_shrink`` or ``allow_future``.

    Raises:
        SettingsError: it is there and neither true nor false.

    >>> allowed({"allow_shrink": True}, "allow_shrink"), allowed({}, "allow_shrink")
    (True, False)
    """
    asked = event.get(name, False) if isinstance(event, Mapping) else False
    if not isinstance(asked, bool):
        raise SettingsError(f"{name} is neither true nor false; write true, without quotes, or leave it out")
    return asked


def reserve(raw: float, output: float) -> float:
    """Return the seconds wanted for what is left: raw bytes to normalise, and bytes to publish.

    >>> round(reserve(800e6, 800e6)), reserve(0, 0)
    (155, 15.0)
    """
    return GRACE + raw / NORMALIZED + output / UPLOADED


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
) -> dict[str, Any]:
    """Extract the table, normalise it, publish what came of it, and return the manifest.

    The time left is looked at with every answer of the scan and before each later step. Too little, and
    the run stops with nothing published: publishing comes last.

    Args:
        settings: table, bucket and rules.
        run_date: the day that names the outputs.
        scratch: a folder to make one's own folder in; that one is empty before and gone after.
        remaining: tells the seconds left.
        step: is entered with the name of each step, such as a tracer's subsegment.
        allow_shrink: publish however few the users are.
        allow_future: publish though the run date has not come yet.
        today: today in the settings' zone; the clock's by default.

    Raises:
        FutureDateError: the run date is after today; the table was not read.
        GuardError: as `manifest.publish_etl1` does; no CSV was published.
        OutOfTimeError: the time left will not do.
        ExtractError: the table could not be read whole.
        PipelineError: anything else; of an error that might quote an item, only kind and place are told.
    """
    today = today or todays_date(settings.rules.time_zone)
    if not allow_future:
        refuse_future_days(settings, run_date, today)
    with _told(), _swept(scratch / "cat-normalize") as folder:
        raw, csv, rejects = folder / "raw", folder / "users.csv", folder / "rejects.jsonl"
        client = aws.client(settings, "dynamodb")
        with step("extract"), _watched(client, remaining):
            read = extract_table(client, settings.table_name, raw, SEGMENTS, PARTITIONS)
        _want(reserve(read.bytes, read.bytes), remaining, "normalizing")
        with step("normalize"):
            summary = normalize_files([raw], csv, rejects, settings.rules)
        _want(reserve(0, csv.stat().st_size + rejects.stat().st_size), remaining, "publishing")
        with step("publish"):
            s3 = aws.client(settings, "s3")
            return manifest.publish_etl1(
                settings, run_date, csv, rejects, summary, s3,
                allow_shrink=allow_shrink, allow_future=allow_future, today=today,
            )  # fmt: skip


def measures(manifest: Mapping[str, Any]) -> dict[str, int]:
    """Return what a run's manifest says of the metrics that are counts or sizes."""
    summary = manifest["summary"]
    return {
        layout.ITEMS_READ: summary["items_read"],
        layout.ITEMS_REJECTED: summary["rejected"],
        layout.RUNS_REFUSED: 0,
        "Users": summary["users"],
        "Bytes": sum(output["bytes"] for output in manifest["outputs"]),
    }


def _want(seconds: float, remaining: Callable[[], float], doing: str) -> None:
    left = remaining()
    if left < seconds:
        raise OutOfTimeError(
            f"{left:.0f} seconds are left and {doing} wants {seconds:.0f}; nothing was published. Give the "
            "function more time or memory, the table more read capacity, or run the command line elsewhere"
        )


@contextmanager
def _watched(client: Any, remaining: Callable[[], float]) -> Iterator[None]:
    """Look at the time left with every answer to a scan, a throttled one too."""
    lock = threading.Lock()
    read = 0

    def look(response_dict: dict[str, Any], **_others: object) -> None:
        nonlocal read
        with lock:
            read += len(response_dict["body"])
        _want(reserve(read, read), remaining, f"scanning on after {read} bytes")

    _want(reserve(0, 0), remaining, "scanning")
    client.meta.events.register_first("before-parse.dynamodb.Scan", look)
    try:
        yield
    finally:
        client.meta.events.unregister("before-parse.dynamodb.Scan", look)


@contextmanager
def _swept(folder: Path) -> Iterator[Path]:
    """Make an empty folder, the place of temporary files too, and remove it in the end.

    Lambda keeps ``/tmp`` for the next run, also after one it killed.
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
def _told() -> Iterator[None]:
    """Let errors out that cannot hold a conversation's text or a name; replace the others."""
    try:
        yield
    except CatNormalizeError:
        raise
    except OSError as error:
        raise PipelineError(f"on the scratch disk, {_place(error)}: {error.strerror}") from None
    except Exception as error:
        if type(error).__module__.partition(".")[0] in {"boto3", "botocore"}:  # AWS's answer, or its lack
            raise PipelineError(str(error)) from error
        raise PipelineError(f"{type(error).__name__}, {_place(error)}") from None


def _place(error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(last.filename).name} line {last.lineno}"
