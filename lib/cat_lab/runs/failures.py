"""Turn the errors of a run into its record: the first is the failure, later ones become notes."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from cat_lab.errors import LocalAwsError, NotebookError
from cat_lab.remedies import remedy
from cat_lab.runs.records import Failure, RunRecord
from cat_normalize.core.errors import CatNormalizeError


@contextmanager
def errors_recorded(record: RunRecord, action: str) -> Iterator[None]:
    """Record an error of the block instead of raising it; `action` says what was being done."""
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        if not record.failure:
            _record_failure(record, error)
        elif str(error) != record.failure.text:  # the same again says nothing more
            record.notes.append(f"{action}: {type(error).__name__}: {error}")


def _record_failure(record: RunRecord, error: BaseException) -> None:
    record.status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
    stage = record.running_stage
    failure = Failure(stage=stage, error=type(error).__name__, text=str(error))
    # Where the local AWS has ended, the failed cell is only a consequence of that.
    cell_error = error.__context__ if isinstance(error, LocalAwsError) else error
    if isinstance(cell_error, NotebookError):
        failure.notebook, failure.heading = cell_error.notebook, cell_error.heading
        failure.cell, failure.cells = cell_error.cell, cell_error.cells
    if isinstance(error, NotebookError):
        failure.error, failure.text = error.error, error.text
    elif isinstance(cell_error, NotebookError):
        record.notes.append(str(cell_error))
    elif not isinstance(error, (CatNormalizeError, OSError, KeyboardInterrupt)):
        failure.traceback = "".join(traceback.format_exception(error))
    failure.advice = remedy(f"{failure.error}: {failure.text}")
    record.failure = failure
    if stage:
        record.stages[stage].status = record.status
        record.stages[stage].error = str(error)
