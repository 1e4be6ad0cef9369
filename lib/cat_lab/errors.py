"""The errors that only the tools at a desk raise, and the exit code of every error (contract §8).

::

    UsageError                   2  of `cat_normalize.core.errors`
    └── MissingPackageError         a package of an extra is not installed
    PipelineError                1  of `cat_normalize.core.errors`
    ├── LocalAwsError               the local AWS did not start or stopped answering
    ├── NotebookError               a cell of a notebook failed, or its kernel died
    └── QueryError
        └── UntestedFunctionError   a query uses a function whose translation to DuckDB is not tested
    Terminated (KeyboardInterrupt)  143  the process received SIGTERM; Ctrl-C is 130
"""

from cat_normalize.core import errors
from cat_normalize.core.errors import CatNormalizeError, PipelineError, QueryError, UsageError


class MissingPackageError(UsageError):
    """A package that only some commands need is not installed; the message says how to install it."""


class LocalAwsError(PipelineError):
    """The local AWS did not start, or stopped answering."""


class NotebookError(PipelineError):
    """A cell of a notebook failed, or its kernel died; the executed copy is kept.

    Args:
        notebook: name of its file.
        error: class name of the exception.
        text: message of the exception.
        cell: number of the code cell, from 1; 0 if none had started.
        cells: number of code cells.
        heading: heading above the cell.

    >>> str(NotebookError("01_extract.ipynb", "ValueError", "no fish", 4, 5, "Scan"))
    "code cell 4 of 5, under 'Scan', in 01_extract.ipynb: ValueError: no fish"
    """

    def __init__(
        self, notebook: str, error: str, text: str, cell: int = 0, cells: int = 0, heading: str = ""
    ) -> None:
        self.place = f"code cell {cell} of {cells}, under {heading!r}, in {notebook}" if cell else notebook
        super().__init__(f"{self.place}: {error}: {text}")
        self.notebook, self.error, self.text = notebook, error, text
        self.cell, self.cells, self.heading = cell, cells, heading


class UntestedFunctionError(QueryError):
    """A query uses a function whose translation to DuckDB is not tested."""


class Terminated(KeyboardInterrupt):
    """The process received SIGTERM; it cleans up as after Ctrl-C."""

    exit_code = 143


def exit_code_of(name: str) -> int:
    """Return the exit code of an error by its class name; 1 for a class of neither tree.

    >>> exit_code_of("ShrunkError"), exit_code_of("SettingsError"), exit_code_of("ValueError")
    (4, 2, 1)
    >>> exit_code_of("LocalAwsError")
    1
    """
    found = {**vars(errors), **globals()}.get(name)
    return found.exit_code if isinstance(found, type) and issubclass(found, CatNormalizeError) else 1
