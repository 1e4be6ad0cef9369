"""Start child processes that end with their parent, even if the parent is killed.

A child's standard input is a pipe that only its parent holds: the end of the pipe is the end of the parent.
A command that does not watch its input itself is started through this module (`TIED`).
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

_MODULE = (sys.executable, "-P", "-m")
TIED = (*_MODULE, "cat_lab.local.child_process")
"""Prefix of a command that ends with the process that starts it."""
_SECONDS = 20
"""Time for a process group to end before it is killed."""


def start(command: Sequence[str], environment: Mapping[str, str], **options: Any) -> subprocess.Popen[bytes]:
    """Start a command in a process group of its own; Ctrl-C reaches only the parent, which ends the group.

    Args:
        command: `TIED` and a command, or a command that calls `wait_for_parent_end`.
        environment: the whole environment of the child.
        options: further options of ``subprocess.Popen``.
    """
    return subprocess.Popen(
        list(command), stdin=subprocess.PIPE, env=dict(environment), start_new_session=True, **options
    )


def python_module(name: str) -> tuple[str, ...]:
    """Return the command that runs a module of this Python, without the working folder on its path."""
    return (*_MODULE, name)


def end(process: subprocess.Popen[bytes], seconds: float = _SECONDS) -> None:
    """End a process group that `start` made: SIGTERM, then SIGKILL after `seconds`; harmless if repeated."""
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            pass
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


def wait_for_parent_end() -> None:
    """Return when the parent of this process has ended.

    A killed parent may leave a fork that still holds the pipe, so the parent's process id is checked too.
    """
    parent = os.getppid()
    while os.getppid() == parent:
        if select.select([0], [], [], 1.0)[0] and not os.read(0, 1 << 10):
            return


def _end_group(process: subprocess.Popen[bytes]) -> None:
    wait_for_parent_end()
    os.killpg(0, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_SECONDS)
    os.killpg(0, signal.SIGKILL)


def main() -> int:
    """Run the command given as arguments; return its exit code as a shell does."""
    signal.signal(signal.SIGTERM, lambda *_: None)  # the whole group gets it: the command decides
    process = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
    threading.Thread(target=_end_group, args=(process,), daemon=True).start()
    code = process.wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
