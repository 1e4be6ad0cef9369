"""The commands of whole runs: run, local, lab."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from cat_normalize.cli.app import AsJson, MaxRejects, check_limit, command, pairs, print_summary, settings
from cat_normalize.errors import UsageError
from cat_normalize.layout import is_s3
from cat_normalize.settings import parse_day, today

RUNS = Path("runs")


@command("cat-normalize run --local --param normalize.since=2025-08-18")
def run(
    run_date: Annotated[
        str | None, typer.Option(help="The day that names the outputs [default: today].")
    ] = None,
    run_id: Annotated[str | None, typer.Option(help="The run's name [default: made of the time].")] = None,
    start: Annotated[
        str, typer.Option("--from", help="Go on from this stage of an earlier run, the latest by default.")
    ] = "extract",
    local: Annotated[bool, typer.Option(help="On a local AWS with a sample table.")] = False,
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            help="Item files, folders of them, or an export, in place of the table; on a local AWS.",
        ),
    ] = None,
    publish: Annotated[
        bool, typer.Option("--publish", help="Publish what --input gives on your AWS account.")
    ] = False,
    param: Annotated[
        list[str] | None, typer.Option("--param", "-p", help="A notebook parameter, [STAGE.]NAME=VALUE.")
    ] = None,
    notebooks: Annotated[Path | None, typer.Option(help="The folder of the notebooks.")] = None,
    runs: Annotated[Path, typer.Option(help="The folder of runs.")] = RUNS,
    max_rejects: MaxRejects = None,
    as_json: AsJson = False,
) -> None:
    """Run the four notebooks into runs/RUN-ID: executed copies, report, manifest, rejects."""
    from cat_normalize import runs as runner
    from cat_normalize.plan import plan
    from cat_normalize.workspace import STAGES

    if start not in STAGES:
        raise UsageError(f"--from {start!r}: no such stage; there are {', '.join(STAGES)}")
    given = pairs(param or []) | _given_input(inputs or [], start, local, publish)
    where = settings()
    planned = plan(
        sources=notebooks or _notebooks(),
        runs=runs,
        run_id=run_id,
        run_date=parse_day("--run-date", run_date) if run_date else None,
        today=today(where.rules.time_zone),
        start=STAGES[STAGES.index(start)],
        local=local or (bool(inputs) and not publish),
        given=given,
        now=_now(),
    )
    signal.signal(signal.SIGTERM, _interrupt)
    typer.echo(f"run {planned.run_id}, into {planned.folder}", err=True)
    record = runner.execute(planned, where, _now, _progress())
    _tell(record, planned.folder, as_json)
    if record["status"] != "done":
        raise typer.Exit(1)
    check_limit(_rejected(record), max_rejects)


@command("cat-normalize local")
def local(
    log_dir: Annotated[Path, typer.Option(help="Where its log goes.")] = RUNS / "local",
) -> None:
    """Keep a local AWS with a sample table up until Ctrl-C; a CSV put there starts the Glue job."""
    from cat_normalize.cli import loop
    from cat_normalize.local import running

    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with running(settings(), log_dir) as aws:
            worker = loop.start(aws, log_dir, _of_project(Path("glue/etl-process2/glue_job_script.py")))
            typer.echo("The local AWS is up. In another terminal:\n", err=True)
            for name, value in aws.environment.items():
                typer.echo(f"export {name}={shlex.quote(value)}")
            sys.stdout.flush()
            loop.explain(aws.settings, log_dir, worker)
            typer.echo("\nCtrl-C ends it.", err=True)
            loop.serve(aws, worker)
    except KeyboardInterrupt:
        return


@command("cat-normalize lab")
def lab(
    log_dir: Annotated[Path, typer.Option(help="Where the local AWS's log goes.")] = RUNS / "local",
) -> None:
    """Open JupyterLab on the notebooks, with a local AWS beside it, until Ctrl-C."""
    from cat_normalize.local import running

    folder = _notebooks()
    with running(settings(), log_dir) as aws:
        line = [sys.executable, "-m", "jupyterlab", "--ServerApp.ip=127.0.0.1", f"--notebook-dir={folder}"]
        subprocess.run(line, env=aws.child_environment(), check=True)


def _given_input(inputs: list[str], start: str, local: bool, publish: bool) -> dict[str, str]:
    """Return what ``--input`` makes a notebook parameter: paths as seen from here, made absolute."""
    if publish and local:
        raise UsageError("--publish is for your AWS account and --local is not; give one of them")
    if publish and not inputs:
        raise UsageError(
            "--publish goes with --input; without both, a run reads and publishes on your account"
        )
    if not inputs:
        return {}
    if start != "extract":
        raise UsageError(f"--input is read by the first stage, and --from {start} skips it; start a new run")
    for path in inputs:
        if is_s3(path) and not publish:
            raise UsageError(f"--input {path} is on your AWS account; give --publish to run there")
        if not is_s3(path) and not Path(path).exists():
            raise UsageError(
                f"--input {path} does not exist; give item files (JSON lines) or a folder of them"
            )
    return {"extract.input": repr([path if is_s3(path) else str(Path(path).resolve()) for path in inputs])}


def _notebooks() -> Path:
    """Return the notebooks' folder: the one here, or the one beside the library's sources."""
    found = _of_project(Path("notebooks/01_extract.ipynb"))
    if found is None:
        raise UsageError("no notebooks here; go to the project's folder, or name theirs with --notebooks")
    return found.parent


def _of_project(file: Path) -> Path | None:
    """Return a file of the project: the one here, else the one beside the library's sources, else None."""
    return next((each for each in (file, Path(__file__).parents[3] / file) if each.is_file()), None)


def _now() -> datetime:
    return datetime.now(UTC)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _progress() -> Callable[[str, int, int, str], None]:
    """Return a progress of a line a stage; on a terminal it follows the cells as well."""
    terminal, last = sys.stderr.isatty(), ""

    def show(stage: str, number: int, total: int, heading: str) -> None:
        nonlocal last
        if terminal:
            start = "\n" if last and stage != last else "\r"
            typer.echo(f"{start}\x1b[K{stage:9} {number}/{total} {heading}", err=True, nl=False)
        elif stage != last:
            typer.echo(f"{stage}: {total} cells", err=True)
        last = stage

    return show


def _rejected(record: dict[str, Any]) -> int:
    return int(record["outputs"].get("etl-process1", {}).get("summary", {}).get("rejected", 0))


def _tell(record: dict[str, Any], folder: Path, as_json: bool) -> None:
    """Say what happened and what to open next."""
    if sys.stderr.isatty():
        typer.echo("", err=True)
    if as_json:
        print_summary({**record, "folder": str(folder)}, as_json)
        return
    counts = record["outputs"].get("etl-process1", {}).get("summary", {})
    told = {"run": f"{record['run_id']}: {record['status']}", "day": record["run_date"], **counts}
    for stage, entry in record["stages"].items():
        if entry["status"] != "done":
            told[stage] = f"{entry['status']}  {entry.get('error', '')}".rstrip()
    print_summary(told, as_json)
    typer.echo(f"\nOpen next: {folder / 'report.html'}")
    for name, what in (
        ("rejects.jsonl", "what was rejected, and why"),
        ("manifest.json", "counts, settings and checksums of this run"),
        ("bucket", "the bucket, as the run left it"),
    ):
        if (folder / name).exists():
            typer.echo(f"           {folder / name}: {what}")
