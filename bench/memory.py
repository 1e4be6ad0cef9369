"""Measure the peak memory of a process of the normalize command: ``python bench/memory.py``.

The peak is the kernel's high-water mark (``VmHWM``) of every process of the command, read every 20 ms. The
mark restarts with each program, so the memory of the bench does not count. Growth in the last 20 ms of a
process is missed. Linux only.
"""

import argparse
import re
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import data
import psutil
import timing
from table import Table

EVERY = 0.02
LARGE, QUARTER = 734, 183
MB_OF_SINGLES = 200
"""About 100,000 users with one item each."""


def peak(command: Sequence[str]) -> float:
    """Run a command and return the peak MB (of 10^6 bytes) of one of its processes."""
    with subprocess.Popen(command, cwd=timing.ROOT, stdout=subprocess.DEVNULL) as child:
        root, marks = psutil.Process(child.pid), [0]
        while child.poll() is None:
            marks += [_high_water(process.pid) for process in _tree(root)]
            time.sleep(EVERY)
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, command)
    return max(marks) / 1e6


def of_normalize(items: Path, workers: int) -> float:
    """Return the peak of the command on one item file."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        words = ["--input", items, "--output", folder / "csv", "--rejects", folder / "rejects"]
        return peak([*timing.COMMAND, "normalize", *map(str, words), "--workers", str(workers)])


def inputs(quick: bool) -> dict[str, Path]:
    """Return the item files by their description."""
    large, quarter, one, singles = (40, 10, 5, 10) if quick else (LARGE, QUARTER, 50, MB_OF_SINGLES)
    return {
        f"{quarter} MB": data.cached(quarter),
        f"{large} MB": data.cached(large),
        f"one user of {one} MB": data.cached(one, "one-user", users=1),
        f"{singles} MB, one item per user": data.cached(singles, "singles", single=True),
    }


def measure(quick: bool = False) -> dict[str, tuple[float, float]]:
    """Return the peak of each input with one and with two workers."""
    return {name: (of_normalize(path, 1), of_normalize(path, 2)) for name, path in inputs(quick).items()}


def table(peaks: dict[str, tuple[float, float]]) -> Table:
    """Return the peaks."""
    made = Table("input", "1 worker", "2 workers")
    for name, each in peaks.items():
        made.add(name, *(f"{value:.0f} MB" for value in each))
    return made


def targets(peaks: dict[str, tuple[float, float]]) -> Table:
    """Return the targets and the measured values."""
    made = Table("measure", "target", "measured", "")
    (small, quarter), (large, most), (one, heavy) = list(peaks.items())[:3]
    growth = max(most) / max(quarter)
    made.target(f"peak at {large}", "< 150 MB", f"{max(most):.0f} MB", max(most) < 150)
    made.target(f"peak at {large} / at {small}", "≤ 1.25", f"{growth:.2f}", growth <= 1.25)
    made.target(f"peak of {one}", "< 200 MB", f"{max(heavy):.0f} MB", max(heavy) < 200)
    return made


def _tree(root: psutil.Process) -> list[psutil.Process]:
    try:
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:  # the process has just ended
        return []


def _high_water(pid: int) -> int:
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    except (FileNotFoundError, ProcessLookupError):  # the process has just ended
        return 0
    return int(found[1]) * 1024 if found else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small inputs, as a test of the bench")
    peaks = measure(parser.parse_args().quick)
    print(table(peaks), targets(peaks), sep="\n")


if __name__ == "__main__":
    main()
