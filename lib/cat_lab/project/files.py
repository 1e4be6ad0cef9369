"""Find the files of a project: in the working directory, else those that came with the command."""

from __future__ import annotations

from pathlib import Path

from cat_lab.stages import NOTEBOOKS
from cat_normalize.core.errors import UsageError

HERE = Path(__file__).parent
_CHECKOUT = HERE.parents[2]
_FIRST = Path("notebooks", NOTEBOOKS["extract"])


def find(path: Path) -> Path:
    """Return a file of a project: that of the working directory, else the one that came with the command.

    Args:
        path: relative to the root of a project.
    """
    return path if path.is_file() else carried(path)


def carried(path: Path) -> Path:
    """Return a file or folder that came with the command: in its wheel, else in the checkout."""
    return HERE / path if (HERE / path).exists() else _CHECKOUT / path


def find_notebooks() -> Path:
    """Return the folder of the notebooks that run: the working directory's, else those of the command."""
    return find(_FIRST).parent


def find_own_notebooks() -> Path:
    """Return the folder of the notebooks to open and change.

    Raises:
        UsageError: there are only those of the wheel.
    """
    found = find_notebooks()
    if is_installed(found):
        raise UsageError("no notebooks in this folder; run cat-normalize init DIR, and go there")
    return found


def is_installed(folder: Path) -> bool:
    """Return whether a folder is the wheel's, in which nothing may be written."""
    return folder.resolve().is_relative_to(HERE.resolve())
