"""A line opened: bare or as an export wraps it, decoded whole, and looked at again if that fails.

Nearly every item decodes in one go. One that does not may still be a good one, for only what its kind
asks for has to be of the contract's shape (§3).
"""

from __future__ import annotations

from msgspec import UNSET, DecodeError, Raw, ValidationError
from msgspec.json import Decoder

from cat_normalize.normalize.items import RejectError, check_pk, decode, kind_of, said
from cat_normalize.normalize.shapes import (
    ConversationValue,
    Envelope,
    FeedbackValue,
    Item,
    StringValue,
    WrappedItem,
    Wrapper,
)

_item = Decoder(Item)
_wrapped = Decoder(WrappedItem)
_envelope = Decoder(Envelope)
_wrapper = Decoder(Wrapper)
_object = Decoder(dict[str, Raw])
_string = Decoder(StringValue)
_conversation = Decoder(ConversationValue)
_feedback = Decoder(FeedbackValue)


def open_item(line: bytes) -> Item:
    """Decode one line, bare or wrapped as an export wraps it.

    Raises:
        RejectError: ``not_json``, ``bad_key`` or ``unknown_kind``; ``bad_conversation`` or ``bad_feedback``
            where the attribute that the kind asks for is absent or of another shape.

    >>> open_item(b'{"Item":{"PK":{"S":"USER#7"},"SK":{"S":"REGISTER"}}}').PK.S
    'USER#7'
    """
    try:
        if not line.isascii():
            line.decode()  # msgspec does not look into what it skips
        return _wrapped.decode(line).Item if line.startswith(b'{"Item":') else _item.decode(line)
    except (DecodeError, UnicodeDecodeError, RecursionError):
        return _look_again(line)


def _look_again(line: bytes) -> Item:
    """Find what is wrong with an item that is not as nearly every one is, and whether it matters."""
    there = _open_envelope(line)
    if there.PK is UNSET or there.SK is UNSET:
        missing = "PK" if there.PK is UNSET else "SK"
        raise RejectError("bad_key", f"Object missing required field `{missing}` - at `$`")
    check_pk(there.PK.S)
    kind = kind_of(there.SK.S)
    item = Item(there.PK, there.SK)
    if kind == "CONVERSATION":
        item.Conversation = decode(_conversation, there.Conversation, "bad_conversation", "$.Conversation")
    elif kind == "FEEDBACK":
        item.Feedback = decode(_feedback, there.Feedback, "bad_feedback", "$.Feedback")
    item.UserData = there.UserData
    if there.CreatedAt:
        try:
            item.CreatedAt = _string.decode(there.CreatedAt)
        except (DecodeError, RecursionError):
            item.CreatedAt = UNSET  # no fault of the item: its day is read off its SK then
    return item


def _open_envelope(line: bytes) -> Envelope:
    try:
        line.decode()
        item = _envelope.decode(line)
        if item.PK is UNSET and item.Item:
            line = bare_item(line)
            item = _envelope.decode(line)
    except ValidationError as error:
        raise _fault_of_key(line, error) from error
    except (DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RejectError("not_json", said(error)) from error
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
        return RejectError("not_json", said(worse))
    return RejectError("bad_key", str(error))
