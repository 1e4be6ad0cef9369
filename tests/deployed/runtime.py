"""Lambda as a function's process sees it: the Runtime API, and AWS's client of it, which calls the handler.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Any, NamedTuple, Self

from cat_normalize.core import layout

REQUEST = "8476a536-e9f4-11e8-9739-2dfe598c3fc{n}"
ROOT = "1-5759e988-bd862e3fe1be46a99427279{n}"
TRACE = f"Root={ROOT};Parent=53995c3f42cd8ad8;Sampled=1;Lineage=1:a87bd80c:0"
"""Each event, by its number n in the process, is a request and a trace of its own."""
ARN = f"arn:aws:lambda:us-east-1:123456789012:function:{layout.LAMBDA}"
PATH = "/2018-06-01/runtime/"
OPEN_FILES = 1024
"""https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html."""


class Said(NamedTuple):
    """What a process did: it posted, to that end of the API, asked for the ``next`` event, or ``ended``."""

    what: str
    body: Any = None
    headers: Mapping[str, str] = {}


class RuntimeApi(ThreadingHTTPServer):
    """Hands out events one by one, and keeps what comes back."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Endpoints)
        self.said: SimpleQueue[Said] = SimpleQueue()
        self.waiting: SimpleQueue[tuple[dict[str, str], bytes] | None] = SimpleQueue()
        self.given = 0


class _Endpoints(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: RuntimeApi

    def do_GET(self) -> None:
        assert self.path == f"{PATH}invocation/next"
        self.server.said.put(Said("next"))
        if invocation := self.server.waiting.get():
            self.answer(200, *invocation)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        what = self.path.removeprefix(PATH).removeprefix(f"invocation/{REQUEST.format(n=self.server.given)}/")
        self.server.said.put(Said(what, body, dict(self.headers)))
        self.answer(202, {"Content-Type": "application/json"}, b'{"status":"OK"}')

    def answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(body))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Process:
    """One process of the function, from its cold start on, until the end of the block, where it is killed.

    Args:
        task: the unpacked zip; nothing else but AWS's client is on the path of modules.
        client: the folder of AWS's client.
        tmp: its /tmp; a later process may have the same.
        log: the file of all that it prints.
        environment: the variables that the stack and the test set.
        options: of the interpreter.
    """

    def __init__(
        self,
        task: Path,
        client: Path,
        tmp: Path,
        log: Path,
        environment: Mapping[str, str],
        options: tuple[str, ...] = (),
    ) -> None:
        self.log = log
        self._api = RuntimeApi()
        threading.Thread(target=self._api.serve_forever, daemon=True).start()
        own = _variables(task, client, tmp, f"127.0.0.1:{self._api.server_port}") | environment
        command = [sys.executable, "-S", "-B", *options, "-m", "awslambdaric", own["_HANDLER"]]
        with log.open("wb") as stream:
            self._process = subprocess.Popen(
                command, env=own, cwd=task, stdout=stream, stderr=subprocess.STDOUT
            )
        resource.prlimit(self._process.pid, resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
        threading.Thread(target=self._tell_its_end, daemon=True).start()
        self.started = self._api.said.get()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.kill()
        self._api.waiting.put(None)
        self._api.shutdown()
        self._api.server_close()

    def invoke(self, event: Any, seconds: float = 900) -> Said:
        """Have an event handled; return what was posted once the process asks for another event."""
        self.begin(event, seconds)
        said = self._api.said.get()
        assert said.what in ("response", "error"), (said, self.log.read_text())
        assert self._api.said.get().what == "next"
        return said

    def begin(self, event: Any, seconds: float = 900) -> None:
        """Give an event, which is to be handled within those seconds."""
        assert self.started.what == "next", (self.started, self.log.read_text())
        self._api.given += 1
        number = self._api.given
        headers = {
            "Lambda-Runtime-Aws-Request-Id": REQUEST.format(n=number),
            "Lambda-Runtime-Deadline-Ms": str(int((time.time() + seconds) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": ARN,
            "Lambda-Runtime-Trace-Id": TRACE.format(n=number),
            "Content-Type": "application/json",
        }
        self._api.waiting.put((headers, json.dumps(event).encode()))

    def kill(self) -> None:
        """End the process as Lambda does at the deadline, and where it is not needed any more."""
        self._process.kill()
        self._process.wait()

    def ended(self) -> int:
        """Wait for the process to end by itself; return its exit code."""
        return self._process.wait()

    def peak_mb(self) -> float:
        """Return the most memory that the process had so far."""
        status = Path(f"/proc/{self._process.pid}/status").read_text().split()
        return int(status[status.index("VmHWM:") + 1]) / 1024

    def _tell_its_end(self) -> None:
        self._api.said.put(Said("ended", self._process.wait()))


def _variables(task: Path, client: Path, tmp: Path, api: str) -> dict[str, str]:
    """Return what Lambda sets, but for credentials and region.

    https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
    """
    return {
        "_HANDLER": "lambda_function.lambda_handler",
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.11",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
        "AWS_LAMBDA_FUNCTION_NAME": layout.LAMBDA,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_FORMAT": "JSON",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{layout.LAMBDA}",
        "AWS_LAMBDA_LOG_LEVEL": "INFO",
        "AWS_LAMBDA_LOG_STREAM_NAME": "2025/09/01/[$LATEST]0123456789abcdef",
        "AWS_LAMBDA_RUNTIME_API": api,
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "LAMBDA_RUNTIME_DIR": str(client),
        "LAMBDA_TASK_ROOT": str(task),
        "LANG": "en_US.UTF-8",
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(client),
        "TMPDIR": str(tmp),  # Lambda's is /tmp
        "TZ": ":UTC",
    }
