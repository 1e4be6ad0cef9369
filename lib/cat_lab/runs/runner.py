"""Runs: the four notebooks one after the other into ``runs/<run-id>/``, and a record that tells the truth.

``manifest.json`` is written before the first cell and after every stage. While a run is alive it holds a
lock on its folder; a record that says ``running`` without that lock is of a run that was killed, and the
next run marks it ``interrupted``. The first failure is the run's; what fails after it is noted beside it.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from cat_lab.remedies import remedy
from cat_lab.report import page as report
from cat_lab.runs import notebooks, records
from cat_lab.runs.plan import NOTEBOOKS, Plan
from cat_lab.workspace import STAGES, Stage
from cat_normalize.core import aws, layout
from cat_normalize.core.errors import CatNormalizeError, LocalAwsError, NotebookError, UsageError
from cat_normalize.core.scratch import sweep
from cat_normalize.core.settings import Settings

REPORT = "report.html"
OnProgress = Callable[[Stage, int, int, str], None]
"""Is told before each cell: stage, number of the cell, how many there are, the heading it stands under."""


def execute(
    planned: Plan, settings: Settings, clock: Callable[[], datetime], on_cell: OnProgress
) -> dict[str, Any]:
    """Run the stages of a plan and return the run's record, which is on disk as well.

    Whatever happens, the record and the report are written. Its ``status`` is ``done``, ``failed`` or
    ``interrupted``; a run that is not done has a ``failure`` (stage, notebook, cell, heading, error, text,
    what to try), and ``notes`` on what failed after that.

    Raises:
        UsageError: another run holds this folder.
        OSError: the run's folder or its record cannot be made; nothing was started.
    """
    with _lock(planned.folder):
        _tidy(planned.folder.parent)
        record = _fresh_record(planned, clock())
        records.write(planned.folder, record)
        with _told(record, "ending the local AWS"), ExitStack() as stack:
            _run_stages(planned, settings, record, stack, clock, on_cell)
        record["finished_at"] = clock().isoformat(timespec="seconds")
        with _told(record, "writing the report"):
            report.write(planned.folder, record, planned.folder / REPORT)
        with _told(record, "writing the record"):
            records.write(planned.folder, record)
        return record


def _run_stages(
    planned: Plan,
    settings: Settings,
    record: dict[str, Any],
    stack: ExitStack,
    clock: Callable[[], datetime],
    on_cell: OnProgress,
) -> None:
    at: Settings | None = None
    with _told(record, "starting the local AWS"):
        at, check = _enter_aws(planned, settings, stack)
        for stage in planned.stages:
            _run_stage(planned, stage, record, check, clock, on_cell)
            _collect(planned, at, record)
        record["status"] = "done"
    if at and record["status"] == "failed":
        with _told(record, "collecting what the stages left"):
            check()
            _collect(planned, at, record, patient=False)


def _run_stage(
    planned: Plan,
    stage: Stage,
    record: dict[str, Any],
    check: Callable[[], None],
    clock: Callable[[], datetime],
    on_cell: OnProgress,
) -> None:
    """Run one notebook.

    Raises:
        NotebookError: it failed.
        LocalAwsError: the local AWS has ended, which is why a notebook fails then.
    """
    entry, name = record["stages"][stage], NOTEBOOKS[stage]
    entry.update(status="running", started_at=clock().isoformat(timespec="seconds"))
    records.write(planned.folder, record)
    try:
        notebooks.execute(
            planned.sources / name,
            planned.folder / name,
            planned.parameters[stage],
            planned.sources,
            lambda number, total, heading: on_cell(stage, number, total, heading),
        )
    except NotebookError:
        check()
        raise
    finally:
        entry["finished_at"] = clock().isoformat(timespec="seconds")
    check()
    entry["status"] = "done"


@contextmanager
def _told(record: dict[str, Any], doing: str) -> Iterator[None]:
    """Let what is raised become the run's failure, or be noted beside the failure that came first."""
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        if "failure" in record:
            record["notes"].append(f"{doing}: {type(error).__name__}: {error}")
        else:
            _fail(record, error)


def _fail(record: dict[str, Any], error: BaseException) -> None:
    record["status"] = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
    at = next((stage for stage, each in record["stages"].items() if each["status"] == "running"), None)
    failure = {"stage": at, "error": type(error).__name__, "text": str(error)}
    cell = error.__context__ if isinstance(error, LocalAwsError) else error
    if isinstance(cell, NotebookError):
        failure |= {name: getattr(cell, name) for name in ("notebook", "cell", "cells", "heading")}
    if isinstance(error, NotebookError):
        failure |= {"error": error.error, "text": error.text}
    elif isinstance(cell, NotebookError):
        record["notes"].append(str(cell))
    elif not isinstance(error, (CatNormalizeError, OSError, KeyboardInterrupt)):
        failure["traceback"] = traceback.format_exc()
    failure["try"] = remedy(f"{failure['error']}: {failure['text']}")
    record["failure"] = failure
    if at:
        record["stages"][at].update(status=record["status"], error=str(error))


def _enter_aws(planned: Plan, settings: Settings, stack: ExitStack) -> tuple[Settings, Callable[[], None]]:
    """Start the local AWS for a local run, with what an earlier part of the run left in the bucket.

    Also return what raises once it has ended.
    """
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")  # a kernel's debugger complains on stderr
    if not planned.local:
        return settings, _nothing
    from cat_lab.local import load_bucket, running

    first = planned.start == STAGES[0]
    seed = first and not planned.parameters["extract"].get("input")
    local = stack.enter_context(running(settings, planned.folder, seed=seed))
    stack.enter_context(local.activate())
    if not first:
        load_bucket(local.client("s3"), settings.bucket, planned.folder / "bucket")
    return local.settings, local.check


def _nothing() -> None:
    """Check nothing: AWS itself does not end."""


def _collect(planned: Plan, settings: Settings, record: dict[str, Any], patient: bool = True) -> None:
    """Keep a local run's bucket, and put the manifests that have been published into the record."""
    s3 = aws.client(settings, "s3") if patient else aws.quick_client(settings, "s3")
    if planned.local:
        from cat_lab.local import save_bucket

        save_bucket(s3, settings.bucket, planned.folder / "bucket")
    record["outputs"] = _outputs(planned, settings, record["stages"], s3)
    records.write(planned.folder, record)


def _outputs(planned: Plan, settings: Settings, stages: dict[str, Any], s3: Any) -> dict[str, Any]:
    """Return the manifests that the stages of this run published; those of an earlier run do not count."""
    found = {}
    for process, stage in ((1, "normalize"), (2, "convert")):
        key = layout.manifest_key(settings, process, planned.run_date)
        there = s3.list_objects_v2(Bucket=settings.bucket, Prefix=key).get("Contents", [])
        if there and stages[stage]["status"] == "done":
            body = s3.get_object(Bucket=settings.bucket, Key=key)["Body"]
            found[f"etl-process{process}"] = json.loads(body.read())
    return found


def _fresh_record(planned: Plan, now: datetime) -> dict[str, Any]:
    earlier = planned.record.get("stages", {})
    before = STAGES[: STAGES.index(planned.start)]
    stages = {
        stage: earlier[stage] if stage in before else {"notebook": NOTEBOOKS[stage], "status": "pending"}
        for stage in STAGES
    }
    masked = {
        stage: {name: notebooks.MASK if notebooks.is_secret(name) else value for name, value in each.items()}
        for stage, each in planned.parameters.items()
    }
    return {
        "run_id": planned.run_id,
        "run_date": planned.run_date.isoformat(),
        "local": planned.local,
        "status": "running",
        "started_at": now.isoformat(timespec="seconds"),
        "parameters": masked,
        "stages": stages,
        "outputs": {},
        "notes": [],
    }


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / ".lock").open("wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UsageError(
                f"another run is at work in {folder}; wait for it, or take another --run-id"
            ) from error
        if (folder / ".lock").exists():
            yield
            return
    with _lock(folder):  # another run took the new folder for one that a killed run left
        yield


def _tidy(runs: Path) -> None:
    """Mend what runs that were killed left: nobody holds their lock.

    A record that says ``running`` is made to say ``interrupted``, unfinished files are swept, and a folder
    that the run had only begun to fill is removed.
    """
    for lock in sorted(runs.glob("*/.lock")):
        with suppress(UsageError, PermissionError), _lock(lock.parent):  # it is alive, or another user's
            sweep(lock.parent)
            if list(lock.parent.iterdir()) == [lock]:
                shutil.rmtree(lock.parent)
    for folder, record in records.readable(runs):
        if isinstance(record, str) or record["status"] != "running":
            continue
        with suppress(UsageError, PermissionError), _lock(folder):
            record["status"] = "interrupted"
            for entry in record["stages"].values():
                if entry["status"] == "running":
                    entry["status"] = "interrupted"
            records.write(folder, record)
