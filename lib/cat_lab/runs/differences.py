"""Say in what two runs differ: parameters, settings, counts, outputs, notebooks (contract §8)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Set
from typing import Any

from cat_lab.runs.history import Run
from cat_lab.runs.plan import SET_BY_RUN
from cat_lab.stages import NOTEBOOKS
from cat_normalize.core.errors import InputError

_DAY = "YYYYMMDD"
Differences = dict[str, dict[str, tuple[Any, Any]]]
"""By section and name, the value of either run; None where it has none."""


def differences(first: Run, second: Run) -> Differences:
    """Return what differs between two runs.

    Settings, counts and outputs are compared of the processes that published a manifest in both runs. The
    names of outputs have ``YYYYMMDD`` in place of the day. Of notebooks the code is compared, without
    the parameters that a run gave.

    Raises:
        InputError: an executed notebook cannot be read.
    """
    both = set(first.record.outputs) & set(second.record.outputs)
    one, other = _facts(first, both), _facts(second, both)
    found = {
        section: {
            name: (ours.get(name), others.get(name))
            for name in dict.fromkeys([*ours, *others])
            if ours.get(name) != others.get(name)
        }
        for section, ours, others in ((section, one[section], other[section]) for section in one)
    }
    return {section: names for section, names in found.items() if names}


def _facts(run: Run, processes: Set[str]) -> dict[str, dict[str, Any]]:
    record = run.record
    given = {
        f"{stage}.{name}": value
        for stage, parameters in record.parameters.items()
        for name, value in parameters.items()
        if name == "input" or name not in SET_BY_RUN
    }
    made = {process: manifest for process, manifest in record.outputs.items() if process in processes}
    published = dict.fromkeys(record.outputs, "published")
    return {
        "run": {"day": str(record.run_date), "where": record.where, "status": record.status, **published},
        "parameters": given,
        "settings": _of_each(made, "source") | _of_each(made, "settings"),
        "counts": _of_each(made, "summary"),
        "outputs": dict(_outputs(made, f"{record.run_date:%Y%m%d}")),
        "notebooks": _notebooks(run),
    }


def _of_each(manifests: Mapping[str, Mapping[str, Any]], member: str) -> dict[str, Any]:
    """Return a member of every manifest, one name per value."""
    prefixes = {process: f"{process}.source" if member == "source" else process for process in manifests}
    return dict(
        each
        for process, manifest in manifests.items()
        for each in _flat(prefixes[process], manifest.get(member))
    )


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the values inside objects, by their dotted names.

    >>> dict(_flat("a", {"b": {"c": 1}, "d": [2]}))
    {'a.b.c': 1, 'a.d': [2]}
    """
    if not isinstance(value, dict):
        yield name, value
        return
    for member, each in value.items():
        yield from _flat(f"{name}.{member}", each)


def _outputs(manifests: Mapping[str, Mapping[str, Any]], day: str) -> Iterator[tuple[str, Any]]:
    for manifest in manifests.values():
        for output in manifest.get("outputs", []):
            key = output["uri"].removeprefix("s3://").partition("/")[2].replace(day, _DAY)
            yield f"{key} bytes", output["bytes"]
            if not key.endswith(".parquet"):  # whose footer differs from one Java to the next
                yield f"{key} sha256", output["sha256"]


def _notebooks(run: Run) -> dict[str, Any]:
    """Return the SHA-256 of the code of every executed notebook."""
    paths = {name: run.folder / name for name in NOTEBOOKS.values()}
    found = {}
    for name, path in paths.items():
        if not path.exists():
            continue
        try:
            cells = json.loads(path.read_bytes())["cells"]
            code = [
                "".join(cell["source"])
                for cell in cells
                if cell["cell_type"] == "code"
                and "injected-parameters" not in cell["metadata"].get("tags", [])
            ]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path} is not a notebook that can be read: {error!r}") from error
        found[f"{name} code sha256"] = hashlib.sha256(json.dumps(code).encode()).hexdigest()
    return found
