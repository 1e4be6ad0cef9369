"""Commands that are interrupted, or that fail on the system: one line and an exit code."""

import json
import os
import shutil
import signal
import subprocess
import urllib.request

import psutil
import pytest

from faults import refusing
from faults.kit import COMMAND, alive, environment, soon

CODES = {signal.SIGTERM: 143, signal.SIGINT: 130}
KEYS = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y"}


def start(*words, cwd, **variables):
    return subprocess.Popen(
        [*COMMAND, *words],
        cwd=cwd,
        env=environment(PYTHONUNBUFFERED="1", **variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def connected(process, port):
    """Tell whether a process has a connection to a port."""
    return any(
        each.raddr and each.raddr.port == port for each in psutil.Process(process.pid).net_connections()
    )


@pytest.mark.parametrize("number", CODES, ids=str)
def test_an_interrupted_command_prints_how_to_run_it_again(tmp_path, number):
    words = ["query", "heaviest_users", "--param", "top=3"]
    with refusing.silent() as endpoint:
        process = start(*words, cwd=tmp_path, AWS_ENDPOINT_URL=endpoint, **KEYS)
        try:
            assert soon(lambda: connected(process, int(endpoint.rpartition(":")[2])))
            process.send_signal(number)
            out, err = process.communicate(timeout=120)
        finally:
            process.kill()
            process.communicate()
    assert process.returncode == CODES[number]
    assert "Traceback" not in err
    how = "ended by SIGTERM" if number == signal.SIGTERM else "interrupted"
    assert f"cat-normalize: {how}; run it again: cat-normalize {' '.join(words)}" in err
    assert (out, list(tmp_path.iterdir())) == ("", [])


def test_a_second_interrupt_prints_no_traceback(tmp_path):
    code = """
import signal, time, os
from cat_lab.cli import app
from cat_lab.cli import main
@app.command()
def slow():
    try:
        print("here", flush=True)
        time.sleep(60)
    finally:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.1)
        print("cleaned", flush=True)
main(["slow"])
"""
    process = subprocess.Popen(
        [COMMAND[0], "-c", code],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "here\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, out) == (130, "cleaned\n")
    assert err == "\ncat-normalize: cleaning up; one more signal ends it without\n"


LIMITED = """
import resource, sys
from cat_lab.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
main(sys.argv[1:])
"""


def test_an_error_of_the_system_is_one_line(call, items, tmp_path):
    long = "n" * 300
    code, out, err = call("normalize", "--input", items, "--output", tmp_path / long, "--rejects", "r")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith("cat-normalize: ")
    assert "File name too long" in err
    code, out, err = call("local", "--log-dir", items)
    assert (code, out, err) == (1, "", f"cat-normalize: {items}: File exists\n")


def test_a_run_on_a_full_disk_prints_no_traceback(tmp_path):
    from faults.kit import write_notebooks

    write_notebooks(tmp_path / "notebooks")
    done = subprocess.run(
        [COMMAND[0], "-c", LIMITED.replace("2000", "100"), "run", "--local", "--run-id", "r"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert "cat-normalize: File too large" in done.stderr.replace("[Errno 27] ", "")
    assert "Traceback" not in done.stderr


NOT_UTF_8 = os.fsdecode(b"caf\xe9")


def test_names_that_are_not_utf_8_are_printed_escaped(items, tmp_path):
    odd = tmp_path / NOT_UTF_8
    odd.mkdir()
    shutil.copy(items, odd / "i.jsonl")
    outputs = ["--output", odd / "out" / "o.csv", "--rejects", odd / "out" / "r.jsonl"]
    line = [*COMMAND, "normalize", "--input", odd, *outputs]
    for words, code in ((line, 0), ([*line, "--input", odd / "none"], 1)):
        done = subprocess.run(words, env=environment(), capture_output=True, check=False)
        assert done.returncode == code, done.stderr
        assert b"Traceback" not in done.stderr
    assert rb"caf\udce9" in done.stderr
    query = subprocess.run([*COMMAND, "query", odd], env=environment(), capture_output=True, check=False)
    assert query.returncode == 2


def test_without_credentials_each_command_prints_one_line_with_the_remedy(call, tmp_path, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    none = {"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}
    none["AWS_EC2_METADATA_DISABLED"] = "true"
    convert = ["convert", "--input", "s3://b/k", "--output", tmp_path / "p"]
    for words in (["extract", "--output", tmp_path / "raw"], ["query", "totals"], convert):
        code, out, err = call(*words, **none)
        assert (code, out, err.count("\n")) == (1, "", 1)
        assert "Unable to locate credentials; give boto3 credentials: set AWS_PROFILE" in err


def test_lab_as_root_says_what_to_add_before_it_starts_anything(call, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    code, out, err = call("lab", "--log-dir", tmp_path / "logs", JUPYTER_CONFIG_DIR=str(tmp_path))
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.endswith("unless it is told to: cat-normalize lab --allow-root\n")
    assert list(tmp_path.iterdir()) == []


def kernels(lab):
    return [each for each in alive(lab) if "ipykernel_launcher" in " ".join(each.cmdline())]


@pytest.fixture
def lab(tmp_path):
    """JupyterLab, started by the command with options of its own; its process, and what asks its API."""
    runtime = tmp_path / "runtime"
    folders = {
        "JUPYTER_CONFIG_DIR": str(tmp_path),
        "JUPYTER_RUNTIME_DIR": str(runtime),
        "HOME": str(tmp_path),
    }
    words = ["--no-browser", "--allow-root", "--ServerApp.port=0", "--IdentityProvider.token=secret"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [*COMMAND, "lab", *words, "--log-dir", str(tmp_path / "logs")],
            env=environment(**folders),
            stderr=log,
        )

    def ask(path, body=None):
        """Ask the API, once it answers; a body is posted."""
        (found,) = runtime.glob("jpserver-*.json")
        address = json.loads(found.read_text())["url"] + path
        data = json.dumps(body).encode() if body else None
        request = urllib.request.Request(address, data, {"Authorization": "token secret"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def answers():
        try:
            return any(each.read_bytes() for each in runtime.glob("jpserver-*.json")) and ask("api")
        except OSError:  # it does not listen yet
            return False

    try:
        assert soon(answers), (tmp_path / "log").read_text()
        yield process, ask
    finally:
        family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        process.kill()
        process.wait()
        for each in alive(family):
            each.kill()


ENDS = {signal.SIGTERM: 143, signal.SIGINT: 0, signal.SIGKILL: -signal.SIGKILL}


@pytest.mark.parametrize("number", ENDS, ids=str)
def test_lab_opens_on_the_first_notebook_and_ends_all_processes_that_it_started(lab, tmp_path, number):
    process, ask = lab
    assert ask("api/contents/00_start.ipynb?content=0")["type"] == "notebook"
    kernel = {"path": "00_start.ipynb", "name": "", "type": "notebook", "kernel": {"name": "python3"}}
    ask("api/sessions", kernel)
    family = psutil.Process(process.pid).children(recursive=True)
    (started,) = kernels(family)
    assert {"CAT_NORMALIZE_LAB", "JPY_SESSION_NAME", "AWS_ENDPOINT_URL"} <= set(started.environ())
    process.send_signal(number)
    process.wait(60)
    assert soon(lambda: not alive(family)), alive(family)
    assert process.returncode == ENDS[number]
    log = (tmp_path / "log").read_text()
    assert "/lab/tree/00_start.ipynb?token=" in log
    assert "cat_normalize/" not in log  # no traceback of ours
    assert [each.name for each in (tmp_path / "runtime").iterdir()] == ["jupyter_cookie_secret"]  # kept
