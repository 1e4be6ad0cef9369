"""The loop as `cat-normalize local` keeps it up: a CSV arrives, the job runs, and nobody is left behind."""

from __future__ import annotations

import json
import shlex
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

import cat_normalize
from cat_lab.local import LocalAws, running
from cat_lab.local import events as loop
from cat_lab.local.provision import client
from cat_lab.local.worker import Ended, Worker
from cat_normalize.core import layout
from cat_normalize.core.files import sweep
from cat_normalize.core.settings import Settings
from faults.kit import COMMAND, alive, environment, soon

KEY = "reports/etl-process1/data_20250901.csv"
SCRIPT = Path("glue/etl-process2/glue_job_script.py")
MANIFEST = {
    "summary": {"rows": 1234},
    "outputs": [{"uri": "s3://cat-prod-normalize-reports/reports/etl-process2/data.parquet", "bytes": 56789}],
}
SAYS = f"print('heard', __import__('sys').argv[1:]); print({json.dumps(json.dumps(MANIFEST))})"
SLEEPS = "import time; print('asleep', flush=True); time.sleep(600)"


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[LocalAws]:
    with running(Settings(), tmp_path / "aws", seed=False) as aws:
        yield aws


def worker(aws: LocalAws, folder: Path, text: str) -> Worker:
    (folder / "script.py").write_text(text)
    return Worker(aws, loop.provision(aws.settings, folder / "script.py"), folder)


def put(settings: Settings, key: str = KEY) -> None:
    client(settings, "s3").put_object(Bucket=settings.bucket, Key=key, Body=b"x")


def run(worker: Worker, aws: LocalAws) -> Ended:
    put(aws.settings)
    arrived = worker.take()
    assert arrived is not None
    return worker.run(arrived)


def test_the_script_is_given_the_jobs_arguments_and_the_key(aws: LocalAws, tmp_path: Path) -> None:
    made = worker(aws, tmp_path, SAYS)
    assert run(made, aws) == Ended(KEY, "done", manifest=MANIFEST)
    heard = made.log.read_text().partition("heard ")[2].splitlines()[0]
    words = ["--JOB_NAME", layout.GLUE_JOB]
    words += ["--input_bucket", aws.settings.bucket, "--input_prefix", "reports/etl-process1/"]
    words += ["--output_bucket", aws.settings.bucket, "--output_prefix", "reports/etl-process2/"]
    words += ["--time_zone", "America/Bogota"]
    assert heard == str([*words, "--input_key", KEY])


def test_what_goes_wrong_is_a_failed_run(aws: LocalAws, tmp_path: Path) -> None:
    made = worker(aws, tmp_path, "print('not a manifest')")
    assert run(made, aws).reason == "the job's output does not end with a manifest"
    sqs = aws.client("sqs")
    sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName=loop.EVENTS)["QueueUrl"], MessageBody="no event")
    arrived = made.take()
    assert arrived is not None
    garbled = made.run(arrived)
    assert (garbled.key, garbled.status) == ("no event", "failed")
    assert garbled.reason.startswith("InputError: not an event of S3")
    aws.client("s3").delete_object(Bucket=aws.settings.bucket, Key="scripts/etl-process2/script.py")
    gone = run(made, aws)
    assert gone.status == "failed"
    assert "NoSuchKey" in gone.reason
    aws.client("glue").delete_job(JobName=layout.GLUE_JOB)
    assert "EntityNotFoundException" in run(made, aws).reason


class Local:
    """`cat-normalize local`, started in a folder that may hold a Glue script."""

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
        """Return what it said once it has said that."""
        assert soon(lambda: text in self.err.read_text()), self.err.read_text()
        return self.err.read_text()

    def exports(self) -> dict[str, str]:
        """Return what it printed to be exported."""
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


def typed(line: str, made: Local, exported: dict[str, str]) -> None:
    """Type a line into a shell of a folder, with the exports."""
    folder = made.err.parent
    subprocess.run(["/bin/sh", "-euc", line], cwd=folder, env=environment(**exported), check=True)


def test_what_it_says_can_be_typed_and_a_line_tells_each_event(local: Callable[..., Local]) -> None:
    made = local(SAYS)
    exported = made.exports()
    (put_it,) = [line for line in made.err.read_text().splitlines() if "upload_file" in line]
    (made.err.parent / "runs" / "local" / "users.csv").write_text("x")
    typed(put_it, made, exported)
    told = made.until("done:")
    key = put_it.split("'")[-2]
    assert f"\n{key} arrived: the Glue job runs\n{key} done: 1,234 rows, 56,789 bytes, s3://" in told


def test_a_failure_is_told_with_its_last_lines(local: Callable[..., Local]) -> None:
    made = local("raise RuntimeError('out of sorts')")
    put(Settings.from_environment(made.exports()))
    told = made.until("FAILED")
    assert f"{KEY} FAILED: RuntimeError: out of sorts\nthe last lines of runs/local/glue-job.log:\n" in told
    assert made.until("  RuntimeError: out of sorts\n")


def test_an_older_csv_is_told_as_in_order(local: Callable[..., Local]) -> None:
    made = local(
        "from cat_normalize.core.errors import StaleInputError\nraise StaleInputError('of yesterday')"
    )
    put(Settings.from_environment(made.exports()))
    assert f"{KEY} is older, the Parquet stays: StaleInputError: of yesterday\n" in made.until("is older")


def test_a_parquet_of_a_day_that_has_not_come_is_a_failure(aws: LocalAws, tmp_path: Path) -> None:
    text = "from cat_normalize.core.errors import FutureParquetError\nraise FutureParquetError('of 2035')"
    ended = run(worker(aws, tmp_path, text), aws)
    assert (ended.status, ended.reason) == ("failed", "FutureParquetError: of 2035")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_run_under_way_ends_with_it(local: Callable[..., Local], tmp_path: Path, number: int) -> None:
    (tmp_path / "tmp").mkdir()
    made = local(SLEEPS, TMPDIR=str(tmp_path / "tmp"))
    put(Settings.from_environment(made.exports()))
    log = made.err.parent / "runs" / "local" / "glue-job.log"
    assert soon(lambda: log.exists() and "asleep" in log.read_text())
    family = psutil.Process(made.process.pid).children(recursive=True)
    assert len(family) >= 3  # the local AWS, Java and the script's Python
    made.process.send_signal(number)
    assert made.process.wait(60) == (-signal.SIGKILL if number == signal.SIGKILL else 0)
    assert soon(lambda: not alive(family))
    sweep(tmp_path / "tmp")
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_run_under_way_ends_when_the_local_aws_does(local: Callable[..., Local]) -> None:
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


def test_without_the_script_it_is_up_and_says_that_the_loop_is_off(
    local: Callable[..., Local], tmp_path: Path
) -> None:
    library = tmp_path / "elsewhere" / "lib" / "cat_normalize"
    shutil.copytree(
        Path(cat_normalize.__file__).parent, library, ignore=shutil.ignore_patterns("__pycache__")
    )
    made = local(None, PYTHONPATH=str(library.parent))
    settings = Settings.from_environment(made.exports())
    assert "The event loop is off: no glue/etl-process2/glue_job_script.py here" in made.err.read_text()
    assert "upload_file" not in made.err.read_text()
    put(settings)
    assert client(settings, "events").list_rules()["Rules"] == []
