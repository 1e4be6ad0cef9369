"""Read and write run records: ``runs/<run-id>/manifest.json``, one typed object each (contract §8).

A record is read when its run is resumed and by every later run. A file that is empty, damaged or of another
program is reported by its path, and affects no other run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType, convert, field, to_builtins

from cat_lab.stages import STAGES, Stage
from cat_normalize.core.errors import InputError
from cat_normalize.core.files import write_bytes

RECORD = "manifest.json"
Status = Literal["pending", "running", "done", "failed", "interrupted"]
Where = Literal["local", "input", "AWS"]
"""What a run read: the sample on a local AWS, item files or an export, or the table on an account."""


class StageRecord(Struct, kw_only=True):
    """One stage of a run; times are ISO 8601 in UTC, ``error`` is set if it failed."""

    notebook: str
    status: Status
    started_at: str | UnsetType = UNSET
    finished_at: str | UnsetType = UNSET
    error: str | UnsetType = UNSET

    def __post_init__(self) -> None:
        """Refuse times that are none."""
        _seconds(self.started_at, self.finished_at)

    @property
    def seconds(self) -> float | None:
        """How long it took, None if it has not ended."""
        return _seconds(self.started_at, self.finished_at)


class Failure(Struct, kw_only=True):
    """The first failure of a run.

    Args:
        stage: the stage that was running, None if no stage was.
        error: the class name of the error.
        text: its message.
        notebook: the executed copy, if a notebook failed.
        cell: the number of the failed code cell from 1; 0 if none had started.
        cells: how many code cells the notebook has.
        heading: the heading above that cell.
        traceback: only for an unexpected error, which is a defect of the library.
        advice: what to try; ``try`` in the file.
    """

    stage: Stage | None
    error: str
    text: str
    notebook: str | UnsetType = UNSET
    cell: int | UnsetType = UNSET
    cells: int | UnsetType = UNSET
    heading: str | UnsetType = UNSET
    traceback: str | UnsetType = UNSET
    advice: str | None = field(name="try", default=None)


class RunRecord(Struct, kw_only=True):
    """One run: parameters of its notebooks (secrets masked), stages, published manifests and failures.

    ``outputs`` holds the manifests that the run published, by process (``etl-process1``, ``etl-process2``);
    ``notes`` what failed after ``failure``.
    """

    run_id: str
    run_date: date
    local: bool
    status: Status
    started_at: str
    parameters: dict[Stage, dict[str, Any]] = field(default_factory=dict)
    stages: dict[Stage, StageRecord]
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    failure: Failure | UnsetType = UNSET
    finished_at: str | UnsetType = UNSET

    def __post_init__(self) -> None:
        """Refuse a record without all four stages, and times that are none."""
        _seconds(self.started_at, self.finished_at)
        if set(self.stages) != set(STAGES):
            raise ValueError(f"its stages are not {', '.join(STAGES)}")

    @property
    def seconds(self) -> float | None:
        """How long the run took, None if it has not ended."""
        return _seconds(self.started_at, self.finished_at)

    @property
    def where(self) -> Where:
        """What the run read, and with that where."""
        return where_of(self.local, self.parameters)

    @property
    def first_unfinished(self) -> Stage | None:
        """The first stage that is not done, None if all are."""
        return next((stage for stage in STAGES if self.stages[stage].status != "done"), None)

    @property
    def running_stage(self) -> Stage | None:
        """The stage that is running, None if none is."""
        return next((stage for stage in STAGES if self.stages[stage].status == "running"), None)

    @property
    def counts(self) -> dict[str, Any]:
        """The summary in ETL-1's manifest, empty if that was not published."""
        summary = self.outputs.get("etl-process1", {}).get("summary")
        return summary if isinstance(summary, dict) else {}


def where_of(local: bool, parameters: Mapping[Stage, Mapping[str, Any]]) -> Where:
    """Return what a run reads, from whether it runs on a local AWS and the parameters of its notebooks.

    >>> where_of(True, {"extract": {"input": ["a.jsonl"]}}), where_of(False, {})
    ('input', 'AWS')
    """
    if parameters.get("extract", {}).get("input"):
        return "input"
    return "local" if local else "AWS"


def _seconds(start: str | UnsetType, end: str | UnsetType) -> float | None:
    """Return the seconds from one time to another, None if one is not set.

    Raises:
        ValueError: one is no instant.

    >>> _seconds("2025-09-15T10:00:00+00:00", "2025-09-15T10:01:15+00:00")
    75.0
    """
    begun, ended = (datetime.fromisoformat(text).astimezone() if text else None for text in (start, end))
    return (ended - begun).total_seconds() if begun and ended else None


def read_record(folder: Path) -> RunRecord:
    """Read the record of the run in a folder.

    Raises:
        InputError: there is none, or the file is not a run record; the message names the file.
    """
    path = folder / RECORD
    try:
        return convert(json.loads(path.read_bytes()), RunRecord)
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read as the record of a run: {error}") from error


def read_records(runs: Path) -> Iterator[tuple[Path, RunRecord | InputError]]:
    """Yield the folder of every run, sorted, with its record or the error of reading it."""
    for path in sorted(runs.glob(f"*/{RECORD}")):
        try:
            yield path.parent, read_record(path.parent)
        except InputError as error:
            yield path.parent, error


def write_record(folder: Path, record: RunRecord) -> None:
    """Write the record, whole or not at all; bytes of a name that are not UTF-8 become JSON escapes."""
    text = json.dumps(to_builtins(record), indent=1, ensure_ascii=False) + "\n"
    write_bytes(folder / RECORD, text.encode("utf-8", "backslashreplace"))
