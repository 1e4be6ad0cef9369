"""Run JupyterLab as a child process that ends with this one, together with its kernels."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from cat_lab.front_end import VARIABLE
from cat_lab.local import child_process
from cat_normalize.core.errors import UsageError

START = "00_start.ipynb"
"""The notebook that it opens on."""
_ALLOW_ROOT = ("--allow-root", "--ServerApp.allow_root")
_FOLDER = ("--notebook-dir", "--ServerApp.root_dir", "--ServerApp.notebook_dir")
_PAGE = ("--LabApp.default_url", "--ServerApp.default_url")
_ADDRESS = ("--ip", "--ServerApp.ip")


def run_jupyterlab(options: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run JupyterLab until it ends and return its exit code; end it if this process is interrupted.

    Args:
        options: of its command line, see `jupyterlab_options`.
        environment: its whole environment; its kernels inherit that they are in JupyterLab.
    """
    command = [*child_process.TIED, *child_process.python_module("jupyterlab"), *options]
    process = child_process.start(command, {**environment, VARIABLE: "1"})
    try:
        return process.wait()
    finally:
        child_process.end(process)


def jupyterlab_options(folder: Path, given: Sequence[str]) -> list[str]:
    """Return the options of JupyterLab: a folder of notebooks, on this machine alone, and those given.

    Jupyter refuses an option that is there twice, so a given one takes the place of ours.

    Args:
        folder: the notebooks.
        given: options of Jupyter's own, as on its command line.

    Raises:
        UsageError: the user is root and Jupyter is not told to allow that.

    >>> jupyterlab_options(Path("/n"), ["--allow-root", "--ip=0.0.0.0", "--port", "9999"])
    ['--notebook-dir=/n', '--allow-root', '--ip=0.0.0.0', '--port', '9999']
    """
    if os.geteuid() == 0 and not _gives(given, _ALLOW_ROOT) and not _root_is_configured():
        raise UsageError(
            "JupyterLab refuses to run as root, as in a container, unless it is told to: "
            "cat-normalize lab --allow-root"
        )
    ours = [] if _gives(given, _ADDRESS) else [f"{_ADDRESS[1]}=127.0.0.1"]
    if not _gives(given, _FOLDER):
        ours.append(f"{_FOLDER[0]}={folder.resolve()}")
        if (folder / START).is_file() and not _gives(given, _PAGE):
            ours.append(f"{_PAGE[0]}=/lab/tree/{START}")
    return [*ours, *given]


def _gives(options: Sequence[str], names: Sequence[str]) -> bool:
    return any(each.partition("=")[0] in names for each in options)


def _root_is_configured() -> bool:
    """Return whether a configuration file of Jupyter allows root."""
    from jupyter_server.serverapp import ServerApp

    server = ServerApp()
    server.load_config_file()
    return bool(server.allow_root)
