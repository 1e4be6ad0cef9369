"""What an item says, read off its typed form, and what is wrong with another shape (contract §1, §3)."""

from __future__ import annotations

import re
from typing import Literal, TypeVar

from msgspec import UNSET, DecodeError, Raw, Struct, UnsetType
from msgspec.json import Decoder

from cat_normalize.normalize.shapes import Item, OptionalString, UserValue
from cat_normalize.normalize.text import has_control, tidy, without_remark

Reason = Literal["not_json", "bad_key", "unknown_kind", "bad_conversation", "bad_feedback"]
Kind = Literal["CONVERSATION", "FEEDBACK", "REGISTER"]
USER = "USER#"
_Decoded = TypeVar("_Decoded")


class RejectError(Exception):
    """Why an item is rejected: the contract's reason, and where in the item the fault is."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


class Feedback(Struct, gc=False, omit_defaults=True):
    """One thumb: read from either form, written to column 8 as it stands."""

    type: str
    comment: str | None = None
    option: str | None = None


class User(Struct, gc=False):
    """Who the user is: tidy, the city without its remark, None where that leaves nothing."""

    nombre: str | None = None
    gerencia: str | None = None
    ciudad: str | None = None
    readable: bool = True
    """Whether there was none, or one of the contract's shape."""


class _PlainUser(Struct, gc=False):
    nombre: str | None = None
    gerencia: str | None = None
    ciudad: str | None = None


_plain_feedback = Decoder(Feedback)
_user = Decoder(UserValue)
_plain_user = Decoder(_PlainUser)


def check_pk(pk: str) -> None:
    """Hold a ``PK`` to ``USER#`` and an id without control characters.

    Raises:
        RejectError: ``bad_key``.
    """
    if not pk.startswith(USER) or len(pk) == len(USER):
        raise RejectError("bad_key", f"Expected `{USER}` and an id - at `$.PK.S`")
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


def read_user(data: bytes) -> User:
    """Return who the user is, from the JSON of either form of ``UserData``.

    Another shape counts as absent, as a whole.
    """
    try:
        value = _user.decode(data)
        if value.M is not UNSET and value.S is UNSET and value.NULL is UNSET:
            m = value.M
            return _tidied(_optional(m.nombre, ""), _optional(m.gerencia, ""), _optional(m.ciudad, ""))
        if value.S is not UNSET and value.M is UNSET and value.NULL is UNSET:
            plain = _plain_user.decode(value.S)
            return _tidied(plain.nombre, plain.gerencia, plain.ciudad)
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors too
        return User(readable=False)
    return User(readable=value.NULL is True and value.M is UNSET and value.S is UNSET)


def _tidied(nombre: str | None, gerencia: str | None, ciudad: str | None) -> User:
    return User(
        (nombre and tidy(nombre)) or None,
        (gerencia and tidy(gerencia)) or None,
        (ciudad and without_remark(tidy(ciudad))) or None,
    )


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
        raise RejectError(reason, located(said(error), at)) from error


def missing(reason: Reason, at: str) -> RejectError:
    """Say that an attribute is absent."""
    return RejectError(reason, f"Object missing required field `{at[2:]}` - at `$`")


def said(error: Exception) -> str:
    """Return what a decoder's error says; Python's of too deep a recursion names Python's own limits."""
    return "Nested too deeply" if isinstance(error, RecursionError) else str(error)


def located(message: str, at: str) -> str:
    """Say where in the whole item a fault is that msgspec found in one of its values.

    >>> located("Expected `str`, got `int` - at `$.L[2].M.text.S`", "$.Conversation")
    'Expected `str`, got `int` - at `$.Conversation.L[2].M.text.S`'
    """
    where = re.search(r" - at `\$(.*)`$", message)
    if where is None:
        return f"{message} - at `{at}`"
    return f"{message[: where.start()]} - at `{at}{where[1]}`"
