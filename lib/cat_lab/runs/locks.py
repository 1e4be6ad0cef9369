"""Lock the folder of a run while it works, and repair what killed runs left behind."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cat_lab.runs.records import RunRecord, read_records, write_record
from cat_normalize.core.errors import UsageError
from cat_normalize.core.files import sweep

_LOCK = ".lock"


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Make the folder if need be, and hold its lock until the end of the block.

    Raises:
        UsageError: another run holds it.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / _LOCK).open("wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UsageError(
                f"another run is working in {folder}; wait for it, or give another --run-id"
            ) from error
        if (folder / _LOCK).exists():
            yield
            return
    with lock(folder):  # another run removed the new folder as one that a killed run had left
        yield


def is_at_work(folder: Path) -> bool:
    """Tell whether a run holds the lock of a folder; nothing is made or changed."""
    try:
        with (folder / _LOCK).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def repair_killed_runs(runs: Path) -> None:
    """Repair the runs whose lock nobody holds although they had not finished.

    A record with the status ``running`` gets ``interrupted``, unfinished files are swept, and a folder that
    holds nothing but the lock is removed.
    """
    for path in sorted(runs.glob(f"*/{_LOCK}")):
        with suppress(UsageError, PermissionError), lock(path.parent):  # at work, or another user's
            sweep(path.parent)
            if list(path.parent.iterdir()) == [path]:
                shutil.rmtree(path.parent)
    for folder, record in read_records(runs):
        if isinstance(record, RunRecord) and record.status == "running":
            with suppress(UsageError, PermissionError), lock(folder):
                record.status = "interrupted"
                if stage := record.running_stage:
                    record.stages[stage].status = "interrupted"
                write_record(folder, record)
