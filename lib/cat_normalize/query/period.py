"""The default period of a query: the 28 days that end with the latest day that has conversations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from cat_normalize.query.queries import Query, Value

if TYPE_CHECKING:
    import pandas as pd

DAYS = 28
"""The length of the default period, both ends included."""


@dataclass(frozen=True, slots=True)
class Period:
    """Two days, both included.

    >>> Period(date(2025, 9, 1), date(2025, 9, 2)).before
    Period(since=datetime.date(2025, 8, 30), until=datetime.date(2025, 8, 31))
    """

    since: date
    until: date

    @classmethod
    def ending(cls, until: date) -> Period:
        """Return the default period that ends on a day; it is shorter in the first days of the year 1.

        >>> Period.ending(date(1, 1, 3)).since
        datetime.date(1, 1, 1)
        """
        return cls(date.fromordinal(max(until.toordinal() - DAYS + 1, 1)), until)

    @property
    def days(self) -> int:
        """Its length."""
        return (self.until - self.since).days + 1

    @property
    def before(self) -> Period | None:
        """The period of the same length that ends the day before, None where the calendar begins."""
        first = self.since.toordinal() - self.days
        return Period(date.fromordinal(first), self.since - timedelta(1)) if first >= 1 else None


def with_period(
    query: Query, given: Mapping[str, Any], today: date, ask: Callable[[date], pd.DataFrame]
) -> dict[str, Value]:
    """Return the values that a query is run with: those given, and its period and run date.

    ``until`` is by default the latest day with conversations up to the run date (the run date if there is
    none), ``since`` the day 27 days earlier. A period that lies after the data is one day without rows.

    Args:
        query: which query.
        given: values by name.
        today: the run date where none is given.
        ask: answers ``data_period`` for a run date; called only where ``until`` is not given.

    Raises:
        ParameterError: the query has no such parameter, or the value is of another type.
    """
    values = query.check(given)
    wanted = {parameter.name for parameter in query.parameters}
    run_date = values.pop("run_date", today)
    if "run_date" in wanted:
        values["run_date"] = run_date
    if not query.of_period:
        return values
    assert isinstance(run_date, date)
    if "until" not in values:
        last = ask(run_date)["last_day"][0]
        until = last if isinstance(last, date) else run_date
        values["until"] = max(until, values.get("since", until))
    assert isinstance(values["until"], date)
    values.setdefault("since", Period.ending(values["until"]).since)
    return values
