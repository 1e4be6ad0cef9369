"""Run throw-away notebooks in real processes, and read what they leave."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil

from cat_normalize.core.settings import ENVIRONMENT

STAGES = ("extract", "normalize", "convert", "query")
COMMAND = (sys.executable, "-m", "cat_lab")
PARAMETERS = """\
local: bool = True  # on the local AWS
run_date: str = "2025-09-15"  # the day
work_dir: str = "."  # the folder
"""


def environment(**more: str) -> dict[str, str]:
    """The environment of this process without any variable of the contract or AWS, or options of Java."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in ENVIRONMENT and not name.startswith(("AWS_", "JAVA_TOOL", "JDK_JAVA", "PYTEST", "COV"))
    }
    return kept | {"COLUMNS": "200", "TERM": "dumb"} | more


def notebook(*cells: str, parameters: str | None = PARAMETERS, tags: int = 1, kernel: str = "python3") -> str:
    """A notebook of one parameters cell under a heading, and code cells."""
    code: list[dict[str, Any]] = [{"source": each, "tags": []} for each in cells]
    if parameters is not None:
        code = [{"source": parameters, "tags": ["parameters"]}] * tags + code
    made: list[dict[str, Any]] = [
        {"cell_type": "markdown", "id": "title", "metadata": {}, "source": "# Heading"}
    ]
    made += [
        {
            "cell_type": "code",
            "id": f"cell-{number}",
            "metadata": {"tags": each["tags"]},
            "source": each["source"],
            "outputs": [],
            "execution_count": None,
        }
        for number, each in enumerate(code)
    ]
    spec = {"name": kernel, "display_name": kernel, "language": "python"}
    return json.dumps(
        {
            "cells": made,
            "metadata": {"kernelspec": spec, "language_info": {"name": "python"}},
            "nbformat": 4,
            "nbformat_minor": 5,
        }
    )


def write_notebooks(folder: Path, **notebooks: str) -> Path:
    """Write the four notebooks of a run; those not given do almost nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, stage in enumerate(STAGES, start=1):
        (folder / f"{number:02}_{stage}.ipynb").write_text(notebooks.get(stage, notebook("1 + 1")))
    return folder


class Project:
    """A folder with throw-away notebooks, and the command run in it."""

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self.folder, self.env = folder, dict(env)

    @property
    def runs(self) -> Path:
        return self.folder / "runs"

    def write(self, **notebooks: str) -> None:
        write_notebooks(self.folder / "notebooks", **notebooks)

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*COMMAND, "run", *words],
            cwd=self.folder,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, "run", *words],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )

    def record(self, run_id: str = "r") -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.runs / run_id / "manifest.json").read_text())
        return found

    def statuses(self, run_id: str = "r") -> list[str]:
        return [each["status"] for each in self.record(run_id)["stages"].values()]

    def cells(self, name: str, run_id: str = "r") -> list[dict[str, Any]]:
        """The code cells of an executed copy."""
        found = json.loads((self.runs / run_id / name).read_text())
        return [each for each in found["cells"] if each["cell_type"] == "code"]


def errors(cell: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [each for each in cell["outputs"] if each["output_type"] == "error"]


def soon(happened: Callable[[], object], seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if happened():
            return True
        time.sleep(0.05)
    return False


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those still running; a zombie is not running."""
    found = []
    for each in processes:
        try:
            if each.is_running() and each.status() != psutil.STATUS_ZOMBIE:
                found.append(each)
        except psutil.NoSuchProcess:
            pass
    return found
