"""A DynamoDB scan that yields raw items: botocore signs, sends and retries, but does not parse them.

botocore's parser turns a page into dicts, which takes several times as long as reading the JSON
(docs/decisions/0002). Here the body is taken at the ``before-parse`` event, and botocore parses an empty one.
Its errors, retries and checksums are unchanged; after it gives up on a throttled request, the scan retries
for some minutes more. `RateLimiter` limits the read units per second.
"""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from msgspec import DecodeError, Raw, Struct, field
from msgspec.json import Decoder, format

from cat_normalize.core.errors import ExtractError, UsageError

PATIENCE = 600.0
"""Seconds to wait in total for one throttled page, on top of botocore's own waits."""
LONGEST_WAIT = 10.0
"""Seconds to wait at a time."""
FULL_PAGE = 128.0
"""Read units of a full page: 1 MB, eventually consistent, at half a unit per 4 KB."""
_LARGEST_ITEM = 50.0
"""Read units of an item of 400 KB, the most that DynamoDB stores."""
_MAX_SLEEP = 0.1
"""Seconds to sleep before looking again: the page under way may cost less than assumed."""
_THROTTLED = {"ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded"}
_BODY = "cat_normalize.body"
_Key = dict[str, dict[str, str]]


class _Capacity(Struct):
    CapacityUnits: float = 0.0


class Page(Struct):
    """One page of a scan: raw items of one line each, and the read units it consumed."""

    items: list[Raw] = field(name="Items")
    count: int = field(name="Count")
    next_key: _Key | None = field(name="LastEvaluatedKey", default=None)
    capacity: _Capacity | None = field(name="ConsumedCapacity", default=None)


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


_page = Decoder(Page)
_KEYS = [("PK", "HASH", "S"), ("SK", "RANGE", "S")]


def describe(client: Any, table: str) -> dict[str, Any]:
    """Return DynamoDB's description of a table whose keys are the contract's (§1).

    Raises:
        ExtractError: the table has other keys, does not exist, or may not be described.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        found: dict[str, Any] = client.describe_table(TableName=table)["Table"]
    except (BotoCoreError, ClientError) as error:
        raise ExtractError(f"table {table} could not be described: {error}") from error
    types = {each["AttributeName"]: each["AttributeType"] for each in found["AttributeDefinitions"]}
    keys = [
        (each["AttributeName"], each["KeyType"], types[each["AttributeName"]]) for each in found["KeySchema"]
    ]
    if keys != _KEYS:
        shown = " and ".join(f"{name} ({kind})" for name, _, kind in keys)
        raise ExtractError(
            f"table {table} is keyed by {shown}; expected PK and SK, both strings (S): check "
            "DYNAMODB_TABLE_NAME"
        )
    return found


def pages(
    client: Any,
    table: str,
    segment: int = 0,
    segments: int = 1,
    limiter: RateLimiter | None = None,
    sleep: Callable[[float], object] = time.sleep,
) -> Iterator[Page]:
    """Yield the pages of one segment of a table, in the table's order.

    Args:
        client: a boto3 DynamoDB client inside `raw_bodies`.
        table: its name.
        segment: which segment, from 0.
        segments: how many segments are read in parallel.
        limiter: limits the read units per second; all segments share one.
        sleep: is called with the seconds to wait before every request, also with 0; an error it raises ends
            the scan.

    Raises:
        ExtractError: the table does not exist, may not be read, or kept failing beyond the retries.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    limiter = limiter or RateLimiter()
    request: dict[str, Any] = {
        "TableName": table,
        "Segment": segment,
        "TotalSegments": segments,
        "ReturnConsumedCapacity": "TOTAL",
    }
    while True:
        try:
            page = _next_page(client, request, limiter, sleep)
        except (BotoCoreError, ClientError, DecodeError) as error:
            raise ExtractError(f"table {table} could not be scanned: {error}") from error
        if len(page.items) != page.count:
            raise ExtractError(f"table {table}: a page of {page.count} items came with {len(page.items)}")
        yield page
        if page.next_key is None:
            return
        request["ExclusiveStartKey"] = page.next_key


def _next_page(
    client: Any, request: dict[str, Any], limiter: RateLimiter, sleep: Callable[[float], object]
) -> Page:
    """Request one page until it arrives; each segment has random waits of its own."""
    from botocore.exceptions import ClientError

    throttled: ClientError | None = None
    for wait in _waits(random.Random(request["Segment"])):
        sleep(wait)
        number = limiter.acquire()
        if limit := limiter.item_limit():
            request["Limit"] = limit
        try:
            body = _body(client.scan(**request))
        except ClientError as error:
            if error.response["Error"]["Code"] not in _THROTTLED:
                raise
            limiter.charge(number, 0.0, 0)
            throttled = error
            continue
        page = _page.decode(format(body, indent=-1) if b"\n" in body else body)
        if page.capacity:
            limiter.charge(number, page.capacity.CapacityUnits, page.count)
        return page
    raise ExtractError(
        f"table {request['TableName']} was throttled for {PATIENCE:.0f} seconds on end: {throttled}; "
        "give it more read capacity, or scan it slower or at another hour"
    ) from throttled


def _body(response: dict[str, Any]) -> bytes:
    """Return the raw body that `raw_bodies` left in a response.

    Raises:
        ExtractError: botocore is too old to have the event; nothing else would say so.
    """
    if _BODY not in response:
        import botocore

        raise ExtractError(f'botocore {botocore.__version__} cannot scan; run: pip install "boto3>=1.35.16"')
    return bytes(response[_BODY])


def _waits(rng: random.Random) -> Iterator[float]:
    """Yield the seconds to wait before each try of one page: 0, then longer and longer, `PATIENCE` in total.

    >>> [round(wait) for wait in _waits(random.Random(0))][:7]
    [0, 1, 2, 3, 5, 8, 7]
    """
    yield 0.0
    waited, longest = 0.0, 1.0
    while waited < PATIENCE:
        wait = rng.uniform(longest / 2, longest)
        yield wait
        waited, longest = waited + wait, min(2 * longest, LONGEST_WAIT)


@contextmanager
def raw_bodies(client: Any) -> Iterator[None]:
    """Make a client's ``scan`` return the raw body instead of the parsed response."""
    event = "before-parse.dynamodb.Scan"
    client.meta.events.register(event, _take_body, unique_id=_BODY)
    try:
        yield
    finally:
        client.meta.events.unregister(event, _take_body, unique_id=_BODY)


def _take_body(
    response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_others: object
) -> None:
    if response_dict["status_code"] < 300:
        customized_response_dict[_BODY] = response_dict["body"]
        response_dict["body"] = b"{}"
