"""Compare the CPU of the extract command and of boto3's paginator on one table: ``python bench/scan.py``.

Both are timed as whole processes. The table is in dynalite, a process of its own whose CPU is not counted.
Wall time is mostly that of the server and is not compared.
"""

import argparse
import sys
import tempfile
from functools import partial
from pathlib import Path

import data
import dynalite
import timing
from table import Table, seconds
from timing import Sample, least, median

OURS, USUAL = "cat-normalize extract", "boto3's paginator, nothing written"


def measure(mb: float, rounds: int) -> dict[str, list[Sample]]:
    """Run both alternately on one table, and require the same number of items of both."""
    paginator = [sys.executable, str(timing.BASELINES / "paginator.py"), dynalite.TABLE]
    with tempfile.TemporaryDirectory() as folder, dynalite.running(data.cached(mb)) as environment:
        extract = [*timing.COMMAND, "extract", "--output", str(Path(folder) / "raw"), "--json"]
        runs = {
            USUAL: partial(timing.whole, paginator, environment),
            OURS: partial(timing.whole, extract, environment),
        }
        samples = timing.in_turn(runs, rounds)
    assert len({sample.output["items"] for each in samples.values() for sample in each}) == 1
    return samples


def table(samples: dict[str, list[Sample]]) -> Table:
    """Return the client's CPU."""
    made = Table("", "items", "client's CPU, least", "median")
    for name, each in samples.items():
        took = least(each, "cpu"), median(each, "cpu")
        made.add(name, f"{each[0].output['items']:,}", *map(seconds, took))
    return made


def targets(samples: dict[str, list[Sample]]) -> Table:
    """Return the target and the measured value."""
    made = Table("measure", "target", "measured", "")
    ratio = least(samples[OURS], "cpu") / least(samples[USUAL], "cpu")
    made.target("extract / paginator, CPU", "≤ 0.25", f"{ratio:.2f}", ratio <= 0.25)
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mb", type=float, default=45)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    samples = measure(given.mb, given.rounds)
    print(table(samples), targets(samples), sep="\n")


if __name__ == "__main__":
    main()
