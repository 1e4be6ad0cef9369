"""Run a notebook with papermill into an executed copy, which never holds a secret.

papermill leaves three things open that are settled here and in `engine`: a kernel that dies is recorded as a
failed cell (papermill records ``completed``), the copy is whole on disk after every cell, and secret
parameters are masked wherever the copy would show them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cat_lab import front_end
from cat_lab.errors import NotebookError
from cat_lab.imports import skip_uri_grammars
from cat_lab.secrets import is_secret, mask_json, mask_text
from cat_normalize.core.files import write_bytes

_ENGINE = "cat-normalize"
_SCHEME = "cat-normalize-run:"
OnCell = Callable[[int, int, str], None]
"""Called before each code cell with its number from 1, their total, and the heading above."""


def execute(notebook: Path, copy: Path, parameters: Mapping[str, Any], folder: Path, on_cell: OnCell) -> None:
    """Run a notebook; the source is not written to.

    Args:
        notebook: the source.
        copy: the path of the executed copy.
        parameters: values of the types that the notebook declares.
        folder: the kernel's working directory.
        on_cell: called before each code cell.

    Raises:
        NotebookError: a cell failed, or the kernel died or did not start; the copy shows which cell.
    """
    front_end.leave()
    skip_uri_grammars()
    from jupyter_client.kernelspec import NoSuchKernel
    from papermill.exceptions import PapermillExecutionError
    from papermill.execute import execute_notebook

    current = (0, 0, "")

    def failed(name: str, text: str) -> NotebookError:
        return NotebookError(str(copy), name, mask_text(text, secrets), *current)

    def follow(number: int, total: int, heading: str) -> None:
        nonlocal current
        current = (number, total, heading)
        on_cell(number, total, heading)

    secrets = [str(value) for name, value in parameters.items() if is_secret(name) and str(value)]
    _register_with_papermill(follow, secrets)
    try:
        done = execute_notebook(
            str(notebook.resolve()),
            _SCHEME + str(copy.resolve()),
            dict(parameters),
            engine_name=_ENGINE,
            progress_bar=False,
            cwd=str(folder),
        )
    except PapermillExecutionError as error:
        raise failed(error.ename, error.evalue) from None
    except NoSuchKernel as error:
        text = f"no kernel named {error.name!r} is installed here; install ipykernel in this environment"
        raise failed("NoSuchKernel", text) from error
    except RuntimeError as error:
        raise failed("RuntimeError", f"the kernel did not start: {error}") from error
    except OSError as error:  # the copy or the kernel's files could not be written
        raise failed(type(error).__name__, str(error)) from error
    if done.metadata.papermill["exception"]:  # papermill takes sys.exit(0) for success
        raise failed("SystemExit", "the notebook ended itself")


def _register_with_papermill(on_cell: OnCell, secrets: list[str]) -> None:
    from papermill.engines import papermill_engines
    from papermill.iorw import papermill_io

    from cat_lab.runs.engine import make_engine

    papermill_engines.register(_ENGINE, make_engine(on_cell))
    papermill_io.register(_SCHEME, _CopyWriter(secrets))


class _CopyWriter:
    """papermill's handler for our scheme: writes whole files under the plain path, secrets masked."""

    def __init__(self, secrets: list[str]) -> None:
        self._secrets = secrets

    def write(self, text: str, path: str) -> None:
        notebook = mask_json(json.loads(text), self._secrets)
        path = self.pretty_path(path)
        notebook["metadata"].get("papermill", {})["output_path"] = path
        text = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
        write_bytes(Path(path), text.encode("utf-8", "backslashreplace"))

    def pretty_path(self, path: str) -> str:
        return path.removeprefix(_SCHEME)
