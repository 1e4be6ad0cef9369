"""What a run is going to do, checked before anything starts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from cat_normalize import notebooks
from cat_normalize.errors import ParameterError, UsageError
from cat_normalize.workspace import STAGES, Stage

RECORD = "manifest.json"
NOTEBOOKS: dict[Stage, str] = {stage: f"{n:02}_{stage}.ipynb" for n, stage in enumerate(STAGES, start=1)}


@dataclass(frozen=True, slots=True)
class Plan:
    """One run, checked: nothing about its notebooks or parameters can be wrong any more."""

    run_id: str
    run_date: date
    folder: Path
    sources: Path
    start: Stage
    local: bool
    parameters: dict[Stage, dict[str, Any]]
    record: dict[str, Any]


def plan(
    sources: Path,
    runs: Path,
    run_id: str | None,
    run_date: date | None,
    today: date,
    start: Stage,
    local: bool,
    given: Mapping[str, str],
    now: datetime,
) -> Plan:
    """Check everything a run needs before anything starts.

    Args:
        sources: the folder of the four notebooks.
        runs: the folder of runs.
        run_id: a name for the run; of an earlier one where ``start`` is not the first stage (default: the
            latest).
        run_date: the day that names the outputs; default: the earlier run's, or ``today``.
        today: the calendar day in the configured time zone.
        start: the first stage to run.
        local: on the local AWS; a run that is gone on with stays where it was.
        given: notebook parameters as ``name`` or ``stage.name`` → text.
        now: the time a new run's name is made of.

    Raises:
        ParameterError: an unknown parameter, another type, a missing ``parameters`` cell.
        UsageError: no earlier run to go on from, or a name that is taken.
    """
    resumed = start != STAGES[0]
    if resumed:
        folder = runs / run_id if run_id else _latest(runs)
        record = _read(folder)
        _check_earlier_stages(record, start, folder)
        local, run_id = record["local"], folder.name
        run_date = run_date or date.fromisoformat(record["run_date"])
    else:
        run_id = run_id or _new_id(runs, now)
        folder, record = runs / run_id, {}
        if not run_id or Path(run_id).name != run_id or run_id.startswith("."):
            raise UsageError(f"run id {run_id!r} cannot name a folder; use letters, digits, - and _")
        if folder.exists():
            raise UsageError(f"run {run_id} exists already; give another --run-id, or go on with --from")
    run_date = run_date or today
    own = {"local": local, "run_date": run_date.isoformat(), "work_dir": str(folder.resolve())}
    parameters = _parameters(sources, own, given)
    return Plan(run_id, run_date, folder, sources, start, local, parameters, record)


def _parameters(
    sources: Path, own: Mapping[str, Any], given: Mapping[str, str]
) -> dict[Stage, dict[str, Any]]:
    """Deal parameters to the notebooks: ``stage.name`` to one, ``name`` to all that declare it."""
    known = {stage: notebooks.declared(sources / name) for stage, name in NOTEBOOKS.items()}
    wanted: dict[Stage, dict[str, Any]] = {stage: dict(own) for stage in STAGES}
    for name, value in given.items():
        stage, dot, short = name.rpartition(".")
        if dot and stage not in STAGES:
            raise ParameterError(f"{name}: no stage {stage!r}; there are {', '.join(STAGES)}")
        homes = [each for each in STAGES if (each == stage if dot else short in known[each])]
        if not homes:
            allowed = "; ".join(f"{NOTEBOOKS[each]}: {', '.join(known[each])}" for each in STAGES)
            raise ParameterError(f"no notebook has a parameter {name!r}; there are {allowed}")
        for each in homes:
            wanted[each][short] = value
    return {each: notebooks.check(sources / NOTEBOOKS[each], wanted[each]) for each in STAGES}


def _check_earlier_stages(record: dict[str, Any], start: Stage, folder: Path) -> None:
    for stage in STAGES[: STAGES.index(start)]:
        status = record["stages"][stage]["status"]
        if status != "done":
            raise UsageError(f"{stage} is {status} in {folder}; go on from there: --from {stage}")


def _latest(runs: Path) -> Path:
    records = list(runs.glob(f"*/{RECORD}"))
    if not records:
        raise UsageError(f"no earlier run in {runs} to go on from; run without --from first")
    return max(
        records, key=lambda path: (json.loads(path.read_bytes())["started_at"], path.parent.name)
    ).parent


def _new_id(runs: Path, now: datetime) -> str:
    stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    taken = [stamp, *(f"{stamp}-{n}" for n in range(2, 1000))]
    return next(each for each in taken if not (runs / each).exists())


def _read(folder: Path) -> dict[str, Any]:
    try:
        record: dict[str, Any] = json.loads((folder / RECORD).read_bytes())
    except OSError as error:
        raise UsageError(f"no run to go on from in {folder}: {error}") from error
    return record
