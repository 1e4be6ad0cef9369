"""The commands of single stages: extract, normalize, convert, query."""

from __future__ import annotations

import gc
import json
import math
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from cat_lab.cli.app import (
    DAY,
    AsJson,
    MaxRejects,
    check_limit,
    command,
    pairs,
    print_summary,
    settings,
)
from cat_lab.parameters import RANGES
from cat_normalize.core import aws, layout
from cat_normalize.core.errors import PipelineError, UsageError
from cat_normalize.core.settings import parse_day, refuse_future_days, today


@command("cat-normalize extract --output raw --segments 8")
def extract(
    output: Annotated[Path, typer.Option(help="The folder to make; an earlier extract there is replaced.")],
    table: Annotated[
        str | None, typer.Option(help="The table [default: DYNAMODB_TABLE_NAME, else the contract's].")
    ] = None,
    segments: Annotated[
        int, typer.Option(min=RANGES["segments"][0], max=RANGES["segments"][1], help="Parallel scans.")
    ] = 4,
    partitions: Annotated[
        int,
        typer.Option(
            min=RANGES["partitions"][0], max=RANGES["partitions"][1], help="Partitions to deal items into."
        ),
    ] = 16,
    export: Annotated[
        str | None, typer.Option(help="Read this DynamoDB export instead of the table.")
    ] = None,
    max_rcu: Annotated[
        int | None, typer.Option(min=1, help="Read units a second the scan may take [default: no limit].")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Copy a table, or an export of it, to raw partitions of whole users."""
    from cat_normalize.extract import Export, extract_export, extract_table

    where = settings(table_name=table)
    if export:
        if max_rcu:
            raise UsageError("--max-rcu is for a table; reading an export takes no read units")
        _need_credentials_for(export)
        done = extract_export(Export(export, where), output, partitions, _count_up())
    else:
        _need_credentials()
        with _settling():
            client = aws.client(where, "dynamodb")
        done = extract_table(
            client, where.table_name, output, segments, partitions, _count_up(), max_rcu or math.inf
        )
    summary = {**done.as_dict(), "files": len(done.files)}
    print_summary(summary, as_json)


@command("cat-normalize normalize --input raw --output users.csv --rejects rejects.jsonl")
def normalize(
    inputs: Annotated[
        list[Path],
        typer.Option(
            "--input", help="Item files, or folders of them, or - for standard input; several may follow."
        ),
    ],
    output: Annotated[Path, typer.Option(help="The CSV to write.")],
    rejects: Annotated[Path, typer.Option(help="Where rejected items go, as JSON lines.")],
    workers: Annotated[
        int, typer.Option(min=RANGES["workers"][0], max=RANGES["workers"][1], help="Processes side by side.")
    ] = 1,
    since: Annotated[str | None, typer.Option(help=f"Drop conversations before this day, {DAY}.")] = None,
    until: Annotated[str | None, typer.Option(help=f"Drop conversations after this day, {DAY}.")] = None,
    exclude_city: Annotated[
        list[str] | None, typer.Option(help="Drop users whose city this expression finds; may be repeated.")
    ] = None,
    time_zone: Annotated[
        str | None,
        typer.Option(help="Where an instant's day is read [default: CAT_TIME_ZONE, else America/Bogota]."),
    ] = None,
    max_rejects: MaxRejects = None,
    as_json: AsJson = False,
) -> None:
    """Turn raw items into the CSV of one row a user; no AWS needed."""
    from cat_normalize.normalize.files import normalize_files
    from cat_normalize.normalize.publish import refuse_all_rejected

    where = settings(
        since=parse_day("--since", since) if since else None,
        until=parse_day("--until", until) if until else None,
        exclude_cities=tuple(exclude_city) if exclude_city else None,
        time_zone=time_zone,
    )
    day = today(where.rules.time_zone)
    refuse_future_days(where, day, day)
    if output.resolve() == rejects.resolve():
        raise UsageError("--output and --rejects are the same file")
    files = [Path("/dev/stdin") if path == Path("-") else path for path in inputs]
    accept = partial(refuse_all_rejected, rejects=str(rejects))
    summary = normalize_files(files, output, rejects, where.rules, workers, accept=accept)
    print_summary(summary.as_dict(), as_json)
    check_limit(summary.rejected, max_rejects)


@command("cat-normalize convert --input users.csv --output users.parquet")
def convert(
    source: Annotated[str, typer.Option("--input", help="The CSV: a path, or s3://bucket/key.")],
    output: Annotated[str, typer.Option(help="The Parquet object: a path, or s3://bucket/key.")],
    memory: Annotated[str, typer.Option(help="Memory of the Java machine, such as 2g or 512m.")] = "2g",
    allow_future: Annotated[
        bool, typer.Option("--allow-future", help="Convert even a CSV of a day that has not come yet.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Convert the CSV to one typed Parquet object, with Spark."""
    from cat_lab import parameters as values
    from cat_lab import spark
    from cat_normalize.convert import check_conversion, convert_csv

    values.check(memory=memory)
    where = settings()
    _need_credentials_for(source, output)
    day, zone = layout.run_date_of(source), where.rules.time_zone
    check_conversion(source, output, where, day, today(zone), allow_future=allow_future)
    with spark.running(where, memory) as session:
        done = convert_csv(session, source, output, where, time_zone=zone, allow_future=allow_future)
    print_summary(
        {"rows": done.rows, "bytes": done.bytes, "sha256": done.sha256, "output": done.target}, as_json
    )


@command("cat-normalize query most_asked_questions --parquet users.parquet --param top=5")
def query(
    name: Annotated[str, typer.Argument(help="Which query; an unknown name lists them.")],
    parquet: Annotated[Path | None, typer.Option(help="Ask this file, not Athena.")] = None,
    param: Annotated[list[str] | None, typer.Option(help="A parameter of the query, NAME=VALUE.")] = None,
    as_json: AsJson = False,
) -> None:
    """Answer a named query: through Athena, or on a Parquet file through DuckDB."""
    from cat_lab.local_athena import run_local
    from cat_normalize.query import load, run_athena

    values = {key: _whole(key, value) for key, value in pairs(param or []).items()}
    if parquet is None:
        load(name)  # an unknown name is an error with and without credentials
        _need_credentials()
        frame = run_athena(name, settings(), **values)
    else:
        frame = run_local(name, parquet, **values)
    if as_json:
        rows = frame.astype(object).where(frame.notna(), None).to_dict(orient="records")
        typer.echo(json.dumps({"query": name, "rows": rows}, ensure_ascii=False, default=str))
    else:
        typer.echo(frame.to_string(index=False))


def _need_credentials_for(*uris: str) -> None:
    if any(map(layout.is_s3, uris)):
        _need_credentials()


def _need_credentials() -> None:
    """End at once where there are none: before Spark starts, or a metadata service is asked again."""
    from cat_lab.runs.checks import credentials

    _, found = credentials()
    if not found.ok:
        raise PipelineError(found.problem)


def _whole(name: str, value: str) -> int:
    try:
        return int(value)
    except ValueError as error:
        raise UsageError(f"{name}={value!r} is not a whole number") from error


@contextmanager
def _settling() -> Iterator[None]:
    """Keep the garbage collector off what is made now and stays to the end: walking it is CPU for nothing."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _count_up() -> Callable[[int], None]:
    """Return a progress that counts items on the terminal's last line; elsewhere it is silent."""
    lock, total, terminal = threading.Lock(), 0, sys.stderr.isatty()

    def more(items: int) -> None:
        nonlocal total
        with lock:
            total += items
            if terminal:
                typer.echo(f"\r{total:,} items", err=True, nl=False)

    return more
