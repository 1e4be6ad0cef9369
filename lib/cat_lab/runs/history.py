"""Look back on the runs in a folder: which there are, how long stages took. Remove the oldest (contract §8).

What the records say is not changed, but for one thing: a run that says ``running`` and holds no lock was
killed, and is ``interrupted`` here as it will be in its record after the next run.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from msgspec import structs

from cat_lab.runs.locks import is_at_work, lock
from cat_lab.runs.records import RECORD, RunRecord, Where, read_record, read_records
from cat_lab.stages import STAGES, Stage
from cat_normalize.core.errors import InputError, UsageError
from cat_normalize.core.files import private_folder

_RECENT = 5
"""How many earlier runs say how long a stage takes."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run on disk: its name, which is its folder's, and its record."""

    folder: Path
    record: RunRecord

    @property
    def name(self) -> str:
        """The name by which commands take it."""
        return self.folder.name

    @property
    def is_at_work(self) -> bool:
        """Whether it is running now."""
        return self.record.status == "running"


def find_runs(runs: Path) -> tuple[list[Run], list[InputError]]:
    """Return the runs in a folder, newest first, and an error for each record that cannot be read."""
    found = list(read_records(runs))
    damaged = [record for _, record in found if isinstance(record, InputError)]
    good = [_run(folder, record) for folder, record in found if isinstance(record, RunRecord)]
    return sorted(good, key=lambda run: (run.record.started_at, run.name), reverse=True), damaged


def find_run(runs: Path, name: str) -> Run:
    """Return the run of a name.

    Raises:
        UsageError: there is none.
        InputError: its record cannot be read.
    """
    folder = runs / name
    if Path(name).name != name or not (folder / RECORD).exists():
        raise UsageError(f"no run {name!r} in {runs}; `cat-normalize runs list` lists them")
    return _run(folder, read_record(folder))


def expected_seconds(runs: Path, where: Where) -> dict[Stage, float]:
    """Return how long each stage took of late, the median of the latest runs with the same ``where``.

    Args:
        runs: the folder of runs.
        where: what the run reads whose duration is estimated.

    Returns:
        Seconds by stage; a stage that was never done is left out.
    """
    of_kind = [run.record for run in find_runs(runs)[0] if run.record.where == where]
    took = {
        stage: [
            seconds
            for record in of_kind
            if (each := record.stages[stage]).status == "done" and (seconds := each.seconds) is not None
        ]
        for stage in STAGES
    }
    return {stage: median(seconds[:_RECENT]) for stage, seconds in took.items() if seconds}


def oldest_beyond(runs: Path, keep: int) -> list[Run]:
    """Return the runs that are not at work, oldest first, without the newest ``keep`` of them.

    A folder without a record that can be read, or behind a link, is none of them.
    """
    ended = [run for run in find_runs(runs)[0] if not run.is_at_work and not run.folder.is_symlink()]
    return ended[keep:][::-1]


def size(folder: Path) -> int:
    """Return the bytes of all files in a folder; links count themselves."""
    return sum(path.lstat().st_size for path in _files(folder))


def remove(run: Run) -> bool:
    """Remove the folder of a run, whole or not at all; return whether it was removed: not if it works again.

    Raises:
        OSError: it cannot be removed, such as another user's.
    """
    try:
        with lock(run.folder), private_folder(run.folder.parent) as doomed:
            run.folder.rename(doomed / "run")
            shutil.rmtree(doomed / "run")
    except UsageError:  # it was resumed meanwhile
        return False
    return True


def _run(folder: Path, record: RunRecord) -> Run:
    if record.status == "running" and not is_at_work(folder):
        record = structs.replace(record, status="interrupted")
    return Run(folder, record)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_symlink() or path.is_file())
