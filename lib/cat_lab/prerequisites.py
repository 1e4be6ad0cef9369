"""What a stage needs of the earlier ones: built on the local AWS, refused with the reason on an account.

Files that are there count only if they are of this run: of its table, and the Parquet of the CSV that is
there now.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from cat_normalize.core.errors import InputError
from cat_normalize.core.manifest import Output, plain

if TYPE_CHECKING:
    from cat_lab.workspace import Stage, Workspace


def prepare(space: Workspace, stage: Stage) -> None:
    """Make sure that a stage finds what it reads.

    Raises:
        InputError: on an AWS account, it is missing, or of another table or CSV.
    """
    _EARLIER[stage](space)


def _ensure_nothing(space: Workspace) -> None:
    """The first stage needs a table alone."""


def _ensure_raw(space: Workspace) -> None:
    source = space.source()
    if source is None:
        _refuse_on_aws(space, f"{space.raw} holds no extract; run 01_extract first")
    elif source.startswith("dynamodb://") and source != space.table_uri:
        _refuse_on_aws(
            space, f"{space.raw} holds the items of {source}, not of {space.table_uri}; run 01_extract again"
        )
    else:
        return
    space.extract()


def _ensure_csv(space: Workspace) -> None:
    if space.head(space.csv_uri) is None:
        _refuse_on_aws(space, f"there is no {space.csv_uri}; run 02_normalize for this run_date first")
    elif reason := _csv_fault(space):
        _refuse_on_aws(space, f"{reason}; run 02_normalize again")
    else:
        return
    _ensure_raw(space)
    space = space.with_kept_rules()
    space.publish(space.normalize(), allow_shrink=True)


def _ensure_parquet(space: Workspace) -> None:
    if space.local:
        _ensure_csv(space)
    if reason := _csv_fault(space) or _parquet_fault(space):
        _refuse_on_aws(space, f"{reason}; run 02_normalize and 03_convert for this run_date first")
        space.convert()


def _csv_fault(space: Workspace) -> str | None:
    """Say why the day's CSV is not of what was extracted, or else of the table; None where it is."""
    told, source = space.manifest(1), space.source()
    read = told["source"] if told else None
    if told and space.csv.is_file() and plain(Output.of(space.csv, space.csv_uri)) not in told["outputs"]:
        return f"{space.csv_uri} is not the CSV in {space.folder}: another run has replaced it"
    if read is None or read == (source or space.table_uri):
        return None
    if source is None and not read.startswith("dynamodb://"):
        return None
    return f"{space.csv_uri} is of {read}, not of {source or space.table_uri}"


def _parquet_fault(space: Workspace) -> str | None:
    """Say why the Parquet is not that of the day's CSV, None where it is."""
    told, csv, parquet = space.manifest(2), space.head(space.csv_uri), space.head(space.parquet_uri)
    if told is None or parquet is None:
        return f"{space.csv_uri} has not been converted"
    if csv and csv["ETag"] != told["summary"]["source_etag"]:
        return f"{space.csv_uri} was replaced after it was converted"
    if parquet["Size"] != told["outputs"][0]["bytes"]:
        return f"{space.parquet_uri} is of another run date than {space.run_date}"
    return None


def _refuse_on_aws(space: Workspace, reason: str) -> None:
    if not space.local:
        raise InputError(reason)


_EARLIER: dict[str, Callable[[Workspace], None]] = {
    "extract": _ensure_nothing,
    "normalize": _ensure_raw,
    "convert": _ensure_csv,
    "query": _ensure_parquet,
}
