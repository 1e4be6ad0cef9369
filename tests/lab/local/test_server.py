"""The moto process: it starts, gives its address, and ends with its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from cat_lab.errors import LocalAwsError
from cat_lab.local.server import MOTO, Server

PARENT = """
import os, sys, time
from pathlib import Path
from cat_lab.local.server import Server
server = Server(Path(sys.argv[1]), os.environ)
print(server.pid, server.endpoint(), flush=True)
holder = os.fork() if sys.argv[2] == "forked" else None
if holder:
    print(holder, flush=True)
time.sleep(100)
"""


def answers(endpoint: str) -> bool:
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
            f"{endpoint}/moto-api/"
        ) as got:
            return bool(got.status == 200)
    except OSError:  # refused, or reset by a process that is ending
        return False


def gone(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def soon(happened: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if happened():
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path / "log", os.environ) as server:
        yield server


def test_the_server_answers_until_it_is_closed(server: Server) -> None:
    assert server.endpoint().startswith("http://127.0.0.1:")
    assert answers(server.endpoint())
    server.check()
    server.close()
    server.close()
    assert gone(server.pid)
    assert not answers(server.endpoint())
    assert '"GET /moto-api/ HTTP/1.1" 200' in server.log.read_text()


def test_two_servers_run_independently(server: Server) -> None:
    with Server(server.log.parent, os.environ) as other:
        assert other.endpoint() != server.endpoint()
        assert answers(other.endpoint())
        assert answers(server.endpoint())
    assert answers(server.endpoint())


def test_the_server_has_a_process_group_of_its_own(server: Server) -> None:
    assert os.getpgid(server.pid) != os.getpgid(0)


def test_the_server_ends_when_its_standard_input_ends() -> None:
    pipe = subprocess.PIPE
    with subprocess.Popen(MOTO, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"http://127.0.0.1:")
        process.stdin.close()
        try:
            assert process.wait(30) == 0
        finally:
            process.kill()


@pytest.mark.parametrize("way", ["alone", "forked"])
def test_the_server_ends_with_its_killed_parent(way: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path), way]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid, endpoint = parent.stdout.readline().split()
        holder = int(parent.stdout.readline()) if way == "forked" else None
        assert answers(endpoint)
        parent.kill()
        parent.wait()
        try:
            assert soon(lambda: gone(int(pid)))
            assert not answers(endpoint)
        finally:
            if holder is not None:
                os.kill(holder, signal.SIGKILL)


def test_the_server_ends_with_a_parent_that_exits_and_prints_nothing(tmp_path: Path) -> None:
    parent = PARENT.replace("time.sleep(100)", "os._exit(0)")
    done = subprocess.run(
        [sys.executable, "-c", parent, str(tmp_path), "alone"], capture_output=True, text=True, check=True
    )
    assert soon(lambda: gone(int(done.stdout.split()[0])))
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import sys; print('first', file=sys.stderr); sys.exit('no room')", "ended with 1"),
        ("import os; os.kill(os.getpid(), 9)", "ended with -9"),
        ("import time; time.sleep(100)", "did not give its address within 0.5 s"),
        ("print('hello', flush=True); import time; time.sleep(100)", "did not give its address"),
    ],
)
def test_a_child_that_gives_no_address_is_an_error_and_is_ended(
    code: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "local-aws.log").write_text("of an earlier server\n")
    server = Server(tmp_path, os.environ, [sys.executable, "-c", code])
    with pytest.raises(LocalAwsError, match=message) as caught:
        server.endpoint(0.5 if "0.5" in message else 10)
    assert gone(server.pid)
    assert str(tmp_path / "local-aws.log") in str(caught.value)
    assert "of an earlier server" not in str(caught.value)
    if "no room" in code:
        assert str(caught.value).endswith("\n  first\n  no room")


def test_a_command_that_cannot_be_started_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LocalAwsError, match="cannot be started"):
        Server(tmp_path, os.environ, [str(tmp_path / "nothing")])


def test_a_killed_server_is_reported_with_its_log(server: Server) -> None:
    assert answers(server.endpoint())
    os.kill(server.pid, signal.SIGKILL)

    def checked() -> bool:
        server.check()
        return False

    with pytest.raises(LocalAwsError, match=r"ended with -9; the last lines of .*local-aws\.log"):
        soon(checked)
