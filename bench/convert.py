"""Compare the convert command with bare Spark on the same CSV: ``python bench/convert.py --mb 135``.

Both are timed as whole processes, with the start of Java, with the same memory and cores. Bare Spark checks
nothing and writes a folder; with `repartition` it does not keep the order either.
"""

import argparse
import sys
import tempfile
from functools import partial
from pathlib import Path

import data
import timing
from table import Table, seconds
from timing import Sample, least, median

OURS = "cat-normalize convert, users"
THREE = "cat-normalize convert, three tables"
BARE = {how: f"bare Spark, {how}(1)" for how in ("coalesce", "repartition")}
MEMORY = "1g"
ITEMS_PER_CSV = 0.95
"""Size of the items divided by the size of their CSV."""


def csv_of(mb: float) -> Path:
    """Write a CSV of about `mb` MB under ``build/bench`` with the current code, and return it."""
    path = data.FOLDER / f"users-{mb:g}.csv"
    items, rejects = data.cached(round(mb * ITEMS_PER_CSV)), path.with_suffix(".rejects")
    words = ["--input", items, "--output", path, "--rejects", rejects, "--workers", 2, "--json"]
    timing.whole([*timing.COMMAND, "normalize", *map(str, words)])
    return path


def measure(csv: Path, rounds: int) -> dict[str, list[Sample]]:
    """Run all in turn."""
    with tempfile.TemporaryDirectory() as folder:
        script = [sys.executable, str(timing.BASELINES / "bare_spark.py")]
        runs = {
            name: partial(timing.whole, [*script, str(csv), f"{folder}/{how}", MEMORY, how])
            for how, name in BARE.items()
        }
        words = ["--input", str(csv), "--output", f"{folder}/ours.parquet", "--memory", MEMORY, "--json"]
        runs[OURS] = partial(timing.whole, [*timing.COMMAND, "convert", *words])
        others = [f"--{name}={folder}/{name}.parquet" for name in ("conversations", "messages")]
        runs[THREE] = partial(timing.whole, [*timing.COMMAND, "convert", *words, *others])
        return timing.in_turn(runs, rounds)


def table(samples: dict[str, list[Sample]]) -> Table:
    """Return wall time and CPU, with Java."""
    made = Table("", "wall, least", "median", "CPU, least", "median")
    for name, each in samples.items():
        took = [least(each), median(each), least(each, "cpu"), median(each, "cpu")]
        made.add(name, *map(seconds, took))
    return made


def targets(samples: dict[str, list[Sample]]) -> Table:
    """Return the target and the measured value."""
    made = Table("measure", "target", "measured", "")
    ratio = least(samples[OURS]) / min(least(samples[name]) for name in BARE.values())
    made.target("convert / the faster bare Spark, wall", "≤ 1.15", f"{ratio:.2f}", ratio <= 1.15)
    cost = least(samples[THREE]) / least(samples[OURS])
    made.target("three tables / users alone, wall", "≤ 2.5", f"{cost:.2f}", cost <= 2.5)
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mb", type=float, default=135)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    samples = measure(csv_of(given.mb), given.rounds)
    print(table(samples), targets(samples), sep="\n")


if __name__ == "__main__":
    main()
