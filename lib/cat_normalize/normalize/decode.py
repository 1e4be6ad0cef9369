"""Decode raw items, and say why an item is rejected (contract §1, §3).

Nearly every item decodes in one pass as an `Item`. One that does not may still be valid, because only the
attribute that its kind requires must have the contract's shape: it is decoded again, attribute by attribute.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Literal, TypeVar

from msgspec import UNSET, DecodeError, Raw, UnsetType, ValidationError
from msgspec.json import Decoder

from cat_normalize.core.text import SENDERS, canonical_sender, has_control, tidy, without_remark
from cat_normalize.normalize.shapes import (
    ConversationValue,
    DynamoMessage,
    ExportLine,
    Feedback,
    FeedbackValue,
    Item,
    Message,
    MessageValue,
    OptionalString,
    PlainUser,
    RawExportLine,
    RawItem,
    StringValue,
    User,
    UserValue,
)

Reason = Literal["not_json", "bad_key", "unknown_kind", "bad_conversation", "bad_feedback"]
Kind = Literal["CONVERSATION", "FEEDBACK", "REGISTER"]
USER_PREFIX = "USER#"
_WRAPPED = b'{"Item":'
_Decoded = TypeVar("_Decoded")


class RejectError(Exception):
    """An item is rejected: the contract's reason, and where in the item the fault is."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


_object = Decoder(dict[str, Raw])
_item = Decoder(Item)
_raw_item = Decoder(RawItem)
_export_line = Decoder(ExportLine)
_raw_export_line = Decoder(RawExportLine)
_string = Decoder(StringValue)
_conversation = Decoder(ConversationValue)
_plain_conversation = Decoder(list[Message])
_feedback = Decoder(FeedbackValue)
_plain_feedback = Decoder(Feedback)
_user = Decoder(UserValue)
_plain_user = Decoder(PlainUser)


def decode_item(line: bytes) -> Item:
    """Decode one line: a bare item, or one wrapped as an export wraps it.

    Raises:
        RejectError: any reason but that a required attribute is absent.

    >>> decode_item(b'{"Item":{"PK":{"S":"USER#7"},"SK":{"S":"REGISTER"}}}').PK.S
    'USER#7'
    """
    try:
        if not line.isascii():
            line.decode()  # msgspec does not check the encoding of what it skips
        return _export_line.decode(line).Item if line.startswith(_WRAPPED) else _item.decode(line)
    except UnicodeDecodeError as error:
        raise RejectError("not_json", str(error)) from error
    except (DecodeError, RecursionError):
        return _decode_unusual(line)


def _decode_unusual(line: bytes) -> Item:
    """Decode an item in which something does not have the usual shape, or say what is wrong with it."""
    try:
        _object.decode(line)  # a ValidationError may hide JSON that breaks off later
    except (DecodeError, RecursionError) as error:
        raise RejectError("not_json", _describe(error)) from error
    try:
        raw = _raw_item.decode(bare_item(line))
    except ValidationError as error:
        raise RejectError("bad_key", _locate(str(error), "$")) from error
    check_pk(raw.PK.S)
    kind = kind_of(raw.SK.S)
    item = Item(raw.PK, raw.SK, raw.UserData)
    if kind == "CONVERSATION":
        item.Conversation = _decode(_conversation, raw.Conversation, "bad_conversation", "$.Conversation")
    elif kind == "FEEDBACK":
        item.Feedback = _decode(_feedback, raw.Feedback, "bad_feedback", "$.Feedback")
    with suppress(DecodeError, RecursionError):  # no fault of the item: its day is then read from its SK
        item.CreatedAt = _string.decode(raw.CreatedAt)
    return item


def bare_item(line: bytes) -> bytes:
    """Return the item inside an export's line; a bare item is returned as it is.

    >>> bare_item(b'{"Item":{"PK":5}}'), bare_item(b'{"PK":5}')
    (b'{"PK":5}', b'{"PK":5}')
    """
    try:
        inner = bytes(_raw_export_line.decode(line).Item)
    except ValidationError:  # other members than that one: no wrapper
        return line
    return inner if inner.startswith(b"{") else line


def check_pk(pk: str) -> None:
    """Check that a ``PK`` is ``USER#`` and an id without control characters.

    Raises:
        RejectError: ``bad_key``.
    """
    if not pk.startswith(USER_PREFIX) or len(pk) == len(USER_PREFIX):
        raise RejectError("bad_key", f"Expected `{USER_PREFIX}` and an id - at `$.PK.S`")
    if has_control(pk):
        raise RejectError("bad_key", "The id holds a control character - at `$.PK.S`")


def kind_of(sk: str) -> Kind:
    """Return the kind of item that an ``SK`` names.

    Raises:
        RejectError: ``unknown_kind``.

    >>> kind_of("CONVERSATION#2025-08-18"), kind_of("REGISTER")
    ('CONVERSATION', 'REGISTER')
    """
    if sk.startswith("CONVERSATION#"):
        return "CONVERSATION"
    if sk.startswith("FEEDBACK#"):
        return "FEEDBACK"
    if sk.startswith("REGISTER"):
        return "REGISTER"
    raise RejectError("unknown_kind", "Expected `CONVERSATION#`, `FEEDBACK#` or `REGISTER` - at `$.SK.S`")


def read_conversation(item: Item) -> list[Message]:
    """Return the messages of a conversation, from either form, in order; an absent text is empty.

    Raises:
        RejectError: ``bad_conversation``.
    """
    at = "$.Conversation"
    value = item.Conversation
    if value is UNSET:
        raise _missing("bad_conversation", at)
    if value.L is not UNSET and value.S is UNSET:
        return _plain_messages(value.L)
    if value.S is UNSET or value.L is not UNSET:
        raise RejectError("bad_conversation", f"Expected either `L` or `S` - at `{at}`")
    messages = _decode(_plain_conversation, value.S, "bad_conversation", f"{at}.S")
    for message in messages:
        message.sender, message.text = canonical_sender(message.sender), message.text or ""
    return messages


def _plain_messages(values: list[MessageValue]) -> list[Message]:
    """Unwrap messages from DynamoDB JSON; a usual one, whose members are all strings, takes no call."""
    messages = []
    for number, value in enumerate(values):
        given = value.M
        name, text, timestamp = given.sender.S, given.text, given.timestamp
        if text and timestamp and text.NULL is timestamp.NULL is UNSET and text.S and timestamp.S:
            messages.append(Message(SENDERS.get(name) or canonical_sender(name), text.S, timestamp.S))
        else:
            messages.append(_unusual_message(given, number))
    return messages


def _unusual_message(given: DynamoMessage, number: int) -> Message:
    try:
        text, timestamp = _optional(given.text, "text"), _optional(given.timestamp, "timestamp")
    except ValueError as error:
        at = f"$.Conversation.L[{number}].M.{error}"
        raise RejectError("bad_conversation", f"Expected either `S` or `NULL` - at `{at}`") from error
    return Message(canonical_sender(given.sender.S), text or "", timestamp)


def read_feedback(item: Item) -> Feedback:
    """Return the feedback, from either form.

    Raises:
        RejectError: ``bad_feedback``.
    """
    at = "$.Feedback"
    value = item.Feedback
    if value is UNSET:
        raise _missing("bad_feedback", at)
    if value.S is not UNSET and value.M is UNSET:
        return _decode(_plain_feedback, value.S, "bad_feedback", f"{at}.S")
    if value.M is UNSET or value.S is not UNSET:
        raise RejectError("bad_feedback", f"Expected either `M` or `S` - at `{at}`")
    given = value.M
    try:
        comment, option = _optional(given.comment, "comment"), _optional(given.option, "option")
    except ValueError as error:
        raise RejectError("bad_feedback", f"Expected either `S` or `NULL` - at `{at}.M.{error}`") from error
    return Feedback(given.type.S, comment, option)


def read_user(data: bytes) -> User:
    """Return who the user is, from the JSON of either form of ``UserData``; another shape is unreadable."""
    try:
        value = _user.decode(data)
        descriptors = [value.M is not UNSET, value.S is not UNSET, value.NULL is not UNSET]
        if sum(descriptors) != 1 or value.NULL is False:
            return User(readable=False)
        if value.M is not UNSET:
            given = value.M
            members = {"nombre": given.nombre, "gerencia": given.gerencia, "ciudad": given.ciudad}
            return _tidy_user(*(_optional(each, name) for name, each in members.items()))
        if value.S is not UNSET:
            plain = _plain_user.decode(value.S)
            return _tidy_user(plain.nombre, plain.gerencia, plain.ciudad)
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors too
        return User(readable=False)
    return User()


def _tidy_user(nombre: str | None, gerencia: str | None, ciudad: str | None) -> User:
    return User(
        (nombre and tidy(nombre)) or None,
        (gerencia and tidy(gerencia)) or None,
        (ciudad and without_remark(tidy(ciudad))) or None,
    )


def _optional(value: OptionalString | UnsetType, name: str) -> str | None:
    """Return a string, or None where the member is absent or NULL; a ValueError names any other."""
    if value is UNSET:
        return None
    if value.NULL is UNSET and value.S is not UNSET:
        return value.S
    if value.NULL is True and value.S is UNSET:
        return None
    raise ValueError(name)


def _decode(decoder: Decoder[_Decoded], value: Raw | str, reason: Reason, at: str) -> _Decoded:
    """Decode an attribute's value, found at ``at`` in the item, or reject the item for it."""
    if isinstance(value, Raw) and not value:
        raise _missing(reason, at)
    try:
        return decoder.decode(value)
    except (DecodeError, RecursionError) as error:
        raise RejectError(reason, _locate(_describe(error), at)) from error


def _missing(reason: Reason, at: str) -> RejectError:
    return RejectError(reason, f"Object missing required field `{at[2:]}` - at `$`")


def _describe(error: Exception) -> str:
    """Return a decoder's message; that of a RecursionError names Python's own limits."""
    return "Nested too deeply" if isinstance(error, RecursionError) else str(error)


def _locate(message: str, at: str) -> str:
    """Turn the path in msgspec's message, which starts at the value, into a path from the whole item.

    >>> _locate("Expected `str`, got `int` - at `$.L[2].M.text.S`", "$.Conversation")
    'Expected `str`, got `int` - at `$.Conversation.L[2].M.text.S`'
    """
    found = re.search(r" - at `\$(.*)`$", message)
    if found is None:
        return f"{message} - at `{at}`"
    return f"{message[: found.start()]} - at `{at}{found[1]}`"
