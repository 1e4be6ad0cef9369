"""The CSV trigger of ``cat-normalize local``: how to try it, and how each run of the Glue job ended."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from cat_normalize.core import layout
from cat_normalize.core.settings import Settings, today

if TYPE_CHECKING:
    from cat_lab.local import JobRun, LocalAws, Worker

_POLL_SECONDS = 5


def start_worker(aws: LocalAws, folder: Path, script: Path) -> Worker:
    """Create the rule and the Glue job, and return their worker."""
    from cat_lab.local import Worker, create_csv_trigger

    create_csv_trigger(aws.settings, script)
    return Worker(aws, folder)


def print_instructions(settings: Settings, folder: Path) -> None:
    """Print the commands that make a CSV and put it into the bucket."""
    program = [_relative(Path(sys.executable)), "-m", "cat_lab"]
    raw, csv, rejects = (str(folder / name) for name in ("raw", "users.csv", "rejects.jsonl"))
    key = layout.csv_key(settings, today(settings.rules.time_zone))
    uri = layout.s3_uri(settings.bucket, key)
    put = f"import boto3; boto3.client('s3').upload_file({csv!r}, {settings.bucket!r}, {key!r})"
    _print("\nPutting a CSV of ETL-1 into the bucket starts the Glue job, as on AWS. To make a CSV:\n")
    _print(shlex.join([*program, "extract", "--output", raw]))
    _print(shlex.join([*program, "normalize", "--input", raw, "--output", csv, "--rejects", rejects]))
    _print("\nTo put it into the bucket, one of:\n")
    _print(f'{shlex.quote(program[0])} -c "{put}"')
    _print(shlex.join(["aws", "s3", "cp", csv, uri]))


def serve(aws: LocalAws, worker: Worker) -> None:
    """Run the job for each CSV that arrives, until interrupted.

    Raises:
        LocalAwsError: the local AWS has ended.
    """
    from botocore.exceptions import BotoCoreError

    while True:
        aws.check()
        try:
            event = worker.receive(_POLL_SECONDS)
        except BotoCoreError:
            aws.check()
            raise
        if event is not None:
            _print(f"\n{event.key} arrived: the Glue job runs")
            _print(_result(worker.run(event), worker.log))


def _result(run: JobRun, log: Path) -> str:
    if run.manifest is not None:
        made = run.manifest.summary
        rows = {"users": made.rows, "conversations": made.conversations, "messages": made.messages}
        counts = ", ".join(f"{count:,} {table}" for table, count in rows.items() if count is not None)
        objects = [f"  {each.uri} {each.bytes:,} bytes" for each in run.manifest.outputs]
        return "\n".join([f"{run.key} done: {counts}", *objects])
    if run.status == "stale":
        return f"{run.key} is older, the Parquet stays: {run.reason}"
    lines = "\n".join(f"  {line}" for line in run.tail.splitlines()) or "  (nothing)"
    return f"{run.key} FAILED: {run.reason}\nthe last lines of {log}:\n{lines}"


def _relative(path: Path) -> str:
    """Return a path relative to the working directory if it is inside, else unchanged."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


def _print(line: str) -> None:
    typer.echo(line, err=True)
