"""The commands of whole runs: run, local, lab."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from cat_lab.cli import outcome
from cat_lab.cli.app import DAY, AsJson, MaxRejects, check_limit, command, pairs, settings
from cat_normalize.core.errors import InputError, PipelineError, UsageError
from cat_normalize.core.layout import is_s3
from cat_normalize.core.settings import parse_day, today
from cat_normalize.extract import export, partitions

RUNS = Path("runs")


@command("cat-normalize run --local --param normalize.since=2025-08-18")
def run(
    run_date: Annotated[
        str | None, typer.Option(help=f"The day that names the outputs, {DAY} [default: today].")
    ] = None,
    run_id: Annotated[str | None, typer.Option(help="The run's name [default: made of the time].")] = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="Go on from this stage (extract, normalize, convert or query) of an earlier run: "
            "the one of --run-id [default: the latest].",
        ),
    ] = None,
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
    notebooks: Annotated[
        Path | None, typer.Option(help="The folder of the notebooks [default: the project's].")
    ] = None,
    runs: Annotated[Path, typer.Option(help="The folder of runs.")] = RUNS,
    allow_shrink: Annotated[
        bool, typer.Option("--allow-shrink", help="Publish even far fewer users than the last run.")
    ] = False,
    allow_future: Annotated[
        bool, typer.Option("--allow-future", help="Publish even under a day that has not come yet.")
    ] = False,
    max_rejects: MaxRejects = None,
    as_json: AsJson = False,
) -> None:
    """Run the four notebooks into runs/RUN-ID: executed copies, report, manifest, rejects."""
    from cat_lab.runs import checks
    from cat_lab.runs import runner as runner
    from cat_lab.runs.plan import plan
    from cat_lab.workspace import STAGES

    if start is not None and start not in STAGES:
        raise UsageError(f"--from {start!r}: no such stage; there are {', '.join(STAGES)}")
    asked = pairs(param or [])
    if any(name.rpartition(".")[2] == "input" for name in asked):
        raise UsageError("-p input: give the files with --input instead")
    given = asked | _given_input(inputs or [], start, local, publish)
    where = settings()
    day = today(where.rules.time_zone)
    flags = {"--allow-shrink": allow_shrink, "--allow-future": allow_future}
    allowed = [flag for flag, wanted in flags.items() if wanted]
    planned = plan(
        sources=notebooks or _notebooks(),
        runs=runs,
        run_id=run_id,
        run_date=parse_day("--run-date", run_date) if run_date else None,
        today=day,
        start=STAGES[STAGES.index(start)] if start else None,
        local=local or (bool(inputs) and not publish),
        given=given,
        now=_now(),
        allow=[flag.removeprefix("--").replace("-", "_") for flag in allowed],
    )
    for note in planned.notes:
        typer.echo(f"cat-normalize: {note}", err=True)
    outcome.refuse(checks.before_run(planned, where, day))
    typer.echo(f"run {planned.run_id}, into {planned.folder}", err=True)
    record = runner.execute(planned, where, _now, _progress())
    outcome.tell(record, planned.folder, as_json)
    # What the record does not keep, and going on wants again.
    kept = [
        *(("--notebooks", str(notebooks)) if notebooks else ()),
        *(("--runs", str(runs)) if runs != RUNS else ()),
    ]
    kept += [*(word for each in param or [] for word in ("-p", each)), *allowed]
    outcome.end(record, planned.folder, kept)
    check_limit(outcome.rejected(record), max_rejects)


@command("cat-normalize local")
def local(
    log_dir: Annotated[Path, typer.Option(help="Where its log goes.")] = RUNS / "local",
) -> None:
    """Keep a local AWS with a sample table up until Ctrl-C; a CSV put there starts the Glue job."""
    from cat_lab.cli import events as loop
    from cat_lab.local import running

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
    browser: Annotated[bool, typer.Option(help="Open a browser on it.")] = True,
) -> None:
    """Open JupyterLab on the notebooks, with a local AWS beside it, until Ctrl-C."""
    from cat_lab.local import run_jupyterlab, running

    folder = _notebooks()
    if find_spec("jupyterlab") is None:
        raise UsageError("JupyterLab is not installed; install the extra: cat-normalize[local]")
    words = ["--ServerApp.ip=127.0.0.1", f"--notebook-dir={folder.resolve()}"]
    try:
        with running(settings(), log_dir) as aws:
            code = run_jupyterlab(words if browser else [*words, "--no-browser"], aws.child_environment())
    except KeyboardInterrupt:
        return
    if code:
        raise PipelineError(f"JupyterLab ended with {code}; what it said is above")


def _given_input(inputs: list[str], start: str | None, local: bool, publish: bool) -> dict[str, str]:
    """Return what ``--input`` makes a notebook parameter: paths as seen from here, made absolute."""
    if publish and local:
        raise UsageError("--publish is for your AWS account and --local is not; give one of them")
    if publish and not inputs:
        raise UsageError(
            "--publish goes with --input; without both, a run reads and publishes on your account"
        )
    if not inputs:
        return {}
    if start not in (None, "extract"):
        raise UsageError(f"--input is read by the first stage, and --from {start} skips it; start a new run")
    for path in inputs:
        if is_s3(path) and not publish:
            raise UsageError(f"--input {path} is on your AWS account; give --publish to run there")
        if not is_s3(path):
            _check_input(Path(path))
    return {"extract.input": repr([path if is_s3(path) else str(Path(path).resolve()) for path in inputs])}


def _check_input(path: Path) -> None:
    """Refuse an input that a notebook could not read: it opens the path later, and more than once."""
    if (path / export.SUMMARY).is_file() or path.name == export.SUMMARY:
        return
    try:
        files = partitions.expand([path])
    except InputError as error:
        raise UsageError(f"--input: {error}") from error
    for file in files:
        if not file.is_file():
            raise UsageError(f"--input {file} is a pipe or a device; write what comes of it to a file first")


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
