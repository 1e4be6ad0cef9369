"""Compare the imports of the Lambda's cold start with those of boto3 and pandas: ``python bench/imports.py``.

Each import runs in a new interpreter and is timed in it. The Lambda's files are those of its zip, its boto3
too. The zip contains bytecode, without which a cold start would compile, and the handler imports boto3 when
it is called: both are measured separately.
"""

import argparse
import os
import platform
import shutil
import sys
import tempfile
import zipfile
from functools import partial
from pathlib import Path

import timing
from table import Table, milliseconds
from timing import Sample, least, median

OURS, USUAL = "import lambda_function", "import boto3, pandas"
WITH_BOTO3 = f"{OURS}, boto3"
UNCOMPILED = f"{OURS}; no bytecode"
_SCRIPT = """
import json, time
wall, cpu = time.perf_counter(), time.process_time()
{work}
print(json.dumps({{"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}}))
"""


def measure(rounds: int) -> dict[str, list[Sample]]:
    """Run all imports alternately, after one round that is not counted."""
    machine = "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64"
    archive = timing.ROOT / "dist" / f"lambda-{machine}.zip"
    if not archive.exists():
        sys.exit(f"{archive.name} is missing; run make package")
    scripts = {name: [sys.executable, "-c", _SCRIPT.format(work=name)] for name in (OURS, WITH_BOTO3, USUAL)}
    with tempfile.TemporaryDirectory() as scratch:
        raw, whole = Path(scratch) / "raw", Path(scratch) / "whole"
        for folder in (raw, whole):
            zipfile.ZipFile(archive).extractall(folder)
        for cached in list(raw.rglob("__pycache__")):
            shutil.rmtree(cached)
        runs = {
            OURS: partial(timing.inside, scripts[OURS], _environment(whole)),
            WITH_BOTO3: partial(timing.inside, scripts[WITH_BOTO3], _environment(whole)),
            UNCOMPILED: partial(timing.inside, scripts[OURS], _environment(raw)),
            USUAL: partial(timing.inside, scripts[USUAL], _environment(Path(scratch))),
        }
        timing.in_turn(runs, 1)
        return timing.in_turn(runs, rounds)


def _environment(folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(folder),
        "PYTHONDONTWRITEBYTECODE": "1",
        "AWS_REGION": "us-east-1",
        "LAMBDA_TASK_ROOT": "/var/task",
    }


def table(samples: dict[str, list[Sample]]) -> Table:
    """Return wall time and CPU."""
    made = Table("", "wall, least", "median", "CPU, least", "median")
    for name, each in samples.items():
        took = [least(each), median(each), least(each, "cpu"), median(each, "cpu")]
        made.add(name, *map(milliseconds, took))
    return made


def targets(samples: dict[str, list[Sample]]) -> Table:
    """Return the target and the measured value."""
    made = Table("measure", "target", "measured", "")
    ratio = least(samples[OURS]) / least(samples[USUAL])
    made.target("the Lambda's / boto3 and pandas, wall", "≤ 0.2", f"{ratio:.2f}", ratio <= 0.2)
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    samples = measure(parser.parse_args().rounds)
    print(table(samples), targets(samples), sep="\n")


if __name__ == "__main__":
    main()
