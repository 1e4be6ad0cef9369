"""Build what a stage needs of the earlier ones on the local AWS; on an account, refuse with the reason.

An existing output counts only if it belongs to this run: raw items and CSV of the same source, and the
Parquet of the CSV that is published now (contract §8).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from cat_normalize.core.errors import InputError
from cat_normalize.core.manifest import Output

if TYPE_CHECKING:
    from cat_lab.stages import Stage
    from cat_lab.workspace import Workspace


def build_prerequisites(space: Workspace, stage: Stage) -> None:
    """Make sure that the inputs of a stage exist and belong to this run.

    Raises:
        InputError: on an AWS account, one is missing, or of another table or CSV.
    """
    if ensure := _ENSURE.get(stage):
        ensure(space)


def _ensure_raw(space: Workspace) -> None:
    source = space.source()
    if source is None:
        _refuse_on_account(space, f"{space.raw} has no extract; run 01_extract first")
    elif source.startswith("dynamodb://") and source != space.table_uri:
        _refuse_on_account(
            space, f"{space.raw} has the items of {source}, not of {space.table_uri}; run 01_extract again"
        )
    else:
        return
    space.extract()


def _ensure_csv(space: Workspace) -> None:
    if space.head(space.csv_uri) is None:
        _refuse_on_account(space, f"{space.csv_uri} does not exist; run 02_normalize for this run_date first")
    elif reason := _csv_mismatch(space):
        _refuse_on_account(space, f"{reason}; run 02_normalize again")
    else:
        return
    _ensure_raw(space)
    space = space.with_last_rules()
    space.publish(space.normalize(), allow_shrink=True)


def _ensure_parquet(space: Workspace) -> None:
    if space.local:
        _ensure_csv(space)
    if reason := _csv_mismatch(space) or _parquet_mismatch(space):
        _refuse_on_account(space, f"{reason}; run 02_normalize and 03_convert for this run_date first")
        space.convert()


def _csv_mismatch(space: Workspace) -> str | None:
    """Return why the published CSV is not of this run's source, None if it is."""
    published, extracted = space.manifest_etl1(), space.source()
    if published is None:
        return None
    if space.csv.is_file() and Output.of(space.csv, space.csv_uri) not in published.outputs:
        return f"{space.csv_uri} is not the CSV in {space.folder}: another run has replaced it"
    source = published.source
    if source == (extracted or space.table_uri):
        return None
    if extracted is None and not source.startswith("dynamodb://"):
        return None
    return f"{space.csv_uri} is of {source}, not of {extracted or space.table_uri}"


def _parquet_mismatch(space: Workspace) -> str | None:
    """Return why the published Parquet is not of the published CSV, None if it is."""
    published = space.manifest_etl2()
    csv, found = space.head(space.csv_uri), {uri: space.head(uri) for uri in space.table_uris.values()}
    if published is None or not all(found.values()):
        return f"{space.csv_uri} has not been converted"
    if csv and csv["ETag"] != published.summary.source_etag:
        return f"{space.csv_uri} was replaced after it was converted"
    sizes = {output.uri: output.bytes for output in published.outputs}
    for uri, each in found.items():
        if each and each["Size"] != sizes.get(uri):
            return f"{uri} is of another run date than {space.run_date}"
    return None


def _refuse_on_account(space: Workspace, reason: str) -> None:
    if not space.local:
        raise InputError(reason)


_ENSURE: dict[Stage, Callable[[Workspace], None]] = {
    "normalize": _ensure_raw,
    "convert": _ensure_csv,
    "query": _ensure_parquet,
}
