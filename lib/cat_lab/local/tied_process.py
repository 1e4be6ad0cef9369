"""Runs a command that ends with whoever started it, even if that is killed; started by path, with ``-P``.

Its standard input is a pipe that the parent alone holds. When the pipe ends, so does the process group.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading


def main() -> int:
    """Run the command that the arguments are; return its exit code as a shell would."""
    signal.signal(signal.SIGTERM, lambda *_: None)  # is sent to the whole group: the command decides
    process = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
    threading.Thread(target=_end_with_input, daemon=True).start()
    code = process.wait()
    return code if code >= 0 else 128 - code


def _end_with_input() -> None:
    while os.read(0, 1):
        pass
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
