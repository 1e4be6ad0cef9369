"""Normalize with one SQL statement in DuckDB, on two threads: ``one_statement.py ITEMS CSV``."""

import sys
from pathlib import Path

import duckdb
from stopwatch import report


def work() -> dict:
    connection = duckdb.connect(config={"threads": 2})
    connection.execute(f"SET VARIABLE items = '{sys.argv[1]}'")
    statement = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    connection.execute(statement.replace("$csv", f"'{sys.argv[2]}'"))
    return {}


def count(csv: str) -> dict:
    """Count the written rows; not timed."""
    query = f"SELECT count(*), sum(numero_conversaciones) FROM read_csv('{csv}', max_line_size = 268435456)"
    users, conversations = duckdb.sql(query).fetchall()[0]
    return {"users": users, "conversations": int(conversations)}


report(work, lambda: count(sys.argv[2]))
