"""When the users of the sample write: growth, weekdays, holidays, hours, and weeks of absence."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

START = datetime(2025, 7, 7)
WEEKS = 10
END = START + timedelta(weeks=WEEKS)
"""The first instant after the sample."""
SLOW_DAY = datetime(2025, 9, 2).date()
"""A day on which the assistant answers late or not at all."""

_HOLIDAYS = (datetime(2025, 8, 7).date(), datetime(2025, 8, 18).date())
_BY_WEEKDAY = (1.0, 1.15, 1.1, 1.0, 0.85, 0.22, 0.12)
_WORKING_HOURS = (0, 0, 0, 0, 0, 1, 3, 9, 17, 21, 19, 13, 6, 8, 17, 19, 15, 9, 5, 3, 3, 2, 1, 0)
_FREE_HOURS = (0, 0, 0, 0, 0, 0, 1, 2, 4, 6, 7, 7, 5, 4, 4, 5, 5, 4, 4, 4, 3, 2, 1, 0)
_BUSY_HOURS = (9, 10, 14, 15)


def visits(rng: random.Random, activity: float) -> list[datetime]:
    """Return the times of a user's conversations in order, at least one.

    Args:
        rng: source of the draws.
        activity: how often the user comes; 1 is the least.
    """
    week = rng.randrange(WEEKS)
    first = _moment(rng, week)
    found = [first]
    for later in range(WEEKS - week):
        if later == 0 or rng.random() < _return_rate(later, activity):
            count = int(rng.expovariate(3 / activity)) + (later > 0)
            found += [at for at in (_moment(rng, week + later) for _ in range(count)) if at > first]
    if rng.random() < 0.12:  # another conversation within the hour
        found.append(found[-1] + timedelta(minutes=rng.uniform(12, 50)))
    return sorted(found)


def load(at: datetime) -> float:
    """Return how many times slower than usual the assistant is at an instant."""
    slow = 6.0 if at.date() == SLOW_DAY else 1.0
    return slow * (1.8 if is_working_day(at) and at.hour in _BUSY_HOURS else 1.0)


def is_working_day(at: datetime) -> bool:
    """Return whether a day is from Monday to Friday and no holiday.

    >>> is_working_day(datetime(2025, 8, 4)), is_working_day(datetime(2025, 8, 7))
    (True, False)
    """
    return at.weekday() < 5 and at.date() not in _HOLIDAYS


def _return_rate(later: int, activity: float) -> float:
    """Return the chance that a user comes in the week that is `later` weeks after the first one."""
    return min(0.95, (0.2 + 0.32 * 0.55 ** (later - 1)) * (0.6 + 0.25 * activity))


def _moment(rng: random.Random, week: int) -> datetime:
    days = [START + timedelta(weeks=week, days=day) for day in range(7)]
    weights = [_BY_WEEKDAY[n if is_working_day(day) or n > 4 else 6] for n, day in enumerate(days)]
    day = rng.choices(days, weights)[0]
    hour = rng.choices(range(24), _WORKING_HOURS if is_working_day(day) else _FREE_HOURS)[0]
    return day + timedelta(hours=hour, microseconds=rng.randrange(3_600_000_000))
