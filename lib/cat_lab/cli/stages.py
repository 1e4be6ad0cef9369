"""The commands of single stages: extract, normalize, convert, query."""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cat_lab.cli.app import (
    DAY,
    AsJson,
    MaxRcu,
    MaxRejects,
    check_max_rejects,
    command,
    parse_pairs,
    print_summary,
)
from cat_lab.credentials import find_credentials
from cat_lab.parameters import RANGES, check_parameters
from cat_normalize.core import aws, layout
from cat_normalize.core.errors import UsageError
from cat_normalize.core.settings import Settings, parse_day, refuse_future_days, today

if TYPE_CHECKING:
    from cat_normalize.convert import Converted
    from cat_normalize.extract.capacity import Scan


@command("cat-normalize extract --output raw --segments 8")
def extract(
    output: Annotated[Path, typer.Option(help="The folder to write; an earlier extract in it is replaced.")],
    table: Annotated[
        str | None, typer.Option(help="The table [default: DYNAMODB_TABLE_NAME, else the production table].")
    ] = None,
    segments: Annotated[
        int, typer.Option(min=RANGES["segments"][0], max=RANGES["segments"][1], help="Parallel scans.")
    ] = 4,
    partitions: Annotated[
        int,
        typer.Option(
            min=RANGES["partitions"][0], max=RANGES["partitions"][1], help="How many files of items to write."
        ),
    ] = 16,
    export: Annotated[
        str | None, typer.Option(help="Read this DynamoDB export instead of the table.")
    ] = None,
    max_rcu: MaxRcu = None,
    as_json: AsJson = False,
) -> None:
    """Copy a table, or an export of it, to partitions: files of the raw items of whole users."""
    from cat_normalize.extract import table as stage
    from cat_normalize.extract.export import Export

    settings = Settings.from_environment(os.environ, table_name=table)
    if export:
        if max_rcu:
            raise UsageError("--max-rcu is for a table; reading an export uses no read units")
        s3 = _s3(settings) if layout.is_s3(export) else None
        done = stage.extract_export(Export(export, s3), output, partitions, _count_up())
    else:
        find_credentials()
        with _frozen_garbage():
            client = aws.client(settings, "dynamodb")
        rate = max_rcu or settings.max_rcu
        done = stage.extract_table(
            client, settings.table_name, output, segments, partitions, _count_up(), rate, _print_limited
        )
    summary = {**done.as_dict(), "files": len(done.files)}
    print_summary(summary, as_json)


@command("cat-normalize normalize --input raw --output users.csv --rejects rejects.jsonl")
def normalize(
    inputs: Annotated[
        list[Path],
        typer.Option(
            "--input", help="Item files, folders of them, or - for standard input; several may follow."
        ),
    ],
    output: Annotated[Path, typer.Option(help="The CSV to write.")],
    rejects: Annotated[Path, typer.Option(help="The file of rejected items to write, as JSON lines.")],
    workers: Annotated[
        int, typer.Option(min=RANGES["workers"][0], max=RANGES["workers"][1], help="Parallel processes.")
    ] = 1,
    since: Annotated[str | None, typer.Option(help=f"Drop conversations before this day, {DAY}.")] = None,
    until: Annotated[str | None, typer.Option(help=f"Drop conversations after this day, {DAY}.")] = None,
    exclude_city: Annotated[
        list[str] | None, typer.Option(help="Drop users whose city matches this expression; may be repeated.")
    ] = None,
    time_zone: Annotated[
        str | None,
        typer.Option(help="Time zone of days [default: CAT_TIME_ZONE, else America/Bogota]."),
    ] = None,
    max_rejects: MaxRejects = None,
    as_json: AsJson = False,
) -> None:
    """Turn raw items into the CSV of one row per user; needs no AWS."""
    from cat_normalize.normalize import normalize_files, refuse_all_rejected

    settings = Settings.from_environment(
        os.environ,
        since=parse_day("--since", since) if since else None,
        until=parse_day("--until", until) if until else None,
        exclude_cities=tuple(exclude_city) if exclude_city else None,
        time_zone=time_zone,
    )
    day = today(settings.rules.time_zone)
    refuse_future_days(settings, day, day)
    if output.resolve() == rejects.resolve():
        raise UsageError("--output and --rejects are the same file")
    files = [Path("/dev/stdin") if path == Path("-") else path for path in inputs]
    accept = partial(refuse_all_rejected, rejects=str(rejects))
    summary = normalize_files(files, output, rejects, settings.rules, workers, accept=accept)
    print_summary(summary.as_dict(), as_json)
    check_max_rejects(summary.rejected, max_rejects)


@command(
    "cat-normalize convert --input users.csv --output users.parquet --conversations conversations.parquet"
)
def convert(
    source: Annotated[str, typer.Option("--input", help="The CSV: a path, or s3://bucket/key.")],
    output: Annotated[str, typer.Option(help="The Parquet of users: a path, or s3://bucket/key.")],
    conversations: Annotated[
        str | None, typer.Option(help="The Parquet of conversations [default: it is not made].")
    ] = None,
    messages: Annotated[
        str | None, typer.Option(help="The Parquet of messages [default: it is not made].")
    ] = None,
    memory: Annotated[str, typer.Option(help="Heap of the Java process, such as 2g or 512m.")] = "2g",
    allow_future: Annotated[
        bool, typer.Option("--allow-future", help="Convert even a CSV of a day after today.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Convert the CSV to one typed Parquet object per table, with Spark."""
    from cat_lab import spark
    from cat_normalize.convert import check_conversion, convert_csv

    check_parameters(memory=memory)
    settings = Settings.from_environment(os.environ)
    given = {"users": output, "conversations": conversations, "messages": messages}
    targets = {name: target for name, target in given.items() if target}
    s3 = _s3(settings) if any(map(layout.is_s3, (source, *targets.values()))) else None
    day, rules = layout.run_date_of(source), settings.rules
    check_conversion(source, targets, s3, day, today(rules.time_zone), allow_future=allow_future)
    with spark.running(settings, memory) as session:
        done = convert_csv(session, source, targets, s3, rules=rules, allow_future=allow_future)
    print_summary(_conversion(done), as_json)


@command("cat-normalize query by_city --conversations conversations.parquet --messages messages.parquet")
def query(
    name: Annotated[str, typer.Argument(help="Which query; an unknown name lists them.")],
    parquet: Annotated[Path | None, typer.Option(help="Query this file of users, not Athena.")] = None,
    conversations: Annotated[
        Path | None, typer.Option(help="Query this file of conversations, not Athena.")
    ] = None,
    messages: Annotated[Path | None, typer.Option(help="Query this file of messages, not Athena.")] = None,
    param: Annotated[
        list[str] | None,
        typer.Option(help="A parameter of the query, NAME=VALUE, such as since=2025-08-01; may be repeated."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run a named query: with Athena, or with DuckDB on Parquet files; by default of the last 28 days."""
    from cat_lab.local_athena import run_local
    from cat_normalize.query import load, run_athena

    values = load(name).parse(parse_pairs(param or []))
    given = {"users": parquet, "conversations": conversations, "messages": messages}
    if tables := {table: path for table, path in given.items() if path}:
        frame = run_local(name, tables, **values)
    else:
        find_credentials()
        frame = run_athena(name, Settings.from_environment(os.environ), **values)
    if as_json:
        rows = frame.astype(object).where(frame.notna(), None).to_dict(orient="records")
        typer.echo(json.dumps({"query": name, "rows": rows}, ensure_ascii=False, default=str))
    else:
        typer.echo(frame.to_string(index=False))


def _conversion(done: Converted) -> dict[str, Any]:
    """Return the summary: of ``users``, and by name of the other tables that were made."""
    users, *others = (
        {"rows": each.rows, "bytes": each.bytes, "sha256": each.sha256, "output": each.target}
        for each in done.tables.values()
    )
    made = dict(zip(list(done.tables)[1:], others, strict=True))
    unmatched = {} if done.feedback_unmatched is None else {"feedback_unmatched": done.feedback_unmatched}
    return {**users, **made, **unmatched}


def _s3(settings: Settings) -> Any:
    find_credentials()  # fails before Spark starts
    return aws.client(settings, "s3")


@contextmanager
def _frozen_garbage() -> Iterator[None]:
    """Exclude the objects made in the block from garbage collection: they stay to the end of the process."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _print_limited(_table: object, scan: Scan) -> None:
    if scan.max_rcu is not None:
        typer.echo(f"cat-normalize: {scan}", err=True)


def _count_up() -> Callable[[int], None]:
    """Return a function that counts items on the last line of a terminal, and prints nothing elsewhere."""
    lock, total, terminal = threading.Lock(), 0, sys.stderr.isatty()

    def more(items: int) -> None:
        nonlocal total
        with lock:
            total += items
            if terminal:
                typer.echo(f"\r{total:,} items", err=True, nl=False)

    return more
