"""Measure how much of the Parquet object each named query reads: ``python bench/query.py``.

A query reads the columns that its SQL names. Their size is that of their column chunks in the Parquet
metadata. Athena also reads the footer, and bills at least 10 MB.
"""

import argparse
from pathlib import Path

import pyarrow.parquet as pq
import sqlglot
import timing
from sqlglot import exp
from table import Table

import convert
from cat_normalize import query
from cat_normalize.core.schema import NAMES


def parquet_of(mb: float) -> Path:
    """Convert a CSV of about `mb` MB under ``build/bench`` with the current code, and return the Parquet."""
    csv = convert.csv_of(mb)
    path = csv.with_suffix(".parquet")
    timing.whole([*timing.COMMAND, "convert", "--input", str(csv), "--output", str(path), "--json"])
    return path


def columns(name: str) -> list[str]:
    """Return the columns of ``users`` that a named query mentions."""
    tree = sqlglot.parse_one(query.load(name).sql, dialect="athena")
    assert all(isinstance(star.parent, exp.Count) for star in tree.find_all(exp.Star)), "reads every column"
    named = {column.name for column in tree.find_all(exp.Column)}
    return [column for column in NAMES if column in named]


def chunk_bytes(parquet: Path) -> dict[str, int]:
    """Return the compressed bytes of each column."""
    footer = pq.read_metadata(parquet)
    groups = [footer.row_group(number) for number in range(footer.num_row_groups)]
    return {
        name: sum(group.column(number).total_compressed_size for group in groups)
        for number, name in enumerate(NAMES)
    }


def table(parquet: Path) -> Table:
    """Return columns, bytes and share of the object for every named query."""
    whole, of = parquet.stat().st_size, chunk_bytes(parquet)
    made = Table("query", "columns", "bytes read", "share")
    for name in query.names():
        read = sum(of[column] for column in columns(name))
        made.add(name, f"{len(columns(name))} of {len(NAMES)}", f"{read:,}", f"{read / whole:.2%}")
    made.add("the whole object", str(len(NAMES)), f"{whole:,}", "100%")
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mb", type=float, default=135)
    print(table(parquet_of(parser.parse_args().mb)))


if __name__ == "__main__":
    main()
