"""Items in, rows and rejects out: the rules of contract §2 and §3. No AWS, no clock, no environment.

`normalize` wants whole users: every line of a user must be in what it is given. It works item by item:
what an item adds to its user's row is made at once and the item forgotten, so that memory follows the
rows and not the DynamoDB JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date
from itertools import chain
from operator import attrgetter

from msgspec import Raw, Struct
from msgspec.json import Encoder

from cat_normalize.core.csvfile import Field, Piece, Quoted, doubled
from cat_normalize.core.csvfile import day as written_day
from cat_normalize.core.manifest import Summary
from cat_normalize.core.settings import Rules
from cat_normalize.normalize.envelope import bare_item, open_item
from cat_normalize.normalize.items import (
    USER,
    Kind,
    Reason,
    RejectError,
    User,
    check_pk,
    kind_of,
    read_created_at,
    read_feedback,
    read_user,
)
from cat_normalize.normalize.messages import read_conversation, tidied
from cat_normalize.normalize.shapes import Item
from cat_normalize.normalize.text import compact_json, distinct, read_day

NO_NAME = "Usuario Anónimo"
Line = tuple[int, bytes]
"""Where a line stands, a number that grows in reading order, and its bytes."""
Row = tuple[Field, ...]
"""The twelve columns as the CSV writes them: the date is text already, JSON comes in quoted pieces."""


class Reject(Struct, gc=False):
    """One rejected item, as the rejects file holds it (§3)."""

    reason: Reason
    detail: str
    source: str
    item: Raw | str


@dataclass(slots=True)
class Normalized:
    """Rows in byte order of ``usuario_id``; rejects with the place each was read at, in reading order."""

    rows: list[Row] = field(default_factory=list)
    rejects: list[tuple[int, bytes]] = field(default_factory=list)
    summary: Summary = field(default_factory=Summary)
    keys: list[str] = field(default_factory=list)
    """The ``PK`` of every user that an item was kept of, sorted, whether a row came of it or not."""


class _Entry(Struct, gc=False):
    """What one item adds to its user's row."""

    sk: str
    kind: Kind
    user: User | None = None
    json: Piece = b""
    said: Piece = b""
    """What the user says in it, JSON strings with commas between."""
    day: date | None = None
    thumb: str = ""


_TOGETHER = 64
_by_sk = attrgetter("sk")
_encode = Encoder().encode


def normalize(
    lines: Iterable[Line],
    rules: Rules,
    source: Callable[[int], str],
    keep: Callable[[bytes], Piece] = bytes,
) -> Normalized:
    """Turn the items of whole users into rows and rejects.

    Args:
        lines: raw items, one a line, bare or wrapped; blank lines are skipped and not counted.
        rules: time zone and filters.
        source: gives a place the name that a reject's ``source`` has, such as ``part-00003.jsonl:1842``.
        keep: what holds the texts of conversations until the rows are made, out of memory perhaps.

    >>> feedback = b'{"PK":{"S":"USER#7"},"SK":{"S":"FEEDBACK#1"},"Feedback":{"M":{"type":{"S":"like"}}}}'
    >>> done = normalize([(1, feedback), (2, b"{")], Rules(), "a.jsonl:{}".format)
    >>> done.rows[0][0], done.rows[0][7], done.summary.rejected
    ('7', [b'[', b'{""sk"":""FEEDBACK#1"",""type"":""like""}', b']'], 1)
    """
    done = Normalized()
    reader = _Reader(rules, done.summary, keep)
    read = 0
    for place, raw in lines:
        if not raw or raw.isspace():
            continue
        try:
            reader.read(open_item(raw))
        except RejectError as error:
            if error.reason == "not_json" and _blank(raw):
                continue
            done.rejects.append((place, _reject(error, source(place), raw)))
            done.summary.count_reject(error.reason)
        read += 1
    done.summary.items_read = read
    done.keys = sorted(reader.users)
    for pk in done.keys:
        _close_user(pk.removeprefix(USER), reader.users.pop(pk), rules, done)
    return done


class _Reader:
    """Reads items, one at a time, into what each adds to its user's row."""

    def __init__(self, rules: Rules, summary: Summary, keep: Callable[[bytes], Piece]) -> None:
        self.users: dict[str, list[_Entry]] = {}
        self._rules, self._summary, self._keep = rules, summary, keep
        self._known: dict[bytes, User] = {}

    def read(self, item: Item) -> None:
        """Read one item; one that a filter drops adds nothing.

        Raises:
            RejectError: what is wrong with the item.
        """
        pk, sk = item.PK.S, item.SK.S
        entries = self.users.get(pk)
        if entries is None:
            check_pk(pk)
        entry = _Entry(sk, kind_of(sk))
        if entry.kind == "CONVERSATION":
            json, said = read_conversation(item)
            entry.json, entry.said = self._keep(json), self._keep(said)
            entry.day = _day(item, sk, self._rules)
            if entry.day is None:
                self._summary.count_warning("date_unreadable")
        elif entry.kind == "FEEDBACK":
            feedback = read_feedback(item)
            entry.json = doubled(b'{"sk":%b,%b' % (compact_json(sk), compact_json(feedback)[1:]))
            answers = [compact_json(value) for value in (feedback.comment, feedback.option) if value]
            entry.said = b",".join(answers)
            entry.thumb = feedback.type.strip().lower()
        if item.UserData:
            entry.user = self._user(bytes(item.UserData))
        if entry.kind == "CONVERSATION" and not self._rules.keeps(entry.day):
            self._summary.filtered += 1
        elif entries is None:
            self.users[pk] = [entry]
        else:
            entries.append(entry)

    def _user(self, data: bytes) -> User:
        """Return who the user is; a user's items say it over and over, and in the same bytes."""
        user = self._known.get(data)
        if user is None:
            user = self._known[data] = read_user(data)
        if not user.readable:
            self._summary.count_warning("user_data_unreadable")
        return user


def _day(item: Item, sk: str, rules: Rules) -> date | None:
    day = read_day(read_created_at(item), rules.zone)
    return day if day is not None else read_day(sk.split("#")[1], rules.zone)


def _close_user(user_id: str, entries: list[_Entry], rules: Rules, done: Normalized) -> None:
    """Make the user's row, or count the items of one that a filter drops."""
    entries.sort(key=_by_sk)  # stable: items of equal SK keep the order in which they were read
    users = [entry.user for entry in entries if entry.user]
    gerencia = _first(user.gerencia for user in users)
    ciudad = _first(user.ciudad for user in users) or gerencia
    summary = done.summary
    if rules.excludes(ciudad):
        summary.filtered += len(entries)
        return
    conversations = [entry for entry in entries if entry.kind == "CONVERSATION"]
    feedback = [entry for entry in entries if entry.kind == "FEEDBACK"]
    summary.conversations += len(conversations)
    summary.feedback += len(feedback)
    summary.registrations += len(entries) - len(conversations) - len(feedback)
    if not conversations and not feedback:
        return
    summary.users += 1
    done.rows.append(
        (
            user_id,
            _first(user.nombre for user in users) or NO_NAME,
            gerencia or ciudad,
            ciudad,
            written_day(min((entry.day for entry in conversations if entry.day), default=None)),
            len(conversations),
            _json_list(conversations) if conversations else "[]",
            _json_list(feedback) if feedback else None,
            len(feedback),
            _said(conversations),
            _thumbs({entry.thumb for entry in feedback}) if feedback else None,
            _said(feedback),
        )
    )


def _first(values: Iterable[str | None]) -> str | None:
    return next(filter(None, values), None)


def _said(entries: list[_Entry]) -> bytes | None:
    """Return what the user says in all of them; some at a time, for the texts of a heavy user are many MB."""
    groups = (entries[at : at + _TOGETHER] for at in range(0, len(entries), _TOGETHER))
    strings = (b",".join(filter(None, [bytes(entry.said) for entry in group])) for group in groups)
    return distinct(chain.from_iterable(map(tidied, strings)))


def _json_list(entries: list[_Entry]) -> Quoted:
    """Return the entries' JSON as one list, in pieces: a copy less, which of a heavy user is many MB."""
    pieces: list[Piece] = [piece for entry in entries for piece in (b",", entry.json)]
    pieces[0] = b"["
    pieces.append(b"]")
    return Quoted(pieces)


def _thumbs(thumbs: set[str]) -> str | None:
    """Return column 11.

    >>> _thumbs({"like", "dislike", "meh"}), _thumbs({"meh"})
    ('mixed', None)
    """
    known = sorted(thumbs & {"like", "dislike"})
    return None if not known else known[0] if len(known) == 1 else "mixed"


def _reject(error: RejectError, source: str, raw: bytes) -> bytes:
    if error.reason == "not_json":
        item: Raw | str = raw.removesuffix(b"\n").removesuffix(b"\r").decode(errors="backslashreplace")
    else:
        item = Raw(bare_item(raw.strip()))
    return _encode(Reject(error.reason, error.detail, source, item)) + b"\n"


def _blank(line: bytes) -> bool:
    """Tell whether a line is white space beyond ASCII's (`str.isspace`)."""
    return line.decode(errors="replace").isspace()
