"""JupyterLab in a process of its own, which ends with this one, and its kernels with it.

Run as a program, this file is that process; it imports nothing of this package then.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress

_PATIENCE = 20
"""Seconds for JupyterLab to end its kernels."""


def serve(words: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run JupyterLab until it ends, and return its exit code; end it if this is interrupted.

    Args:
        words: its options.
        environment: its whole environment.
    """
    process = subprocess.Popen(
        [sys.executable, "-P", __file__, *words],
        stdin=subprocess.PIPE,
        env=dict(environment),
        start_new_session=True,  # Ctrl-C is for this process; JupyterLab would ask back
    )
    try:
        return process.wait()
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()  # it ends its kernels then
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    finally:
        if process.stdin is not None:
            process.stdin.close()


def main() -> None:
    """Be JupyterLab until told to end, or until the parent is gone: it alone holds the standard input."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    from jupyterlab.labapp import main as lab

    sys.exit(lab(sys.argv[1:]))


def _end_with_parent() -> None:
    while os.read(0, 1 << 10):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
