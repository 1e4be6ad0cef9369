"""Run processes one after the other and measure wall time and CPU of each with all its children."""

import ctypes
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
BASELINES = Path(__file__).with_name("baselines")
COMMAND = [sys.executable, "-m", "cat_lab"]
_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


@dataclass(frozen=True, slots=True)
class Sample:
    """One run: seconds of wall time, of CPU (user and system, with children), and the printed JSON."""

    wall: float
    cpu: float
    output: dict


def whole(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Sample:
    """Run a command and time all of it, from the start of its process to the end.

    The command prints one JSON object.
    """
    _adopt_orphans()
    others = {child.pid for child in psutil.Process().children()}
    with tempfile.TemporaryFile() as printed:
        start = time.perf_counter()
        child = subprocess.Popen(command, cwd=ROOT, env=environment or compiling(), stdout=printed)
        _, status, used = os.wait4(child.pid, 0)  # a child's usage counts the descendants it has waited for
        wall = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        cpu = used.ru_utime + used.ru_stime + sum(map(_cpu_of, _left(others)))
        if child.returncode:
            raise subprocess.CalledProcessError(child.returncode, command)
        printed.seek(0)
        output = json.loads(printed.read() or b"{}")
    return Sample(wall, cpu, output)


def inside(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Sample:
    """Run a script that times its own work (`report`); its start-up is not counted."""
    output = whole(command, environment).output
    return Sample(output.pop("wall"), output.pop("cpu"), output)


def baseline(name: str, *arguments: object) -> Sample:
    """Run a script of ``bench/baselines``; its start-up and imports are not counted."""
    return inside([sys.executable, str(BASELINES / f"{name}.py"), *map(str, arguments)])


def compiling() -> dict[str, str]:
    """Return this process's environment, with bytecode files allowed, as installed packages have them."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _adopt_orphans() -> None:
    """Become the parent of processes that a command leaves running, such as Spark's Java (Linux only)."""
    if ctypes.CDLL(None, use_errno=True).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def _left(others: set[int]) -> list[int]:
    return [child.pid for child in psutil.Process().children() if child.pid not in others]


def _cpu_of(pid: int) -> float:
    """Wait for a process to end and return its seconds of CPU."""
    used = os.wait4(pid, 0)[2]
    return used.ru_utime + used.ru_stime


def in_turn(runs: Mapping[str, Callable[[], Sample]], rounds: int) -> dict[str, list[Sample]]:
    """Run each once a round, A B C A B C, so that a busy machine is busy for all of them."""
    samples: dict[str, list[Sample]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            samples[name].append(run())
    return samples


def least(samples: Sequence[Sample], what: str = "wall") -> float:
    """Return the least seconds of ``wall`` or ``cpu``."""
    return min(getattr(sample, what) for sample in samples)


def median(samples: Sequence[Sample], what: str = "wall") -> float:
    """Return the median seconds of ``wall`` or ``cpu``."""
    return statistics.median(getattr(sample, what) for sample in samples)
