"""The Lambda's zip, called by a clean interpreter that sees the zip and the packages of Lambda's Python."""

import json
import socket
import subprocess
import sys
from dataclasses import dataclass, field

from cat_normalize.core import layout
from deployed import runtime as harness

TRACE = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"


@dataclass
class Ran:
    code: int
    out: str
    answer: dict
    traces: list[str]
    left: list[str]
    lines: list[dict] = field(init=False)

    def __post_init__(self):
        self.lines = [json.loads(line) for line in self.out.splitlines()]  # each line is JSON

    def metrics(self):
        return [line for line in self.lines if "_aws" in line]


def call(aws, unpacked, runtime, folder, calls, **environment):
    """Call the function in one process: a warm function keeps its process and its disk."""
    (folder / "tmp").mkdir()
    (folder / "calls").write_text(json.dumps(calls))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon:
        daemon.bind(("127.0.0.1", 0))
        daemon.setblocking(False)
        made = aws.child_environment({}) | {
            "AWS_LAMBDA_FUNCTION_NAME": layout.LAMBDA,
            "AWS_XRAY_DAEMON_ADDRESS": f"127.0.0.1:{daemon.getsockname()[1]}",
            "LAMBDA_TASK_ROOT": str(unpacked),
            "TMPDIR": str(folder / "tmp"),
            "_X_AMZN_TRACE_ID": TRACE,
        }
        command = [sys.executable, "-I", "-S", "-B", harness.__file__, str(unpacked), str(runtime)]
        done = subprocess.run(
            [*command, str(folder / "calls"), str(folder / "answer")],
            env=made | environment,
            cwd=folder / "tmp",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        answer = json.loads((folder / "answer").read_text())
        return Ran(done.returncode, done.stdout, answer, received(daemon), left(folder / "tmp"))


def received(daemon):
    datagrams = []
    while True:
        try:
            datagrams.append(daemon.recv(1 << 16).decode())
        except BlockingIOError:
            return datagrams


def left(folder):
    return [str(path) for path in folder.rglob("*")]
