"""Helpers to write DynamoDB JSON by hand (contract §1)."""

from __future__ import annotations

import json
from typing import Any

Item = dict[str, Any]
NULL: Item = {"NULL": True}


def s(text: str) -> Item:
    """Return a string value.

    >>> s("hola")
    {'S': 'hola'}
    """
    return {"S": text}


def m(**members: Any) -> Item:
    """Return a map value; each member is a string, None for NULL, or DynamoDB JSON.

    A trailing underscore of a name is dropped: ``from_`` becomes ``from``.

    >>> m(type="like", comment=None, option={"S": "Rápida"})
    {'M': {'type': {'S': 'like'}, 'comment': {'NULL': True}, 'option': {'S': 'Rápida'}}}
    """
    return {"M": {name.removesuffix("_"): _value(value) for name, value in members.items()}}


def message(sender: Any, **members: Any) -> Item:
    """Return one message of a conversation in its M form.

    >>> message("user", text="hola")
    {'M': {'from': {'S': 'user'}, 'text': {'S': 'hola'}}}
    """
    return m(from_=sender, **members)


def messages(*each: Item) -> Item:
    """Return a conversation in its L form."""
    return {"L": list(each)}


def as_json(value: Any) -> Item:
    """Return a value in its S form: plain JSON as text.

    >>> as_json({"type": "like"})
    {'S': '{"type": "like"}'}
    """
    return s(json.dumps(value, ensure_ascii=False))


def item(user: str, sk: str, **attributes: Any) -> Item:
    """Return an item of a user; attributes that are None are left out.

    >>> item("7", "REGISTER", CreatedAt=s("2025-08-04"), UserData=None)
    {'PK': {'S': 'USER#7'}, 'SK': {'S': 'REGISTER'}, 'CreatedAt': {'S': '2025-08-04'}}
    """
    given = {name: value for name, value in attributes.items() if value is not None}
    return {"PK": s(f"USER#{user}"), "SK": s(sk), **given}


def _value(value: Any) -> Any:
    if value is None:
        return NULL
    return s(value) if isinstance(value, str) else value
