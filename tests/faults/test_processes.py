"""Runs that are killed, interrupted, parallel or resumed: the record is right and no process remains."""

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
def waiting(project, *words, run_id="r"):
    """A run that has come to a cell that waits; yield its process and all that it has started."""
    process = project.start(*words) if "--run-id" in words else project.start("--run-id", run_id, *words)
    family = []
    try:
        assert soon((project.runs / run_id / "here").exists), process.poll()
        family = psutil.Process(process.pid).children(recursive=True)
        assert family
        yield process, family
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=60)
        for each in alive(family):
            each.kill()


def go(project, process, run_id="r"):
    (project.runs / run_id / "go").touch()
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


@pytest.mark.parametrize("how", ["local", "given AWS"])
def test_the_next_run_marks_a_killed_run_as_interrupted(project, how):
    project.write(extract=notebook(WAIT))
    if how == "local":
        project.env = environment()
    with waiting(project, *(["--local"] if how == "local" else [])) as (process, family):
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL
        assert soon(lambda: not alive(family)), alive(family)
    assert project.record()["status"] == "running"
    project.write(extract=notebook("1 / 0"))
    assert project.run("--run-id", "next", *(["--local"] if how == "local" else [])).returncode == 1
    assert project.record()["status"] == "interrupted"
    assert project.statuses() == ["interrupted", "pending", "pending", "pending"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_an_interrupted_run_is_recorded_and_leaves_nothing_behind(project, scratch, tmp_path, number, code):
    project.write(extract=notebook(WAIT))
    (tmp_path / "jupyter").mkdir()
    project.env = environment(TMPDIR=str(scratch), JUPYTER_RUNTIME_DIR=str(tmp_path / "jupyter"))
    with waiting(project, "--local") as (process, family):
        assert len(family) == 2  # the local AWS and a kernel
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
        assert process.returncode == code
        assert alive(family) == []
    how = "ended by SIGTERM" if number == signal.SIGTERM else "interrupted"
    assert f"cat-normalize: run r was {how} in extract\n" in err
    assert err.endswith("To resume:    cat-normalize run --run-id r --from extract\n")
    assert "Traceback" not in err
    assert "interrupted" in (project.runs / "r" / "report.html").read_text()
    assert [*scratch.iterdir(), *(tmp_path / "jupyter").iterdir()] == []
    assert project.record()["status"] == "interrupted"
    assert "finished_at" in project.record()
    assert project.statuses() == ["interrupted", "pending", "pending", "pending"]


def test_a_killed_local_aws_is_the_failure(project):
    project.write(extract=notebook(WAIT))
    project.env = environment()
    with waiting(project, "--local") as (process, family):
        (server,) = [each for each in family if "moto_server" in " ".join(each.cmdline())]
        server.kill()
        code, _, err = go(project, process)
    assert code == 1
    assert "\nLocalAwsError: the local AWS ended with -9; the last lines of runs/r/local-aws.log" in err
    assert project.record()["status"] == "failed"
    assert project.record()["failure"]["error"] == "LocalAwsError"
    assert (project.runs / "r" / "report.html").exists()


def test_a_cell_that_fails_because_the_local_aws_was_killed_is_only_a_note(project):
    ask = (
        "import boto3\n"
        "once = boto3.session.Config(retries={'max_attempts': 0})\n"
        "boto3.client('s3', config=once).list_buckets()"
    )
    project.write(extract=notebook(WAIT, ask))
    project.env = environment()
    with waiting(project, "--local") as (process, family):
        (server,) = [each for each in family if "moto_server" in " ".join(each.cmdline())]
        server.kill()
        code, _, err = go(project, process)
    assert code == 1
    assert "in runs/r/01_extract.ipynb:\nLocalAwsError: the local AWS ended with -9" in err
    assert "EndpointConnectionError" in err.partition("Later error:")[2]


def test_a_local_aws_that_cannot_start_leaves_record_and_report(project):
    project.env = environment(AWS_REGION="nowhere-1")
    done = project.run("--run-id", "r", "--local")
    assert done.returncode == 1
    assert "cat-normalize: run r failed:\nLocalAwsError: the local AWS could not be made ready" in done.stderr
    assert "To resume:    cat-normalize run --run-id r --from extract" in done.stderr
    assert project.record()["failure"]["error"] == "LocalAwsError"
    assert "LocalAwsError" in (project.runs / "r" / "report.html").read_text()


def test_temporary_files_of_a_killed_run_are_swept_by_the_next(project, scratch, tmp_path):
    project.env |= {"TMPDIR": str(scratch), "JUPYTER_RUNTIME_DIR": str(tmp_path / "jupyter")}
    project.write(extract=notebook(WAIT))
    with waiting(project) as (process, family):
        process.kill()
        process.communicate(timeout=60)
        assert soon(lambda: not alive(family))
    assert list(scratch.iterdir()) != []
    assert not (tmp_path / "jupyter").exists() or list((tmp_path / "jupyter").iterdir()) == []
    project.write()
    assert project.run("--run-id", "next").returncode == 0
    assert list(scratch.iterdir()) == []


def test_a_running_run_is_not_changed_by_others(project):
    project.write(convert=notebook(WAIT))
    with waiting(project) as (process, _):
        same = project.run("--run-id", "r")
        assert (same.returncode, same.stdout) == (2, "")
        assert "run r exists already" in same.stderr
        onward = project.run("--run-id", "r", "--from", "normalize")
        assert (onward.returncode, onward.stdout) == (2, "")
        assert "another run is working in runs/r" in onward.stderr
        project.write(extract=notebook("1 / 0"))
        assert project.run("--run-id", "other").returncode == 1
        assert project.record()["status"] == "running"
        project.write(convert=notebook(WAIT))
        code, out, _ = go(project, process)
    assert code == 0
    assert "r: done" in out
    assert project.statuses() == ["done"] * 4


def test_two_runs_at_the_same_time_do_not_affect_each_other(project):
    project.write(extract=notebook(WAIT, "print(work_dir)"))
    with waiting(project, run_id="a") as (first, _), waiting(project, run_id="b") as (second, _):
        assert go(project, second, "b")[0] == 0
        assert go(project, first, "a")[0] == 0
    for name in ("a", "b"):
        assert project.statuses(name) == ["done"] * 4
        assert f"runs/{name}" in str(project.cells("01_extract.ipynb", name)[-1]["outputs"])


def test_a_run_without_a_name_gets_a_unique_one(project):
    project.write(extract=notebook("1 / 0"))
    processes = [project.start() for _ in range(3)]
    for process in processes:
        process.communicate(timeout=120)
    names = [path.name for path in project.runs.iterdir()]
    assert all(re.fullmatch(r"\d{8}T\d{6}Z(-\d+)?", name) for name in names)
    assert [process.returncode for process in processes].count(1) == len(names)


def test_resuming_requires_the_earlier_stages_to_be_done(project):
    project.write(normalize=notebook("1 / 0"))
    assert project.run("--run-id", "r").returncode == 1
    before = project.record()
    done = project.run("--run-id", "r", "--from", "query")
    assert (done.returncode, done.stdout) == (2, "")
    assert "normalize is failed in runs/r; resume from that stage: --from normalize" in done.stderr
    assert project.record() == before
    project.write(normalize=notebook("print('mended')"))
    assert project.run("--from", "normalize").returncode == 0
    assert project.statuses() == ["done"] * 4
    assert project.record()["stages"]["extract"] == before["stages"]["extract"]
    assert "mended" in str(project.cells("02_normalize.ipynb"))


def test_a_resumed_run_keeps_its_run_date(project):
    assert project.run("--run-id", "r").returncode == 0
    before = project.record()
    done = project.run("--run-id", "r", "--from", "query", "--run-date", "2020-01-01")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"the run date of r is {before['run_date']}, not 2020-01-01" in done.stderr
    assert project.record() == before


def test_a_run_that_starts_again_reads_the_same_input(project):
    read = notebook("print(input)", parameters=PARAMETERS + "input: list = []  # item files\n")
    (project.folder / "items.jsonl").write_text("{}\n")
    project.env = environment()
    project.write(extract=read, normalize=notebook("1 / 0"))
    assert project.run("--run-id", "r", "--input", "items.jsonl").returncode == 1
    before = project.record()["parameters"]["extract"]["input"]
    assert before == [str(project.folder / "items.jsonl")]
    for stage in ("normalize", "extract"):
        assert project.run("--run-id", "r", "--from", stage).returncode == 1
        assert project.record()["parameters"]["extract"]["input"] == before


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
def test_a_full_disk_reports_the_space_needed_and_the_earlier_csv_stays(tmp_path, workers, share):
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
