"""The named queries on table ``users``: one SQL text each, run by Athena or, on a Parquet file, by DuckDB.

The texts are files in ``sql/``, in Athena's own dialect, and can be pasted into its console. A file opens
with the question it answers and a line for each ``?`` in it, in order::

    -- Which users had the most conversations.
    -- parameter: top integer = 10

Athena takes a ``?`` in ``WHERE`` alone, never after ``LIMIT``
(https://docs.aws.amazon.com/athena/latest/ug/querying-with-prepared-statements.html), so a query for the
first N numbers its rows and compares. To add a query is to add a file; should it use a function that is not
among `TESTED_FUNCTIONS`, a test of that function comes first.
"""

from __future__ import annotations

import glob
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cat_normalize.core import layout
from cat_normalize.core.errors import (
    InputError,
    ParameterError,
    QueryError,
    UnknownQueryError,
    UntestedFunctionError,
)
from cat_normalize.core.files import private_folder
from cat_normalize.core.settings import Settings

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
"""What `to_duckdb` lets through; ``tests/test_query.py`` holds each to what Athena's documentation says."""

# sqlglot reads date_trunc as one of two nodes, by what it is given; Athena knows it by one name.
_ATHENA_NAMES = {"TIMESTAMP_TRUNC": "DATE_TRUNC"}

# What does not fit goes to disk. A thread holds a row group's pages, of up to 32 MB, whatever the limit says.
_BOUNDED: dict[str, Any] = {"memory_limit": "256MB", "threads": 1}

_PARAMETER = re.compile(r"-- parameter: ([a-z_]+) integer = (\d+)")

# What awswrangler makes of Athena's types, so that both engines answer alike. DuckDB's sum of integers is a
# HUGEINT where Athena's is a bigint. Any other type (a date, a decimal) stays a column of Python objects.
_PANDAS_TYPES = {
    "BIGINT": "Int64",
    "BOOLEAN": "boolean",
    "DOUBLE": "float64",
    "HUGEINT": "Int64",
    "INTEGER": "Int32",
    "VARCHAR": "string",
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One ``?`` of a query: its name, its type (``integer``) and the value used when none is given."""

    name: str
    type: str
    default: int


@dataclass(frozen=True, slots=True)
class Query:
    """One named query: the question it answers, its SQL in Athena's dialect, its parameters in order."""

    name: str
    question: str
    sql: str
    parameters: tuple[Parameter, ...]


def names() -> list[str]:
    """Return the names of the queries, sorted.

    >>> "totals" in names()
    True
    """
    files = [entry.name for entry in _folder().iterdir()]
    return sorted(file.removesuffix(".sql") for file in files if file.endswith(".sql"))


def load(name: str) -> Query:
    """Read a named query.

    Raises:
        UnknownQueryError: there is none of that name.

    >>> load("heaviest_users").parameters
    (Parameter(name='top', type='integer', default=10),)
    """
    if name not in names():
        raise UnknownQueryError(f"no query named {name!r}; there are {', '.join(names())}")
    sql = (_folder() / f"{name}.sql").read_text(encoding="utf-8")
    head = takewhile(lambda line: line.startswith("--"), sql.splitlines())
    found = [(line, _PARAMETER.fullmatch(line)) for line in head]
    return Query(
        name=name,
        question=" ".join(line.removeprefix("-- ") for line, parameter in found if not parameter),
        sql=sql,
        parameters=tuple(Parameter(p[1], "integer", int(p[2])) for _, p in found if p),
    )


def to_duckdb(sql: str) -> str:
    """Translate a query from Athena's dialect to DuckDB's; placeholders stay.

    Raises:
        UntestedFunctionError: it uses a function that is not among `TESTED_FUNCTIONS`.
        QueryError: it is no SQL, or says what DuckDB cannot.

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

    DuckDB answers the join by holding every list in memory. The rows are the same; names of ``u`` are not
    qualified in the queries.
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
    """Answer a named query from a Parquet file, through DuckDB, with the types that Athena's answer has.

    Args:
        name: one of `names`.
        parquet: the file of contract §5.
        parameters: values for the query's parameters; what is not given takes its default.

    Raises:
        UnknownQueryError: no query of that name.
        ParameterError: a parameter the query does not have, or a value of another type.
        InputError: the file is missing, or no Parquet.
        UntestedFunctionError: the query uses a function whose translation no test holds.
        QueryError: DuckDB could not run it.
    """
    import duckdb
    import pandas as pd

    query = load(name)
    values = _values(query, parameters)
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
    """Open a Parquet file as table ``users`` of a DuckDB in memory that calculates as Athena does.

    What it is asked must come from `to_duckdb`. It loads nothing from outside; close it after use.

    Raises:
        InputError: the file is missing, or no Parquet.

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


def run_athena(name: str, settings: Settings, **parameters: Any) -> pd.DataFrame:
    """Answer a named query through Athena: the contract's database and workgroup, values bound there.

    Args:
        name: one of `names`.
        settings: region, endpoint and bucket; results lie under its ``athena_prefix``.
        parameters: values for the query's parameters; what is not given takes its default.

    Raises:
        UnknownQueryError: no query of that name.
        ParameterError: a parameter the query does not have, or a value of another type.
        QueryError: Athena refused or failed, or could not be reached.
    """
    import boto3
    from awswrangler.exceptions import NoFilesFound, QueryCancelled, QueryFailed
    from botocore.exceptions import BotoCoreError, ClientError

    query = load(name)
    values = [str(value) for value in _values(query, parameters)]  # an integer's text is an integer in SQL
    try:
        with _awswrangler(settings.endpoint_url) as wr:
            frame: pd.DataFrame = wr.athena.read_sql_query(
                query.sql,
                database=layout.DATABASE,
                workgroup=layout.WORKGROUP,
                ctas_approach=False,
                params=values or None,
                paramstyle="qmark",
                s3_output=layout.s3_uri(settings.bucket, settings.athena_prefix),
                boto3_session=boto3.Session(region_name=settings.region),
                athena_query_wait_polling_delay=0.25,
            )
    except (BotoCoreError, ClientError, NoFilesFound, QueryCancelled, QueryFailed) as error:
        raise QueryError(f"{name} through Athena's workgroup {layout.WORKGROUP}: {error}") from error
    return frame


@contextmanager
def _awswrangler(endpoint_url: str | None) -> Iterator[Any]:
    """Yield awswrangler, pointed at an endpoint meanwhile: it takes them from process-wide settings."""
    import awswrangler as wr

    before = wr.config.athena_endpoint_url, wr.config.s3_endpoint_url
    wr.config.athena_endpoint_url = wr.config.s3_endpoint_url = endpoint_url
    try:
        with warnings.catch_warnings():  # awswrangler 3.17 hands pandas 3 a keyword that it deprecates
            warnings.filterwarnings("ignore", "The copy keyword is deprecated", DeprecationWarning)
            yield wr
    finally:
        wr.config.athena_endpoint_url, wr.config.s3_endpoint_url = before


def _values(query: Query, given: dict[str, Any]) -> list[int]:
    """Return a value for each placeholder, in order."""
    allowed = ", ".join(f"{p.name} ({p.type}, default {p.default})" for p in query.parameters) or "none"
    if unknown := sorted(set(given) - {p.name for p in query.parameters}):
        raise ParameterError(f"{query.name} has no parameter {', '.join(unknown)}; it takes {allowed}")
    values = [given.get(p.name, p.default) for p in query.parameters]
    for parameter, value in zip(query.parameters, values, strict=True):
        if type(value) is not int:
            raise ParameterError(
                f"{query.name}: {parameter.name}={value!r} is a {type(value).__name__}; it takes {allowed}"
            )
    return values


def _folder() -> Traversable:
    return resources.files(__package__) / "sql"
