"""The errors that the library raises, each with the exit code of the command line (contract §8).

::

    CatNormalizeError
    ├── UsageError               2  the call is wrong: correct it
    │   ├── SettingsError           a setting is missing or cannot be parsed
    │   ├── ParameterError          a parameter is unknown or of another type
    │   ├── FutureDateError         the run date is after today, and this was not allowed
    │   └── UnknownQueryError       no query has that name
    └── PipelineError            1  the run failed: correct the input or the environment
        ├── ExtractError            the table or the export could not be read completely
        ├── InputError              an input file is missing or cannot be read
        ├── MalformedCsvError       the CSV does not follow the contract (file, line, column)
        ├── ConvertError            Spark failed for another reason
        ├── StaleInputError         an older CSV would replace the Parquet of a newer one
        ├── FutureParquetError      the published Parquet has a run date after today
        ├── GuardError            4  the input cannot be right; no CSV was published
        │   ├── AllRejectedError        every item was rejected
        │   └── ShrunkError             far fewer users than the last run published
        ├── OutOfTimeError          the time left is too short; nothing was published
        └── QueryError              a query failed
"""

from __future__ import annotations

import re


class CatNormalizeError(Exception):
    """Base of all errors; ``exit_code`` is that of the command line."""

    exit_code = 1


class UsageError(CatNormalizeError):
    """The call is wrong; nothing was started."""

    exit_code = 2


class SettingsError(UsageError):
    """A setting is missing or cannot be parsed; the message names it and shows an example."""


class ParameterError(UsageError):
    """A parameter of a notebook or a query is unknown or of another type."""


class FutureDateError(UsageError):
    """The run date is after today; nothing was published (contract §6)."""


class UnknownQueryError(UsageError):
    """No named query has that name; the message lists the names."""


class PipelineError(CatNormalizeError):
    """A stage failed; what was published before is unchanged."""


class ExtractError(PipelineError):
    """The table or the export could not be read completely."""


class InputError(PipelineError):
    """An input file is missing or cannot be read."""


class MalformedCsvError(PipelineError):
    """The CSV does not follow the contract (§4, §5).

    >>> str(MalformedCsvError("data.csv", 3, "numero_feedback", "not an int of 32 bits"))
    'data.csv, line 3, column numero_feedback: not an int of 32 bits'
    """

    def __init__(self, file: str, line: int, column: str, problem: str) -> None:
        super().__init__(f"{file}, line {line}, column {column}: {problem}")
        self.file, self.line, self.column, self.problem = file, line, column, problem


class ConvertError(PipelineError):
    """Spark failed for a reason other than the form of the CSV."""


class StaleInputError(PipelineError):
    """An older CSV would have replaced the Parquet of a newer one (contract §6)."""


class FutureParquetError(PipelineError):
    """The published Parquet has a run date after today: it comes from a mistyped run date."""


class GuardError(PipelineError):
    """The input cannot be right; no CSV was published (contract §6, §8)."""

    exit_code = 4


class AllRejectedError(GuardError):
    """Every item that was read was rejected; the rejects give the reasons."""


class ShrunkError(GuardError):
    """Far fewer users than the last run published; ``--allow-shrink`` publishes them anyway."""


class OutOfTimeError(PipelineError):
    """The time left is too short for the remaining steps; the run stopped before publishing."""


class QueryError(PipelineError):
    """A named query failed."""


def of_task(text: str) -> PipelineError:
    r"""Return the error that made a task fail, from Spark's message.

    >>> of_task("x\ncat_normalize.core.errors.ExtractError: a.gz is damaged\n\n\tat org.apache")
    ExtractError('a.gz is damaged')
    >>> of_task("x\nKeyError: 'María'\n")
    PipelineError('Spark failed: KeyError')
    """
    if own := re.findall(rf"^{__name__}\.(\w+): (.+)$", text, re.MULTILINE):
        made: PipelineError = globals()[own[-1][0]](own[-1][1])
        return made
    kinds = re.findall(r"^(?:Caused by: )?([\w.]+(?:Error|Exception))\b", text, re.MULTILINE)
    return PipelineError(f"Spark failed: {kinds[-1] if kinds else 'its executors are gone'}")
