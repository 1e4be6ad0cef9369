"""Make what takes long once for all pytest workers."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest


def once(folders: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder that `make` filled; the first worker that asks for it makes it, the others wait.

    Args:
        folders: the factory of the session.
        name: of the folder; another name is another folder.
        make: called with a new folder; if it raises, the next worker tries again.
    """
    root = folders.getbasetemp()
    root = root.parent if "PYTEST_XDIST_WORKER" in os.environ else root
    with (root / f"{name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = root / name
        if not made.exists():
            folder = folders.mktemp(name)
            make(folder)
            made.symlink_to(folder)
    return made.resolve()
