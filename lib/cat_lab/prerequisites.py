"""Build what a stage needs of the earlier ones on the local AWS; on an account, refuse with the reason.

An existing output counts only if it belongs to this run: raw items and CSV of the same source, and the
Parquet of the CSV that is published now (contract §8).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from cat_lab.stages import NOTEBOOKS
from cat_normalize.core.errors import AllRejectedError, InputError
from cat_normalize.core.manifest import Output

if TYPE_CHECKING:
    from cat_lab.stages import Opened, Stage
    from cat_lab.workspace import Workspace

_MAKES: dict[Stage, tuple[str, str]] = {
    "extract": ("raw partitions", "a few seconds"),
    "normalize": ("CSV, rejects", "a few seconds"),
    "convert": ("users, conversations, messages", "up to a minute"),
}
"""What a stage makes for the others, and how long that takes with the sample table."""
STATUS = ("notebook", "makes", "now", "needs first", "which takes")
"""The columns of `status`."""


def build_prerequisites(space: Workspace, opened: Opened) -> None:
    """Make sure that the inputs of a notebook exist and belong to this run; say what is built, and how long.

    To investigate, the raw items alone are required: what else is missing may be what is looked into.

    Raises:
        InputError: on an AWS account, one is missing, or of another table or CSV.
    """
    if ensure := _ENSURE.get(opened):
        ensure(space)


def find_problems(space: Workspace) -> dict[Stage, str | None]:
    """Return why the output of each stage that makes one cannot be used, None where it can."""
    csv = _csv_problem(space)
    return {"extract": _raw_problem(space), "normalize": csv, "convert": csv or _parquet_problem(space)}


def status(space: Workspace) -> list[Sequence[str]]:
    """Return a row of `STATUS` for every notebook of a stage: what is there, and what must be made before.

    The times are those of the sample table.
    """
    missing = [stage for stage, problem in find_problems(space).items() if problem]

    def rows() -> Iterator[Sequence[str]]:
        before: list[Stage] = []
        for stage, notebook in NOTEBOOKS.items():
            makes, _ = _MAKES.get(stage, ("answers, charts", ""))
            now = ("not built" if stage in missing else "built") if stage in _MAKES else "–"
            takes = _MAKES[before[-1]][1] if before else "–"  # the later, the longer
            needs = ", ".join(NOTEBOOKS[each].removesuffix(".ipynb") for each in before)
            yield notebook.removesuffix(".ipynb"), makes, now, needs or "–", takes
            before += [stage] if stage in missing else []

    return list(rows())


def _announce(stage: Stage) -> None:
    name = NOTEBOOKS[stage].removesuffix(".ipynb")
    sys.stdout.write(f"Built first, as {name} does: {_MAKES[stage][0]}; {_MAKES[stage][1]} for the sample\n")
    sys.stdout.flush()


def _ensure_raw(space: Workspace) -> None:
    if problem := _raw_problem(space):
        _refuse_on_account(space, problem)
        _announce("extract")
        space.extract()


def _ensure_csv(space: Workspace) -> None:
    if problem := _csv_problem(space):
        _refuse_on_account(space, problem)
        _ensure_raw(space)
        _announce("normalize")
        space = space.with_last_rules()
        space.publish(space.normalize(), allow_shrink=True)


def _ensure_parquet(space: Workspace) -> None:
    if space.local:
        _ensure_csv(space)
    if problem := _parquet_problem(space):
        _refuse_on_account(space, problem)
        _announce("convert")
        space.convert()


def _ensure_traces(space: Workspace) -> None:
    _ensure_raw(space)
    if space.local:
        with suppress(AllRejectedError):  # then the rejects are all there is to follow, and they are written
            _ensure_parquet(space)


def _raw_problem(space: Workspace) -> str | None:
    source = space.source()
    if source is None:
        return f"{space.raw} has no extract; run 01_extract first"
    if source.startswith("dynamodb://") and source != space.table_uri:
        return f"{space.raw} has the items of {source}, not of {space.table_uri}; run 01_extract again"
    return None


def _csv_problem(space: Workspace) -> str | None:
    if space.head(space.csv_uri) is None:
        return f"{space.csv_uri} does not exist; run 02_normalize for this run_date first"
    reason = _csv_mismatch(space)
    return f"{reason}; run 02_normalize again" if reason else None


def _parquet_problem(space: Workspace) -> str | None:
    reason = _csv_mismatch(space) or _parquet_mismatch(space)
    return f"{reason}; run 02_normalize and 03_convert for this run_date first" if reason else None


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


_ENSURE: dict[Opened, Callable[[Workspace], None]] = {
    "normalize": _ensure_raw,
    "convert": _ensure_csv,
    "query": _ensure_parquet,
    "investigate": _ensure_traces,
}
