"""The Lambda's zip, called by AWS's client in a process that sees nothing else but the client."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cat_lab.local import LocalAws
from cat_normalize.core import layout
from deployed.conftest import apart
from deployed.runtime import Process, Said


@dataclass
class Ran:
    """What a process answered, printed, traced and left in its /tmp, and the most memory it had."""

    said: list[Said]
    out: str
    traces: list[str]
    left: list[str]
    peak_mb: float
    lines: list[dict[str, Any]] = field(init=False)

    def __post_init__(self) -> None:
        self.lines = [json.loads(line) for line in self.out.splitlines()]  # each line is JSON

    @property
    def results(self) -> list[Any]:
        return [each.body if each.what == "response" else None for each in self.said]

    @property
    def errors(self) -> list[str | None]:
        return [each.body["errorType"] if each.what == "error" else None for each in self.said]

    def told(self) -> str:
        """Return all that left the process: what it printed, posted and traced."""
        posted = [json.dumps([each.body, dict(each.headers)], ensure_ascii=False) for each in self.said]
        return "\n".join([self.out, *posted, *self.traces])

    def metrics(self) -> list[dict[str, Any]]:
        return [line for line in self.lines if "_aws" in line]


CHECK = {
    "_HANDLER": "freshness_function.lambda_handler",
    "AWS_LAMBDA_FUNCTION_NAME": layout.FRESHNESS,
}
"""The variables with which the zip is the check of the tables' age."""

Call = tuple[dict[str, Any], float]
"""An event, and the seconds that it is given."""


def call(aws: LocalAws, task: Path, folder: Path, calls: Iterable[Call], **environment: str) -> Ran:
    """Call the function in one process: a warm function keeps its process and its disk."""
    with daemon() as traces:
        with process(aws, task, folder, AWS_XRAY_DAEMON_ADDRESS=address(traces), **environment) as function:
            said = [function.invoke(event, seconds) for event, seconds in calls]
            peak = function.peak_mb()
        left = [str(path) for path in (folder / "tmp").rglob("*")]
        return Ran(said, function.log.read_text(), list(received(traces)), left, peak)


def process(
    aws: LocalAws, task: Path, folder: Path, options: tuple[str, ...] = (), **environment: str
) -> Process:
    """Start the function; its /tmp and its log are in the folder."""
    tmp = folder / "tmp"
    tmp.mkdir(exist_ok=True)
    session = {"AWS_SESSION_TOKEN": "session"}  # the credentials of a role have one
    variables = aws.environment | session | environment
    return Process(task, apart("awslambdaric"), tmp, folder / "log", variables, options)


@contextmanager
def daemon() -> Iterator[socket.socket]:
    """Yield a socket in place of X-Ray's daemon."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.1", 0))
        made.setblocking(False)
        yield made


def address(daemon: socket.socket) -> str:
    return "{}:{}".format(*daemon.getsockname())


def received(daemon: socket.socket) -> Iterator[str]:
    while True:
        try:
            yield daemon.recv(1 << 16).decode()
        except BlockingIOError:
            return
