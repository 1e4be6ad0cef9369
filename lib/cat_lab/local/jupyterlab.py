"""Run JupyterLab as a child process that ends with this one, together with its kernels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cat_lab.local import child_process


def run_jupyterlab(options: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run JupyterLab until it ends and return its exit code; end it if this process is interrupted.

    Args:
        options: of its command line.
        environment: its whole environment.
    """
    command = [*child_process.TIED, *child_process.python_module("jupyterlab"), *options]
    process = child_process.start(command, environment)
    try:
        return process.wait()
    finally:
        child_process.end(process)
