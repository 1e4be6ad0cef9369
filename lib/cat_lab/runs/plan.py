"""What a run is going to do, checked before anything starts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from cat_lab.runs import notebooks, records
from cat_lab.workspace import STAGES, Stage
from cat_normalize.core.errors import InputError, ParameterError, UsageError

NOTEBOOKS: dict[Stage, str] = {stage: f"{n:02}_{stage}.ipynb" for n, stage in enumerate(STAGES, start=1)}


_INPUT = "extract.input"
_OWN = {"run_date": "--run-date", "local": "--local", "work_dir": "--runs"}
"""Parameters that every run sets itself, and the options they come from."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One run: its notebooks are there, and its parameters are ones that they declare, of the right types.

    ``parameters`` are those given to the notebooks, ``values`` these and the defaults of all others. What
    they may be, and what the run needs around it, `checks` tells. ``notes`` are for whoever asked.
    """

    run_id: str
    run_date: date
    folder: Path
    sources: Path
    start: Stage
    local: bool
    parameters: dict[Stage, dict[str, Any]]
    values: dict[Stage, dict[str, Any]]
    record: dict[str, Any]
    notes: tuple[str, ...] = ()

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages that are going to run."""
        return STAGES[STAGES.index(self.start) :]


def plan(
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
) -> Plan:
    """Settle what a run is going to do.

    Args:
        sources: the folder of the four notebooks.
        runs: the folder of runs.
        run_id: a name for the run; of an earlier one where it is gone on with (default: the latest).
        run_date: the day that names the outputs; default: the earlier run's, or ``today``.
        today: the calendar day in the configured time zone.
        start: go on from this stage of an earlier run; None, or the first stage of a run that is not there
            yet, for a new one.
        local: on the local AWS; a run that is gone on with stays where it was.
        given: notebook parameters as ``name`` or ``stage.name`` → text.
        now: the time a new run's name is made of.
        allow: parameters to make true in every notebook that declares them, such as ``allow_future``.

    Raises:
        ParameterError: an unknown parameter, another type, a missing ``parameters`` cell.
        UsageError: no earlier run to go on from, or a name that is taken or cannot be one.
    """
    if run_id is not None:
        _check_id(run_id)
    first, record = start or STAGES[0], {}
    notes: list[str] = []
    if first != STAGES[0] or (start and run_id and (runs / run_id).exists()):
        folder, notes = (runs / run_id, []) if run_id else _latest(runs)
        record = _earlier(folder)
        _check_earlier_stages(record, first, folder)
        local, run_id = record["local"], folder.name
        day = date.fromisoformat(record["run_date"])
        if run_date not in (None, day):
            raise UsageError(f"run {run_id} is of {day}, not of {run_date}; start a new run for another day")
        run_date, given = day, _with_earlier_input(record, first, given)
    else:
        run_id = run_id or _new_id(runs, now)
        folder = runs / run_id
        if folder.exists():
            raise UsageError(f"run {run_id} exists already; give another --run-id, or go on with --from")
    run_date = run_date or today
    work_dir = str(folder.resolve())
    if not _is_utf8(work_dir):
        raise UsageError(f"{work_dir!r} is not UTF-8, and notebooks are; name another folder with --runs")
    own = {"local": local, "run_date": run_date.isoformat(), "work_dir": work_dir}
    known = {stage: notebooks.declared(sources / name) for stage, name in NOTEBOOKS.items()}
    parameters = _parameters(sources, known, own, given, allow)
    every = {stage: notebooks.defaults(known[stage]) | parameters[stage] for stage in STAGES}
    return Plan(run_id, run_date, folder, sources, first, local, parameters, every, record, tuple(notes))


def _check_id(run_id: str) -> None:
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


def _parameters(
    sources: Path,
    known: Mapping[Stage, Mapping[str, notebooks.Declared]],
    own: Mapping[str, Any],
    given: Mapping[str, str],
    allow: Sequence[str],
) -> dict[Stage, dict[str, Any]]:
    """Deal parameters to the notebooks: ``stage.name`` to one, ``name`` to all that declare it."""
    wanted: dict[Stage, dict[str, Any]] = {
        stage: {**own, **{name: True for name in allow if name in known[stage]}} for stage in STAGES
    }
    for name, value in given.items():
        stage, dot, short = name.rpartition(".")
        if short in _OWN:
            raise ParameterError(f"{name} is the run's own; give {_OWN[short]} instead")
        if dot and stage not in STAGES:
            raise ParameterError(f"{name}: no stage {stage!r}; there are {', '.join(STAGES)}")
        homes = [each for each in STAGES if (each == stage if dot else short in known[each])]
        if not homes:
            there = "; ".join(f"{NOTEBOOKS[each]}: {', '.join(known[each])}" for each in STAGES)
            raise ParameterError(f"no notebook has a parameter {name!r}; there are {there}")
        for each in homes:
            wanted[each][short] = value
    return {each: notebooks.check(sources / NOTEBOOKS[each], wanted[each]) for each in STAGES}


def _with_earlier_input(record: dict[str, Any], first: Stage, given: Mapping[str, str]) -> Mapping[str, str]:
    """Have a run that starts again read what it read before, unless another input is given."""
    before = record.get("parameters", {}).get("extract", {}).get("input")
    if first != STAGES[0] or not before or _INPUT in given:
        return given
    return {**given, _INPUT: repr(before)}


def _check_earlier_stages(record: dict[str, Any], start: Stage, folder: Path) -> None:
    for stage in STAGES[: STAGES.index(start)]:
        status = record["stages"][stage]["status"]
        if status != "done":
            raise UsageError(f"{stage} is {status} in {folder}; go on from there: --from {stage}")


def _latest(runs: Path) -> tuple[Path, list[str]]:
    """Return the run that was started last, and a note of every record that cannot be read."""
    found = list(records.readable(runs))
    notes = [f"{record}; it is passed over" for _, record in found if isinstance(record, str)]
    whole = [(record["started_at"], folder) for folder, record in found if not isinstance(record, str)]
    if not whole:
        raise UsageError(
            "; ".join([f"no earlier run in {runs} to go on from; run without --from first", *notes])
        )
    return max(whole)[1], notes


def _new_id(runs: Path, now: datetime) -> str:
    stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    taken = [stamp, *(f"{stamp}-{n}" for n in range(2, 1000))]
    return next(each for each in taken if not (runs / each).exists())


def _earlier(folder: Path) -> dict[str, Any]:
    try:
        return records.read(folder)
    except InputError as error:
        raise UsageError(f"no run to go on from in {folder}: {error}") from error
