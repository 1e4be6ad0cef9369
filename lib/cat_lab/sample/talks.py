"""What users and assistant write to each other in the sample, and how long an answer takes."""

from __future__ import annotations

import math
import random
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from cat_lab.sample.rhythm import END, SLOW_DAY, WEEKS, load
from cat_lab.sample.users import User, pick

Outcome = Literal["answered", "unanswered", "not_understood"]
Turn = tuple[bool, str]
"""Whether the assistant says it, and the text."""

GREETING = "¡Hola! Soy Catia. Te ayudo con nómina, vacaciones, viajes y tecnología."
NOT_UNDERSTOOD = {
    "No entendí tu pregunta. ¿La puedes escribir de otra forma?": 6,
    "Lo siento, no tengo información sobre ese tema.": 2,
    "¿Puedes reformular tu pregunta, por favor?": 2,
}
_USER = {"user": 50, "usuario": 40, "Usuario": 10}
_BOT = {"bot": 35, "assistant": 35, "catia": 20, "Catia": 10}


@dataclass(frozen=True, slots=True)
class Talk:
    """One conversation.

    Attributes:
        messages: plain messages in order.
        end: local time of the last message.
        outcome: what came of it.
    """

    messages: list[dict[str, str]]
    end: datetime
    outcome: Outcome


def talk(rng: random.Random, corpus: list[list[str]], user: User, at: datetime) -> Talk:
    """Make the conversation that a user begins at a local time.

    Args:
        rng: source of the draws.
        corpus: dialogues, the most frequent first.
        user: who writes; spelling and place have effects.
        at: time of the first message.
    """
    turns, outcome = _turns(rng, corpus, user, at)
    names = pick(rng, _USER), pick(rng, _BOT)
    stamped = rng.random() < 0.92
    said = []
    for number, (is_bot, text) in enumerate(turns):
        if number:
            at += timedelta(seconds=_wait(rng, user, at) if is_bot else rng.uniform(8, 60))
        message = {"from": names[is_bot], "text": text}
        said.append(message | {"timestamp": at.isoformat()} if stamped else message)
    return Talk(said, at, outcome)


def spelled(text: str, spelling: str) -> str:
    """Return a text as somebody of that habit types it (a key of `users.SPELLINGS`).

    >>> [spelled("¿Cómo pido vacaciones?", habit) for habit in ("bare", "hasty", "eager", "loud")]
    ['Cómo pido vacaciones', 'como pido vacaciones', 'cómo pido vacaciones??', '¿CÓMO PIDO VACACIONES?']
    """
    match spelling:
        case "bare":
            return text.strip("¿?¡!.")
        case "hasty":
            return "".join(
                c for c in unicodedata.normalize("NFKD", text.lower().strip("¿?¡!.")) if c.isascii()
            )
        case "eager":
            return text.lower().lstrip("¿¡").replace("?", "??")
        case "loud":
            return text.upper()
    return text


def _turns(
    rng: random.Random, corpus: list[list[str]], user: User, at: datetime
) -> tuple[list[Turn], Outcome]:
    if rng.random() < 0.05:  # the user opens the chat and writes nothing
        return [(True, GREETING)], "answered"
    turns = [turn for each in _draw_dialogues(rng, corpus) for turn in _dialogue(rng, each, user)]
    outcome: Outcome = "answered"
    if rng.random() < 0.085 - 0.045 * _progress(at):
        asked = rng.choice([place for place, (is_bot, _) in enumerate(turns) if not is_bot])
        turns[asked + 1 : asked + 1] = [(True, pick(rng, NOT_UNDERSTOOD)), turns[asked]]
        if rng.random() < 0.35:  # the user gives up
            turns = turns[: asked + 2]
        outcome = "not_understood"
    if turns[-1][0] and rng.random() < (0.3 if at.date() == SLOW_DAY else 0.045 * user.lost):
        turns.pop()
    return turns, outcome if turns[-1][0] else "unanswered"


def _dialogue(rng: random.Random, dialogue: list[str], user: User) -> list[Turn]:
    """Return a dialogue as turns; three of ten users leave after the first answer."""
    length = 2 if rng.random() < 0.3 else 6
    return [
        (bool(turn % 2), text if turn % 2 else spelled(text, user.spelling))
        for turn, text in enumerate(dialogue[:length])
    ]


def _draw_dialogues(rng: random.Random, corpus: list[list[str]]) -> list[list[str]]:
    """Draw one to three dialogues; the first ones of the corpus are far more frequent."""
    count = rng.choices((1, 2, 3), (5, 3, 1))[0]
    drawn = rng.choices(range(len(corpus)), [1 / (n + 4) for n in range(len(corpus))], k=count)
    return [corpus[n] for n in dict.fromkeys(drawn)]


def _wait(rng: random.Random, user: User, at: datetime) -> float:
    """Return seconds until the answer: seconds usually, minutes where a person has to help."""
    seconds = rng.lognormvariate(math.log(2.1 * user.pace * load(at)), 0.75)
    return seconds + (rng.uniform(45, 400) if rng.random() < 0.02 else 0)


def _progress(at: datetime) -> float:
    """Return how far the sample is at an instant: from 0 at its start to 1 at its end."""
    return 1 - (END - at) / timedelta(weeks=WEEKS)
