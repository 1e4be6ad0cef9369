"""What an item says, read off its typed form, and what is wrong with another shape (contract §1, §3)."""

from __future__ import annotations

import re
from operator import attrgetter
from typing import Literal, TypeVar

from msgspec import UNSET, DecodeError, Raw, Struct, UnsetType, field
from msgspec.json import Decoder

from cat_normalize.shapes import Envelope, Item, MessageValue, OptionalString
from cat_normalize.text import SENDERS, has_control, sender

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


_messages = Decoder(list[Message])
_plain_feedback = Decoder(Feedback)
_plain_user = Decoder(User)
_members = attrgetter("M")
_known = SENDERS.get


def read_key(item: Item | Envelope) -> tuple[str, str, Kind]:
    """Return user id, SK and kind.

    Raises:
        RejectError: ``bad_key`` or ``unknown_kind``.

    >>> from cat_normalize.shapes import StringValue
    >>> read_key(Item(StringValue("USER#7"), StringValue("REGISTER")))
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
    """Return the messages in order, from either form, with canonical senders and a text each.

    Raises:
        RejectError: ``bad_conversation``.
    """
    at = "$.Conversation"
    value = item.Conversation
    if value is UNSET:
        raise missing("bad_conversation", at)
    if value.S is not UNSET and value.L is UNSET:
        messages = decode(_messages, value.S, "bad_conversation", f"{at}.S")
        return [Message(sender(each.sender), each.text or "", each.timestamp) for each in messages]
    if value.L is UNSET or value.S is not UNSET:
        raise RejectError("bad_conversation", f"Expected either `L` or `S` - at `{at}`")
    try:
        return [  # the usual case is inline: a call less for each of millions of values
            Message(
                _known(m.sender.S) or sender(m.sender.S),
                t.S if (t := m.text) and t.NULL is UNSET and t.S is not UNSET else _optional(t, "text") or "",
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
    value = item.Feedback
    if value is UNSET:
        raise missing("bad_feedback", at)
    if value.S is not UNSET and value.M is UNSET:
        return decode(_plain_feedback, value.S, "bad_feedback", f"{at}.S")
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
    value = item.UserData
    if value is UNSET:
        return None
    if value.M is not UNSET and value.S is UNSET and value.NULL is UNSET:
        m = value.M
        return User(_optional(m.nombre, ""), _optional(m.gerencia, ""), _optional(m.ciudad, ""))
    if value.S is not UNSET and value.M is UNSET and value.NULL is UNSET:
        try:
            return _plain_user.decode(value.S)
        except (DecodeError, RecursionError) as error:
            raise ValueError(said(error)) from error
    if value.NULL is True and value.M is UNSET and value.S is UNSET:
        return None
    raise ValueError("Expected one of `M`, `S`, `NULL`")


def read_created_at(item: Item) -> str | None:
    """Return ``CreatedAt`` as it stands; None where it is absent or no string."""
    return None if item.CreatedAt is UNSET else item.CreatedAt.S


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


def decode(decoder: Decoder[_Decoded], value: Raw | str, reason: Reason, at: str) -> _Decoded:
    """Decode an attribute's value, which stands at ``at``.

    Raises:
        RejectError: ``reason``, where it is absent or of another shape.
    """
    if not value and isinstance(value, Raw):
        raise missing(reason, at)
    try:
        return decoder.decode(value)
    except (DecodeError, RecursionError) as error:
        raise RejectError(reason, _located(said(error), at)) from error


def missing(reason: Reason, at: str) -> RejectError:
    """Say that an attribute is absent."""
    return RejectError(reason, f"Object missing required field `{at[2:]}` - at `$`")


def said(error: Exception) -> str:
    """Return what a decoder's error says; Python's of too deep a recursion names Python's own limits."""
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
