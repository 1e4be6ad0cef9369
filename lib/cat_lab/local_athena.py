"""Answer the named queries from Parquet files with DuckDB, as Athena would answer them.

The SQL of a query is translated by sqlglot; only functions whose meaning is tested to be equal in both are
allowed (`TESTED_FUNCTIONS`).
"""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cat_lab.errors import UntestedFunctionError
from cat_normalize.core.errors import InputError, QueryError
from cat_normalize.core.files import private_folder
from cat_normalize.core.schema import CONVERSATIONS, MESSAGES, USERS
from cat_normalize.core.settings import Settings, today
from cat_normalize.query import Query, load, with_period

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

TESTED_FUNCTIONS = frozenset(
    {
        "AND",
        "CASE",
        "CAST",
        "COALESCE",
        "COUNT",
        "DATE_ADD",
        "DATE_DIFF",
        "DATE_TRUNC",
        "DAY_OF_WEEK",
        "LENGTH",
        "MAX",
        "MIN",
        "LOWER",
        "NULLIF",
        "OR",
        "REGEXP_REPLACE",
        "REPLACE",
        "ROUND",
        "ROW_NUMBER",
        "SEQUENCE",
        "SUBSTR",
        "SUM",
        "TRIM",
        "UPPER",
        "UNNEST",
    }
)
"""The functions that `to_duckdb` allows; a test compares each with Athena's documentation."""

# What sqlglot calls otherwise than Athena; a branch of a CASE is an IF to it.
_ATHENA_NAMES = {
    "DATEDIFF": "DATE_DIFF",
    "DAYOFWEEK_ISO": "DAY_OF_WEEK",
    "GENERATE_SERIES": "SEQUENCE",
    "IF": "CASE",
    "SUBSTRING": "SUBSTR",
    "TIMESTAMP_TRUNC": "DATE_TRUNC",
}

# The option of the command that gives each table.
_OPTIONS = {USERS.name: "--parquet", CONVERSATIONS.name: "--conversations", MESSAGES.name: "--messages"}

# What does not fit goes to disk. A thread keeps the pages of a row group, up to 32 MB, in spite of the limit.
_BOUNDED: dict[str, Any] = {"memory_limit": "256MB", "threads": 1}

# The types that awswrangler gives Athena's answers, so that both engines answer alike. DuckDB's sum of
# integers is a HUGEINT, Athena's a bigint. Any other type (date, decimal) stays a column of objects.
_PANDAS_TYPES = {
    "BIGINT": "Int64",
    "BOOLEAN": "boolean",
    "DOUBLE": "float64",
    "HUGEINT": "Int64",
    "INTEGER": "Int32",
    "TIMESTAMP": "datetime64[us]",
    "VARCHAR": "string",
}


def to_duckdb(sql: str) -> str:
    """Translate a query from Athena's dialect to DuckDB's; placeholders stay.

    Raises:
        UntestedFunctionError: it uses a function that is not one of `TESTED_FUNCTIONS`.
        QueryError: it is not one SELECT, or DuckDB cannot express it.

    >>> to_duckdb("SELECT day_of_week(fecha) FROM conversations WHERE likes > ?")
    'SELECT ISODOW(fecha) FROM conversations WHERE likes > ?'
    """
    import sqlglot
    from sqlglot import exp

    try:
        tree = sqlglot.parse_one(sql, dialect="athena")
        if not isinstance(tree, exp.Query):
            raise QueryError(f"the query cannot be translated to DuckDB: it is not one SELECT: {sql}")
        for node in tree.find_all(exp.Func):
            name = (node.name if isinstance(node, exp.Anonymous) else node.sql_name()).upper()
            if _ATHENA_NAMES.get(name, name) not in TESTED_FUNCTIONS:
                raise UntestedFunctionError(
                    f"{name}, in {node.sql(dialect='athena')}, is not tested to mean the same in DuckDB; "
                    f"tested are {', '.join(sorted(TESTED_FUNCTIONS))}"
                )
        return tree.sql(dialect="duckdb", comments=False, unsupported_level=sqlglot.ErrorLevel.RAISE)
    except sqlglot.errors.SqlglotError as error:
        raise QueryError(f"the query cannot be translated to DuckDB: {error}") from error


def run_local(name: str, tables: Mapping[str, Path | str], **parameters: Any) -> pd.DataFrame:
    """Answer a named query from Parquet files with DuckDB; the columns have the types of Athena's answer.

    Args:
        name: one of `query.names`.
        tables: the Parquet file of each table by its name: ``users``, ``conversations``, ``messages``; those
            that the query reads.
        parameters: values of the query's parameters; a missing one has its default, a period that of
            `with_period`, for which ``conversations`` is read first.

    Raises:
        UnknownQueryError: no query has that name.
        ParameterError: the query has no such parameter, or the value is of another type.
        InputError: a file is missing, is not Parquet, or is not given although the query reads its table.
        UntestedFunctionError: the query uses a function whose translation is not tested.
        QueryError: DuckDB could not run it.
    """

    def ask(run_date: date) -> pd.DataFrame:
        return run_query(load("data_period"), tables, {"run_date": run_date})

    query = load(name)
    day = today(Settings.from_environment(os.environ).rules.time_zone)
    return run_query(query, tables, with_period(query, parameters, day, ask))


def run_query(query: Query, tables: Mapping[str, Path | str], parameters: Mapping[str, Any]) -> pd.DataFrame:
    """Answer any query in Athena's SQL from Parquet files, as `run_local` answers a named one.

    Args:
        query: its text, with its parameters in order; one without a default must be given.
        tables: the Parquet file of each table by its name.
        parameters: values by name; a period has no default here.

    Raises:
        ParameterError: a value is missing or of another type.
        InputError: a file is missing, is not Parquet, or is not given although the query reads its table.
        UntestedFunctionError: the query uses a function whose translation is not tested.
        QueryError: DuckDB could not run it.
    """
    import duckdb
    import pandas as pd

    values = query.values(parameters)
    files = {table: _given(query, table, tables) for table in tables_of(query.sql)}
    with private_folder() as scratch, open_local(files) as connection:
        try:
            connection.execute("SET temp_directory = ?", [str(scratch)])
            answer = connection.sql(to_duckdb(query.sql), params=values)
            rows = answer.fetchall()
        except duckdb.Error as error:
            raise QueryError(f"{query.name} on {', '.join(map(str, files.values()))}: {error}") from error
        types = [_PANDAS_TYPES.get(str(each), "object") for each in answer.types]
        columns = list(zip(answer.columns, types, strict=True))
    series = [pd.Series([row[n] for row in rows], dtype=kind) for n, (_, kind) in enumerate(columns)]
    return pd.DataFrame({column: each for (column, _), each in zip(columns, series, strict=True)})


def tables_of(sql: str) -> list[str]:
    """Return the names of the tables that a query reads, sorted.

    >>> tables_of("WITH a AS (SELECT 1 AS x FROM users) SELECT x FROM a CROSS JOIN messages")
    ['messages', 'users']
    """
    import sqlglot
    from sqlglot import exp

    tree = sqlglot.parse_one(sql, dialect="athena")
    made = {each.alias for each in tree.find_all(exp.CTE)}
    return sorted({each.name for each in tree.find_all(exp.Table)} - made)


def _given(query: Query, table: str, tables: Mapping[str, Path | str]) -> Path | str:
    if table not in tables:
        hint = ", or its since and until" if query.name == "data_period" else ""
        raise InputError(
            f"{query.name} reads the table {table}: give its Parquet file with {_OPTIONS[table]} PATH{hint}"
        )
    return tables[table]


def open_local(tables: Mapping[str, Path | str]) -> duckdb.DuckDBPyConnection:
    """Open Parquet files as tables of an in-memory DuckDB that calculates as Athena does.

    Its queries must come from `to_duckdb`. It loads no extensions; close it after use.

    Raises:
        InputError: a file is missing, or is not Parquet.

    >>> open_local({"users": "nowhere.parquet"})
    Traceback (most recent call last):
    cat_normalize.core.errors.InputError: nowhere.parquet: no such file; write it with cat-normalize convert
    """
    import duckdb

    for path in tables.values():
        if not Path(path).is_file():
            raise InputError(f"{path}: no such file; write it with cat-normalize convert")
    closed: dict[str, Any] = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
    connection = duckdb.connect(":memory:", config=closed | _BOUNDED)
    connection.execute("SET integer_division = true")  # 5 / 2 is 2 in Athena
    connection.execute("SET TimeZone = 'UTC'")  # as Athena's sessions
    for name, path in tables.items():
        try:
            connection.read_parquet(glob.escape(str(path))).create_view(name)
        except duckdb.Error as error:
            connection.close()
            raise InputError(f"{path}: cannot be read as Parquet: {error}") from error
    return connection
