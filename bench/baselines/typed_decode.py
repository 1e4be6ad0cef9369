"""Decode every line to typed msgspec structs on one core and keep nothing: ``typed_decode.py ITEMS``."""

from __future__ import annotations

import sys
from pathlib import Path

from msgspec import Struct, field
from msgspec.json import Decoder
from stopwatch import report


class Text(Struct, gc=False):
    S: str | None = None
    NULL: bool | None = None


class UserMembers(Struct, gc=False):
    nombre: Text | None = None
    ciudad: Text | None = None
    gerencia: Text | None = None


class UserData(Struct, gc=False):
    M: UserMembers | None = None
    S: str | None = None


class MessageMembers(Struct, gc=False):
    sender: Text = field(name="from")
    text: Text | None = None
    timestamp: Text | None = None


class Message(Struct, gc=False):
    M: MessageMembers


class Conversation(Struct, gc=False):
    L: list[Message] | None = None
    S: str | None = None


class FeedbackMembers(Struct, gc=False):
    type: Text
    comment: Text | None = None
    option: Text | None = None


class Feedback(Struct, gc=False):
    M: FeedbackMembers | None = None
    S: str | None = None


class Item(Struct, gc=False):
    PK: Text
    SK: Text
    CreatedAt: Text | None = None
    UserData: UserData | None = None
    Conversation: Conversation | None = None
    Feedback: Feedback | None = None


def work() -> dict:
    decode = Decoder(Item).decode
    number = 0
    with Path(sys.argv[1]).open("rb") as lines:
        for line in lines:
            decode(line)
            number += 1
    return {"items": number}


report(work)
