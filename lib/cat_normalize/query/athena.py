"""Run a named query through Athena."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Any

from cat_normalize.core import layout
from cat_normalize.core.errors import QueryError
from cat_normalize.core.settings import Settings, today
from cat_normalize.query.period import with_period
from cat_normalize.query.queries import Query, Value, literal, load

if TYPE_CHECKING:
    import pandas as pd


def run_athena(name: str, settings: Settings, **parameters: Any) -> pd.DataFrame:
    """Run a named query in the contract's database and workgroup; Athena binds the values.

    Args:
        name: one of `names`.
        settings: region, endpoint and bucket; results are written under its ``athena_prefix``.
        parameters: values of the query's parameters; a missing one has its default, a period that of
            `with_period`, for which Athena is asked first.

    Raises:
        UnknownQueryError: no query has that name.
        ParameterError: the query has no such parameter, or the value is of another type.
        QueryError: Athena refused the query, failed, or could not be reached.
    """

    def ask(run_date: date) -> pd.DataFrame:
        return _run(load("data_period"), settings, {"run_date": run_date})

    query = load(name)
    return _run(query, settings, with_period(query, parameters, today(settings.rules.time_zone), ask))


def _run(query: Query, settings: Settings, parameters: Mapping[str, Value]) -> pd.DataFrame:
    import boto3
    from awswrangler.exceptions import NoFilesFound, QueryCancelled, QueryFailed
    from botocore.exceptions import BotoCoreError, ClientError

    values = [literal(value) for value in query.values(parameters)]
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
        raise QueryError(f"{query.name} through Athena's workgroup {layout.WORKGROUP}: {error}") from error
    return frame


@contextmanager
def _awswrangler(endpoint_url: str | None) -> Iterator[Any]:
    """Yield awswrangler with this endpoint; it takes endpoints only from process-wide settings."""
    import awswrangler as wr

    before = wr.config.athena_endpoint_url, wr.config.s3_endpoint_url
    wr.config.athena_endpoint_url = wr.config.s3_endpoint_url = endpoint_url
    try:
        with warnings.catch_warnings():  # awswrangler 3.17 gives pandas 3 a deprecated keyword
            warnings.filterwarnings("ignore", "The copy keyword is deprecated", DeprecationWarning)
            yield wr
    finally:
        wr.config.athena_endpoint_url, wr.config.s3_endpoint_url = before
