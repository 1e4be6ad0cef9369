"""The named queries on the three tables: one SQL text each, in Athena's dialect.

The texts are files in ``sql/`` and can be pasted into Athena's console. A file begins with the question it
answers and one line for each ``?`` in it, in order; a parameter has a name, a type and perhaps a default,
and may stand at several::

    -- Which users had the most conversations.
    -- parameter: since day
    -- parameter: ciudad text = ''
    -- parameter: top integer = 10

Athena takes a ``?`` only in ``WHERE``, never after ``LIMIT``
(https://docs.aws.amazon.com/athena/latest/ug/querying-with-prepared-statements.html), so a query for the
first N numbers its rows and compares, and an optional text is ``? IN ('', ciudad)``. To add a query, add a
file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from importlib import resources
from itertools import takewhile
from typing import Any

from cat_normalize.core.errors import ParameterError, UnknownQueryError
from cat_normalize.core.settings import parse_day

Value = int | str | date
_PARAMETER = re.compile(r"-- parameter: ([a-z_]+) (integer|day|text)(?: = (?:(\d+)|'([^']*)'))?")
_TYPES: dict[str, type[int] | type[str] | type[date]] = {"integer": int, "day": date, "text": str}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One ``?`` of a query: its name, its type (``integer``, ``day`` or ``text``) and its default, if any."""

    name: str
    type: str
    default: int | str | None = None

    def __str__(self) -> str:
        default = "" if self.default is None else f", default {self.default!r}"
        return f"{self.name} ({self.type}{default})"

    def parse(self, text: str) -> Value:
        """Read a value from a text, such as a word of a command line.

        Raises:
            ParameterError: the text is not of the parameter's type.
            SettingsError: the text is not a day.

        >>> Parameter("since", "day").parse("2025-08-18")
        datetime.date(2025, 8, 18)
        """
        if self.type == "day":
            return parse_day(self.name, text)
        if self.type == "text":
            return text
        try:
            return int(text)
        except ValueError as error:
            raise ParameterError(f"{self.name}={text!r} is not a whole number") from error


@dataclass(frozen=True, slots=True)
class Query:
    """One named query: the question it answers, its SQL in Athena's dialect, its parameters in order."""

    name: str
    question: str
    sql: str
    parameters: tuple[Parameter, ...]

    @property
    def of_period(self) -> bool:
        """Whether it is asked of a period: two days, ``since`` and ``until``, both included."""
        return "since" in (parameter.name for parameter in self.parameters)

    @property
    def accepted(self) -> tuple[Parameter, ...]:
        """All that can be given; a query of a period takes ``run_date`` too, which decides the default one.

        >>> [parameter.name for parameter in load("hours").accepted]
        ['since', 'until', 'ciudad', 'gerencia', 'run_date']
        """
        more = self.of_period and "run_date" not in (parameter.name for parameter in self.parameters)
        distinct = tuple(dict.fromkeys(self.parameters))
        return (*distinct, Parameter("run_date", "day")) if more else distinct

    def parse(self, texts: Mapping[str, str]) -> dict[str, Value]:
        """Read values from texts, each by its parameter's type.

        Raises:
            ParameterError: the query has no such parameter, or a text is not of its type.
            SettingsError: a text is not a day.
        """
        self._refuse_unknown(texts)
        return {each.name: each.parse(texts[each.name]) for each in self.accepted if each.name in texts}

    def check(self, given: Mapping[str, Any]) -> dict[str, Value]:
        """Return the values that are given, days as dates.

        Args:
            given: values by name; a day is a `datetime.date` or a text such as ``2025-08-18``.

        Raises:
            ParameterError: the query has no such parameter, a value is of another type, or ``since`` is after
                ``until``.
        """
        self._refuse_unknown(given)
        checked = {
            each.name: self._check(each, given[each.name]) for each in self.accepted if each.name in given
        }
        if {"since", "until"} <= set(checked) and checked["since"] > checked["until"]:  # type: ignore[operator]
            raise ParameterError(
                f"{self.name}: since {checked['since']} is after until {checked['until']}: no day is in both"
            )
        return checked

    def values(self, given: Mapping[str, Any]) -> list[Value]:
        """Return one value per ``?``, in order; a parameter that is not given has its default.

        Raises:
            ParameterError: as `check`, or a parameter without a default is not given.

        >>> load("heaviest_users").values({})
        [10]
        """
        checked = self.check(given)
        values = [checked.get(each.name, each.default) for each in self.parameters]
        if missing := [
            str(each) for each, value in zip(self.parameters, values, strict=True) if value is None
        ]:
            raise ParameterError(f"{self.name} needs {', '.join(missing)}")
        return [value for value in values if value is not None]

    def _check(self, parameter: Parameter, value: Any) -> Value:
        if parameter.type == "day" and isinstance(value, str):
            return parse_day(parameter.name, value)
        if type(value) is not _TYPES[parameter.type]:  # True is no integer here, an instant no day
            raise ParameterError(
                f"{self.name}: {parameter.name}={value!r} is a {type(value).__name__}; "
                f"it takes {self._allowed()}"
            )
        return value

    def _refuse_unknown(self, given: Mapping[str, Any]) -> None:
        if unknown := sorted(set(given) - {each.name for each in self.accepted}):
            raise ParameterError(
                f"{self.name} has no parameter {', '.join(unknown)}; it takes {self._allowed()}"
            )

    def _allowed(self) -> str:
        return ", ".join(map(str, self.accepted)) or "none"


def literal(value: Value) -> str:
    """Write a value as a literal of Athena's SQL, as Athena takes execution parameters.

    >>> literal(date(2025, 8, 18)), literal("D'Or"), literal(10)
    ("DATE '2025-08-18'", "'D''Or'", '10')
    """
    if isinstance(value, date):
        return f"DATE '{value.isoformat()}'"
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else str(value)


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
        parameters=tuple(Parameter(p[1], p[2], int(p[3]) if p[3] else p[4]) for _, p in lines if p),
    )


_SQL = resources.files(__package__) / "sql"
