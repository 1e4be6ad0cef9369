"""The record of a run, ``runs/<run-id>/manifest.json``: how it is read, checked and written.

It is read by whoever goes on with the run and by every later run; it may be empty, damaged or of something
else, and then it is named, and harms nobody but itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from cat_lab.workspace import STAGES
from cat_normalize.core.errors import InputError
from cat_normalize.core.files import write_bytes

RECORD = "manifest.json"


def read(folder: Path) -> dict[str, Any]:
    """Read the record of a run.

    Raises:
        InputError: there is none, or it is not a run's; the message names the file.
    """
    path = folder / RECORD
    try:
        record = json.loads(path.read_bytes())
        if not _is_one(record):
            raise ValueError("it is not the record of a run")
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    found: dict[str, Any] = record
    return found


def readable(runs: Path) -> Iterator[tuple[Path, dict[str, Any] | str]]:
    """Yield the folder of every run, sorted, with its record, or with why that cannot be read."""
    for path in sorted(runs.glob(f"*/{RECORD}")):
        try:
            yield path.parent, read(path.parent)
        except InputError as error:
            yield path.parent, str(error)


def write(folder: Path, record: Mapping[str, Any]) -> None:
    """Write the record, whole or not at all; a name that is not UTF-8 is written as JSON escapes it."""
    text = json.dumps(record, indent=1, ensure_ascii=False) + "\n"
    write_bytes(folder / RECORD, text.encode("utf-8", "backslashreplace"))


def _is_one(record: Any) -> bool:
    if not isinstance(record, dict) or not isinstance(record.get("stages"), dict):
        return False
    date.fromisoformat(str(record.get("run_date")))
    stages = record["stages"]
    return (
        isinstance(record.get("local"), bool)
        and all(isinstance(record.get(name), str) for name in ("status", "started_at"))
        and set(stages) == set(STAGES)
        and all(
            isinstance(each, dict) and all(isinstance(each.get(name), str) for name in ("notebook", "status"))
            for each in stages.values()
        )
    )
