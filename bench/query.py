"""Measure how much of the three Parquet objects each named query reads: ``python bench/query.py``.

A query reads the columns that its SQL names. Their size is that of their column chunks in the Parquet
metadata. Athena also reads the footers, and bills at least 10 MB.
"""

import argparse
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import sqlglot
import timing
from sqlglot import exp
from table import Table

import convert
from cat_normalize import query
from cat_normalize.core.schema import TABLES

MOST = 0.05
"""The share of the three objects that a query may read."""
TEXTS = {"most_asked_questions", "negative_comments", "unanswered_conversations"}
"""The queries that show what users wrote; they may read more."""


def parquet_of(mb: float) -> dict[str, Path]:
    """Convert a CSV of about `mb` MB under ``build/bench`` with the current code; return the three files."""
    csv = convert.csv_of(mb)
    paths = {table.name: csv.with_name(f"{table.name}-{mb:g}.parquet") for table in TABLES}
    options = dict(zip(("--output", "--conversations", "--messages"), map(str, paths.values()), strict=True))
    words = [word for option in options.items() for word in option]
    timing.whole([*timing.COMMAND, "convert", "--input", str(csv), *words, "--json"])
    return paths


def columns(name: str) -> set[tuple[str, str]]:
    """Return what a named query reads: tables and columns."""
    tree = sqlglot.parse_one(query.load(name).sql, dialect="athena")
    assert all(isinstance(star.parent, exp.Count) for star in tree.find_all(exp.Star)), "reads every column"
    known, read = {table.name: set(table.names) for table in TABLES}, set()
    for source in tree.find_all(exp.Table):
        select = source.find_ancestor(exp.Select)
        for column in select.find_all(exp.Column) if source.name in known else ():
            of_it = column.find_ancestor(exp.Select) is select and column.table in ("", source.alias_or_name)
            if of_it and column.name in known[source.name]:
                read.add((source.name, column.name))
    return read


def chunk_bytes(paths: dict[str, Path]) -> Counter[tuple[str, str]]:
    """Return the compressed bytes of each column of each table."""
    sizes: Counter[tuple[str, str]] = Counter()
    for name, path in paths.items():
        footer = pq.read_metadata(path)
        for number in range(footer.num_row_groups):
            group = footer.row_group(number)
            for chunk in map(group.column, range(group.num_columns)):
                sizes[name, chunk.path_in_schema] += chunk.total_compressed_size
    return sizes


def shares(paths: dict[str, Path]) -> dict[str, tuple[int, float]]:
    """Return the bytes that each named query reads, and their share of the three objects."""
    whole, of = sum(path.stat().st_size for path in paths.values()), chunk_bytes(paths)
    read = {name: sum(of[column] for column in columns(name)) for name in query.names()}
    return {name: (size, size / whole) for name, size in read.items()}


def table(paths: dict[str, Path]) -> Table:
    """Return columns, bytes and share of the three objects for every named query."""
    made = Table("query", "columns", "bytes read", "share")
    for name, (read, share) in shares(paths).items():
        made.add(name, str(len(columns(name))), f"{read:,}", f"{share:.2%}")
    whole = sum(path.stat().st_size for path in paths.values())
    made.add("the three objects", str(sum(len(each.names) for each in TABLES)), f"{whole:,}", "100%")
    return made


def targets(paths: dict[str, Path]) -> Table:
    """Return the target and the measured value."""
    made = Table("measure", "target", "measured", "")
    share, name = max((share, name) for name, (_, share) in shares(paths).items() if name not in TEXTS)
    made.target(
        f"the most that a query without texts reads ({name})", f"< {MOST:.0%}", f"{share:.2%}", share < MOST
    )
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mb", type=float, default=135)
    paths = parquet_of(parser.parse_args().mb)
    print(table(paths), targets(paths), sep="\n")


if __name__ == "__main__":
    main()
