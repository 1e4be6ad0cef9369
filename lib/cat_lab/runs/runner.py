"""Execute a plan: the four notebooks one after the other into ``runs/<run-id>/``, and the run record.

The record is written before the first cell and after every stage. While a run works it holds a lock on its
folder. A record with the status ``running`` whose lock is free belongs to a run that was killed; the next
run changes it to ``interrupted``.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from cat_lab.errors import NotebookError
from cat_lab.report.page import write_page
from cat_lab.runs import notebooks
from cat_lab.runs.failures import errors_recorded
from cat_lab.runs.locks import lock, repair_killed_runs
from cat_lab.runs.plan import Plan
from cat_lab.runs.records import RunRecord, StageRecord, write_record
from cat_lab.secrets import mask_parameters
from cat_lab.stages import NOTEBOOKS, STAGES, Stage
from cat_normalize.core import aws, manifest
from cat_normalize.core.manifest import Etl1Manifest, Etl2Manifest
from cat_normalize.core.settings import Settings

if TYPE_CHECKING:
    from cat_lab.local import LocalAws

REPORT = "report.html"
_MANIFESTS: dict[str, tuple[Stage, type[Etl1Manifest | Etl2Manifest]]] = {
    "etl-process1": ("normalize", Etl1Manifest),
    "etl-process2": ("convert", Etl2Manifest),
}


class Watcher(Protocol):
    """What is told of a run while it works."""

    def stage_started(self, stage: Stage) -> None:
        """Take note of a stage that starts."""

    def cell_started(self, stage: Stage, number: int, total: int, heading: str) -> None:
        """Take note of a code cell that starts: its number from 1, their total, and the heading above."""

    def stage_ended(self, stage: Stage, done: bool, seconds: float) -> None:
        """Take note of a stage that has ended, done or not."""


def execute_plan(
    plan: Plan, settings: Settings, clock: Callable[[], datetime], watcher: Watcher, lang: str = "en"
) -> RunRecord:
    """Run the stages of a plan and return the run record, which is also on disk.

    Record and report are written whatever happens. The record's ``status`` is ``done``, ``failed`` or
    ``interrupted``; unless it is ``done``, ``failure`` holds the first failure and ``notes`` the later ones.

    Args:
        plan: what to run, checked before.
        settings: table, bucket, region, endpoint and rules.
        clock: returns the current time.
        watcher: is told of stages and cells.
        lang: the language of the report, ``en`` or ``es``.

    Raises:
        UsageError: another run holds the lock on the folder.
        OSError: the folder or the record cannot be made; nothing was started.
    """
    with lock(plan.folder):
        repair_killed_runs(plan.folder.parent)
        run = _Run(plan, settings, clock, watcher, _new_record(plan, clock()))
        run.save()
        with errors_recorded(run.record, "ending the local AWS"), ExitStack() as stack:
            run.run_stages(stack)
        run.record.finished_at = _timestamp(clock())
        with errors_recorded(run.record, "writing the report"):
            write_page(plan.folder, run.record, plan.folder / REPORT, lang)
        with errors_recorded(run.record, "writing the record"):
            run.save()
        return run.record


@dataclass(slots=True)
class _Run:
    """A run at work; on the local AWS its settings become those of `local`."""

    plan: Plan
    settings: Settings
    clock: Callable[[], datetime]
    watcher: Watcher
    record: RunRecord
    local: LocalAws | None = None

    def save(self) -> None:
        write_record(self.plan.folder, self.record)

    def run_stages(self, stack: ExitStack) -> None:
        """Run all stages, and collect the outputs after each."""
        with errors_recorded(self.record, "starting the local AWS"):
            if self.plan.local:
                self.start_local_aws(stack)
            for stage in self.plan.stages:
                self.run_stage(stage)
                self.collect(aws.client(self.settings, "s3"))
            self.record.status = "done"
        self.collect_after_failure()

    def collect_after_failure(self) -> None:
        """Collect what was published before a stage failed, unless the local AWS did not start."""
        if self.record.status == "failed" and (self.local or not self.plan.local):
            with errors_recorded(self.record, "collecting the outputs"):
                self.check_local_aws()
                self.collect(aws.quick_client(self.settings, "s3"))

    def start_local_aws(self, stack: ExitStack) -> None:
        """Start the local AWS; a run that is resumed finds its bucket as it was."""
        from cat_lab.local import load_bucket, running

        first = self.plan.start == STAGES[0]
        seed = first and not self.plan.parameters["extract"].get("input")
        self.local = stack.enter_context(running(self.settings, self.plan.folder, seed=seed))
        self.settings = self.local.settings
        stack.enter_context(self.local.activate())
        if not first:
            load_bucket(self.local.client("s3"), self.settings.bucket, self.plan.folder / "bucket")

    def check_local_aws(self) -> None:
        """Raise LocalAwsError if the local AWS has ended."""
        if self.local:
            self.local.check()

    def run_stage(self, stage: Stage) -> None:
        """Run one notebook.

        Raises:
            NotebookError: it failed.
            LocalAwsError: the local AWS has ended; the error of the notebook, if any, is its context.
        """
        entry, name = self.record.stages[stage], NOTEBOOKS[stage]
        begun = self.clock()
        entry.status, entry.started_at = "running", _timestamp(begun)
        self.save()
        self.watcher.stage_started(stage)
        os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")  # else the kernel's debugger warns
        try:
            notebooks.execute(
                self.plan.sources / name,
                self.plan.folder / name,
                self.plan.parameters[stage],
                self.plan.kernel_folder,
                lambda number, total, heading: self.watcher.cell_started(stage, number, total, heading),
            )
            self.check_local_aws()
            entry.status = "done"
        except NotebookError:
            self.check_local_aws()
            raise
        finally:
            ended = self.clock()
            entry.finished_at = _timestamp(ended)
            self.watcher.stage_ended(stage, entry.status == "done", (ended - begun).total_seconds())

    def collect(self, s3: Any) -> None:
        """Copy the bucket of a local run to its folder, and the published manifests to the record."""
        if self.plan.local:
            from cat_lab.local import save_bucket

            save_bucket(s3, self.settings.bucket, self.plan.folder / "bucket")
        self.record.outputs = self.published_manifests(s3)
        self.save()

    def published_manifests(self, s3: Any) -> dict[str, dict[str, Any]]:
        """Return the manifests of the stages that are done; one of an earlier run does not count."""
        found: dict[str, dict[str, Any]] = {}
        for name, (stage, kind) in _MANIFESTS.items():
            if self.record.stages[stage].status == "done":
                made = manifest.read(kind, self.settings, self.plan.run_date, s3)
                found |= {name: manifest.plain(made)} if made else {}
        return found


def _new_record(plan: Plan, now: datetime) -> RunRecord:
    """Return the record of a run that starts; a resumed one keeps what is recorded of earlier stages."""
    stages = {stage: StageRecord(notebook=NOTEBOOKS[stage], status="pending") for stage in STAGES}
    parameters = {stage: mask_parameters(given) for stage, given in plan.parameters.items()}
    if plan.earlier:
        for stage in set(STAGES) - set(plan.stages):
            stages[stage] = plan.earlier.stages[stage]
            parameters[stage] = plan.earlier.parameters.get(stage, {})
    return RunRecord(
        run_id=plan.run_id,
        run_date=plan.run_date,
        local=plan.local,
        status="running",
        started_at=_timestamp(now),
        parameters=parameters,
        stages=stages,
    )


def _timestamp(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
