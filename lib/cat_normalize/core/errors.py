"""Every error the library raises, and the exit code each one means (contract §8).

::

    CatNormalizeError
    ├── UsageError               2  what was asked for cannot be: mend the call
    │   ├── SettingsError           a setting is missing or unreadable
    │   ├── ParameterError          a notebook parameter is unknown or of another type
    │   ├── FutureDateError         the run date has not come yet, and nobody allowed it
    │   └── UnknownQueryError       no query of that name
    └── PipelineError            1  the run failed: mend the input or the surroundings
        ├── ExtractError            the table or the export could not be read whole
        ├── InputError              an input file is missing or unreadable
        ├── MalformedCsvError       a CSV that is not the contract's (file, line, column)
        ├── ConvertError            Spark stopped for another reason
        ├── StaleInputError         an older CSV would replace the Parquet of a newer one
        ├── FutureParquetError      the Parquet there carries a day that has not come yet
        ├── GuardError            4  what was read cannot be right; no CSV was published
        │   ├── AllRejectedError        every item was rejected
        │   └── ShrunkError             far fewer users than the last run published
        ├── OutOfTimeError          the time left would not have done; nothing was published
        ├── QueryError              a query could not run
        │   └── UntestedFunctionError   its SQL uses a function whose translation is not tested
        ├── LocalAwsError           the local AWS did not start or stopped answering
        └── NotebookError           a notebook's cell failed, or its kernel died
    Terminated (a KeyboardInterrupt)  143  the process was told to end by SIGTERM; Ctrl-C is 130
"""


class CatNormalizeError(Exception):
    """Base of all; ``exit_code`` is what the command line ends with."""

    exit_code = 1


class UsageError(CatNormalizeError):
    """The call is wrong; nothing was started."""

    exit_code = 2


class SettingsError(UsageError):
    """A setting is missing or cannot be read; the message names it and an example."""


class ParameterError(UsageError):
    """A notebook parameter is unknown, of another type, or not declared."""


class FutureDateError(UsageError):
    """A run date that has not come yet; nothing was published (contract §6)."""


class UnknownQueryError(UsageError):
    """No named query of that name; the message lists those there are."""


class PipelineError(CatNormalizeError):
    """A stage failed; what was published before is still whole."""


class ExtractError(PipelineError):
    """The table or export could not be read whole."""


class InputError(PipelineError):
    """An input file is missing or cannot be read."""


class MalformedCsvError(PipelineError):
    """A CSV that is not the contract's (§4, §5).

    >>> str(MalformedCsvError("data.csv", 3, "numero_feedback", "not an int of 32 bits"))
    'data.csv, line 3, column numero_feedback: not an int of 32 bits'
    """

    def __init__(self, file: str, line: int, column: str, problem: str) -> None:
        super().__init__(f"{file}, line {line}, column {column}: {problem}")
        self.file, self.line, self.column, self.problem = file, line, column, problem


class ConvertError(PipelineError):
    """Spark stopped for a reason other than the CSV's form."""


class StaleInputError(PipelineError):
    """An older CSV would have replaced the Parquet of a newer one (contract §6)."""


class FutureParquetError(PipelineError):
    """The Parquet that is published carries a day that has not come yet: a mistyped run date made it."""


class GuardError(PipelineError):
    """What was read cannot be right; no CSV was published (contract §6, §8)."""

    exit_code = 4


class AllRejectedError(GuardError):
    """Every item that was read was rejected; the rejects say why."""


class ShrunkError(GuardError):
    """Far fewer users than the last run published; ``--allow-shrink`` publishes them all the same."""


class OutOfTimeError(PipelineError):
    """The time left would not have done for the steps left; the run stopped before it published."""


class QueryError(PipelineError):
    """A named query could not run."""


class UntestedFunctionError(QueryError):
    """A query uses a function whose translation to DuckDB no test holds."""


class LocalAwsError(PipelineError):
    """The local AWS did not start, or stopped answering."""


class NotebookError(PipelineError):
    """A notebook's cell failed, or its kernel died; the executed copy is kept.

    Args:
        notebook: its file's name.
        error: the class name of what was raised.
        text: what it says.
        cell: the code cell's number from 1; 0 if none had started.
        cells: how many code cells there are.
        heading: what the cell stands under.

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


class Terminated(KeyboardInterrupt):
    """The process was told to end by SIGTERM; it cleans up as after Ctrl-C."""

    exit_code = 143


def exit_code_of(name: str) -> int:
    """Return the exit code that an error's class name means; 1 for an error that is not of this module.

    >>> exit_code_of("ShrunkError"), exit_code_of("SettingsError"), exit_code_of("ValueError")
    (4, 2, 1)
    """
    found = globals().get(name)
    return found.exit_code if isinstance(found, type) and issubclass(found, CatNormalizeError) else 1
