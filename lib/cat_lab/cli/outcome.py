"""Print how a run ended: the summary, then the failure, what to try and the command that resumes the run."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from msgspec import to_builtins

from cat_lab.cli.app import interruption, print_summary, quote
from cat_lab.errors import exit_code_of
from cat_normalize.core.errors import GuardError, ShrunkError

if TYPE_CHECKING:
    from cat_lab.runs import Failure, Problem, RunRecord

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


def print_outcome(record: RunRecord, folder: Path, as_json: bool) -> None:
    """Print the summary of a run, and which files to open next."""
    if sys.stderr.isatty():
        typer.echo("", err=True)
    if as_json:
        print_summary({**to_builtins(record), "folder": str(folder)}, as_json)
        return
    summary = {"run": f"{record.run_id}: {record.status}", "day": str(record.run_date), **record.counts}
    summary |= {stage: each.status for stage, each in record.stages.items() if each.status != "done"}
    print_summary(summary, as_json)
    label = "\nOpen next:"
    for name, description in _FILES.items():
        if (folder / name).exists():
            typer.echo(f"{label} {folder / name}{description}")
            label = "          "


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
    if failure.traceback:
        typer.echo(failure.traceback, err=True)
    headline, code = _headline(record, failure)
    lines = [headline]
    lines += [f"What to try:  {failure.advice}"] if failure.advice else []
    lines += [f"Later error:  {note}" for note in record.notes]
    lines += [
        f"The {what}:   {folder / name}"
        for what, name in (("record", "manifest.json"), ("report", "report.html"))
        if (folder / name).exists()
    ]
    resume = ["cat-normalize", "run", "--run-id", record.run_id, "--from"]
    unfinished = quote([*resume, record.first_unfinished or next(reversed(record.stages)), *options])
    if code == GuardError.exit_code:  # the extracted items are wrong
        lines.append(f"To resume:    {quote([*resume, 'extract', *options])}")
    else:
        lines.append(f"To resume:    {unfinished}")
    if failure.error == ShrunkError.__name__:
        lines.append(f"To publish:   {unfinished} --allow-shrink")
    typer.echo("\n".join(lines), err=True)
    raise typer.Exit(code)


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
