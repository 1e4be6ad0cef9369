"""A conversation's messages as columns 7 and 10 hold them: bytes that are taken over and not decoded.

DynamoDB JSON, column 7 and the CSV write a text alike but for its quotes. So a text stays the bytes it
came as, and what would make it other bytes is looked for once in the whole conversation; only one that
has such is decoded, text by text. To decode and encode them all took twice the time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from msgspec import UNSET, DecodeError, Raw, Struct, UnsetType, field
from msgspec.json import Decoder, Encoder

from cat_normalize.normalize.items import RejectError, decode, located, missing
from cat_normalize.normalize.shapes import NOTHING, Item, MessageMembers, StringValue, Text
from cat_normalize.normalize.text import compact_json, sender, tidy

AT = "$.Conversation"
Json = Raw | bytes

_USER = b'{""from"":""user"",""text"":"'
"""A quote is doubled for the CSV; but the last, for the text that follows brings the second with it."""
_OPENINGS = {"user": _USER, "bot": _USER.replace(b"user", b"bot")}
_TIMESTAMP = b'",""timestamp"":"'
_END = b'"},'
_TEXT_BEGINS, _TIMESTAMP_BEGINS = b'""text"":""', b'""timestamp"":""'
"""Made by a string alone: within one a backslash stands before a quote, and no other JSON has `""t`."""
_EMPTY = b'""'

_USUAL_ESCAPES = frozenset((b'"', b"b", b"f", b"n", b"r", b"t"))
_U = ord("u")
_has_syntax_named = re.compile(rb"\\u00(?:[01]|22|5[cC])").search
"""What JSON may not hold as it is: control characters, a quote, a backslash. The next two find the others."""
_escape = re.compile(rb"\\.")
_c1 = re.compile(rb"\xc2[\x80-\x9f]").search
_UNTIDY = bytes(byte in b"|\\\xa0\xe1\xe2\xe3" for byte in range(256))
"""Maps to 1 what is not tidy, or ends the no-break space, or begins white space past Latin-1."""


_NULL = Raw(b"null")


class _Plain(Struct, gc=False):
    """A message of the form that is a string of JSON."""

    sender: str = field(name="from")
    text: Raw = _NULL
    timestamp: Raw = _NULL


class _Form(NamedTuple):
    """One of the two forms: how its strings are decoded to find a fault, and how it is told where."""

    read: Callable[[Json], str | None]
    member: str
    value: str


_strings = Decoder(list[str]).decode
_LISTED = _Form(Decoder(str).decode, AT + ".L[{}].M.{}", ".S")
_TEXTUAL = _Form(Decoder(str | None).decode, AT + ".S[{}].{}", "")
_plain = Decoder(list[_Plain])
_encode = Encoder().encode


class Talk(NamedTuple):
    """What a conversation adds to its user's row."""

    json: bytes
    """Its member of column 7, in UTF-8, every quote doubled for the CSV."""
    said: bytes
    """The user's own messages, JSON strings with commas between."""


def read_conversation(item: Item) -> Talk:
    """Return what a conversation adds, from either form of its messages.

    Raises:
        RejectError: ``bad_conversation``.
    """
    sk, value = item.SK.S, item.Conversation
    if value is UNSET:
        raise missing("bad_conversation", AT)
    if value.S is not UNSET and value.L is UNSET:
        plain = decode(_plain, value.S, "bad_conversation", f"{AT}.S")
        return _talk(sk, [_typed(message) for message in plain], _TEXTUAL)
    if value.L is UNSET or value.S is not UNSET:
        raise RejectError("bad_conversation", f"Expected either `L` or `S` - at `{AT}`")
    return _talk(sk, [message.M for message in value.L], _LISTED)


def _typed(message: _Plain) -> MessageMembers:
    return MessageMembers(
        StringValue(message.sender),
        UNSET if message.text == _NULL else Text(message.text),
        UNSET if message.timestamp == _NULL else Text(message.timestamp),
    )


def _talk(sk: str, messages: list[MessageMembers], form: _Form) -> Talk:
    json, mine, timestamps = _joined(_encode(sk), messages)
    if json[json.find(b"\\") + 1] == _U:  # where there are letters as escapes, the first mostly is one
        json = _unescaped(json)
    parts, escapes = _at_escapes(json)
    if b"u" in escapes:
        json = _unescaped(json)
        parts, escapes = _at_escapes(json)
    if (
        json.count(_TEXT_BEGINS) == len(messages)
        and json.count(_TIMESTAMP_BEGINS) == timestamps
        and escapes <= _USUAL_ESCAPES
        and b"\x7f" not in json
        and not (b"\xc2" in json and _c1(json))
    ):
        if b'"' in escapes:
            parts[1:] = [b'"' + part if part[:1] == b'"' else part for part in parts[1:]]
            json = b"\\".join(parts)
        return Talk(json, b",".join(mine))
    json, mine, _ = _joined(compact_json(sk), _rewritten(messages, form))
    return Talk(_escape.sub(_doubled, json), b",".join(mine))


def _at_escapes(json: bytes) -> tuple[list[bytes], set[bytes]]:
    """Return what stands between backslashes, and which bytes follow one."""
    parts = json.split(b"\\")
    return parts, {part[:1] for part in parts[1:]}


def _unescaped(json: bytes) -> bytes:
    r"""Write the characters that ``\u`` names as themselves, or leave all where one of them cannot be.

    >>> _unescaped(rb'"gesti\u00f3n \ud83d\ude00\n"').decode()
    '"gestión 😀\\n"'
    """
    if _has_syntax_named(json):
        return json
    try:
        text = json.decode().encode("raw_unicode_escape").decode("raw_unicode_escape")
        try:
            return text.encode()
        except UnicodeEncodeError:
            return text.encode("utf-16", "surrogatepass").decode("utf-16").encode()
    except UnicodeError:
        return json


def _joined(sk: bytes, messages: Iterable[MessageMembers]) -> tuple[bytes, list[Json], int]:
    """Return the JSON, quotes within strings not doubled yet; the user's messages; how many timestamps."""
    pieces: list[Json] = [b'{""sk"":"', sk, b'",""messages"":[']
    mine: list[Json] = []
    timestamps = 0
    for message in messages:
        opening = _OPENINGS.get(message.sender.S) or _opening(message.sender.S)
        text, timestamp = message.text, message.timestamp
        said = text.S if text and text.NULL is UNSET else _absent(text) or _EMPTY
        at = timestamp.S if timestamp and timestamp.NULL is UNSET else _absent(timestamp)
        if at:
            pieces += (opening, said, _TIMESTAMP, at, _END)
            timestamps += 1
        else:
            pieces += (opening, said, _END)
        if opening is _USER:
            mine.append(said)
    if len(pieces) > 3:
        pieces[-1] = _END[:-1]
    pieces.append(b"]}")
    return b"".join(pieces), mine, timestamps


def _opening(name: str) -> bytes:
    name = sender(name)
    return _OPENINGS.get(name) or b'{""from"":"%b",""text"":"' % compact_json(name)


def _absent(value: Text | UnsetType) -> Raw | None:
    """Return None for what is absent or NULL, and no JSON at all for what is neither that nor a string."""
    return None if value is UNSET or (value.NULL is True and value.S is NOTHING) else NOTHING


def tidied(strings: bytes) -> list[bytes]:
    """Return texts, tidy and in UTF-8, of JSON strings as `compact_json` writes them, commas between.

    >>> tidied(b'"hola","a|b"'), tidied(b"")
    ([b'hola', b'a/b'], [b''])
    """
    if b"  " not in strings and 1 not in strings.translate(_UNTIDY):
        texts = strings[1:-1].split(b'","')
        if texts == [*map(bytes.strip, texts)]:
            return texts
    return [tidy(text).encode() for text in _strings(b"[%b]" % strings)]


def _doubled(escape: re.Match[bytes]) -> bytes:
    return b'\\""' if escape[0] == b'\\"' else escape[0]


def _rewritten(messages: Iterable[MessageMembers], form: _Form) -> Iterator[MessageMembers]:
    """Yield the same with every string as `compact_json` writes it."""
    for number, message in enumerate(messages):
        yield MessageMembers(
            message.sender,
            _canonical(message.text, form, form.member.format(number, "text")),
            _canonical(message.timestamp, form, form.member.format(number, "timestamp")),
        )


def _canonical(value: Text | UnsetType, form: _Form, at: str) -> Text | UnsetType:
    given = value.S if value and value.NULL is UNSET else _absent(value)
    if given is None:
        return UNSET
    if given is NOTHING:
        raise RejectError("bad_conversation", f"Expected either `S` or `NULL` - at `{at}`")
    try:
        return Text(Raw(compact_json(form.read(given))))
    except DecodeError as error:
        raise RejectError("bad_conversation", located(str(error), at + form.value)) from error
