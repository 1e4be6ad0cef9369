"""Turn the items of whole users into rows and rejects: the rules of contract §2 and §3.

Pure logic: no AWS, no clock, no environment. Each item is reduced at once to what it adds to its user's
row, so memory follows the rows and not the DynamoDB JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date
from itertools import chain
from operator import attrgetter

from msgspec import Raw, Struct
from msgspec.json import Encoder

from cat_normalize.core.csvfile import Field, format_day
from cat_normalize.core.manifest import Summary
from cat_normalize.core.settings import Rules
from cat_normalize.core.text import compact_json, join_distinct, read_day
from cat_normalize.normalize.decode import (
    USER_PREFIX,
    Kind,
    Reason,
    RejectError,
    bare_item,
    check_pk,
    decode_item,
    kind_of,
    read_conversation,
    read_feedback,
    read_user,
)
from cat_normalize.normalize.shapes import Item, Message, User

NO_NAME = "Usuario Anónimo"
Line = tuple[int, bytes]
"""The position of a line, a number that grows in reading order, and its bytes."""
Row = tuple[Field, ...]
"""The values of the twelve columns; the date is text already, a JSON column is a list of pieces."""


class Reject(Struct, gc=False):
    """One rejected item, as the rejects file has it (§3)."""

    reason: Reason
    detail: str
    source: str
    item: Raw | str


@dataclass(slots=True)
class Normalized:
    """Rows in byte order of ``usuario_id``; rejects in reading order, each with its line's position."""

    rows: list[Row] = field(default_factory=list)
    rejects: list[tuple[int, bytes]] = field(default_factory=list)
    summary: Summary = field(default_factory=Summary)


class _Conversation(Struct, gc=False):
    sk: str
    messages: list[Message]


class _Contribution(Struct, gc=False):
    """What one item adds to its user's row; ``texts`` are questions, or a comment and an option."""

    sk: str
    kind: Kind
    user: User | None = None
    json: bytes = b""
    texts: list[str] | None = None
    day: date | None = None
    feedback_type: str = ""


_by_sk = attrgetter("sk")
_encode = Encoder().encode


def normalize(lines: Iterable[Line], rules: Rules, source: Callable[[int], str]) -> Normalized:
    """Turn the items of whole users into rows and rejects.

    Args:
        lines: raw items, one per line, bare or wrapped; every line of a user must be among them. Blank
            lines are skipped and not counted.
        rules: time zone and filters.
        source: returns the ``source`` of a reject, such as ``part-00003.jsonl:1842``, for a position.

    >>> feedback = b'{"PK":{"S":"USER#7"},"SK":{"S":"FEEDBACK#1"},"Feedback":{"M":{"type":{"S":"like"}}}}'
    >>> done = normalize([(1, feedback), (2, b"{")], Rules(), "a.jsonl:{}".format)
    >>> done.rows[0][0], done.rows[0][7], done.summary.rejected
    ('7', [b'[', b'{"sk":"FEEDBACK#1","type":"like"}', b']'], 1)
    """
    done = Normalized()
    reader = _Reader(rules, done.summary)
    items = 0
    for position, line in lines:
        if not line or line.isspace():
            continue
        try:
            reader.read(decode_item(line))
        except RejectError as error:
            if error.reason == "not_json" and line.decode(errors="replace").isspace():
                continue
            done.rejects.append((position, _reject(error, source(position), line)))
            done.summary.count_reject(error.reason)
        items += 1
    done.summary.items_read = items
    for pk in sorted(reader.users):
        _close_user(pk.removeprefix(USER_PREFIX), reader.users.pop(pk), rules, done)
    return done


class _Reader:
    """Reads items, one at a time, into what each adds to its user's row."""

    def __init__(self, rules: Rules, summary: Summary) -> None:
        self.users: dict[str, list[_Contribution]] = {}
        self._rules, self._summary = rules, summary
        self._zone, self._naive_zone = rules.zone, rules.naive_zone
        self._known_users: dict[bytes, User] = {}

    def read(self, item: Item) -> None:
        """Read one item; an item that a filter drops adds nothing.

        Raises:
            RejectError: what is wrong with the item.
        """
        pk, sk = item.PK.S, item.SK.S
        contributions = self.users.get(pk)
        if contributions is None:
            check_pk(pk)
        kind = kind_of(sk)
        if kind == "CONVERSATION":
            added = self._conversation(item, sk)
        elif kind == "FEEDBACK":
            added = _feedback(item, sk)
        else:
            added = _Contribution(sk, kind)
        if item.UserData:
            added.user = self._user(bytes(item.UserData))
        if kind == "CONVERSATION" and not self._rules.keeps(added.day):
            self._summary.filtered += 1
        elif contributions is None:
            self.users[pk] = [added]
        else:
            contributions.append(added)

    def _conversation(self, item: Item, sk: str) -> _Contribution:
        messages = read_conversation(item)
        created_at = item.CreatedAt.S if item.CreatedAt else None
        zones = self._zone, self._naive_zone
        day = read_day(created_at, *zones) or read_day(sk.split("#")[1], *zones)
        if day is None:
            self._summary.count_warning("date_unreadable")
        questions = [message.text for message in messages if message.sender == "user" and message.text]
        json = compact_json(_Conversation(sk, messages))
        return _Contribution(sk, "CONVERSATION", None, json, questions, day)

    def _user(self, data: bytes) -> User:
        """Return who the user is; the items of a user repeat it, mostly in the same bytes."""
        user = self._known_users.get(data)
        if user is None:
            user = self._known_users[data] = read_user(data)
        if not user.readable:
            self._summary.count_warning("user_data_unreadable")
        return user


def _feedback(item: Item, sk: str) -> _Contribution:
    feedback = read_feedback(item)
    json = b'{"sk":%b,%b' % (compact_json(sk), compact_json(feedback)[1:])
    texts = [text for text in (feedback.comment, feedback.option) if text]
    return _Contribution(sk, "FEEDBACK", None, json, texts, None, feedback.type.strip().lower())


def _close_user(user_id: str, items: list[_Contribution], rules: Rules, done: Normalized) -> None:
    """Make the user's row, or count the items of a user that a filter drops."""
    items.sort(key=_by_sk)  # stable: items of equal SK keep the order in which they were read
    users = [item.user for item in items if item.user]
    gerencia = _first(user.gerencia for user in users)
    ciudad = _first(user.ciudad for user in users) or gerencia
    summary = done.summary
    if rules.excludes(ciudad):
        summary.filtered += len(items)
        return
    conversations = [item for item in items if item.kind == "CONVERSATION"]
    feedback = [item for item in items if item.kind == "FEEDBACK"]
    summary.conversations += len(conversations)
    summary.feedback += len(feedback)
    summary.registrations += len(items) - len(conversations) - len(feedback)
    if not conversations and not feedback:
        return
    summary.users += 1
    done.rows.append(
        (
            user_id,
            _first(user.nombre for user in users) or NO_NAME,
            gerencia or ciudad,
            ciudad,
            format_day(min((item.day for item in conversations if item.day), default=None)),
            len(conversations),
            _json_list(conversations) if conversations else "[]",
            _json_list(feedback) if feedback else None,
            len(feedback),
            join_distinct(chain.from_iterable(item.texts or () for item in conversations)),
            _overall_feedback({item.feedback_type for item in feedback}),
            join_distinct(chain.from_iterable(item.texts or () for item in feedback)),
        )
    )


def _first(values: Iterable[str | None]) -> str | None:
    return next(filter(None, values), None)


def _json_list(items: list[_Contribution]) -> list[bytes]:
    """Return the items' JSON as one list, in pieces: joining them would copy many MB of a heavy user."""
    pieces = [piece for item in items for piece in (b",", item.json)]
    return [b"[", *pieces[1:], b"]"]


def _overall_feedback(types: set[str]) -> str | None:
    """Return column 11.

    >>> _overall_feedback({"like", "dislike", "meh"}), _overall_feedback({"meh"})
    ('mixed', None)
    """
    known = sorted(types & {"like", "dislike"})
    return None if not known else known[0] if len(known) == 1 else "mixed"


def _reject(error: RejectError, source: str, line: bytes) -> bytes:
    """Return the line of the rejects file, LF included; the item is kept whole."""
    if error.reason == "not_json":
        item: Raw | str = line.removesuffix(b"\n").removesuffix(b"\r").decode(errors="backslashreplace")
    else:
        item = Raw(bare_item(line.strip()))
    return _encode(Reject(error.reason, error.detail, source, item)) + b"\n"
