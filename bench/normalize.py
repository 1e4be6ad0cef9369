"""Compare the normalize command with alternatives: ``python bench/normalize.py --mb 45``.

The command is timed as a whole, from the start of its process to the CSV on disk. The others time only their
own work: the start of Python and the import of DuckDB or pandas are not counted.
"""

import argparse
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import data
import timing
from table import Table, seconds
from timing import Sample, least, median

ONE, TWO = "normalize, 1 worker", "normalize, 2 workers"
LOADS = "json.loads of every line, nothing kept"
TYPED = "typed msgspec decode, nothing kept"
SQL = "DuckDB, one statement, 2 threads"
PANDAS = "TypeDeserializer and pandas"


def ours(items: Path, folder: Path, workers: int) -> Sample:
    """Run the command as a user does."""
    csv, rejects = folder / f"{workers}.csv", folder / f"{workers}.rejects"
    words = ["normalize", "--input", items, "--output", csv, "--rejects", rejects, "--workers", workers]
    return timing.whole([*timing.COMMAND, *map(str, words), "--json"])


def runs(items: Path, folder: Path, pandas: bool = False) -> dict[str, Callable[[], Sample]]:
    """Return the runs to compare."""
    each = {
        LOADS: partial(timing.baseline, "json_loads", items),
        TWO: partial(ours, items, folder, 2),
        SQL: partial(timing.baseline, "one_statement", items, folder / "sql.csv"),
        ONE: partial(ours, items, folder, 1),
        TYPED: partial(timing.baseline, "typed_decode", items),
    }
    return each | (
        {PANDAS: partial(timing.baseline, "pandas_rows", items, folder / "rows.csv")} if pandas else {}
    )


def measure(items: Path, rounds: int, pandas: bool = False) -> dict[str, list[Sample]]:
    """Run each once per round, and require the same number of users and conversations of all."""
    with tempfile.TemporaryDirectory() as scratch:
        samples = timing.in_turn(runs(items, Path(scratch), pandas), rounds)
    outputs = [samples[name][0].output for name in (TWO, ONE, SQL, PANDAS) if name in samples]
    counts = {(each["users"], each["conversations"]) for each in outputs}
    assert len(counts) == 1, counts
    return samples


def alone(items: Path, rounds: int) -> float:
    """Return the least seconds of the command with two workers, run by itself."""
    with tempfile.TemporaryDirectory() as scratch:
        return least([ours(items, Path(scratch), 2) for _ in range(rounds)])


def table(samples: dict[str, list[Sample]]) -> Table:
    """Return wall and CPU of each, and both as ratios to json.loads."""
    wall, cpu = least(samples[LOADS]), least(samples[LOADS], "cpu")
    made = Table("", "wall, least", "median", "CPU, least", "median", "wall / json.loads", "CPU / json.loads")
    for name, each in samples.items():
        took = [least(each), median(each), least(each, "cpu"), median(each, "cpu")]
        made.add(name, *map(seconds, took), f"{took[0] / wall:.2f}", f"{took[2] / cpu:.2f}")
    return made


def targets(samples: dict[str, list[Sample]]) -> Table:
    """Return the targets and the measured values."""
    made = Table("measure", "target", "measured", "")
    by_loads = least(samples[TWO]) / least(samples[LOADS])
    one_by_loads = least(samples[ONE]) / least(samples[LOADS])
    pairs = list(zip(samples[TWO], samples[SQL], strict=True))
    faster = sum(us.wall < sql.wall for us, sql in pairs)
    scaling = least(samples[ONE]) / least(samples[TWO])
    made.target("two workers / json.loads, wall", "≤ 1.6", f"{by_loads:.2f}", by_loads <= 1.6)
    made.target("one worker / json.loads, wall", "≤ 2.7", f"{one_by_loads:.2f}", one_by_loads <= 2.7)
    made.target("rounds faster than DuckDB, wall", f"{len(pairs)}", f"{faster}", faster == len(pairs))
    made.target("one worker / two workers, wall", "≥ 1.7", f"{scaling:.2f}", scaling >= 1.7)
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mb", type=float, default=45)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pandas", action="store_true", help="also pandas, which is slow")
    parser.add_argument("--items", type=Path, help="an item file in place of the made-up one")
    parser.add_argument("--spaced", action="store_true", help="items with spaces, as json.dumps writes them")
    given = parser.parse_args()
    shape = "spaced" if given.spaced else "plain"
    items = given.items or data.cached(given.mb, shape, spaced=given.spaced)
    samples = measure(items, given.rounds, given.pandas)
    print(f"{items.stat().st_size / 1e6:.0f} MB, {given.rounds} rounds\n")
    print(table(samples), targets(samples), sep="\n")


if __name__ == "__main__":
    main()
