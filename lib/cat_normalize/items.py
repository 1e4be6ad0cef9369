"""What an item says, read off its typed form, and what is wrong with another shape (contract §1, §3)."""

from __future__ import annotations

import re
from operator import attrgetter
from typing import Literal, TypeVar

from msgspec import UNSET, DecodeError, Raw, Struct, UnsetType, ValidationError, field
from msgspec.json import Decoder

from cat_normalize.shapes import (
    ConversationValue,
    FeedbackValue,
    Item,
    MessageValue,
    OptionalString,
    StringValue,
    UserValue,
    Wrapper,
)
from cat_normalize.text import has_control

Reason = Literal["not_json", "bad_key", "unknown_kind", "bad_conversation", "bad_feedback"]
Kind = Literal["CONVERSATION", "FEEDBACK", "REGISTER"]
USER = "USER#"
_Decoded = TypeVar("_Decoded")


class RejectError(Exception):
    """Why an item is rejected: the contract's reason, and where in the item the fault is."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


class Message(Struct, gc=False, omit_defaults=True):
    """One message: read from either form, written to column 7 as it stands."""

    sender: str = field(name="from")
    text: str | None = None
    timestamp: str | None = None


class Feedback(Struct, gc=False, omit_defaults=True):
    """One thumb: read from either form, written to column 8 as it stands."""

    type: str
    comment: str | None = None
    option: str | None = None


class User(Struct, gc=False):
    """Who the user is, from either form."""

    nombre: str | None = None
    gerencia: str | None = None
    ciudad: str | None = None


_item = Decoder(Item)
_wrapper = Decoder(Wrapper)
_object = Decoder(dict[str, Raw])
_string = Decoder(StringValue)
_conversation = Decoder(ConversationValue)
_messages = Decoder(list[Message])
_feedback = Decoder(FeedbackValue)
_plain_feedback = Decoder(Feedback)
_user = Decoder(UserValue)
_plain_user = Decoder(User)
_members = attrgetter("M")


def open_item(line: bytes) -> Item:
    """Decode one line, bare or wrapped as an export wraps it.

    Raises:
        RejectError: ``not_json``, or ``bad_key`` where a key is no string.

    >>> open_item(b'{"Item":{"PK":{"S":"USER#7"}}}').PK.S
    'USER#7'
    """
    try:
        if not line.isascii():
            line.decode()  # msgspec does not look into what it skips
        if line.startswith(b'{"Item":'):  # an export's line, most likely: a pass less than below
            line = bare_item(line)
        item = _item.decode(line)
        if item.PK is UNSET and item.Item:
            line = bare_item(line)
            item = _item.decode(line)
    except ValidationError as error:
        raise _fault_of_key(line, error) from error
    except (DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RejectError("not_json", _said(error)) from error
    return item


def bare_item(line: bytes) -> bytes:
    """Return the one member of an export's line; a bare item, also with an attribute ``Item``, stays.

    >>> bare_item(b'{"Item":{"PK":5}}'), bare_item(b'{"PK":5}')
    (b'{"PK":5}', b'{"PK":5}')
    """
    try:
        inner = bytes(_wrapper.decode(line).Item)
    except ValidationError:  # other members than that one: no wrapper
        return line
    return inner if inner.startswith(b"{") else line


def _fault_of_key(line: bytes, error: ValidationError) -> RejectError:
    """Tell a key that is no string from a line that is no object, or that breaks off after its key."""
    try:
        _object.decode(line)
    except (DecodeError, RecursionError) as worse:
        return RejectError("not_json", _said(worse))
    return RejectError("bad_key", str(error))


def read_key(item: Item) -> tuple[str, str, Kind]:
    """Return user id, SK and kind.

    Raises:
        RejectError: ``bad_key`` or ``unknown_kind``.

    >>> read_key(open_item(b'{"PK":{"S":"USER#7"},"SK":{"S":"REGISTER"}}'))
    ('7', 'REGISTER', 'REGISTER')
    """
    if item.PK is UNSET or item.SK is UNSET:
        missing = "PK" if item.PK is UNSET else "SK"
        raise RejectError("bad_key", f"Object missing required field `{missing}` - at `$`")
    pk, sk = item.PK.S, item.SK.S
    if not pk.startswith(USER) or len(pk) == len(USER):
        raise RejectError("bad_key", f"Expected `{USER}` and an id - at `$.PK.S`")
    if has_control(pk):
        raise RejectError("bad_key", "The id holds a control character - at `$.PK.S`")
    if sk.startswith("CONVERSATION#"):
        return pk[len(USER) :], sk, "CONVERSATION"
    if sk.startswith("FEEDBACK#"):
        return pk[len(USER) :], sk, "FEEDBACK"
    if sk.startswith("REGISTER"):
        return pk[len(USER) :], sk, "REGISTER"
    raise RejectError("unknown_kind", "Expected `CONVERSATION#`, `FEEDBACK#` or `REGISTER` - at `$.SK.S`")


def read_conversation(item: Item) -> list[Message]:
    """Return the messages in order, from either form.

    Raises:
        RejectError: ``bad_conversation``.
    """
    at = "$.Conversation"
    value = _decode(_conversation, item.Conversation, "bad_conversation", at)
    if value.S is not UNSET and value.L is UNSET:
        return _decode(_messages, value.S, "bad_conversation", f"{at}.S")
    if value.L is UNSET or value.S is not UNSET:
        raise RejectError("bad_conversation", f"Expected either `L` or `S` - at `{at}`")
    try:
        return [  # the usual case is inline: a call less for each of millions of values
            Message(
                m.sender.S,
                t.S if (t := m.text) and t.NULL is UNSET and t.S is not UNSET else _optional(t, "text"),
                t.S
                if (t := m.timestamp) and t.NULL is UNSET and t.S is not UNSET
                else _optional(t, "timestamp"),
            )
            for m in map(_members, value.L)
        ]
    except ValueError:
        raise _fault_of_list(value.L) from None


def read_feedback(item: Item) -> Feedback:
    """Return the feedback, from either form.

    Raises:
        RejectError: ``bad_feedback``.
    """
    at = "$.Feedback"
    value = _decode(_feedback, item.Feedback, "bad_feedback", at)
    if value.S is not UNSET and value.M is UNSET:
        return _decode(_plain_feedback, value.S, "bad_feedback", f"{at}.S")
    if value.M is UNSET or value.S is not UNSET:
        raise RejectError("bad_feedback", f"Expected either `M` or `S` - at `{at}`")
    members = value.M
    try:
        return Feedback(
            members.type.S, _optional(members.comment, "comment"), _optional(members.option, "option")
        )
    except ValueError as error:
        raise RejectError("bad_feedback", f"Expected either `S` or `NULL` - at `{at}.M.{error}`") from error


def read_user(item: Item) -> User | None:
    """Return who the user is, from either form; None where the item does not say.

    Raises:
        ValueError: ``UserData`` has another shape, so that it counts as absent and as a warning.
    """
    if not item.UserData:
        return None
    try:
        value = _user.decode(item.UserData)
        if value.S is not UNSET and value.M is UNSET and value.NULL is UNSET:
            return _plain_user.decode(value.S)
    except (DecodeError, RecursionError) as error:
        raise ValueError(_said(error)) from error
    if value.M is not UNSET and value.S is UNSET and value.NULL is UNSET:
        m = value.M
        return User(_optional(m.nombre, ""), _optional(m.gerencia, ""), _optional(m.ciudad, ""))
    if value.NULL is True and value.M is UNSET and value.S is UNSET:
        return None
    raise ValueError("Expected one of `M`, `S`, `NULL`")


def read_created_at(item: Item) -> str | None:
    """Return ``CreatedAt`` as it stands; None where it is absent or no string."""
    if not item.CreatedAt:
        return None
    try:
        return _string.decode(item.CreatedAt).S
    except (DecodeError, RecursionError):  # of another shape is unreadable, and the SK is asked (§2)
        return None


def _optional(value: OptionalString | UnsetType, name: str) -> str | None:
    if value is UNSET:
        return None
    if value.NULL is UNSET and value.S is not UNSET:
        return value.S
    if value.NULL is True and value.S is UNSET:
        return None
    raise ValueError(name)


def _fault_of_list(messages: list[MessageValue]) -> RejectError:
    """Find which member of which message has neither or both of ``S`` and ``NULL``."""
    for number, message in enumerate(messages):
        for name, value in (("text", message.M.text), ("timestamp", message.M.timestamp)):
            try:
                _optional(value, name)
            except ValueError:
                at = f"$.Conversation.L[{number}].M.{name}"
                return RejectError("bad_conversation", f"Expected either `S` or `NULL` - at `{at}`")
    raise AssertionError("no fault in a list that was found faulty")


def _decode(decoder: Decoder[_Decoded], value: Raw | str, reason: Reason, at: str) -> _Decoded:
    if not value and isinstance(value, Raw):
        raise RejectError(reason, f"Object missing required field `{at[2:]}` - at `$`")
    try:
        return decoder.decode(value)
    except (DecodeError, RecursionError) as error:
        raise RejectError(reason, _located(_said(error), at)) from error


def _said(error: Exception) -> str:
    return "Nested too deeply" if isinstance(error, RecursionError) else str(error)


def _located(message: str, at: str) -> str:
    """Say where in the whole item a fault is that msgspec found in one of its values.

    >>> _located("Expected `str`, got `int` - at `$.L[2].M.text.S`", "$.Conversation")
    'Expected `str`, got `int` - at `$.Conversation.L[2].M.text.S`'
    """
    where = re.search(r" - at `\$(.*)`$", message)
    if where is None:
        return f"{message} - at `{at}`"
    return f"{message[: where.start()]} - at `{at}{where[1]}`"
