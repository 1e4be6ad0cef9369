"""The sample in the local table: dialogues of employees with their company's assistant, of made-up people.

Always the same, on every machine. What a table of DynamoDB cannot hold is not in it: a line that is not
JSON (``not_json``), and an item without string keys.
"""

from __future__ import annotations

import random
import time
from datetime import datetime, timedelta
from importlib import resources
from typing import Any

from cat_lab.errors import LocalAwsError
from cat_lab.sample import edge_cases as odd
from cat_lab.sample import invalid_items as broken
from cat_lab.sample.dynamodb_json import Item, as_json, item, m, messages, s
from cat_lab.sample.users import Person, people, pick

SEED = 20250804
START = datetime(2025, 8, 4)
DAYS = 42
USERS = 300
CONVERSATIONS = 1000

_BATCH = 25  # what one BatchWriteItem takes
_TRIES = 6
_BY_WEEKDAY = (1.0, 1.1, 1.1, 1.0, 0.9, 0.3, 0.2)
_BY_HOUR = (1, 0, 0, 0, 0, 1, 4, 10, 16, 18, 17, 13, 8, 9, 14, 16, 14, 10, 8, 11, 13, 10, 5, 2)
_BY_DAY = [_BY_WEEKDAY[day % 7] * (1 + 0.35 * (day // 7)) for day in range(DAYS)]
_JOINED = [_BY_WEEKDAY[day % 7] * (1 - 0.1 * (day // 7)) for day in range(DAYS)]
_USER = {"user": 50, "usuario": 40, "Usuario": 10}
_BOT = {"bot": 35, "assistant": 35, "catia": 20, "Catia": 10}
_LIKED = {"Respuesta clara": 5, "Me ayudó": 4, "Rápida": 3, "Información completa": 2}
_DISLIKED = {"Respuesta incorrecta": 5, "No resolvió mi duda": 4, "Información incompleta": 3, "Muy lenta": 1}
_PRAISE = (
    "Muchas gracias", "Excelente, muy útil", "Todo claro 👍", "Me sirvió, gracias Catia", "¡Súper!",
    "Justo lo que necesitaba", "Buena respuesta, aunque un poco larga", "Perfecto",
)  # fmt: skip
_BLAME = (
    "No era lo que pregunté", "La información está desactualizada", "No entendió la pregunta",
    "Me respondió otra cosa", "Falta el enlace", "Tuve que llamar a la mesa de ayuda",
)  # fmt: skip


def items() -> list[Item]:
    """Return the whole sample: ordinary items, valid oddities, broken ones.

    DynamoDB JSON as boto3's low-level client takes it: binary values are bytes.
    """
    return [*ordinary(), *odd.items(), *(each for _, each in broken.items())]


def ordinary() -> list[Item]:
    """Return the items as they should be: conversations, feedback on a third of them, registrations."""
    rng = random.Random(SEED)
    corpus = dialogues()
    everyone = people(rng, USERS)
    held = _held(rng, everyone)
    made: list[Item] = []
    for person in everyone:
        times = held[person.id]
        if person.registered:
            made.append(_registration(rng, person, times[0] - timedelta(seconds=rng.uniform(40, 400))))
        for at in times:
            talk, end = _talk(rng, corpus, at)
            made.append(_conversation(rng, person, at, talk))
            if rng.random() < 0.34:
                made.append(_feedback(rng, person, end + timedelta(seconds=rng.uniform(2, 90))))
    return made


def dialogues() -> list[list[str]]:
    """Return the dialogues, the most frequent first: what is said in turn, the user first."""
    text = resources.files(__package__).joinpath("dialogues.txt").read_text("utf-8")
    return [dialogue.splitlines() for dialogue in text.strip().split("\n\n")]


def put(client: Any, table: str, items: list[Item]) -> None:
    """Write items to a table through a low-level DynamoDB client, 25 a request; keys must be distinct.

    Raises:
        LocalAwsError: the table goes on leaving items unprocessed.
    """
    for start in range(0, len(items), _BATCH):
        left = {table: [{"PutRequest": {"Item": each}} for each in items[start : start + _BATCH]]}
        for attempt in range(_TRIES):
            left = client.batch_write_item(RequestItems=left).get("UnprocessedItems")
            if not left:
                break
            time.sleep(0.01 * 2**attempt)
        else:
            raise LocalAwsError(f"table {table} left items unprocessed {_TRIES} times; no more is written")


def _held(rng: random.Random, everyone: list[Person]) -> dict[str, list[datetime]]:
    """Deal the conversations: everyone has one, the zealous more; the days fill up as people join."""
    first = {person.id: _moment(rng, _JOINED) for person in everyone}
    held = {user: [at] for user, at in first.items()}
    for _ in range(CONVERSATIONS - len(everyone)):
        at = _moment(rng, _BY_DAY)
        there = [person for person in everyone if first[person.id] <= at] or everyone[:1]
        times = held[rng.choices(there, [person.zeal for person in there])[0].id]
        if rng.random() < 0.15:  # comes back within the hour
            at = times[-1] + timedelta(minutes=rng.uniform(3, 50))
        times.append(at)
    return {user: sorted(times) for user, times in held.items()}


def _moment(rng: random.Random, by_day: list[float]) -> datetime:
    day = rng.choices(range(DAYS), by_day)[0]
    hour = rng.choices(range(24), _BY_HOUR)[0]
    return START + timedelta(days=day, hours=hour, microseconds=rng.randrange(3_600_000_000))


def _talk(rng: random.Random, corpus: list[list[str]], at: datetime) -> tuple[list[dict[str, str]], datetime]:
    """Return one to three dialogues in a row as plain messages, and when the last was said."""
    user, bot = pick(rng, _USER), pick(rng, _BOT)
    stamped = rng.random() < 0.9
    talk = []
    for dialogue in _asked(rng, corpus, rng.choices((1, 2, 3), (5, 4, 2))[0]):
        for turn, said in enumerate(dialogue[:6]):
            spoken = {"from": bot if turn % 2 else user, "text": said}
            talk.append(spoken | {"timestamp": at.isoformat()} if stamped else spoken)
            at += timedelta(seconds=rng.uniform(1, 5) if turn % 2 == 0 else rng.uniform(8, 60))
    return talk, at


def _asked(rng: random.Random, corpus: list[list[str]], count: int) -> list[list[str]]:
    """Draw up to so many dialogues; the first ones of the corpus are asked far more often."""
    drawn = rng.choices(range(len(corpus)), [1 / (n + 4) for n in range(len(corpus))], k=count)
    return [corpus[n] for n in dict.fromkeys(drawn)]


def _conversation(rng: random.Random, person: Person, at: datetime, talk: list[dict[str, str]]) -> Item:
    return item(
        person.id,
        f"CONVERSATION#{at.isoformat()}",
        CreatedAt=_created(rng, at),
        UserData=person.user_data(rng) if not person.registered or rng.random() < 0.25 else None,
        Conversation=messages(*(m(**said) for said in talk)) if rng.random() < 0.6 else as_json(talk),
    )


def _registration(rng: random.Random, person: Person, at: datetime) -> Item:
    return item(
        person.id, f"REGISTER#{at.isoformat()}", CreatedAt=_created(rng, at), UserData=person.user_data(rng)
    )


def _feedback(rng: random.Random, person: Person, at: datetime) -> Item:
    liked = rng.random() < 0.81
    given: dict[str, str | None] = {"type": "like" if liked else "dislike"}
    if rng.random() < (0.3 if liked else 0.6):
        given["comment"] = rng.choice(_PRAISE if liked else _BLAME)
    if rng.random() < 0.7:
        given["option"] = pick(rng, _LIKED if liked else _DISLIKED)
    return item(
        person.id,
        f"FEEDBACK#{at.isoformat()}",
        CreatedAt=_created(rng, at),
        Feedback=m(**given) if rng.random() < 0.7 else as_json(given),
    )


def _created(rng: random.Random, at: datetime) -> Item | None:
    """Write the moment (Bogotá, five hours behind UTC) in one of the ways the source has."""
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
