"""The default period of a query: the 28 days that end with the latest day that has conversations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

from cat_normalize.query.queries import Query, Value

if TYPE_CHECKING:
    import pandas as pd

DAYS = 28
"""The length of the default period, both ends included."""


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
    values.setdefault("since", _days_before(values["until"], DAYS - 1))
    return values


def _days_before(day: Any, days: int) -> date:
    """Return the day that many days earlier; the first of all days has none before it.

    >>> _days_before(date(1, 1, 3), 27)
    datetime.date(1, 1, 1)
    """
    return date.fromordinal(max(day.toordinal() - days, 1))
