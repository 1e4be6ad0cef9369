"""A DynamoDB scan that hands out raw items: botocore signs, sends and retries, but does not parse them.

botocore turns a page into dicts with a shape-driven parser, which costs several times what reading the
JSON does (docs/decisions/0002). Here the page's body is taken off its ``before-parse`` event and botocore
is left an empty one. Its errors, retries and checksums are as ever.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from msgspec import DecodeError, Raw, Struct, field
from msgspec.json import Decoder

from cat_normalize.errors import ExtractError

_BODY = "cat_normalize.body"
_Key = dict[str, dict[str, str]]


class _Capacity(Struct):
    CapacityUnits: float = 0.0


class Page(Struct):
    """One page of a scan: raw items, and the read units it took."""

    items: list[Raw] = field(name="Items")
    count: int = field(name="Count")
    next_key: _Key | None = field(name="LastEvaluatedKey", default=None)
    capacity: _Capacity | None = field(name="ConsumedCapacity", default=None)


_page = Decoder(Page)


def pages(client: Any, table: str, segment: int = 0, segments: int = 1) -> Iterator[Page]:
    """Yield the pages of one segment of a table, in the table's order.

    Args:
        client: a boto3 DynamoDB client inside `raw_bodies`.
        table: its name.
        segment: which segment, from 0.
        segments: how many the table is read in, side by side.

    Raises:
        ExtractError: the table does not exist, may not be read, or kept failing beyond the retries.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    request: dict[str, Any] = {
        "TableName": table,
        "Segment": segment,
        "TotalSegments": segments,
        "ReturnConsumedCapacity": "TOTAL",
    }
    while True:
        try:
            page = _page.decode(client.scan(**request)[_BODY])
        except (BotoCoreError, ClientError, DecodeError) as error:
            raise ExtractError(f"table {table} could not be scanned: {error}") from error
        if len(page.items) != page.count:
            raise ExtractError(f"table {table}: a page of {page.count} items came with {len(page.items)}")
        yield page
        if page.next_key is None:
            return
        request["ExclusiveStartKey"] = page.next_key


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
