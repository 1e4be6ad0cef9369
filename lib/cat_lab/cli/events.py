"""The event loop as people see it: how to try it, and a line for whatever comes of it."""

from __future__ import annotations

import os
import shlex
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from cat_normalize.core import layout
from cat_normalize.core.settings import Settings, today

if TYPE_CHECKING:
    from cat_lab.local import JobRun, LocalAws, Worker

_SECONDS = 5


def start(aws: LocalAws, folder: Path, script: Path | None) -> Worker | None:
    """Make the rule and the Glue job and return who works for them, or say why not and return None."""
    from cat_lab.local import Worker, create_event_loop

    if script is None:
        _say(
            "The event loop is off: no glue/etl-process2/glue_job_script.py here; go to the project's folder."
        )
        return None
    if find_spec("awsglue") is None:
        _say("The event loop is off: awsglue is not installed; install the extra: cat-normalize[dev].")
        return None
    create_event_loop(aws.settings, script)
    return Worker(aws, folder)


def explain(settings: Settings, folder: Path, worker: Worker | None) -> None:
    """Say how to try it, in commands that can be typed; nothing if it is off."""
    if worker is None:
        return
    program = [_short(Path(sys.executable)), "-m", "cat_lab"]
    raw, csv, rejects = (str(folder / name) for name in ("raw", "users.csv", "rejects.jsonl"))
    key = layout.csv_key(settings, today(settings.rules.time_zone))
    uri = layout.s3_uri(settings.bucket, key)
    put = f"import boto3; boto3.client('s3').upload_file({csv!r}, {settings.bucket!r}, {key!r})"
    _say("\nA CSV of ETL-1's that is put into the bucket starts the Glue job, as on AWS. Make one there:\n")
    _say(shlex.join([*program, "extract", "--output", raw]))
    _say(shlex.join([*program, "normalize", "--input", raw, "--output", csv, "--rejects", rejects]))
    _say("\nand put it, with either of\n")
    _say(f'{shlex.quote(program[0])} -c "{put}"')
    _say(shlex.join(["aws", "s3", "cp", csv, uri]))


def serve(aws: LocalAws, worker: Worker | None) -> None:
    """Run the job for each CSV that arrives, until interrupted.

    Raises:
        LocalAwsError: the local AWS has ended.
    """
    from botocore.exceptions import BotoCoreError

    while True:
        aws.check()
        if worker is None:
            time.sleep(0.5)
            continue
        try:
            event = worker.receive(_SECONDS)
        except BotoCoreError:
            aws.check()
            raise
        if event is not None:
            _say(f"\n{event.key} arrived: the Glue job runs")
            _tell(worker.run(event), worker.log)


def _tell(run: JobRun, log: Path) -> None:
    if run.manifest is not None:
        (output,) = run.manifest["outputs"]
        rows = run.manifest["summary"]["rows"]
        _say(f"{run.key} done: {rows:,} rows, {output['bytes']:,} bytes, {output['uri']}")
    elif run.status == "stale":
        _say(f"{run.key} is older, the Parquet stays: {run.reason}")
    else:
        lines = "\n".join(f"  {line}" for line in run.tail.splitlines()) or "  (nothing)"
        _say(f"{run.key} FAILED: {run.reason}\nthe last lines of {log}:\n{lines}")


def _short(path: Path) -> str:
    """Return a path from here, if it is below; as it is otherwise."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


def _say(line: str) -> None:
    typer.echo(line, err=True)
