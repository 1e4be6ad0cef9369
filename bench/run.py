"""Run every measurement: ``python bench/run.py`` prints one page and writes ``docs/performance.md``.

``--quick`` takes small inputs and few rounds, and writes under ``build/bench`` instead.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import data
import imports
import memory
import notebooks
import plot
import scan
import timing
from table import Table, seconds

import convert
import normalize
import query
from normalize import LOADS, SQL, TWO


@dataclass(frozen=True, slots=True)
class Sizes:
    """Sizes of inputs in MB of 10^6 bytes, and numbers of rounds."""

    normalize: dict[float, int]
    largest: float
    pandas: float
    scan: float
    convert: float
    rounds: int
    imports: int
    quick: bool


FULL = Sizes({11: 5, 45: 5, 183: 3}, 734, 11, 45, 135, 3, 10, False)
QUICK = Sizes({1: 2, 4: 2}, 10, 1, 2, 4, 1, 3, True)


@dataclass(frozen=True, slots=True)
class Section:
    """One measurement: its title, the command that prints only it, its text and tables."""

    title: str
    command: str
    text: str
    tables: tuple[Table, ...]

    def __str__(self) -> str:
        return f"## {self.title}\n\n`{self.command}`\n\n{self.text}\n" + "\n".join(map(str, self.tables))


def sections(sizes: Sizes, picture: Path) -> Iterator[Section]:
    """Run the measurements one after the other."""
    yield from _normalize(sizes, picture)
    peaks = memory.measure(sizes.quick)
    yield _section("Memory of normalize", "memory", memory, memory.table(peaks), memory.targets(peaks))
    for title, module, samples in (
        ("Extract", scan, lambda: scan.measure(sizes.scan, sizes.rounds)),
        ("Convert", convert, lambda: convert.measure(convert.csv_of(sizes.convert), sizes.rounds)),
        ("Import of the Lambda", imports, lambda: imports.measure(sizes.imports)),
        ("Notebooks", notebooks, lambda: notebooks.measure(min(2, sizes.rounds))),
    ):
        done = samples()
        yield _section(title, module.__name__, module, module.table(done), module.targets(done))
    paths = query.parquet_of(sizes.convert)
    yield _section("What a query reads", "query", query, query.table(paths), query.targets(paths))


def _normalize(sizes: Sizes, picture: Path) -> Iterator[Section]:
    curves: dict[str, dict[float, float]] = {TWO: {}, LOADS: {}, SQL: {}}
    for mb, rounds in sizes.normalize.items():
        pandas = mb == sizes.pandas
        samples = normalize.measure(data.cached(mb), rounds, pandas)
        for name, curve in curves.items():
            curve[mb] = timing.least(samples[name])
        words = f"normalize --mb {mb:g} --rounds {rounds}" + (" --pandas" if pandas else "")
        tables = normalize.table(samples), normalize.targets(samples)
        yield _section(f"Normalize, {mb:g} MB", words, normalize, *tables)
    curves[TWO][sizes.largest] = normalize.alone(data.cached(sizes.largest), min(2, sizes.rounds))
    plot.draw(curves, picture)
    words = f"Least wall time, as in the picture. At {sizes.largest:g} MB only the command was run.\n"
    yield Section("Cost against size", "python bench/run.py", words, (_plotted(curves),))


def _plotted(curves: dict[str, dict[float, float]]) -> Table:
    made = Table("", *(f"{mb:g} MB" for mb in curves[TWO]))
    for name, curve in curves.items():
        made.add(name, *(seconds(curve[mb]) if mb in curve else "" for mb in curves[TWO]))
    return made


def _section(title: str, words: str, module: object, *tables: Table) -> Section:
    name, _, options = words.partition(" ")
    command = f"python bench/{name}.py {options}".strip()
    paragraphs = (module.__doc__ or "").strip().split("\n\n")[1:]
    return Section(title, command, "\n\n".join(paragraphs).replace("``", "`") + "\n", tables)


def head(picture: str) -> str:
    """Return the start of the page: how, when and on which machine it was measured."""
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return (
        "# Performance\n\n"
        "`make bench` writes this page. Compared programs were run alternately, on one machine and one\n"
        "input, made up by `bench/data.py`. MB are of 10^6 bytes; ratios are of the least times. Other load\n"
        "on the machine affects CPU seconds less than wall time.\n\n"
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores of {platform.machine()}, "
        f"{memory_gb:.0f} GB, {platform.system()}, Python {platform.python_version()}; "
        f"{os.getloadavg()[0]:.1f} processes were running at the start.\n\n"
        f"![Seconds of wall time against MB of items]({picture})\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    folder = data.FOLDER if quick else timing.ROOT / "docs"
    folder.mkdir(parents=True, exist_ok=True)
    picture = folder / "performance.svg"
    parts = [head(picture.name)]
    print(parts[0], flush=True)
    for section in sections(QUICK if quick else FULL, picture):
        parts.append(str(section))
        print(section, flush=True)
    (folder / "performance.md").write_text("\n".join(parts), encoding="utf-8")
    print(f"{folder.name}/performance.md", file=sys.stderr)


if __name__ == "__main__":
    main()
