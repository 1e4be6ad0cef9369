"""The rows of ``conversations`` and ``messages`` of a user, from five columns of the CSV (contract §9).

Conversations are decoded one at a time, so a user of many MB is never held as objects.
"""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple, TypeVar

from msgspec import MsgspecError, Raw, Struct, field
from msgspec.json import Decoder

from cat_normalize.core.errors import ConvertError
from cat_normalize.core.settings import Rules
from cat_normalize.core.text import is_day, join_distinct, read_instant, tidy

Row = tuple[Any, ...]
"""A row of a table, in the order of its columns (`schema.CONVERSATIONS`, `schema.MESSAGES`)."""
T = TypeVar("T")
_MICROSECONDS = [timedelta(microseconds=n) for n in range(1000)]  # `replace` takes ten times as long
_WITHIN, _MIDNIGHT = timedelta(hours=24), time()


class _Message(Struct, gc=False):
    sender: str = field(name="from")
    text: str | None = None
    timestamp: str | None = None


class _Conversation(Struct, gc=False):
    sk: str
    messages: list[_Message]


class _Feedback(Struct, gc=False):
    sk: str
    type: str
    comment: str | None = None


_raw = Decoder(list[Raw]).decode
_conversation = Decoder(_Conversation).decode
_feedback = Decoder(list[_Feedback]).decode


JSON_COLUMNS = ("conversacion_completa", "feedback_total")
"""The columns that hold JSON."""


def is_json(column: str, text: Any) -> bool:
    """Tell whether the text of one of `JSON_COLUMNS` is the JSON of contract §2, or NULL.

    >>> is_json("feedback_total", '[{"sk":"FEEDBACK#1","type":"like"}]'), is_json("feedback_total", "[{}]")
    (True, False)
    """
    try:
        if column == JSON_COLUMNS[1]:
            _decoded(_feedback, text or "[]", column)
        else:
            for raw in _decoded(_raw, text or "[]", column):
                _decoded(_conversation, raw, column)
    except ConvertError:
        return False
    return True


class User(NamedTuple):
    """Columns 1, 4 and 3 of the CSV."""

    id: str
    ciudad: str | None = None
    gerencia: str | None = None


class Reader:
    """Read the columns of a user as rows of the two tables.

    Args:
        rules: zones and fallback patterns.

    >>> reader = Reader(Rules())
    >>> talk = '[{"sk":"CONVERSATION#2025-08-18","messages":[{"from":"user","text":"¿Qué hora es?"}]}]'
    >>> found = []
    >>> [[row[3:7] for row in rows] for rows in reader.messages(User("7"), talk, found)]
    [[(1, 'user', '¿Qué hora es?', 'que hora es')]]
    >>> found[0].start, found[0].unanswered
    (datetime.datetime(2025, 8, 18, 0, 0), True)
    """

    def __init__(self, rules: Rules) -> None:
        self._zones = rules.zone, rules.naive_zone
        self._fallbacks = [re.compile(each, re.IGNORECASE) for each in _joined(rules.fallback_patterns)]

    def messages(self, user: User, column: Any, found: list[Conversation]) -> Iterator[list[Row]]:
        """Yield for each conversation of column 7 its rows of ``messages``, and append it to ``found``.

        Args:
            user: of the row.
            column: the JSON, a text or UTF-8 in any buffer.
            found: receives the conversations, for `conversations`.

        Raises:
            ConvertError: the column is not the JSON of contract §2.
        """
        for place, raw in enumerate(_decoded(_raw, column or b"[]", JSON_COLUMNS[0]), start=1):
            read = _decoded(_conversation, raw, JSON_COLUMNS[0])
            sent = [self._sent(message.timestamp) for message in read.messages]
            made = self._conversation(read, sent)
            found.append(made)
            waits, rows = _waits(read.messages, sent, made), list[Row]()
            for number, (message, at, wait) in enumerate(
                zip(read.messages, sent, waits, strict=True), start=1
            ):
                day, hour = (at.date(), at.hour) if at else (made.day, None)
                question = _question(message.text) if message.sender == "user" and message.text else None
                said = (number, message.sender, message.text, question)
                rows.append(
                    (user.id, read.sk, place, *said, at, day, hour, *wait, user.ciudad, user.gerencia)
                )
            yield rows

    def conversations(self, user: User, column: Any, found: list[Conversation]) -> tuple[list[Row], int]:
        """Return the rows of ``conversations``, and how many feedback items of column 8 belong to none.

        Args:
            user: of the row.
            column: the JSON, None without feedback.
            found: what `messages` found, once it has yielded all.

        Raises:
            ConvertError: the column is not the JSON of contract §2.
        """
        unmatched = self._match(column, found)
        rows = [
            (user.id, each.sk, place, *each.columns(), user.ciudad, user.gerencia)
            for place, each in enumerate(found, start=1)
        ]
        return rows, unmatched

    def _match(self, column: Any, found: list[Conversation]) -> int:
        """Give each feedback to its conversation; return how many have none."""
        by_text = {_after_kind(each.sk): each for each in found}  # of equal ones the last
        started = sorted((each.start, place) for place, each in enumerate(found) if each.start)
        starts, unmatched = [start for start, _ in started], 0
        for item in _decoded(_feedback, column or b"[]", JSON_COLUMNS[1]):
            at = self._instant_of(item.sk)
            owner = by_text.get(_after_kind(item.sk))
            if owner is None and at and (place := bisect_right(starts, at)):
                start, number = started[place - 1]
                owner = found[number] if at - start <= _WITHIN else None
            if owner is None:
                unmatched += 1
            else:
                owner.feedback.append((item.type.strip().lower(), item.comment, at))
        return unmatched

    def _conversation(self, read: _Conversation, sent: list[datetime | None]) -> Conversation:
        known = [at for at in sent if at]
        start = self._instant_of(read.sk) or min(known, default=None)
        users = [message.text for message in read.messages if message.sender == "user"]
        bots = [message.text for message in read.messages if message.sender == "bot"]
        return Conversation(
            sk=read.sk,
            start=start,
            end=max(known, default=None),
            senders=(len(read.messages), len(users), len(bots)),
            first_question=next(filter(None, (tidy(text) for text in users if text)), None),
            timed=len(known),
            misunderstood=any(
                each.search(text) for text in bots if text is not None for each in self._fallbacks
            ),
        )

    def _sent(self, text: str | None) -> datetime | None:
        at = read_instant(text, *self._zones)
        return None if at is None or (at.time() == _MIDNIGHT and is_day(text or "")) else _cut(at)

    def _instant_of(self, sk: str) -> datetime | None:
        parts = sk.split("#", 2)
        at = read_instant(parts[1], *self._zones) if len(parts) > 1 else None
        return None if at is None else _cut(at)


@dataclasses.dataclass(slots=True)
class Conversation:
    """What is known of one conversation; instants are local times cut to milliseconds."""

    sk: str
    start: datetime | None
    end: datetime | None
    senders: tuple[int, int, int]
    first_question: str | None
    timed: int
    misunderstood: bool
    answers: int = 0
    first_wait: float | None = None
    unanswered: bool = False
    feedback: list[tuple[str, str | None, datetime | None]] = dataclasses.field(default_factory=list)

    @property
    def day(self) -> date | None:
        """The day of the start."""
        return self.start.date() if self.start else None

    def columns(self) -> Row:
        """Return columns 4 to 21 of ``conversations``."""
        likes, dislikes = (sum(kind == name for kind, _, _ in self.feedback) for name in ("like", "dislike"))
        overall = "mixed" if likes and dislikes else "like" if likes else "dislike" if dislikes else None
        return (
            *(self.start, self.day, self.end, *self.senders, self.answers, self.first_question),
            *(self.first_wait, self.timed, self.unanswered, self.misunderstood, likes, dislikes, overall),
            max((at for _, _, at in self.feedback if at), default=None),
            join_distinct(comment for _, comment, _ in self.feedback if comment),
            join_distinct(comment for kind, comment, _ in self.feedback if comment and kind == "dislike"),
        )


def _waits(
    messages: list[_Message], sent: list[datetime | None], made: Conversation
) -> list[tuple[bool, float | None]]:
    """Return ``respuesta`` and ``espera_s`` of each message, and sum them up in the conversation."""
    waits: list[tuple[bool, float | None]] = []
    last: str = ""
    asked: datetime | None = None
    for message, at in zip(messages, sent, strict=True):
        is_answer, wait = message.sender == "bot" and last == "user", None
        if is_answer:
            made.answers += 1
            if at and asked and at >= asked:
                wait = (at - asked).total_seconds()
                made.first_wait = wait if made.first_wait is None else made.first_wait
        if message.sender in ("user", "bot"):
            last, asked = message.sender, at
        waits.append((is_answer, wait))
    made.unanswered = last == "user"
    return waits


def _joined(patterns: Sequence[str]) -> list[str]:
    r"""Join what can be searched for at once, in a fourth of the time; other groups would change a pattern.

    >>> _joined(["no sé", "(perd[oó]n)", "(?i)qué", r"(.)\1"])
    ['(?i)qué', '(.)\\1', 'no sé|(perd[oó]n)']
    """
    apart = [each for each in patterns if re.search(r"\\[1-9]|\(\?", each)]
    rest = [each for each in patterns if each not in apart]
    return [*apart, *(["|".join(rest)] if rest else [])]


def plain_form(text: str) -> str:
    """Return the form in which texts that differ only in case, accents and punctuation are equal.

    >>> plain_form("¿QUÉ  hora es?"), plain_form("qué, hora... es")
    ('que hora es', 'que hora es')
    """
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    for char in set(_not_ascii(decomposed)):
        if unicodedata.category(char)[0] == "M":
            decomposed = decomposed.replace(char, "")
    return " ".join(_words(decomposed))


_not_ascii = re.compile(r"[^\x00-\x7f]").findall
_words = re.compile(r"[^\W_]+").findall  # \w is str.isalnum and the underscore


def _question(text: str) -> str | None:
    plain = plain_form(text)
    return plain if " " in plain else None


def _cut(at: datetime) -> datetime:
    """Cut to milliseconds, all that Athena has."""
    return at - _MICROSECONDS[at.microsecond % 1000]


def _after_kind(sk: str) -> str:
    return sk.partition("#")[2]


def _decoded(decode: Callable[[Any], T], data: Any, column: str) -> T:
    try:
        return decode(data)
    except (MsgspecError, UnicodeDecodeError, RecursionError):
        raise ConvertError(f"column {column} is not the JSON of contract §2") from None
