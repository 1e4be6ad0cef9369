"""Runs: the four notebooks one after the other into ``runs/<run-id>/``, and a record that tells the truth.

``manifest.json`` is written before the first cell and after every stage. While a run is alive it holds a
lock on its folder; a record that says ``running`` without that lock is of a run that was killed, and the
next run marks it ``interrupted``.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from cat_normalize import aws, layout, notebooks, report
from cat_normalize.errors import NotebookError, UsageError
from cat_normalize.plan import NOTEBOOKS, RECORD, Plan
from cat_normalize.publish import put_bytes
from cat_normalize.settings import Settings
from cat_normalize.workspace import STAGES, Stage

REPORT = "report.html"
OnProgress = Callable[[Stage, int, int, str], None]
"""Is told before each cell: stage, number of the cell, how many there are, the heading it stands under."""


def execute(
    planned: Plan, settings: Settings, clock: Callable[[], datetime], on_cell: OnProgress
) -> dict[str, Any]:
    """Run the stages of a plan and return the run's record, which is on disk as well.

    A stage that fails ends the run; its notebook, the record and the report are kept.

    Raises:
        UsageError: another run holds this folder.
        LocalAwsError: the local AWS did not start, or ended before the run did.
    """
    planned.folder.mkdir(parents=True, exist_ok=True)
    with _lock(planned.folder), ExitStack() as stack:
        _mark_interrupted(planned.folder.parent)
        record = _fresh_record(planned, clock())
        _write(planned.folder, record)
        try:
            at, check = _enter_aws(planned, settings, stack)
            for stage in STAGES[STAGES.index(planned.start) :]:
                _run_stage(planned, stage, record, at, check, clock, on_cell)
                if record["status"] == "failed":
                    break
            else:
                record["status"] = "done"
        except BaseException as error:
            status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
            _stop(record, status)
            record["error"] = f"{type(error).__name__}: {error}"
            raise
        finally:
            record["finished_at"] = clock().isoformat(timespec="seconds")
            _write(planned.folder, record)
        report.write(planned.folder, record, planned.folder / REPORT)
        return record


def _run_stage(
    planned: Plan,
    stage: Stage,
    record: dict[str, Any],
    settings: Settings,
    check: Callable[[], None],
    clock: Callable[[], datetime],
    on_cell: OnProgress,
) -> None:
    entry = record["stages"][stage]
    entry.update(status="running", started_at=clock().isoformat(timespec="seconds"))
    _write(planned.folder, record)
    name = NOTEBOOKS[stage]
    try:
        notebooks.execute(
            planned.sources / name,
            planned.folder / name,
            planned.parameters[stage],
            planned.sources,
            lambda number, total, heading: on_cell(stage, number, total, heading),
        )
    except NotebookError as error:
        entry.update(status="failed", error=str(error))
        record["status"] = "failed"
    else:
        entry["status"] = "done"
    entry["finished_at"] = clock().isoformat(timespec="seconds")
    check()
    if planned.local:
        _keep_bucket(planned, settings)
    record["outputs"] = _outputs(planned, settings)
    _write(planned.folder, record)


def _enter_aws(planned: Plan, settings: Settings, stack: ExitStack) -> tuple[Settings, Callable[[], None]]:
    """Start the local AWS for a local run, with what an earlier part of the run left in the bucket.

    Also return what raises once it has ended.
    """
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")  # a kernel's debugger complains on stderr
    if not planned.local:
        return settings, lambda: None
    from cat_normalize.local import mirror, running

    first = planned.start == STAGES[0]
    seed = first and not planned.parameters["extract"].get("input")
    local = stack.enter_context(running(settings, planned.folder, seed=seed))
    stack.enter_context(local.activate())
    if not first:
        mirror.load(local.client("s3"), settings.bucket, planned.folder / "bucket")
    return local.settings, local.check


def _keep_bucket(planned: Plan, settings: Settings) -> None:
    from cat_normalize.local import mirror

    mirror.save(aws.client(settings, "s3"), settings.bucket, planned.folder / "bucket")


def _outputs(planned: Plan, settings: Settings) -> dict[str, Any]:
    """Return the manifests that the processes of this run have published."""
    s3 = aws.client(settings, "s3")
    found = {}
    for process in (1, 2):
        key = layout.manifest_key(settings, process, planned.run_date)
        there = s3.list_objects_v2(Bucket=settings.bucket, Prefix=key).get("Contents", [])
        if there:
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
    }


def _write(folder: Path, record: Mapping[str, Any]) -> None:
    put_bytes((json.dumps(record, indent=1, ensure_ascii=False) + "\n").encode(), str(folder / RECORD))


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    with (folder / ".lock").open("wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UsageError(
                f"another run is at work in {folder}; wait for it, or take another --run-id"
            ) from error
        yield


def _stop(record: dict[str, Any], status: str) -> None:
    """Say of a run, and of the stage it was in, how they ended."""
    record["status"] = status
    for entry in record["stages"].values():
        if entry["status"] == "running":
            entry["status"] = status


def _mark_interrupted(runs: Path) -> None:
    """Mend the records of runs that were killed: they say ``running``, and nobody holds their lock."""
    for path in sorted(runs.glob(f"*/{RECORD}")):
        record = json.loads(path.read_bytes())
        if record["status"] != "running":
            continue
        try:
            with _lock(path.parent):
                _stop(record, "interrupted")
                _write(path.parent, record)
        except UsageError:  # it is alive: its record is true
            continue
