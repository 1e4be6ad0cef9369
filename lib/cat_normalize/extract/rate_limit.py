"""Limit the read units per second that a scan consumes; the units of a page are known once it arrives."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

from cat_normalize.core.errors import UsageError

FULL_PAGE = 128.0
"""Read units of a full page: 1 MB, eventually consistent, at half a unit per 4 KB."""
_LARGEST_ITEM = 50.0
"""Read units of an item of 400 KB, the most that DynamoDB stores."""
_MAX_SLEEP = 0.1
"""Seconds to sleep before looking again: the page under way may cost less than assumed."""


class RateLimiter:
    """Limit the pages of all threads that share it to a number of read units per second.

    A page may start once the page before it is paid for. Until a page is charged it counts as the most
    expensive one so far. So the pages that start in any interval consume at most ``rate`` units per second
    of it, and one page more; unused units expire.

    Args:
        rate: read units per second, at least 1; no limit by default.
        clock: returns the time in seconds.
        sleep: waits that many seconds; an error it raises leaves `acquire`.

    Raises:
        UsageError: the rate is below 1.

    >>> now = [0.0]
    >>> limiter = RateLimiter(64, clock=lambda: now[0], sleep=lambda seconds: now.append(now.pop() + seconds))
    >>> limiter.charge(limiter.acquire(), units=32.0, items=8)
    >>> second = limiter.acquire()
    >>> round(now[0], 3), limiter.item_limit()
    (0.5, 16)
    """

    def __init__(
        self,
        rate: float = math.inf,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        if rate < 1:
            raise UsageError(f"max_rcu: {rate:g} is too few; give at least 1 read unit a second")
        self._rate, self._clock, self._sleep = rate, clock, sleep
        self._lock = threading.Lock()
        self._page_units = FULL_PAGE
        self._units, self._items = 0.0, 0
        self._pages, self._started, self._next_start = 0, 0.0, -math.inf

    def acquire(self) -> int:
        """Wait until a page may start; return its number, for `charge`."""
        while True:
            with self._lock:
                now = self._clock()
                wait = self._next_start - now
                if wait <= 0:
                    self._pages, self._started = self._pages + 1, now
                    self._next_start = now + self._page_units / self._rate
                    return self._pages
            self._sleep(min(wait, _MAX_SLEEP))

    def charge(self, page: int, units: float, items: int) -> None:
        """Record what a page consumed; only that of the last one started changes when the next may start."""
        with self._lock:
            self._units, self._items = self._units + units, self._items + items
            self._page_units = max(self._page_units, units)
            if page == self._pages:
                self._next_start = self._started + units / self._rate

    def item_limit(self) -> int | None:
        """Return how many items consume about one second's units; None if that is a full page or more."""
        if self._rate >= FULL_PAGE:
            return None
        with self._lock:
            per_item = self._units / self._items if self._units and self._items else _LARGEST_ITEM
        return max(1, int(self._rate / per_item))
