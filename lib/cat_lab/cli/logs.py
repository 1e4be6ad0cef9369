"""Write what goes to stderr as JSON lines, for a system that collects logs (contract §8)."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from cat_normalize.core.errors import UsageError

TEXT, JSON = "text", "json"
_DRAIN_SECONDS = 2.0
"""Seconds to wait at the end for what a child process that still runs may write."""


class JsonLog:
    """Write one JSON object per line on stderr; any line that comes there otherwise becomes one too.

    The file descriptor 2 becomes a pipe, so that this holds for warnings, child processes and tracebacks.
    """

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._lock = threading.Lock()
        self._stderr = os.dup(2)
        self._out = os.fdopen(os.dup(2), "w", encoding="utf-8", errors="backslashreplace")
        reader, writer = os.pipe()
        sys.stderr.flush()
        os.dup2(writer, 2)
        os.close(writer)
        self._thread = threading.Thread(target=self._follow, args=(reader,), daemon=True)
        self._thread.start()

    def event(self, event: str, **members: Any) -> None:
        """Write one event, with the time."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"time": now, "event": event, **members}, ensure_ascii=False)
        with self._lock:
            self._out.write(f"{line}\n")
            self._out.flush()

    def end(self, exit_code: int) -> None:
        """Write what is left, then the event ``end``; stderr is again what it was."""
        sys.stderr.flush()
        os.dup2(self._stderr, 2)
        os.close(self._stderr)
        self._thread.join(_DRAIN_SECONDS)
        seconds = round(time.monotonic() - self._started, 1)
        self.event("end", exit_code=exit_code, seconds=seconds)
        self._out.close()

    def _follow(self, reader: int) -> None:
        with os.fdopen(reader, encoding="utf-8", errors="backslashreplace") as lines:
            for line in lines:
                if text := line.strip():
                    self.event("message", text=text)


_active: ContextVar[JsonLog | None] = ContextVar("json_log", default=None)


def start(form: str) -> None:
    """Write JSON lines from now on, if that is the form.

    Raises:
        UsageError: there is no such form.
    """
    if form not in (TEXT, JSON):
        raise UsageError(f"--log-format {form!r}: no such form; the forms are {TEXT}, {JSON}")
    if form == JSON:
        _active.set(JsonLog())


def active() -> JsonLog | None:
    """Return the log of this command, None if it writes text."""
    return _active.get()


@contextmanager
def ended() -> Iterator[None]:
    """End the log, if the block starts one, with the exit code with which the block ends the process."""
    code = 1
    try:
        yield
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
        raise
    except Exception as error:
        if active() is None:
            raise
        traceback.print_exc()
        raise SystemExit(code) from error
    finally:
        if log := active():
            log.end(code)
            _active.set(None)
