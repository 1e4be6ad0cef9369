"""How fast a scan may read: units a second over all its threads, though a page's are known once it came."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

from cat_normalize.core.errors import UsageError

PAGE = 128.0
"""Read units of a full page: 1 MB, eventually consistent, at half a unit for 4 KB."""
_ITEM = 50.0
"""Read units of the largest item there can be, 400 KB."""
_NAP = 0.1
"""Seconds slept at most before looking again: the page that is waited for may come cheaper."""


class Pace:
    """Keeps pages to so many read units a second; one object serves all threads.

    A page may start once the one started before it is paid for. A page under way counts as the dearest
    there is. So the pages that start in any span of time take at most ``rate`` units for each of its
    seconds, and one page more; what was not used in time is lost.

    Args:
        rate: read units a second, 1 at least; without it nothing ever waits.
        clock: tells the time in seconds.
        sleep: waits so many seconds; what it raises goes out to who called `start`.

    Raises:
        UsageError: the rate is below 1.

    >>> now = [0.0]
    >>> pace = Pace(64, clock=lambda: now[0], sleep=lambda seconds: now.append(now.pop() + seconds))
    >>> first = pace.start()
    >>> pace.paid(first, units=32.0, items=8)
    >>> second = pace.start()
    >>> round(now[0], 3), pace.limit()
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
        self._dearest = PAGE
        self._units, self._items = 0.0, 0
        self._pages, self._started, self._free = 0, 0.0, -math.inf

    def start(self) -> int:
        """Wait until a page may start; return its number, for `paid`."""
        while True:
            with self._lock:
                now = self._clock()
                wait = self._free - now
                if wait <= 0:
                    self._pages, self._started = self._pages + 1, now
                    self._free = now + self._dearest / self._rate
                    return self._pages
            self._sleep(min(wait, _NAP))

    def paid(self, page: int, units: float, items: int) -> None:
        """Tell what a page took, once it came; of pages before the last started all is paid already."""
        with self._lock:
            self._units, self._items = self._units + units, self._items + items
            self._dearest = max(self._dearest, units)
            if page == self._pages:
                self._free = self._started + units / self._rate

    def limit(self) -> int | None:
        """Return how many items take about a second's units; None where a full page does not take more."""
        if self._rate >= PAGE:
            return None
        with self._lock:
            item = self._units / self._items if self._units and self._items else _ITEM
        return max(1, int(self._rate / item))
