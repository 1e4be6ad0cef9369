"""Decide what a run is going to do, before anything starts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from cat_lab.project import is_installed
from cat_lab.runs.declarations import Declaration, check_types, defaults, read_declarations
from cat_lab.runs.history import find_runs
from cat_lab.runs.records import RunRecord, Where, read_record, where_of
from cat_lab.stages import NOTEBOOKS, STAGES, Stage
from cat_normalize.core.errors import InputError, ParameterError, UsageError

SET_BY_RUN = {"run_date": "--run-date", "local": "--local", "work_dir": "--runs", "input": "--input"}
"""Parameters that every run sets itself, and the options they come from."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One run: its four notebooks exist and declare every given parameter, with a matching type.

    ``parameters`` are given to the notebooks; ``values`` are these and the defaults of all others, for
    `checks`. ``earlier`` is the record of the run that is resumed. ``notes`` are for the user.
    """

    run_id: str
    run_date: date
    folder: Path
    sources: Path
    start: Stage
    local: bool
    parameters: dict[Stage, dict[str, Any]]
    values: dict[Stage, dict[str, Any]]
    earlier: RunRecord | None
    notes: tuple[str, ...] = ()

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages that are going to run."""
        return STAGES[STAGES.index(self.start) :]

    @property
    def kernel_folder(self) -> Path:
        """The kernels' working directory: the notebooks' folder, unless that is the wheel's."""
        return self.folder if is_installed(self.sources) else self.sources

    @property
    def where(self) -> Where:
        """What the run reads, and with that where."""
        return where_of(self.local, self.parameters)


def make_plan(
    sources: Path,
    runs: Path,
    run_id: str | None,
    run_date: date | None,
    today: date,
    start: Stage | None,
    local: bool,
    given: Mapping[str, str],
    now: datetime,
    allow: Sequence[str] = (),
    inputs: Sequence[str] = (),
) -> Plan:
    """Plan a new run, or resume an earlier one from one of its stages.

    Args:
        sources: the folder of the four notebooks.
        runs: the folder of runs.
        run_id: the name of the run; default: made from `now`, or the latest run if one is resumed.
        run_date: the day that names the outputs; default: the earlier run's, or `today`.
        today: the calendar day in the configured time zone.
        start: resume an earlier run from this stage; None, or the first stage with an unused name, starts a
            new run.
        local: run on the local AWS; a run that is resumed stays where it was.
        given: notebook parameters, ``name`` or ``stage.name`` to text.
        now: the time that names a new run.
        allow: parameters to set to true in every notebook that declares them, such as ``allow_future``.
        inputs: what the first stage reads instead of the table; default: what the earlier run read.

    Raises:
        ParameterError: an unknown parameter, another type, a missing ``parameters`` cell.
        UsageError: no earlier run to resume, or a name that is taken or not allowed.
    """
    if run_id is not None:
        _check_run_id(run_id)
    first, earlier = start or STAGES[0], None
    notes: list[str] = []
    if first != STAGES[0] or (start and run_id and (runs / run_id).exists()):
        folder, earlier, notes = _named_run(runs / run_id) if run_id else _latest_run(runs)
        run_id, local = folder.name, earlier.local
        _check_earlier_stages(earlier, first, folder)
        if run_date not in (None, earlier.run_date):
            raise UsageError(
                f"the run date of {run_id} is {earlier.run_date}, not {run_date}; "
                "start a new run for another day"
            )
        run_date, inputs = earlier.run_date, inputs or earlier.parameters.get("extract", {}).get("input", ())
    else:
        run_id = run_id or _new_run_id(runs, now)
        folder = runs / run_id
        if folder.exists():
            raise UsageError(f"run {run_id} exists already; give another --run-id, or resume it with --from")
    run_date = run_date or today
    work_dir = str(folder.resolve())
    if not _is_utf8(work_dir):
        raise UsageError(f"{work_dir!r} is not UTF-8, and notebooks are; give another folder with --runs")
    set_by_run = {"local": local, "run_date": run_date.isoformat(), "work_dir": work_dir}
    declared = {stage: read_declarations(sources / name) for stage, name in NOTEBOOKS.items()}
    parameters = _assign(declared, set_by_run, inputs, given, allow)
    values = {stage: defaults(declared[stage]) | parameters[stage] for stage in STAGES}
    return Plan(run_id, run_date, folder, sources, first, local, parameters, values, earlier, tuple(notes))


def _check_run_id(run_id: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", run_id):
        shown = run_id if len(run_id) <= 100 else f"{run_id[:20]}… of {len(run_id)} characters"
        raise UsageError(
            f"run id {shown!r} cannot name a folder; use up to 100 letters, digits, -, _ and ., a letter or "
            "digit first"
        )


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _assign(
    declared: Mapping[Stage, Mapping[str, Declaration]],
    set_by_run: Mapping[str, Any],
    inputs: Sequence[str],
    given: Mapping[str, str],
    allow: Sequence[str],
) -> dict[Stage, dict[str, Any]]:
    """Return each notebook's parameters: ``stage.name`` for one, ``name`` for all that declare it."""
    assigned: dict[Stage, dict[str, Any]] = {
        stage: {**set_by_run, **{name: True for name in allow if name in declared[stage]}} for stage in STAGES
    }
    if inputs:
        assigned["extract"]["input"] = list(inputs)
    for name, value in given.items():
        stage, dot, short = name.rpartition(".")
        if short in SET_BY_RUN:
            raise ParameterError(f"{name} is set by the run itself; give {SET_BY_RUN[short]} instead")
        if dot and stage not in STAGES:
            raise ParameterError(f"{name}: no stage {stage!r}; the stages are {', '.join(STAGES)}")
        targets = [each for each in STAGES if (each == stage if dot else short in declared[each])]
        if not targets:
            known = "; ".join(f"{NOTEBOOKS[each]}: {', '.join(declared[each])}" for each in STAGES)
            raise ParameterError(f"no notebook has a parameter {name!r}; the parameters are {known}")
        for each in targets:
            assigned[each][short] = value
    return {each: check_types(NOTEBOOKS[each], declared[each], assigned[each]) for each in STAGES}


def _check_earlier_stages(earlier: RunRecord, start: Stage, folder: Path) -> None:
    unfinished = earlier.first_unfinished
    if unfinished and STAGES.index(unfinished) < STAGES.index(start):
        status = earlier.stages[unfinished].status
        raise UsageError(f"{unfinished} is {status} in {folder}; resume from that stage: --from {unfinished}")


def _named_run(folder: Path) -> tuple[Path, RunRecord, list[str]]:
    try:
        return folder, read_record(folder), []
    except InputError as error:
        raise UsageError(f"no run to resume in {folder}: {error}") from error


def _latest_run(runs: Path) -> tuple[Path, RunRecord, list[str]]:
    """Return the run that started last, and a note for every record that cannot be read."""
    found, damaged = find_runs(runs)
    notes = [f"{error}; it is skipped" for error in damaged]
    if not found:
        message = f"no earlier run in {runs} to resume; run without --from first"
        raise UsageError("; ".join([message, *notes]))
    return found[0].folder, found[0].record, notes


def _new_run_id(runs: Path, now: datetime) -> str:
    stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    candidates = [stamp, *(f"{stamp}-{n}" for n in range(2, 1000))]
    return next(each for each in candidates if not (runs / each).exists())
