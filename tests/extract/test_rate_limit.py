"""RateLimiter: a scan stays under its rate whatever its pages cost, and waits no longer than needed."""

import math
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cat_normalize.core.errors import UsageError
from cat_normalize.extract.scan import FULL_PAGE, RateLimiter


class Time:
    """A clock that only sleep moves on, and the test."""

    def __init__(self):
        self.now = 1000.0
        self.slept = []

    def clock(self):
        return self.now

    def sleep(self, seconds):
        assert seconds > 0
        self.slept.append(seconds)
        self.now += seconds


def limited(rate):
    at = Time()
    return at, RateLimiter(rate, at.clock, at.sleep)


@given(
    rate=st.floats(1, 10_000),
    pages=st.lists(
        st.tuples(
            st.floats(0, 3),  # seconds until somebody asks for it
            st.floats(0, FULL_PAGE),  # units it takes
            st.integers(0, 5),  # how many start before its cost is known
        ),
        min_size=2,
        max_size=20,
    ),
)
def test_in_any_interval_the_units_are_at_most_the_rate_and_one_page_more(rate, pages):
    at, limiter = limited(rate)
    started, waiting = [], []
    for position, (idle, units, after) in enumerate(pages):
        at.now += idle
        page = limiter.acquire()
        started.append((at.now, units))
        waiting.append((position + after, page, units))
        for each in sorted(each for each in waiting if each[0] <= position):
            limiter.charge(each[1], each[2], 1)
            waiting.remove(each)
    for first in range(len(started)):
        taken = 0.0
        for moment, units in started[first:]:
            taken += units
            assert taken <= rate * (moment - started[first][0]) + FULL_PAGE + 1e-6


@given(
    rate=st.floats(1, 10_000),
    units=st.lists(st.floats(0, FULL_PAGE), min_size=1, max_size=20),
)
def test_a_scan_below_the_rate_never_sleeps(rate, units):
    at, limiter = limited(rate)
    for each in units:
        limiter.charge(limiter.acquire(), each, 1)
        at.now += each / rate + 1e-6
    assert at.slept == []


def test_a_page_under_way_counts_as_a_full_one_until_it_is_charged():
    at, limiter = limited(64)
    page = limiter.acquire()
    limiter.acquire()
    assert at.now - 1000 == pytest.approx(FULL_PAGE / 64)
    limiter.charge(page, 1.0, 1)  # long since paid for: gives nothing back
    at.slept.clear()
    limiter.charge(limiter.acquire(), 16.0, 1)
    assert sum(at.slept) == pytest.approx(FULL_PAGE / 64)
    at.slept.clear()
    limiter.acquire()
    assert sum(at.slept) == pytest.approx(16 / 64)


def test_pages_above_the_full_size_are_waited_for():
    at, limiter = limited(100)
    limiter.charge(limiter.acquire(), 300.0, 1)
    limiter.acquire()
    assert at.now - 1000 == pytest.approx(3)
    limiter.acquire()
    assert at.now - 1000 == pytest.approx(6)


@pytest.mark.parametrize(
    ("rate", "units", "items", "limit"),
    [
        (math.inf, 0.0, 0, None),
        (128, 0.0, 0, None),
        (127.9, 0.0, 0, 2),  # nothing known yet: as if all were 400 KB
        (10, 0.0, 0, 1),
        (10, 0.0, 7, 1),
        (10, 2.0, 8, 40),
        (1, 50.0, 1, 1),
    ],
)
def test_a_slow_scan_limits_a_page_to_about_one_second(rate, units, items, limit):
    _, limiter = limited(rate)
    limiter.charge(limiter.acquire(), units, items)
    assert limiter.item_limit() == limit


def test_without_a_rate_no_page_waits():
    at, limiter = limited(math.inf)
    for _ in range(100):
        limiter.acquire()
    assert at.slept == []


def test_an_error_of_sleep_ends_the_wait():
    def stopped(_):
        raise InterruptedError

    limiter = RateLimiter(1, lambda: 0.0, stopped)
    limiter.acquire()
    with pytest.raises(InterruptedError):
        limiter.acquire()


class Slow(float):
    """A moment that takes a while to reckon with, for another thread to come between if it can."""

    def __rsub__(self, other):
        time.sleep(1e-4)
        return float(other) - float(self)


def test_threads_share_the_limit():
    """Each page starts at its own time, a page's worth after the one before, whichever threads ask."""
    lock, now, started = threading.Lock(), [0.0], []

    def sleep(seconds):
        with lock:
            now[0] += seconds

    limiter = RateLimiter(64, lambda: Slow(now[0]), sleep)

    def read():
        for _ in range(10):
            number = limiter.acquire()
            with lock:
                started.append(number)

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(started) == list(range(1, 81))
    assert now[0] >= 79 * FULL_PAGE / 64 - 1e-6


@pytest.mark.parametrize("rate", [0, 0.5, -3])
def test_a_rate_below_one_is_refused(rate):
    with pytest.raises(UsageError, match="give at least 1 read unit a second"):
        RateLimiter(rate)
