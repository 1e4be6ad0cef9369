"""Print what the checks before a run found, and how a run ended: its summary, its failure, how to resume."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from msgspec import to_builtins

from cat_lab.cli import logs
from cat_lab.cli.app import duration, interruption, print_summary, quote
from cat_lab.errors import exit_code_of
from cat_normalize.core.errors import GuardError, ShrunkError

if TYPE_CHECKING:
    from cat_lab.runs import Check, Failure, Problem, RunRecord
    from cat_normalize.extract.capacity import TableSize

_FILES = {
    "report.html": "",
    "details.html": ": every notebook, with its code and outputs",
    "rejects.jsonl": ": rejected items, with the reasons",
    "manifest.json": ": counts, settings and checksums of this run",
    "bucket": ": a copy of the bucket",
}


def refuse(problems: Sequence[Problem]) -> None:
    """End the command if there is any problem, and print them all."""
    if not problems:
        return
    count = "a problem" if len(problems) == 1 else f"{len(problems)} problems"
    typer.echo(f"cat-normalize: {count}; nothing was started", err=True)
    for each in problems:
        typer.echo(f"  {each}", err=True)
    raise typer.Exit(max(each.exit_code for each in problems))


def print_checks(checks: Sequence[Check], max_rcu: int | None, as_json: bool) -> None:
    """Print every check, and the size of the table; end the command with the worst problem's exit code."""
    code = max((problem.exit_code for each in checks for problem in each.problems), default=0)
    table = next((each.table for each in checks if each.table), None)
    if as_json:
        found = [
            {
                "name": each.name,
                "status": each.status,
                "problems": [asdict(problem) for problem in each.problems],
                "skipped": each.skipped,
            }
            for each in checks
        ]
        size = table.as_dict(max_rcu) if table else None
        typer.echo(json.dumps({"exit_code": code, "checks": found, "table": size}, ensure_ascii=False))
    else:
        width = max(len(each.name) for each in checks)
        for each in checks:
            for line in [problem.line for problem in each.problems] or [each.skipped]:
                typer.echo(f"{each.name:{width}}  {each.status}{': ' if line else ''}{line}")
        for line in _table_lines(table, max_rcu) if table else ():
            typer.echo(line)
    raise typer.Exit(code)


def _table_lines(table: TableSize, max_rcu: int | None) -> Iterator[str]:
    yield f"\nTable {table.name}, as DynamoDB counted it up to six hours ago:"
    yield f"  items        {table.items:,}"
    yield f"  bytes        {table.bytes:,}"
    provided = table.provisioned_rcu or table.on_demand_rcu
    rate = f", {provided:,} read units a second" if provided else ""
    yield f"  billing      {table.billing_mode}{rate}"
    scan = table.scan(max_rcu)
    yield f"  a scan takes {scan.rcu:,.12g} read units"
    if scan.max_rcu is None or scan.seconds is None:
        yield "  and lasts    unknown: nothing limits its rate; give one with --max-rcu"
    else:
        yield f"  and lasts    {duration(scan.seconds)} at least, at most {scan.max_rcu:,.12g} units a second"


def print_outcome(record: RunRecord, folder: Path, as_json: bool) -> None:
    """Print the summary of a run, and which files to open next."""
    if as_json:
        print_summary({**to_builtins(record), "folder": str(folder)}, as_json)
        return
    summary = {"run": f"{record.run_id}: {record.status}", "day": str(record.run_date), **record.counts}
    summary |= {stage: each.status for stage, each in record.stages.items() if each.status != "done"}
    print_summary(summary, as_json)
    label = "\nOpen next:"
    for name, description in _FILES.items():
        if _has_content(folder / name):
            typer.echo(f"{label} {folder / name}{description}")
            label = "          "


def _has_content(path: Path) -> bool:
    """Tell whether there is something to see: a run without rejects has an empty file of them."""
    return path.exists() and path.stat().st_size > 0


def exit_if_failed(record: RunRecord, folder: Path, options: Sequence[str]) -> None:
    """Print the failure of a run, what to try and how to resume, and end the command; do nothing if done.

    Args:
        record: the run record.
        folder: the folder of the run.
        options: words of the command line to repeat when the run is resumed.
    """
    failure = record.failure
    if not failure:
        return
    if log := logs.active():
        more = {"notes": record.notes, **ways_on(record, options)}
        log.event("failure", status=record.status, **to_builtins(failure), **more)
    else:
        lines = failure_lines(record, folder, options)
        typer.echo("\n".join([failure.traceback, *lines] if failure.traceback else lines), err=True)
    raise typer.Exit(_headline(record, failure)[1])


def failure_lines(record: RunRecord, folder: Path, options: Sequence[str]) -> list[str]:
    """Return the failure of a run, what to try, where to look and how to resume it."""
    lines = []
    if failure := record.failure:
        lines.append(_headline(record, failure)[0])
        lines += [f"What to try:  {failure.advice}"] if failure.advice else []
    lines += [f"Later error:  {note}" for note in record.notes]
    lines += [
        f"{f'The {what}:':14}{folder / name}"
        for what, name in (
            ("record", "manifest.json"),
            ("report", "report.html"),
            ("rejects", "rejects.jsonl"),
        )
        if _has_content(folder / name)
    ]
    ways = ways_on(record, options)
    return lines + [f"{f'To {what}:':12}  {line}" for what, line in ways.items()]


def ways_on(record: RunRecord, options: Sequence[str]) -> dict[str, str]:
    """Return the commands that resume a run that is not done, or publish what its guard refused."""
    resume = ["cat-normalize", "run", "--run-id", record.run_id, "--from"]
    unfinished = quote([*resume, record.first_unfinished or next(reversed(record.stages)), *options])
    error = record.failure.error if record.failure else ""
    ways = {"resume": unfinished}
    if exit_code_of(error) == GuardError.exit_code:  # the extracted items are wrong
        ways["resume"] = quote([*resume, "extract", *options])
    if error == ShrunkError.__name__:
        ways["publish"] = f"{unfinished} --allow-shrink"
    return ways


def _headline(record: RunRecord, failure: Failure) -> tuple[str, int]:
    """Return what happened and where, and the exit code it means."""
    run = f"cat-normalize: run {record.run_id}"
    where = f" in {failure.stage}" if failure.stage else ""
    if record.status == "interrupted":
        how, code = interruption(failure.error)
        return f"{run} was {how}{where}", code
    if failure.cell:
        where += f", code cell {failure.cell} of {failure.cells}, under {failure.heading!r}"
    if failure.notebook:
        where += f", in {failure.notebook}"
    return f"{run} failed{where}:\n{failure.error}: {failure.text}", exit_code_of(failure.error)
