"""Check the values of parameters, whether an option, a notebook or papermill gives them (contract §8).

The name of a parameter decides its rule; a parameter of another name may have any value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from cat_normalize.core.errors import CatNormalizeError, ParameterError, SettingsError
from cat_normalize.core.settings import Rules, parse_day

RANGES = {
    "segments": (1, 64),
    "partitions": (1, 512),
    "workers": (1, 256),
    "top": (1, 1_000_000),
    "max_rcu": (0, 1_000_000),
}
"""The least and the greatest value of each whole number."""
LEAST_MEMORY = 512 << 20
"""Bytes; Spark refuses a Java heap below 450 MiB."""
_MEMORY = re.compile(r"([0-9]{1,9})([mMgGtT])")
_UNITS = {"m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


def memory_bytes(text: str) -> int:
    """Return the bytes of a memory size in the form that both Spark and Java accept.

    Raises:
        ParameterError: it has another form, or is below what Spark needs.

    >>> memory_bytes("1g")
    1073741824
    """
    found = _MEMORY.fullmatch(text)
    if found is None:
        raise ParameterError(f"memory: {text!r} is not a memory size; write it as 1g or 512m")
    size = int(found[1]) * _UNITS[found[2].lower()]
    if size < LEAST_MEMORY:
        raise ParameterError(f"memory: {text} is too little for Spark; give at least 512m")
    return size


def find_problems(given: Mapping[str, Any]) -> list[str]:
    """Return every problem of some parameters; a blank text or list counts as not given.

    >>> find_problems({"since": "yesterday", "memory": "1x", "top": 8})  # doctest: +NORMALIZE_WHITESPACE
    ["since: 'yesterday' is not a day; write it as 2025-08-18 or 20250818",
     "memory: '1x' is not a memory size; write it as 1g or 512m"]
    """
    found: list[str] = []
    days: dict[str, date] = {}
    for name, value in given.items():
        try:
            read = _read(name, value)
        except CatNormalizeError as error:
            found.append(str(error))
        else:
            days |= {name: read} if isinstance(read, date) else {}
    try:
        Rules(since=days.get("since"), until=days.get("until"))
    except SettingsError as error:
        found.append(str(error))
    return found


def check_parameters(**given: Any) -> None:
    """Raise an error if a parameter has an impossible value.

    Raises:
        ParameterError: the message names every problem.

    >>> check_parameters(segments=0)
    Traceback (most recent call last):
    cat_normalize.core.errors.ParameterError: segments: 0 is not within 1 to 64
    """
    if found := find_problems(given):
        raise ParameterError("; ".join(found))


def _read(name: str, value: Any) -> date | None:
    """Check one value, and return it if it is a day."""
    if name in RANGES:
        least, most = RANGES[name]
        if not least <= value <= most:
            raise ParameterError(f"{name}: {value} is not within {least} to {most}")
    elif not value:
        return None
    elif name in ("run_date", "since", "until", "from_day", "to_day"):
        return parse_day(name, value)
    elif name == "time_zone":
        Rules(time_zone=value)
    elif name == "memory":
        memory_bytes(value)
    elif name == "exclude_cities":
        for each in value:
            if not isinstance(each, str):
                raise ParameterError(f"{name}: {each!r} is not a string; give a list such as ['^Prueba']")
            Rules(exclude_cities=(each,))
    return None
