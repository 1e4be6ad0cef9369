"""Answer the named queries from a Parquet file with DuckDB, as Athena would answer them.

The SQL of a query is translated by sqlglot; only functions whose meaning is tested to be equal in both are
allowed (`TESTED_FUNCTIONS`).
"""

from __future__ import annotations

import glob
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cat_lab.errors import UntestedFunctionError
from cat_normalize.core.errors import InputError, QueryError
from cat_normalize.core.files import private_folder
from cat_normalize.query import load

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    from sqlglot import exp

TESTED_FUNCTIONS = frozenset(
    {
        "AND",
        "CAST",
        "COALESCE",
        "COUNT",
        "DATE_TRUNC",
        "NULLIF",
        "OR",
        "REGEXP_EXTRACT_ALL",
        "ROUND",
        "ROW_NUMBER",
        "SPLIT",
        "SUM",
        "TRY_CAST",
        "UNNEST",
    }
)
"""The functions that `to_duckdb` allows; a test compares each with Athena's documentation."""

# sqlglot parses date_trunc as one of two nodes, by the type of its argument; in Athena it has one name.
_ATHENA_NAMES = {"TIMESTAMP_TRUNC": "DATE_TRUNC"}

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
    "VARCHAR": "string",
}


def to_duckdb(sql: str) -> str:
    """Translate a query from Athena's dialect to DuckDB's; placeholders stay.

    Raises:
        UntestedFunctionError: it uses a function that is not one of `TESTED_FUNCTIONS`.
        QueryError: it is not one SELECT, or DuckDB cannot express it.

    >>> to_duckdb("SELECT split(ciudad, '-') FROM users WHERE numero_feedback > ?")
    "SELECT STR_SPLIT(ciudad, '-') FROM users WHERE numero_feedback > ?"
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
        for select in tree.find_all(exp.Select):
            _unnest_in_place(select)
        return tree.sql(dialect="duckdb", comments=False, unsupported_level=sqlglot.ErrorLevel.RAISE)
    except sqlglot.errors.SqlglotError as error:
        raise QueryError(f"the query cannot be translated to DuckDB: {error}") from error


def _unnest_in_place(select: exp.Select) -> None:
    """Write ``FROM u CROSS JOIN UNNEST(list) AS t (item)`` as a subquery ``t`` that unnests as it reads.

    DuckDB keeps every list of such a join in memory. The rows are the same, because the queries do not
    qualify the columns of ``u``.
    """
    from sqlglot import exp

    joins = select.args.get("joins") or []
    if len(joins) != 1 or not isinstance(joins[0].this, exp.Unnest):
        return
    unnest = joins[0].this
    alias = unnest.args["alias"]
    each = exp.alias_(exp.Explode(this=unnest.expressions[0]), alias.columns[0])
    inner = exp.Select(expressions=[exp.Star(), each])
    inner.set("from_", select.args["from_"])
    select.set("from_", exp.From(this=inner.subquery(alias.this)))
    select.set("joins", None)


def run_local(name: str, parquet: Path | str, **parameters: Any) -> pd.DataFrame:
    """Answer a named query from a Parquet file with DuckDB; the columns have the types of Athena's answer.

    Args:
        name: one of `query.names`.
        parquet: the file of contract §5.
        parameters: values of the query's parameters; a missing one has its default.

    Raises:
        UnknownQueryError: no query has that name.
        ParameterError: the query has no such parameter, or the value is of another type.
        InputError: the file is missing, or is not Parquet.
        UntestedFunctionError: the query uses a function whose translation is not tested.
        QueryError: DuckDB could not run it.
    """
    import duckdb
    import pandas as pd

    query = load(name)
    values = query.values(parameters)
    sql = to_duckdb(query.sql)
    with private_folder() as scratch, open_local(parquet) as connection:
        try:
            connection.execute("SET temp_directory = ?", [str(scratch)])
            answer = connection.sql(sql, params=values)
            rows = answer.fetchall()
        except duckdb.Error as error:
            raise QueryError(f"{name} on {parquet}: {error}") from error
        types = [_PANDAS_TYPES.get(str(each), "object") for each in answer.types]
        columns = list(zip(answer.columns, types, strict=True))
    series = [pd.Series([row[n] for row in rows], dtype=kind) for n, (_, kind) in enumerate(columns)]
    return pd.DataFrame({column: each for (column, _), each in zip(columns, series, strict=True)})


def open_local(parquet: Path | str) -> duckdb.DuckDBPyConnection:
    """Open a Parquet file as table ``users`` of an in-memory DuckDB that calculates as Athena does.

    Its queries must come from `to_duckdb`. It loads no extensions; close it after use.

    Raises:
        InputError: the file is missing, or is not Parquet.

    >>> open_local("nowhere.parquet")
    Traceback (most recent call last):
    cat_normalize.core.errors.InputError: nowhere.parquet: no such file; write it with cat-normalize convert
    """
    import duckdb

    if not Path(parquet).is_file():
        raise InputError(f"{parquet}: no such file; write it with cat-normalize convert")
    closed: dict[str, Any] = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
    connection = duckdb.connect(":memory:", config=closed | _BOUNDED)
    try:
        connection.execute("SET integer_division = true")  # 5 / 2 is 2 in Athena
        connection.execute("SET TimeZone = 'UTC'")  # as Athena's sessions
        connection.read_parquet(glob.escape(str(parquet))).create_view("users")
    except duckdb.Error as error:
        connection.close()
        raise InputError(f"{parquet}: cannot be read as Parquet: {error}") from error
    return connection
