"""The CSV trigger of `cat-normalize local`: a new CSV starts the job, and no process is left over."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import psutil
import pytest

from cat_lab.local import JobRun, LocalAws, Worker, create_csv_trigger, provision
from cat_lab.local.environment import client
from cat_normalize.core import layout
from cat_normalize.core.files import sweep
from cat_normalize.core.manifest import Conversion, Etl2Manifest, Output, plain
from cat_normalize.core.settings import FALLBACK_PATTERNS, Settings
from faults.kit import COMMAND, alive, environment, soon
from local_aws import reset

KEY = "reports/etl-process1/data_20250901.csv"
SCRIPT = Path("glue/etl-process2/glue_job_script.py")
OUTPUTS = [Output(uri, 56789, "00") for uri in layout.table_uris(Settings()).values()]
MADE = Conversion(1234, 99, None, conversations=5678, messages=9012, feedback_unmatched=0)
MANIFEST = Etl2Manifest(date(2025, 9, 1), f"s3://b/{KEY}", Settings(), MADE, OUTPUTS)
PRINTS = f"print('received', __import__('sys').argv[1:]); print({json.dumps(json.dumps(plain(MANIFEST)))})"
SLEEPS = "import time; print('asleep', flush=True); time.sleep(600)"


@pytest.fixture
def aws(shared_aws: LocalAws) -> LocalAws:
    reset(shared_aws)
    return shared_aws


def worker(aws: LocalAws, folder: Path, text: str) -> Worker:
    (folder / "script.py").write_text(text)
    create_csv_trigger(aws.settings, folder / "script.py")
    return Worker(aws, folder)


def put(settings: Settings, key: str = KEY) -> None:
    client(settings, "s3").put_object(Bucket=settings.bucket, Key=key, Body=b"x")


def run(worker: Worker, aws: LocalAws) -> JobRun:
    put(aws.settings)
    event = worker.receive()
    assert event is not None
    return worker.run(event)


def test_the_script_receives_the_jobs_arguments_and_the_key(aws: LocalAws, tmp_path: Path) -> None:
    made = worker(aws, tmp_path, PRINTS)
    assert run(made, aws) == JobRun(KEY, "done", manifest=MANIFEST)
    received = made.log.read_text().partition("received ")[2].splitlines()[0]
    words = ["--JOB_NAME", layout.GLUE_JOB]
    words += ["--input_bucket", aws.settings.bucket, "--input_prefix", "reports/etl-process1/"]
    words += ["--output_bucket", aws.settings.bucket, "--output_prefix", "reports/etl-process2/"]
    words += ["--time_zone", "America/Bogota", "--fallback_patterns", ",".join(FALLBACK_PATTERNS)]
    assert received == str([*words, "--input_key", KEY])


def test_a_wheel_on_s3_is_imported_by_the_script_and_by_its_tasks(aws: LocalAws, tmp_path: Path) -> None:
    text = """
from pyspark.sql import SparkSession
import only_in_the_wheel
rows = SparkSession.builder.getOrCreate().sparkContext.parallelize([1, 2])
assert rows.map(lambda one: __import__("only_in_the_wheel").ONE + one).collect() == [2, 3]
"""
    made, uri = (
        worker(aws, tmp_path, text + PRINTS),
        f"s3://{aws.settings.bucket}/scripts/made-1.0.gluewheels.zip",
    )
    with zipfile.ZipFile(tmp_path / "wheel", "w") as wheel:
        wheel.writestr("only_in_the_wheel.py", "ONE = 1\n")
    with zipfile.ZipFile(tmp_path / "wheels", "w") as wheels:
        wheels.writestr("wheels/requirements.txt", "made==1.0\n")
        wheels.write(tmp_path / "wheel", "wheels/made-1.0-py3-none-any.whl")
    bucket, key = layout.split_s3(uri)
    aws.client("s3").upload_file(str(tmp_path / "wheels"), bucket, key)
    glue = aws.client("glue")
    own = {"--additional-python-modules": uri, "--python-modules-installer-option": "--no-index"}
    job = glue.get_job(JobName=layout.GLUE_JOB)["Job"]
    glue.delete_job(JobName=layout.GLUE_JOB)
    glue.create_job(Name=layout.GLUE_JOB, Role=job["Role"], Command=job["Command"], DefaultArguments=own)
    ended = run(made, aws)
    assert ended.status == "done", ended
    assert "-python-modules" not in made.log.read_text()


def test_a_run_without_manifest_event_script_or_job_fails(aws: LocalAws, tmp_path: Path) -> None:
    made = worker(aws, tmp_path, "print('not a manifest')")
    assert run(made, aws).reason == "the job's output does not end with a manifest"
    sqs = aws.client("sqs")
    sqs.send_message(
        QueueUrl=sqs.get_queue_url(QueueName=provision.EVENTS)["QueueUrl"], MessageBody="no event"
    )
    event = made.receive()
    assert event is not None
    garbled = made.run(event)
    assert (garbled.key, garbled.status) == ("no event", "failed")
    assert garbled.reason.startswith("InputError: not an event of S3")
    job = aws.client("glue").get_job(JobName=layout.GLUE_JOB)["Job"]
    bucket, key = layout.split_s3(job["Command"]["ScriptLocation"])
    aws.client("s3").delete_object(Bucket=bucket, Key=key)
    gone = run(made, aws)
    assert gone.status == "failed"
    assert "NoSuchKey" in gone.reason
    aws.client("glue").delete_job(JobName=layout.GLUE_JOB)
    assert "EntityNotFoundException" in run(made, aws).reason


class Local:
    """`cat-normalize local`, started in a folder with or without a Glue script."""

    def __init__(self, folder: Path, script: str | None, **variables: str) -> None:
        if script is not None:
            (folder / SCRIPT).parent.mkdir(parents=True)
            (folder / SCRIPT).write_text(script)
        self.err = folder / "err"
        with self.err.open("wb") as err:
            self.process = subprocess.Popen(
                [*COMMAND, "local"],
                cwd=folder,
                env=environment(PYTHONUNBUFFERED="1", **variables),
                stdout=subprocess.PIPE,
                stderr=err,
                text=True,
            )

    def until(self, text: str) -> str:
        """Wait until stderr contains a text, and return stderr."""
        assert soon(lambda: text in self.err.read_text()), self.err.read_text()
        return self.err.read_text()

    def exports(self) -> dict[str, str]:
        """Return the variables that it prints as exports."""
        self.until("Ctrl-C ends it")
        assert self.process.stdout is not None
        lines: list[str] = []
        while not lines or not lines[-1].startswith("export no_proxy="):
            lines.append(self.process.stdout.readline())
        return dict(shlex.split(line)[1].split("=", 1) for line in lines)


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Callable[..., Local]]:
    started: list[Local] = []

    def start(script: str | None, **variables: str) -> Local:
        started.append(Local(tmp_path, script, **variables))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.communicate(timeout=60)


def run_printed(line: str, made: Local, exported: dict[str, str]) -> None:
    """Run a printed command in a shell, with the exports."""
    folder = made.err.parent
    subprocess.run(["/bin/sh", "-euc", line], cwd=folder, env=environment(**exported), check=True)


def test_the_printed_commands_work_and_each_event_is_reported(local: Callable[..., Local]) -> None:
    made = local(PRINTS)
    exported = made.exports()
    (put_it,) = [line for line in made.err.read_text().splitlines() if "upload_file" in line]
    (made.err.parent / "runs" / "local" / "users.csv").write_text("x")
    run_printed(put_it, made, exported)
    key = put_it.split("'")[-2]
    lines = [
        f"{key} arrived: the Glue job runs",
        f"{key} done: 1,234 users, 5,678 conversations, 9,012 messages",
        *(f"  {each.uri} 56,789 bytes" for each in OUTPUTS),
    ]
    assert "\n".join(["", *lines, ""]) in made.until(lines[-1])


def test_a_failed_run_is_reported_with_its_last_lines(local: Callable[..., Local]) -> None:
    made = local("raise RuntimeError('out of sorts')")
    put(Settings.from_environment(made.exports()))
    output = made.until("FAILED")
    assert f"{KEY} FAILED: RuntimeError: out of sorts\nthe last lines of runs/local/glue-job.log:\n" in output
    assert made.until("  RuntimeError: out of sorts\n")


def test_an_older_csv_is_reported_without_failure(local: Callable[..., Local]) -> None:
    made = local(
        "from cat_normalize.core.errors import StaleInputError\nraise StaleInputError('of yesterday')"
    )
    put(Settings.from_environment(made.exports()))
    assert f"{KEY} is older, the Parquet stays: StaleInputError: of yesterday\n" in made.until("is older")


def test_a_parquet_with_a_future_date_is_a_failure(aws: LocalAws, tmp_path: Path) -> None:
    text = "from cat_normalize.core.errors import FutureParquetError\nraise FutureParquetError('of 2035')"
    done = run(worker(aws, tmp_path, text), aws)
    assert (done.status, done.reason) == ("failed", "FutureParquetError: of 2035")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_running_job_ends_with_the_command(
    local: Callable[..., Local], tmp_path: Path, number: int
) -> None:
    (tmp_path / "tmp").mkdir()
    made = local(SLEEPS, TMPDIR=str(tmp_path / "tmp"))
    put(Settings.from_environment(made.exports()))
    log = made.err.parent / "runs" / "local" / "glue-job.log"
    assert soon(lambda: log.exists() and "asleep" in log.read_text())
    family = psutil.Process(made.process.pid).children(recursive=True)
    assert len(family) >= 3  # the local AWS, Java and the script's Python
    made.process.send_signal(number)
    codes = {signal.SIGINT: 0, signal.SIGTERM: 143, signal.SIGKILL: -signal.SIGKILL}
    assert made.process.wait(60) == codes[number]
    assert soon(lambda: not alive(family))
    sweep(tmp_path / "tmp")
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_running_job_ends_with_the_local_aws(local: Callable[..., Local]) -> None:
    made = local(SLEEPS)
    put(Settings.from_environment(made.exports()))
    log = made.err.parent / "runs" / "local" / "glue-job.log"
    assert soon(lambda: log.exists() and "asleep" in log.read_text())
    family = psutil.Process(made.process.pid).children(recursive=True)
    server = min(psutil.Process(made.process.pid).children(), key=lambda each: each.create_time())
    server.kill()
    assert made.process.wait(60) == 1
    assert "cat-normalize: the local AWS ended with -9" in made.err.read_text()
    assert soon(lambda: not alive(family))
