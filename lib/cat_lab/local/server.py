"""Start moto as a child process, wait for its address, and report how it ended."""

from __future__ import annotations

import select
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from cat_lab.errors import LocalAwsError
from cat_lab.local import child_process

LOG_NAME = "local-aws.log"
MOTO = child_process.python_module("cat_lab.local.moto_server")


class Server:
    """One moto server; a context manager that ends it. It also ends with this process.

    Requests and tracebacks are appended to ``<log_dir>/local-aws.log``.

    Args:
        log_dir: folder of the log; it is created if needed.
        environment: the whole environment of the child.
        command: the command of the child, which prints its address.

    Raises:
        LocalAwsError: the command cannot be started.
    """

    def __init__(self, log_dir: Path, environment: Mapping[str, str], command: Sequence[str] = MOTO) -> None:
        log_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.log = log_dir / LOG_NAME
        self._endpoint: str | None = None
        with self.log.open("ab") as log:
            self._log_start = log.tell()
            try:
                self._process = child_process.start(command, environment, stdout=subprocess.PIPE, stderr=log)
            except OSError as error:
                raise LocalAwsError(f"the local AWS cannot be started: {error}") from error

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    def endpoint(self, seconds: float = 60) -> str:
        """Return the address; the first call waits for it, at most `seconds`.

        Raises:
            LocalAwsError: the child ended or gave no address; it is ended.
        """
        if self._endpoint is None:
            answer = self._first_line(seconds)
            if not answer.startswith("http://"):
                problem = self._problem(seconds)
                self.close()
                raise self.error(problem)
            self._endpoint = answer
        return self._endpoint

    def check(self) -> None:
        """Raise LocalAwsError, with the last lines of the log, if the child has ended."""
        if self._process.poll() is not None:
            raise self.error(self._problem(0))

    def close(self) -> None:
        """End the child; a second call does nothing."""
        child_process.end(self._process)

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _first_line(self, seconds: float) -> str:
        """Return the first line of the child's output, or nothing if none comes within `seconds`."""
        output = self._process.stdout
        assert output is not None
        return output.readline().decode().strip() if select.select([output], [], [], seconds)[0] else ""

    def _problem(self, seconds: float) -> str:
        try:
            code = self._process.wait(1)
        except subprocess.TimeoutExpired:
            return f"did not give its address within {seconds:g} s"
        return f"ended with {code}"

    def error(self, problem: str) -> LocalAwsError:
        """Return the error for a problem of the local AWS, with the last lines of its log."""
        with self.log.open("rb") as log:
            log.seek(max(self._log_start, self.log.stat().st_size - 8192))
            last = log.read().decode("utf-8", "replace").splitlines()[-10:]
        lines = "\n".join(f"  {line}" for line in last) or "  (nothing)"
        return LocalAwsError(f"the local AWS {problem}; the last lines of {self.log}:\n{lines}")
