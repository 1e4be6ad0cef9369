"""The sample table: made-up dialogues between employees and their company's assistant.

The items are the same on every machine and in every run.
"""

from __future__ import annotations

import random
import time
from datetime import datetime, timedelta
from importlib import resources
from typing import Any

from cat_lab.errors import LocalAwsError
from cat_lab.sample import edge_cases, invalid_items
from cat_lab.sample.dynamodb_json import Item, as_json, item, m, messages, s
from cat_lab.sample.opinions import opinions
from cat_lab.sample.rhythm import visits
from cat_lab.sample.talks import talk
from cat_lab.sample.users import User, users

SEED = 20250707
USERS = 380

_BATCH = 25  # items; the limit of BatchWriteItem
_ATTEMPTS = 6


def items() -> list[Item]:
    """Return the whole sample: ordinary items, edge cases and invalid items.

    The items are DynamoDB JSON as boto3's low-level client takes it: binary values are bytes.
    """
    return [*ordinary(), *edge_cases.items(), *(each for _, each in invalid_items.items())]


def ordinary() -> list[Item]:
    """Return the ordinary items: registrations, conversations, and feedback on some of them."""
    rng = random.Random(SEED)
    corpus = dialogues()
    made: list[Item] = []
    for user in users(rng, USERS):
        times = visits(rng, user.activity)
        if user.registered:
            made.append(_registration(rng, user, times[0] - timedelta(seconds=rng.uniform(40, 400))))
        for at in times:
            said = talk(rng, corpus, user, at)
            made.append(_conversation(rng, user, at, said.messages))
            made += [_feedback(rng, user, *given) for given in opinions(rng, at, said)]
    return made


def dialogues() -> list[list[str]]:
    """Return the dialogues, the most frequent first: texts in turn, the first one the user's."""
    text = resources.files(__package__).joinpath("dialogues.txt").read_text("utf-8")
    return [dialogue.splitlines() for dialogue in text.strip().split("\n\n")]


def put(client: Any, table: str, items: list[Item]) -> None:
    """Write items to a table in batches of 25.

    Args:
        client: boto3's low-level DynamoDB client.
        table: name of the table.
        items: with distinct keys.

    Raises:
        LocalAwsError: DynamoDB left items of a batch unprocessed in every attempt.
    """
    for start in range(0, len(items), _BATCH):
        unprocessed = {table: [{"PutRequest": {"Item": each}} for each in items[start : start + _BATCH]]}
        for attempt in range(_ATTEMPTS):
            unprocessed = client.batch_write_item(RequestItems=unprocessed).get("UnprocessedItems")
            if not unprocessed:
                break
            time.sleep(0.01 * 2**attempt)
        else:
            raise LocalAwsError(f"table {table} left items unprocessed {_ATTEMPTS} times; writing stopped")


def _conversation(rng: random.Random, user: User, at: datetime, talk: list[dict[str, str]]) -> Item:
    return item(
        user.id,
        f"CONVERSATION#{at.isoformat()}",
        CreatedAt=_created(rng, at),
        UserData=user.user_data(rng) if not user.registered or rng.random() < 0.25 else None,
        Conversation=messages(*(m(**said) for said in talk)) if rng.random() < 0.6 else as_json(talk),
    )


def _registration(rng: random.Random, user: User, at: datetime) -> Item:
    return item(
        user.id, f"REGISTER#{at.isoformat()}", CreatedAt=_created(rng, at), UserData=user.user_data(rng)
    )


def _feedback(rng: random.Random, user: User, at: datetime, given: dict[str, str | None]) -> Item:
    return item(
        user.id,
        f"FEEDBACK#{at.isoformat()}",
        CreatedAt=_created(rng, at),
        Feedback=m(**given) if rng.random() < 0.7 else as_json(given),
    )


def _created(rng: random.Random, at: datetime) -> Item | None:
    """Return CreatedAt for a local time (Bogotá, five hours behind UTC), in one of the source's formats."""
    form = rng.choices(("plain", "whole", "Z", "-05:00", "+00:00", "absent"), (60, 10, 10, 10, 5, 5))[0]
    match form:
        case "plain":
            return s(at.isoformat())
        case "whole":
            return s(at.isoformat(timespec="seconds"))
        case "-05:00":
            return s(at.isoformat() + form)
        case "Z" | "+00:00":
            return s((at + timedelta(hours=5)).isoformat() + form)
    return None
