"""Lay out a project of one's own: notebooks, settings, a README."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from cat_lab.project.files import HERE, carried
from cat_normalize.core.errors import UsageError
from cat_normalize.core.settings import ENVIRONMENT, Settings

SETTINGS = "settings.env"
_HEAD = f"""\
# Settings of this project. Take the # from a line that you change, then load them into the shell:
#   set -a; . ./{SETTINGS}; set +a
"""
_IGNORED = "/runs/\n.ipynb_checkpoints/\n"


def lay_out(folder: Path) -> list[Path]:
    """Write a project into a folder, which is created if needed; return the files written.

    Raises:
        UsageError: a file to write is there already; nothing was written.
    """
    files = {folder / name: content for name, content in _contents().items()}
    if there := [str(path) for path in files if os.path.lexists(path)]:
        raise UsageError(
            f"not overwritten: {', '.join(there)}; nothing was written. "
            "Move them away, or give another folder"
        )
    for path, content in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as stream:
            stream.write(content)
    return list(files)


def settings_file() -> str:
    """Return the settings of the contract (§7) as lines of a shell, each with its default and off."""
    defaults = Settings().to_environment()
    lines = [
        f"# {variable.about}\n#{name}={shlex.quote(defaults[name]) if name in defaults else ''}\n"
        for name, variable in ENVIRONMENT.items()
    ]
    return "\n".join([_HEAD, *lines])


def _contents() -> dict[str, bytes]:
    notebooks = sorted(carried(Path("notebooks")).glob("*.ipynb"))
    texts = {
        "README.md": (HERE / "README.md").read_bytes(),
        SETTINGS: settings_file().encode(),
        ".gitignore": _IGNORED.encode(),
    }
    return texts | {f"notebooks/{each.name}": each.read_bytes() for each in notebooks}
