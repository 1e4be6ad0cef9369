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
from cat_lab.sample.users import User, pick, users

SEED = 20250804
START = datetime(2025, 8, 4)
DAYS = 42
USERS = 300
CONVERSATIONS = 1000

_BATCH = 25  # items; the limit of BatchWriteItem
_ATTEMPTS = 6
_BY_WEEKDAY = (1.0, 1.1, 1.1, 1.0, 0.9, 0.3, 0.2)
_BY_HOUR = (1, 0, 0, 0, 0, 1, 4, 10, 16, 18, 17, 13, 8, 9, 14, 16, 14, 10, 8, 11, 13, 10, 5, 2)
_BY_DAY = [_BY_WEEKDAY[day % 7] * (1 + 0.35 * (day // 7)) for day in range(DAYS)]
_FIRST_DAY = [_BY_WEEKDAY[day % 7] * (1 - 0.1 * (day // 7)) for day in range(DAYS)]
_USER = {"user": 50, "usuario": 40, "Usuario": 10}
_BOT = {"bot": 35, "assistant": 35, "catia": 20, "Catia": 10}
_LIKE_OPTIONS = {"Respuesta clara": 5, "Me ayudó": 4, "Rápida": 3, "Información completa": 2}
_DISLIKE_OPTIONS = {
    "Respuesta incorrecta": 5,
    "No resolvió mi duda": 4,
    "Información incompleta": 3,
    "Muy lenta": 1,
}
_LIKE_COMMENTS = (
    "Muchas gracias", "Excelente, muy útil", "Todo claro 👍", "Me sirvió, gracias Catia", "¡Súper!",
    "Justo lo que necesitaba", "Buena respuesta, aunque un poco larga", "Perfecto",
)  # fmt: skip
_DISLIKE_COMMENTS = (
    "No era lo que pregunté", "La información está desactualizada", "No entendió la pregunta",
    "Me respondió otra cosa", "Falta el enlace", "Tuve que llamar a la mesa de ayuda",
)  # fmt: skip


def items() -> list[Item]:
    """Return the whole sample: ordinary items, edge cases and invalid items.

    The items are DynamoDB JSON as boto3's low-level client takes it: binary values are bytes.
    """
    return [*ordinary(), *edge_cases.items(), *(each for _, each in invalid_items.items())]


def ordinary() -> list[Item]:
    """Return the ordinary items: conversations, feedback on a third of them, registrations."""
    rng = random.Random(SEED)
    corpus = dialogues()
    everyone = users(rng, USERS)
    times = _conversation_times(rng, everyone)
    made: list[Item] = []
    for user in everyone:
        if user.registered:
            before = timedelta(seconds=rng.uniform(40, 400))
            made.append(_registration(rng, user, times[user.id][0] - before))
        for at in times[user.id]:
            talk, end = _talk(rng, corpus, at)
            made.append(_conversation(rng, user, at, talk))
            if rng.random() < 0.34:
                made.append(_feedback(rng, user, end + timedelta(seconds=rng.uniform(2, 90))))
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


def _conversation_times(rng: random.Random, everyone: list[User]) -> dict[str, list[datetime]]:
    """Return the times of each user's conversations: one for everyone, more for active users."""
    first = {user.id: _moment(rng, _FIRST_DAY) for user in everyone}
    times = {user: [at] for user, at in first.items()}
    for _ in range(CONVERSATIONS - len(everyone)):
        at = _moment(rng, _BY_DAY)
        known = [user for user in everyone if first[user.id] <= at] or everyone[:1]
        own = times[rng.choices(known, [user.activity for user in known])[0].id]
        if rng.random() < 0.15:  # another conversation within the hour
            at = own[-1] + timedelta(minutes=rng.uniform(3, 50))
        own.append(at)
    return {user: sorted(own) for user, own in times.items()}


def _moment(rng: random.Random, by_day: list[float]) -> datetime:
    day = rng.choices(range(DAYS), by_day)[0]
    hour = rng.choices(range(24), _BY_HOUR)[0]
    return START + timedelta(days=day, hours=hour, microseconds=rng.randrange(3_600_000_000))


def _talk(rng: random.Random, corpus: list[list[str]], at: datetime) -> tuple[list[dict[str, str]], datetime]:
    """Return one to three dialogues as plain messages, and the time of the last one."""
    user, bot = pick(rng, _USER), pick(rng, _BOT)
    stamped = rng.random() < 0.9
    talk = []
    for dialogue in _draw_dialogues(rng, corpus, rng.choices((1, 2, 3), (5, 4, 2))[0]):
        for turn, text in enumerate(dialogue[:6]):
            message = {"from": bot if turn % 2 else user, "text": text}
            talk.append(message | {"timestamp": at.isoformat()} if stamped else message)
            at += timedelta(seconds=rng.uniform(1, 5) if turn % 2 == 0 else rng.uniform(8, 60))
    return talk, at


def _draw_dialogues(rng: random.Random, corpus: list[list[str]], count: int) -> list[list[str]]:
    """Draw up to `count` dialogues; the first ones of the corpus are far more frequent."""
    drawn = rng.choices(range(len(corpus)), [1 / (n + 4) for n in range(len(corpus))], k=count)
    return [corpus[n] for n in dict.fromkeys(drawn)]


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


def _feedback(rng: random.Random, user: User, at: datetime) -> Item:
    liked = rng.random() < 0.81
    given: dict[str, str | None] = {"type": "like" if liked else "dislike"}
    if rng.random() < (0.3 if liked else 0.6):
        given["comment"] = rng.choice(_LIKE_COMMENTS if liked else _DISLIKE_COMMENTS)
    if rng.random() < 0.7:
        given["option"] = pick(rng, _LIKE_OPTIONS if liked else _DISLIKE_OPTIONS)
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
