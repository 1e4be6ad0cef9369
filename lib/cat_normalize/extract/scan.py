"""A DynamoDB scan that hands out raw items: botocore signs, sends and retries, but does not parse them.

botocore turns a page into dicts with a shape-driven parser, which costs several times what reading the
JSON does (docs/decisions/0002). Here the page's body is taken off its ``before-parse`` event and botocore
is left an empty one. Its errors, retries and checksums are as ever; where it gives up on a throttled
request, the scan goes on for a while yet.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from msgspec import DecodeError, Raw, Struct, field
from msgspec.json import Decoder, format

from cat_normalize.core.errors import ExtractError
from cat_normalize.extract.rate_limit import Pace

PATIENCE = 600.0
"""Seconds waited in all for one page that is throttled, besides what botocore waits of its own."""
LONGEST_WAIT = 10.0
"""Seconds waited at a time."""
_THROTTLED = {"ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded"}
_BODY = "cat_normalize.body"
_Key = dict[str, dict[str, str]]


class _Capacity(Struct):
    CapacityUnits: float = 0.0


class Page(Struct):
    """One page of a scan: raw items of one line each, and the read units it took."""

    items: list[Raw] = field(name="Items")
    count: int = field(name="Count")
    next_key: _Key | None = field(name="LastEvaluatedKey", default=None)
    capacity: _Capacity | None = field(name="ConsumedCapacity", default=None)


_page = Decoder(Page)
_KEYS = [("PK", "HASH", "S"), ("SK", "RANGE", "S")]


def describe(client: Any, table: str) -> dict[str, Any]:
    """Return what DynamoDB says of a table that is keyed as the contract's is (§1).

    Raises:
        ExtractError: it is keyed otherwise, does not exist, or may not be described.
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
    pace: Pace | None = None,
    rest: Callable[[float], object] = time.sleep,
) -> Iterator[Page]:
    """Yield the pages of one segment of a table, in the table's order.

    Args:
        client: a boto3 DynamoDB client inside `raw_bodies`.
        table: its name.
        segment: which segment, from 0.
        segments: how many the table is read in, side by side.
        pace: how fast to read; all segments share one.
        rest: waits so many seconds, none before every page; what it raises ends the scan.

    Raises:
        ExtractError: the table does not exist, may not be read, or kept failing beyond the retries.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    pace = pace or Pace()
    request: dict[str, Any] = {
        "TableName": table,
        "Segment": segment,
        "TotalSegments": segments,
        "ReturnConsumedCapacity": "TOTAL",
    }
    while True:
        try:
            page = _next(client, request, pace, rest)
        except (BotoCoreError, ClientError, DecodeError) as error:
            raise ExtractError(f"table {table} could not be scanned: {error}") from error
        if len(page.items) != page.count:
            raise ExtractError(f"table {table}: a page of {page.count} items came with {len(page.items)}")
        yield page
        if page.next_key is None:
            return
        request["ExclusiveStartKey"] = page.next_key


def _next(client: Any, request: dict[str, Any], pace: Pace, rest: Callable[[float], object]) -> Page:
    """Ask for one page until it comes; each segment waits by chances of its own."""
    from botocore.exceptions import ClientError

    throttled: ClientError | None = None
    for wait in _waits(random.Random(request["Segment"])):
        rest(wait)
        number = pace.start()
        if limit := pace.limit():
            request["Limit"] = limit
        try:
            body = client.scan(**request)[_BODY]
        except ClientError as error:
            if error.response["Error"]["Code"] not in _THROTTLED:
                raise
            pace.paid(number, 0.0, 0)
            throttled = error
            continue
        page = _page.decode(format(body, indent=-1) if b"\n" in body else body)
        if page.capacity:
            pace.paid(number, page.capacity.CapacityUnits, page.count)
        return page
    raise ExtractError(
        f"table {request['TableName']} was throttled for {PATIENCE:.0f} seconds on end: {throttled}; "
        "give it more read capacity, or scan it slower or at another hour"
    ) from throttled


def _waits(chance: random.Random) -> Iterator[float]:
    """Yield the waits before each try of one page: none, then ever longer, until patience is at its end.

    >>> [round(wait) for wait in _waits(random.Random(0))][:7]
    [0, 1, 2, 3, 5, 8, 7]
    """
    yield 0.0
    waited, most = 0.0, 1.0
    while waited < PATIENCE:
        wait = chance.uniform(most / 2, most)
        yield wait
        waited, most = waited + wait, min(2 * most, LONGEST_WAIT)


@contextmanager
def raw_bodies(client: Any) -> Iterator[None]:
    """Have a client's ``scan`` return the body it got, and not what botocore would make of it."""
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
