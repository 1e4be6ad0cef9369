"""Compare the four notebooks with the four commands: ``python bench/notebooks.py``.

``run --local`` starts a local AWS with the sample and runs four notebooks. The start of a local AWS counts
for the four commands too.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import timing
from table import Table, seconds
from timing import Sample, least, median

from cat_lab.local import running
from cat_normalize.core.settings import Settings

NOTEBOOKS, COMMANDS = "cat-normalize run --local", "local AWS, extract, normalize, convert, query"


def by_notebooks(folder: Path) -> Sample:
    """Run the notebooks with one command."""
    return timing.whole([*timing.COMMAND, "run", "--local", "--runs", str(folder / "runs"), "--json"])


def by_commands(folder: Path) -> Sample:
    """Start a local AWS and run the four commands on it; the CPU is that of the commands only."""
    raw, csv, parquet = (str(folder / name) for name in ("raw", "users.csv", "users.parquet"))
    rejects = str(folder / "rejects.jsonl")
    commands: list[Sequence[str]] = [
        ["extract", "--output", raw],
        ["normalize", "--input", raw, "--output", csv, "--rejects", rejects],
        ["convert", "--input", csv, "--output", parquet],
        ["query", "heaviest_users", "--parquet", parquet],
    ]
    start = time.perf_counter()
    with running(Settings(), folder) as aws:
        environment = aws.child_environment(timing.compiling())
        done = [timing.whole([*timing.COMMAND, *words, "--json"], environment) for words in commands]
    return Sample(time.perf_counter() - start, sum(sample.cpu for sample in done), {})


def measure(rounds: int) -> dict[str, list[Sample]]:
    """Run both alternately."""
    with tempfile.TemporaryDirectory() as folder:
        runs = {NOTEBOOKS: partial(by_notebooks, Path(folder)), COMMANDS: partial(by_commands, Path(folder))}
        return timing.in_turn(runs, rounds)


def table(samples: dict[str, list[Sample]]) -> Table:
    """Return wall times."""
    made = Table("", "wall, least", "median")
    for name, each in samples.items():
        made.add(name, seconds(least(each)), seconds(median(each)))
    return made


def targets(samples: dict[str, list[Sample]]) -> Table:
    """Return the target and the measured value."""
    made = Table("measure", "target", "measured", "")
    more = least(samples[NOTEBOOKS]) - least(samples[COMMANDS])
    made.target("notebooks - commands, wall", "≤ 15 s", seconds(more), more <= 15)
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2)
    samples = measure(parser.parse_args().rounds)
    print(table(samples), targets(samples), sep="\n")


if __name__ == "__main__":
    main()
