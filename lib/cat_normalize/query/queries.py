"""The named queries on table ``users``: one SQL text each, in Athena's dialect.

The texts are files in ``sql/`` and can be pasted into Athena's console. A file begins with the question it
answers and one line for each ``?`` in it, in order::

    -- Which users had the most conversations.
    -- parameter: top integer = 10

Athena takes a ``?`` only in ``WHERE``, never after ``LIMIT``
(https://docs.aws.amazon.com/athena/latest/ug/querying-with-prepared-statements.html), so a query for the
first N numbers its rows and compares. To add a query, add a file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from itertools import takewhile
from typing import Any

from cat_normalize.core.errors import ParameterError, UnknownQueryError

_PARAMETER = re.compile(r"-- parameter: ([a-z_]+) integer = (\d+)")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One ``?`` of a query: its name, its type (``integer``) and its default."""

    name: str
    type: str
    default: int


@dataclass(frozen=True, slots=True)
class Query:
    """One named query: the question it answers, its SQL in Athena's dialect, its parameters in order."""

    name: str
    question: str
    sql: str
    parameters: tuple[Parameter, ...]

    def values(self, given: Mapping[str, Any]) -> list[int]:
        """Return one value per ``?``, in order; a parameter that is not given has its default.

        Raises:
            ParameterError: the query has no such parameter, or the value is of another type.

        >>> load("heaviest_users").values({})
        [10]
        """
        allowed = ", ".join(f"{p.name} ({p.type}, default {p.default})" for p in self.parameters) or "none"
        if unknown := sorted(set(given) - {p.name for p in self.parameters}):
            raise ParameterError(f"{self.name} has no parameter {', '.join(unknown)}; it takes {allowed}")
        values = [given.get(p.name, p.default) for p in self.parameters]
        for parameter, value in zip(self.parameters, values, strict=True):
            if type(value) is not int:
                raise ParameterError(
                    f"{self.name}: {parameter.name}={value!r} is a {type(value).__name__}; it takes {allowed}"
                )
        return values


def names() -> list[str]:
    """Return the names of the queries, sorted.

    >>> "totals" in names()
    True
    """
    files = [entry.name for entry in _SQL.iterdir()]
    return sorted(file.removesuffix(".sql") for file in files if file.endswith(".sql"))


def load(name: str) -> Query:
    """Read a named query.

    Raises:
        UnknownQueryError: no query has that name.

    >>> load("heaviest_users").parameters
    (Parameter(name='top', type='integer', default=10),)
    """
    if name not in names():
        raise UnknownQueryError(f"no query named {name!r}; there are {', '.join(names())}")
    sql = (_SQL / f"{name}.sql").read_text(encoding="utf-8")
    head = takewhile(lambda line: line.startswith("--"), sql.splitlines())
    lines = [(line, _PARAMETER.fullmatch(line)) for line in head]
    return Query(
        name=name,
        question=" ".join(line.removeprefix("-- ") for line, parameter in lines if not parameter),
        sql=sql,
        parameters=tuple(Parameter(p[1], "integer", int(p[2])) for _, p in lines if p),
    )


_SQL = resources.files(__package__) / "sql"
