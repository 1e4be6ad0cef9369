"""moto as a process of its own: started, asked for its address, ended by its own id."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from cat_lab.errors import LocalAwsError
from cat_lab.local import moto_server as child

LOG_NAME = "local-aws.log"
CHILD = (sys.executable, "-P", str(Path(child.__file__)))


class Server:
    """One moto server on a free port of 127.0.0.1; a context manager that ends it.

    It ends with this process too, however that ends. Requests and tracebacks go to
    ``<log_dir>/local-aws.log``, after what is there already.

    Args:
        log_dir: folder of the log, made if need be.
        environment: the child's whole environment.
        command: what to start; it prints its port, and is given this process's id.

    Raises:
        LocalAwsError: the command cannot be started.
    """

    def __init__(self, log_dir: Path, environment: Mapping[str, str], command: Sequence[str] = CHILD) -> None:
        log_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.log = log_dir / LOG_NAME
        self._endpoint: str | None = None
        with self.log.open("ab") as log:
            self._log_start = log.tell()
            try:
                self._process = subprocess.Popen(
                    [*command, str(os.getpid())],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    env=dict(environment),
                    start_new_session=True,  # Ctrl-C is for the parent, which may still want to save
                )
            except OSError as error:
                raise LocalAwsError(f"the local AWS cannot be started: {error}") from error

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    def endpoint(self, seconds: float = 60) -> str:
        """Return the address, waiting for it up to so many seconds the first time.

        Raises:
            LocalAwsError: the child ended or did not answer; it is gone then.
        """
        if self._endpoint is None:
            answer = self._first_line(seconds)
            if not answer.isdigit():
                problem = self._problem(seconds)
                self.close()
                raise LocalAwsError(self.told(problem))
            self._endpoint = f"http://{child.HOST}:{int(answer)}"
        return self._endpoint

    def check(self) -> None:
        """Do nothing if the child runs.

        Raises:
            LocalAwsError: it has ended; the message ends with the last lines of its log.
        """
        if self._process.poll() is not None:
            raise LocalAwsError(self.told(self._problem(0)))

    def close(self) -> None:
        """End the child; a second call does nothing."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _first_line(self, seconds: float) -> str:
        """Read the child's answer up to a line end, the end of the pipe or the time limit."""
        assert self._process.stdout is not None
        pipe, deadline, read = self._process.stdout.fileno(), time.monotonic() + seconds, b""
        while not read.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([pipe], [], [], left)[0]:
                return ""
            if not (part := os.read(pipe, 64)):
                return ""
            read += part
        return read.decode("ascii", "replace").strip()

    def _problem(self, seconds: float) -> str:
        try:
            code = self._process.wait(1)
        except subprocess.TimeoutExpired:
            return f"did not give its port within {seconds:g} s"
        return f"ended with {code}"

    def told(self, problem: str) -> str:
        """Say what is wrong with the local AWS, and how its log ends."""
        with self.log.open("rb") as log:
            log.seek(max(self._log_start, self.log.stat().st_size - 8192))
            last = log.read().decode("utf-8", "replace").splitlines()[-10:]
        lines = "\n".join(f"  {line}" for line in last) or "  (nothing)"
        return f"the local AWS {problem}; the last lines of {self.log}:\n{lines}"
