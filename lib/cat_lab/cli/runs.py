"""The commands of whole runs: run, doctor, local, lab."""

from __future__ import annotations

import os
import shlex
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cat_lab import project
from cat_lab.cli import logs, outcome, progress
from cat_lab.cli.app import DAY, AsJson, MaxRcu, MaxRejects, check_max_rejects, command, parse_pairs
from cat_lab.errors import Terminated
from cat_lab.installed import require
from cat_normalize.core.errors import InputError, PipelineError, UsageError
from cat_normalize.core.layout import is_s3
from cat_normalize.core.settings import Settings, parse_day, today
from cat_normalize.extract import item_files

if TYPE_CHECKING:
    from cat_lab.runs import Plan

RUNS = Path("runs")
GLUE_SCRIPT = Path("glue/etl-process2/glue_job_script.py")
RunDate = Annotated[str | None, typer.Option(help=f"The day that names the outputs, {DAY} [default: today].")]
Local = Annotated[bool, typer.Option(help="Run on a local AWS with a sample table.")]
Inputs = Annotated[
    list[str] | None,
    typer.Option(
        "--input",
        help="Read item files, folders of them, or an export instead of the table; on a local AWS.",
    ),
]
Publish = Annotated[bool, typer.Option("--publish", help="Publish the items of --input on your AWS account.")]
Param = Annotated[
    list[str] | None, typer.Option("--param", "-p", help="A notebook parameter, [STAGE.]NAME=VALUE.")
]
Notebooks = Annotated[
    Path | None,
    typer.Option(help="The folder of the notebooks [default: notebooks, else those of the command]."),
]
Runs = Annotated[Path, typer.Option(help="The folder of runs.")]
AllowFuture = Annotated[
    bool, typer.Option("--allow-future", help="Publish even under a run date after today.")
]


@command("cat-normalize run --local --param normalize.since=2025-08-18")
def run(
    run_date: RunDate = None,
    run_id: Annotated[
        str | None, typer.Option(help="The name of the run [default: made from the time].")
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="Resume an earlier run from this stage (extract, normalize, convert or query): "
            "the run of --run-id [default: the latest].",
        ),
    ] = None,
    local: Local = False,
    inputs: Inputs = None,
    publish: Publish = False,
    param: Param = None,
    notebooks: Notebooks = None,
    runs: Runs = RUNS,
    allow_shrink: Annotated[
        bool, typer.Option("--allow-shrink", help="Publish even far fewer users than the last run.")
    ] = False,
    allow_future: AllowFuture = False,
    max_rcu: MaxRcu = None,
    lang: Annotated[str, typer.Option(help="The language of the report, en or es.")] = "en",
    log_format: Annotated[
        str,
        typer.Option(
            envvar="CAT_LOG_FORMAT", help="The form of what goes to stderr: text, or json for JSON lines."
        ),
    ] = logs.TEXT,
    max_rejects: MaxRejects = None,
    as_json: AsJson = False,
) -> None:
    """Run the four notebooks into runs/RUN-ID: executed copies, report, run record, rejects."""
    from cat_lab.report.words import LANGUAGES
    from cat_lab.runs import check_plan, execute_plan, expected_seconds, problems_of
    from cat_lab.stages import STAGES

    logs.start(log_format)
    if start is not None and start not in STAGES:
        raise UsageError(f"--from {start!r}: no such stage; the stages are {', '.join(STAGES)}")
    if lang not in LANGUAGES:
        raise UsageError(f"--lang {lang!r}: no such language; the languages are {', '.join(LANGUAGES)}")
    flags = {"--allow-shrink": allow_shrink, "--allow-future": allow_future}
    allowed = [flag for flag, is_given in flags.items() if is_given]
    settings = Settings.from_environment(os.environ)
    day = today(settings.rules.time_zone)
    if max_rcu and inputs:
        raise UsageError("--max-rcu is for a table; reading --input uses no read units")
    rate = [f"extract.max_rcu={max_rcu}"] if max_rcu else []
    given = [*(param or []), *rate]
    plan = _plan(day, run_date, local, inputs, publish, given, notebooks, runs, allowed, run_id, start)
    for note in plan.notes:
        typer.echo(f"cat-normalize: {note}", err=True)
    outcome.refuse(problems_of(check_plan(plan, settings, day)))
    with progress.watching(plan, expected_seconds(runs, plan.where)) as watcher:
        record = execute_plan(plan, settings, _now, watcher, lang)
    outcome.print_outcome(record, plan.folder, as_json)
    # Options that the record does not hold and a resumed run needs again.
    options = [
        *(("--notebooks", str(notebooks)) if notebooks else ()),
        *(("--runs", str(runs)) if runs != RUNS else ()),
        *(("--lang", lang) if lang != LANGUAGES[0] else ()),
    ]
    options += [*(word for each in given for word in ("-p", each)), *allowed]
    outcome.exit_if_failed(record, plan.folder, options)
    check_max_rejects(record.counts.get("rejected", 0), max_rejects)


@command("cat-normalize doctor --max-rcu 100")
def doctor(
    run_date: RunDate = None,
    local: Local = False,
    inputs: Inputs = None,
    publish: Publish = False,
    param: Param = None,
    notebooks: Notebooks = None,
    runs: Runs = RUNS,
    allow_future: AllowFuture = False,
    max_rcu: MaxRcu = None,
    as_json: AsJson = False,
) -> None:
    """Check all that a run with these options needs, print what a scan of the table costs, start nothing."""
    from cat_lab.runs import check_plan

    settings = Settings.from_environment(os.environ)
    day = today(settings.rules.time_zone)
    allowed = ["--allow-future"] if allow_future else []
    plan = _plan(day, run_date, local, inputs, publish, param, notebooks, runs, allowed)
    rate = max_rcu or plan.values["extract"].get("max_rcu") or settings.max_rcu
    outcome.print_checks(check_plan(plan, settings, day), rate, as_json)


@command("cat-normalize local")
def local(
    log_dir: Annotated[Path, typer.Option(help="The folder of its log.")] = RUNS / "local",
) -> None:
    """Run a local AWS with a sample table until Ctrl-C; a CSV put into its bucket starts the Glue job."""
    from cat_lab.cli import events
    from cat_lab.local import check_job, running

    check_job()
    try:
        with running(Settings.from_environment(os.environ), log_dir) as aws:
            worker = events.start_worker(aws, log_dir, project.find(GLUE_SCRIPT))
            typer.echo("The local AWS is running. In another terminal:\n", err=True)
            for name, value in aws.environment.items():
                typer.echo(f"export {name}={shlex.quote(value)}")
            sys.stdout.flush()
            events.print_instructions(aws.settings, log_dir)
            typer.echo("\nCtrl-C ends it.", err=True)
            events.serve(aws, worker)
    except Terminated:
        raise
    except KeyboardInterrupt:
        return


@command("cat-normalize lab --no-browser --port 9999", passes_on=True)
def lab(
    log_dir: Annotated[Path, typer.Option(help="The folder of the log of the local AWS.")] = RUNS / "local",
    browser: Annotated[bool, typer.Option(help="Open a browser.")] = True,
    jupyter: Annotated[
        list[str] | None,
        typer.Argument(help="More options, for JupyterLab itself."),
    ] = None,
) -> None:
    """Run JupyterLab on the notebooks, with a local AWS, until Ctrl-C."""
    from cat_lab.local import jupyterlab_options, run_jupyterlab, running

    require("jupyterlab")
    given = [*(jupyter or ()), *(() if browser else ("--no-browser",))]
    words = jupyterlab_options(project.find_own_notebooks(), given)
    try:
        with running(Settings.from_environment(os.environ), log_dir) as aws:
            code = run_jupyterlab(words, aws.child_environment())
    except Terminated:
        raise
    except KeyboardInterrupt:
        return
    if code:
        raise PipelineError(f"JupyterLab ended with {code}; its messages are above")


@command("cat-normalize init my-project")
def init(
    folder: Annotated[Path, typer.Argument(help="The folder of the project; created if needed.")],
) -> None:
    """Lay out a project of your own: notebooks to change, settings, a README with what to run."""
    for path in project.lay_out(folder):
        typer.echo(str(path))
    typer.echo(f"\nOpen next: {folder / 'README.md'}")


def _plan(
    day: date,
    run_date: str | None,
    local: bool,
    inputs: list[str] | None,
    publish: bool,
    param: list[str] | None,
    notebooks: Path | None,
    runs: Path,
    allowed: list[str],
    run_id: str | None = None,
    start: str | None = None,
) -> Plan:
    """Plan a run from the options of a command; ``allowed`` are the given ``--allow-…`` options."""
    from cat_lab.runs import make_plan
    from cat_lab.stages import STAGES

    return make_plan(
        inputs=_input_paths(inputs or [], start, local, publish),
        sources=notebooks or project.find_notebooks(),
        runs=runs,
        run_id=run_id,
        run_date=parse_day("--run-date", run_date) if run_date else None,
        today=day,
        start=STAGES[STAGES.index(start)] if start else None,
        local=local or (bool(inputs) and not publish),
        given=parse_pairs(param or []),
        now=_now(),
        allow=[flag.removeprefix("--").replace("-", "_") for flag in allowed],
    )


def _input_paths(inputs: list[str], start: str | None, local: bool, publish: bool) -> list[str]:
    """Check ``--input`` and return its paths made absolute."""
    if publish and local:
        raise UsageError("--publish is for your AWS account and --local is not; give one of them")
    if publish and not inputs:
        raise UsageError(
            "--publish goes with --input; without both, a run reads and publishes on your account"
        )
    if inputs and start not in (None, "extract"):
        raise UsageError(
            f"--input is read by the first stage, and --from {start} skips that; start a new run"
        )
    files = []
    for path in inputs:
        if is_s3(path) and not publish:
            raise UsageError(f"--input {path} is on your AWS account; give --publish to run there")
        if not is_s3(path):
            files += _check_input(Path(path))
    item_files.expand(files)  # none is named twice
    return [path if is_s3(path) else str(Path(path).resolve()) for path in inputs]


def _check_input(path: Path) -> list[Path]:
    """Return the item files of an input; refuse one that a notebook could not read, which opens it later."""
    if (path / item_files.SUMMARY).is_file() or path.name == item_files.SUMMARY:
        return []
    try:
        files = item_files.expand([path])
    except InputError as error:
        raise UsageError(f"--input: {error}") from error
    for file in files:
        if not file.is_file():
            raise UsageError(f"--input {file} is a pipe or a device; write its content to a file first")
    return files


def _now() -> datetime:
    return datetime.now(UTC)
