"""The commands of earlier runs: runs list, show, diff, clean."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer
from msgspec import to_builtins

from cat_lab.cli.app import AsJson, app, command, duration, print_summary
from cat_lab.cli.outcome import failure_lines, ways_on
from cat_lab.cli.runs import RUNS, Runs
from cat_normalize.core.errors import UsageError

if TYPE_CHECKING:
    from cat_lab.runs.differences import Differences
    from cat_lab.runs.history import Run

group = typer.Typer(
    help="List, show, compare and remove earlier runs.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(group, name="runs")
_COLUMNS = ("run", "day", "status", "where", "users", "rejected", "seconds")
_DIGEST = 12
"""How many digits of a SHA-256 are printed."""


@command("cat-normalize runs list", group, "list")
def list_runs(runs: Runs = RUNS, as_json: AsJson = False) -> None:
    """List the runs, newest first; a record that cannot be read is named last, and is no error."""
    from cat_lab.runs.history import find_runs

    found, damaged = find_runs(runs)
    rows = [_row(run) for run in found]
    if as_json:
        damages = [str(error) for error in damaged]
        typer.echo(json.dumps({"runs": rows, "damaged": damages}, ensure_ascii=False))
        return
    table = [_COLUMNS, *(tuple(_text(value) for value in row.values()) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line in table if rows else ():
        typer.echo("  ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)).rstrip())
    for error in damaged:
        typer.echo(str(error))
    if not found and not damaged:
        typer.echo(f"no runs in {runs}", err=True)


@command("cat-normalize runs show 20250915T100000Z", group)
def show(
    run: Annotated[str, typer.Argument(help="The name of the run.")],
    runs: Runs = RUNS,
    as_json: AsJson = False,
) -> None:
    """Show a run: stages, parameters, counts, outputs, and if it failed why and how to resume it."""
    from cat_lab.runs.history import find_run

    found = find_run(runs, run)
    record = found.record
    over = record.status == "done" or found.is_at_work
    ways = {} if over else ways_on(record, _options(found))
    if as_json:
        more = {"where": record.where, "seconds": record.seconds, "folder": str(found.folder), **ways}
        typer.echo(json.dumps({**to_builtins(record), **more}, ensure_ascii=False))
        return
    lasted = None if record.seconds is None else duration(record.seconds)
    head = {"run": f"{found.name}: {record.status}", "day": str(record.run_date), "where": record.where}
    print_summary({**head, "started at": record.started_at, "lasted": lasted, **record.counts}, False)
    for line in _details(found):
        typer.echo(line)
    if not over:
        typer.echo("\n" + "\n".join(failure_lines(record, found.folder, _options(found))))


@command("cat-normalize runs diff 20250914T100000Z 20250915T100000Z", group)
def diff(
    first: Annotated[
        str | None, typer.Argument(help="The name of a run [default: the latest but for the second].")
    ] = None,
    second: Annotated[str | None, typer.Argument(help="The name of another [default: the latest].")] = None,
    runs: Runs = RUNS,
    as_json: AsJson = False,
) -> None:
    """Compare two runs: parameters, settings, counts, outputs, and the code of the notebooks."""
    from cat_lab.runs.differences import differences
    from cat_lab.runs.history import find_run, find_runs

    latest = [run.name for run in find_runs(runs)[0]]
    second = second or next((name for name in latest if name != first), None)
    first = first or next((name for name in latest if name != second), None)
    if first is None or second is None or first == second:
        raise UsageError(f"a comparison takes two runs, and {runs} has {len(latest)}; name two of them")
    both = find_run(runs, first), find_run(runs, second)
    found = differences(*both)
    if as_json:
        typer.echo(json.dumps({"runs": [first, second], "differences": found}, ensure_ascii=False))
        return
    typer.echo(f"{first}  {second}")
    for line in _difference_lines(found):
        typer.echo(line)
    if not found:
        typer.echo("nothing differs")


@command("cat-normalize runs clean --keep 30 --dry-run", group)
def clean(
    keep: Annotated[int, typer.Option(min=0, help="How many of the newest runs stay; failed ones count.")],
    runs: Runs = RUNS,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be removed, and remove nothing.")
    ] = False,
) -> None:
    """Remove the oldest runs; never one that is running, nor a folder without a record that can be read."""
    from cat_lab.runs.history import oldest_beyond, remove, size

    count, freed = 0, 0
    for run in oldest_beyond(runs, keep):
        taken = size(run.folder)
        if dry_run or remove(run):
            typer.echo(f"{run.name}  {taken:,} bytes")
            count, freed = count + 1, freed + taken
        else:
            typer.echo(f"{run.name}  stays: it is running again")
    verb = "would be removed" if dry_run else "removed"
    typer.echo(f"{count} {'run' if count == 1 else 'runs'} {verb}, {freed:,} bytes")


def _row(run: Run) -> dict[str, Any]:
    record = run.record
    return {
        "run_id": run.name,
        "run_date": str(record.run_date),
        "status": record.status,
        "where": record.where,
        "users": record.counts.get("users"),
        "rejected": record.counts.get("rejected"),
        "seconds": record.seconds,
    }


def _details(run: Run) -> Iterator[str]:
    """Yield the lines of stages, parameters and outputs."""
    record = run.record
    yield "\nStages:"
    for stage, each in record.stages.items():
        took = "" if each.seconds is None else duration(each.seconds)
        yield f"  {stage:9}  {each.status:11}  {took}".rstrip()
    yield "\nParameters:"
    for stage, given in record.parameters.items():
        yield f"  {stage:9}  " + ", ".join(f"{name}={value}" for name, value in given.items())
    if record.outputs:
        yield "\nOutputs:"
    for manifest in record.outputs.values():
        for output in manifest.get("outputs", []):
            yield f"  {output['uri']}  {output['bytes']:,} bytes, sha256 {output['sha256']}"


def _options(run: Run) -> list[str]:
    """Return the options, of those that a record holds, which a run needs again when it is resumed."""
    from cat_lab.runs.plan import SET_BY_RUN

    runs = run.folder.parent
    options = ["--runs", str(runs)] if runs != RUNS else []
    for stage, given in run.record.parameters.items():
        if run.record.stages[stage].status != "done":
            for name, value in given.items():
                if name not in SET_BY_RUN:
                    text = str(value).lower() if isinstance(value, bool) else str(value)
                    options += ["-p", f"{stage}.{name}={text}"]
    return options


def _difference_lines(found: Differences) -> Iterator[str]:
    width = max((len(name) for names in found.values() for name in names), default=0)
    for section, names in found.items():
        yield f"\n{section}:"
        for name, (one, other) in names.items():
            shown = [_text(value)[: _DIGEST if name.endswith("sha256") else None] for value in (one, other)]
            change = f"  ({other - one:+,})" if _is_number(one) and _is_number(other) else ""
            yield f"  {name:{width}}  {shown[0]} -> {shown[1]}{change}"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(value: object) -> str:
    return "-" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
