"""How a run ended, as its user reads it: the summary, then what failed, what to try and how to go on."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from cat_lab.cli.app import INTERRUPTED, print_summary, shell
from cat_lab.errors import Terminated, exit_code_of
from cat_normalize.core.errors import GuardError, ShrunkError

if TYPE_CHECKING:
    from cat_lab.runs.checks import Check

_SHOWN = {
    "report.html": "",
    "rejects.jsonl": ": what was rejected, and why",
    "manifest.json": ": counts, settings and checksums of this run",
    "bucket": ": the bucket, as the run left it",
}


def refuse(checks: Iterable[Check]) -> None:
    """End the command if there is a problem, and tell them all."""
    found = [each for each in checks if not each.ok]
    if not found:
        return
    count = "a problem" if len(found) == 1 else f"{len(found)} problems"
    typer.echo(f"cat-normalize: {count}; nothing was started", err=True)
    for each in found:
        typer.echo(f"  {each}", err=True)
    raise typer.Exit(max(each.exit_code for each in found))


def tell(record: dict[str, Any], folder: Path, as_json: bool) -> None:
    """Print the summary of a run, and what to open next."""
    if sys.stderr.isatty():
        typer.echo("", err=True)
    if as_json:
        print_summary({**record, "folder": str(folder)}, as_json)
        return
    told = {"run": f"{record['run_id']}: {record['status']}", "day": record["run_date"], **_counts(record)}
    told |= {stage: each["status"] for stage, each in record["stages"].items() if each["status"] != "done"}
    print_summary(told, as_json)
    label = "\nOpen next:"
    for name, what in _SHOWN.items():
        if (folder / name).exists():
            typer.echo(f"{label} {folder / name}{what}")
            label = "          "


def end(record: dict[str, Any], folder: Path, kept: Sequence[str]) -> None:
    """Say what failed first, what to try and how to go on, and end the command; nothing if all is well.

    Args:
        record: the run's.
        folder: the run's.
        kept: words of the command line that going on wants again.
    """
    failure = record.get("failure")
    if failure is None:
        return
    if "traceback" in failure:
        typer.echo(failure["traceback"], err=True)
    stages = record["stages"]
    stage = next((name for name, each in stages.items() if each["status"] != "done"), next(reversed(stages)))
    code = _exit_code(record, failure)
    again = ["cat-normalize", "run", "--run-id", record["run_id"], "--from"]
    onward = shell([*again, stage, *kept])
    ways = [f"To go on:     {onward}"]
    if code == GuardError.exit_code:  # what is wrong was extracted
        ways = [f"To go on:     {shell([*again, 'extract', *kept])}"]
    if failure["error"] == ShrunkError.__name__:
        ways.append(f"Or so few:    {onward} --allow-shrink")
    lines = [_what(record, failure)]
    lines += [f"What to try:  {failure['try']}"] if failure["try"] else []
    lines += [f"After that:   {note}" for note in record["notes"]]
    lines += [
        f"The {what}:   {folder / name}"
        for what, name in (("record", "manifest.json"), ("report", "report.html"))
        if (folder / name).exists()
    ]
    typer.echo("\n".join([*lines, *ways]), err=True)
    raise typer.Exit(code)


def rejected(record: dict[str, Any]) -> int:
    """Return how many items a run has rejected."""
    return int(_counts(record).get("rejected", 0))


def _counts(record: dict[str, Any]) -> dict[str, Any]:
    found = record["outputs"].get("etl-process1")
    summary = found.get("summary") if isinstance(found, dict) else None
    return summary if isinstance(summary, dict) else {}


def _what(record: dict[str, Any], failure: dict[str, Any]) -> str:
    run, place = (
        f"cat-normalize: run {record['run_id']}",
        f" in {failure['stage']}" if failure["stage"] else "",
    )
    if record["status"] == "interrupted":
        how = "ended by SIGTERM" if failure["error"] == Terminated.__name__ else "interrupted"
        return f"{run} was {how}{place}"
    if failure.get("cell"):
        place += ", code cell {cell} of {cells}, under {heading!r}, in {notebook}".format(**failure)
    elif failure.get("notebook"):
        place += f", in {failure['notebook']}"
    return f"{run} failed{place}:\n{failure['error']}: {failure['text']}"


def _exit_code(record: dict[str, Any], failure: dict[str, Any]) -> int:
    if record["status"] != "interrupted":
        return exit_code_of(failure["error"])
    return Terminated.exit_code if failure["error"] == Terminated.__name__ else INTERRUPTED
