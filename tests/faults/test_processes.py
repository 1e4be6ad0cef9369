"""Killed, interrupted, two at once, gone on with: the record stays true and nothing is left running."""

import re
import signal
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from faults.kit import COMMAND, PARAMETERS, alive, environment, notebook, soon

WAIT = (
    "import pathlib, time\n"
    "pathlib.Path(work_dir, 'here').touch()\n"
    "while not pathlib.Path(work_dir, 'go').exists():\n"
    "    time.sleep(0.05)"
)


@pytest.fixture
def scratch():
    """A folder for temporary files, of a path short enough for a kernel's sockets."""
    with tempfile.TemporaryDirectory(prefix="t") as folder:
        yield Path(folder)


@contextmanager
def waiting(bench, *words, run_id="r"):
    """A run that has come to a cell that waits; yield its process and all that it has started."""
    process = bench.start(*words) if "--run-id" in words else bench.start("--run-id", run_id, *words)
    family = []
    try:
        assert soon((bench.runs / run_id / "here").exists), process.poll()
        family = psutil.Process(process.pid).children(recursive=True)
        assert family
        yield process, family
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=60)
        for each in alive(family):
            each.kill()


def go(bench, process, run_id="r"):
    (bench.runs / run_id / "go").touch()
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


@pytest.mark.parametrize("how", ["local", "given AWS"])
def test_a_killed_run_says_running_until_the_next_marks_it(bench, how):
    bench.write(extract=notebook(WAIT))
    if how == "local":
        bench.env = environment()
    with waiting(bench, *(["--local"] if how == "local" else [])) as (process, family):
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL
        assert soon(lambda: not alive(family)), alive(family)
    assert bench.record()["status"] == "running"
    bench.write(extract=notebook("1 / 0"))
    assert bench.run("--run-id", "next", *(["--local"] if how == "local" else [])).returncode == 1
    assert bench.record()["status"] == "interrupted"
    assert bench.statuses() == ["interrupted", "pending", "pending", "pending"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_an_interrupted_run_says_so_and_leaves_nothing(bench, scratch, tmp_path, number, code):
    bench.write(extract=notebook(WAIT))
    (tmp_path / "jupyter").mkdir()
    bench.env = environment(TMPDIR=str(scratch), JUPYTER_RUNTIME_DIR=str(tmp_path / "jupyter"))
    with waiting(bench, "--local") as (process, family):
        assert len(family) == 2  # the local AWS and a kernel
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
        assert process.returncode == code
        assert alive(family) == []
    how = "ended by SIGTERM" if number == signal.SIGTERM else "interrupted"
    assert f"cat-normalize: run r was {how} in extract\n" in err
    assert err.endswith("To go on:     cat-normalize run --run-id r --from extract\n")
    assert "Traceback" not in err
    assert "interrupted" in (bench.runs / "r" / "report.html").read_text()
    assert [*scratch.iterdir(), *(tmp_path / "jupyter").iterdir()] == []
    assert bench.record()["status"] == "interrupted"
    assert "finished_at" in bench.record()
    assert bench.statuses() == ["interrupted", "pending", "pending", "pending"]


def test_a_local_aws_that_is_killed_is_named(bench):
    bench.write(extract=notebook(WAIT))
    bench.env = environment()
    with waiting(bench, "--local") as (process, family):
        (server,) = [each for each in family if "moto_server" in " ".join(each.cmdline())]
        server.kill()
        code, _, err = go(bench, process)
    assert code == 1
    assert "\nLocalAwsError: the local AWS ended with -9; the last lines of runs/r/local-aws.log" in err
    assert bench.record()["status"] == "failed"
    assert bench.record()["failure"]["error"] == "LocalAwsError"
    assert (bench.runs / "r" / "report.html").exists()


def test_a_cell_that_fails_because_the_local_aws_was_killed_is_not_the_reason_told(bench):
    ask = (
        "import boto3\n"
        "once = boto3.session.Config(retries={'max_attempts': 0})\n"
        "boto3.client('s3', config=once).list_buckets()"
    )
    bench.write(extract=notebook(WAIT, ask))
    bench.env = environment()
    with waiting(bench, "--local") as (process, family):
        (server,) = [each for each in family if "moto_server" in " ".join(each.cmdline())]
        server.kill()
        code, _, err = go(bench, process)
    assert code == 1
    assert "in runs/r/01_extract.ipynb:\nLocalAwsError: the local AWS ended with -9" in err
    assert "EndpointConnectionError" in err.partition("After that:")[2]


def test_a_local_aws_that_cannot_start_leaves_record_and_report(bench):
    bench.env = environment(AWS_REGION="nowhere-1")
    done = bench.run("--run-id", "r", "--local")
    assert done.returncode == 1
    assert "cat-normalize: run r failed:\nLocalAwsError: the local AWS could not be made ready" in done.stderr
    assert "To go on:     cat-normalize run --run-id r --from extract" in done.stderr
    assert bench.record()["failure"]["error"] == "LocalAwsError"
    assert "LocalAwsError" in (bench.runs / "r" / "report.html").read_text()


def test_temporary_files_of_a_killed_run_are_swept_by_the_next(bench, scratch, tmp_path):
    bench.env |= {"TMPDIR": str(scratch), "JUPYTER_RUNTIME_DIR": str(tmp_path / "jupyter")}
    bench.write(extract=notebook(WAIT))
    with waiting(bench) as (process, family):
        process.kill()
        process.communicate(timeout=60)
        assert soon(lambda: not alive(family))
    assert list(scratch.iterdir()) != []
    assert not (tmp_path / "jupyter").exists() or list((tmp_path / "jupyter").iterdir()) == []
    bench.write()
    assert bench.run("--run-id", "next").returncode == 0
    assert list(scratch.iterdir()) == []


def test_a_run_that_is_at_work_is_left_alone(bench):
    bench.write(convert=notebook(WAIT))
    with waiting(bench) as (process, _):
        same = bench.run("--run-id", "r")
        assert (same.returncode, same.stdout) == (2, "")
        assert "run r exists already" in same.stderr
        onward = bench.run("--run-id", "r", "--from", "normalize")
        assert (onward.returncode, onward.stdout) == (2, "")
        assert "another run is at work in runs/r" in onward.stderr
        bench.write(extract=notebook("1 / 0"))
        assert bench.run("--run-id", "other").returncode == 1
        assert bench.record()["status"] == "running"
        bench.write(convert=notebook(WAIT))
        code, out, _ = go(bench, process)
    assert code == 0
    assert "r: done" in out
    assert bench.statuses() == ["done"] * 4


def test_two_runs_at_once_do_not_meet(bench):
    bench.write(extract=notebook(WAIT, "print(work_dir)"))
    with waiting(bench, run_id="a") as (first, _), waiting(bench, run_id="b") as (second, _):
        assert go(bench, second, "b")[0] == 0
        assert go(bench, first, "a")[0] == 0
    for name in ("a", "b"):
        assert bench.statuses(name) == ["done"] * 4
        assert f"runs/{name}" in str(bench.cells("01_extract.ipynb", name)[-1]["outputs"])


def test_a_run_without_a_name_gets_one_of_its_own(bench):
    bench.write(extract=notebook("1 / 0"))
    processes = [bench.start() for _ in range(3)]
    for process in processes:
        process.communicate(timeout=120)
    names = [path.name for path in bench.runs.iterdir()]
    assert all(re.fullmatch(r"\d{8}T\d{6}Z(-\d+)?", name) for name in names)
    assert [process.returncode for process in processes].count(1) == len(names)


def test_going_on_wants_the_earlier_stages_done(bench):
    bench.write(normalize=notebook("1 / 0"))
    assert bench.run("--run-id", "r").returncode == 1
    before = bench.record()
    done = bench.run("--run-id", "r", "--from", "query")
    assert (done.returncode, done.stdout) == (2, "")
    assert "normalize is failed in runs/r; go on from there: --from normalize" in done.stderr
    assert bench.record() == before
    bench.write(normalize=notebook("print('mended')"))
    assert bench.run("--from", "normalize").returncode == 0
    assert bench.statuses() == ["done"] * 4
    assert bench.record()["stages"]["extract"] == before["stages"]["extract"]
    assert "mended" in str(bench.cells("02_normalize.ipynb"))


def test_a_run_keeps_its_day(bench):
    assert bench.run("--run-id", "r").returncode == 0
    before = bench.record()
    done = bench.run("--run-id", "r", "--from", "query", "--run-date", "2020-01-01")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"run r is of {before['run_date']}, not of 2020-01-01" in done.stderr
    assert bench.record() == before


def test_a_run_that_begins_again_reads_the_same_input(bench):
    read = notebook("print(input)", parameters=PARAMETERS + "input: list = []  # item files\n")
    (bench.folder / "items.jsonl").write_text("{}\n")
    bench.env = environment()
    bench.write(extract=read, normalize=notebook("1 / 0"))
    assert bench.run("--run-id", "r", "--input", "items.jsonl").returncode == 1
    before = bench.record()["parameters"]["extract"]["input"]
    assert before == [str(bench.folder / "items.jsonl")]
    assert bench.run("--run-id", "r", "--from", "extract").returncode == 1
    assert bench.record()["parameters"]["extract"]["input"] == before


KILLED = """
import sys
from pathlib import Path
from cat_normalize.normalize.files import normalize_files
from cat_normalize.core.errors import PipelineError
from cat_normalize.core.settings import Rules
folder = Path(sys.argv[1])
try:
    normalize_files([folder / "in.jsonl"], folder / "out.csv", folder / "bad.jsonl", Rules(), 2, 1 << 20)
except PipelineError as error:
    print(error)
    sys.exit(error.exit_code)
"""


def test_a_killed_worker_ends_the_stage_and_the_earlier_csv_stays(tmp_path):
    item = b'{"PK":{"S":"USER#%d"},"SK":{"S":"CONVERSATION#2025"},"Conversation":{"L":[%s]}}\n'
    message = b'{"M":{"from":{"S":"user"},"text":{"S":"hola"}}}'
    with (tmp_path / "in.jsonl").open("wb") as stream:
        for number in range(20_000):
            stream.write(item % (number, b",".join([message] * 60)))
    (tmp_path / "out.csv").write_bytes(b"of yesterday\n")
    process = subprocess.Popen(
        [COMMAND[0], "-c", KILLED, str(tmp_path)],
        env=environment(TMPDIR=str(tmp_path)),
        stdout=subprocess.PIPE,
        text=True,
    )
    parent = psutil.Process(process.pid)
    try:
        assert soon(parent.children)
        parent.children()[0].kill()
        out, _ = process.communicate(timeout=120)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 1
    assert "run again with fewer --workers" in out
    assert (tmp_path / "out.csv").read_bytes() == b"of yesterday\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "out.csv"]


FULL = """
import resource
import sys
from cat_lab.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
main(sys.argv[2:])
"""


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("share", [0.1, 1.1], ids=["for the scratch files", "for the CSV"])
def test_a_full_disk_says_what_room_is_wanted_and_the_earlier_csv_stays(tmp_path, workers, share):
    item = b'{"PK":{"S":"USER#%d"},"SK":{"S":"CONVERSATION#2025"},"Conversation":{"L":[%s]}}\n'
    message = b'{"M":{"from":{"S":"user"},"text":{"S":"%s"}}}' % (60 * rb"\"")
    items = b"".join(item % (number, b",".join([message] * 40)) for number in range(400))
    (tmp_path / "in.jsonl").write_bytes(items)
    (tmp_path / "out.csv").write_bytes(b"of yesterday\n")
    words = ["normalize", "--input", "in.jsonl", "--output", "out.csv", "--rejects", "bad.jsonl"]
    done = subprocess.run(
        [COMMAND[0], "-c", FULL, str(int(share * len(items))), *words, "--workers", workers],
        cwd=tmp_path,
        env=environment(TMPDIR=str(tmp_path)),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    assert f"File too large: about 3 MB of scratch files go to {tmp_path} (TMPDIR)" in done.stderr
    assert (tmp_path / "out.csv").read_bytes() == b"of yesterday\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "out.csv"]
