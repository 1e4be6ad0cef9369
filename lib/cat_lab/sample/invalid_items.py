"""Items a normaliser must reject or warn of, each beside the code it is meant to be counted under (§3).

``not_json`` cannot live in a table, nor can an item without string keys.
"""

from __future__ import annotations

from typing import Any

from cat_lab.sample.dynamodb_json import NULL, Item, as_json, item, m, message, messages, s
from cat_lab.sample.edge_cases import PREFIX

REASONS = ("bad_key", "unknown_kind", "bad_conversation", "bad_feedback")
WARNINGS = ("user_data_unreadable", "date_unreadable")

_AT = "2025-09-10T12:00:00"
_HELLO = messages(message("bot", text="Hola"))
_CONVERSATIONS: tuple[Any, ...] = (
    None,  # absent
    NULL,
    {"N": "1"},
    {"BOOL": True},
    {"M": {}},
    {"SS": ["Hola"]},
    {"B": b"[]"},
    s(""),
    s("Hola, no soy JSON"),
    s('[{"from":"user","text":"cortado'),
    as_json({"from": "user", "text": "un objeto, no una lista"}),
    as_json(["Hola"]),
    as_json(None),
    as_json([{"text": "sin from"}]),
    as_json([{"from": None, "text": "from nulo"}]),
    as_json([{"from": "user", "text": 7}]),
    as_json([{"from": "user", "text": ["Hola"]}]),
    as_json([{"from": "user", "text": "Hola", "timestamp": 1757523600}]),
    messages(s("Hola")),
    messages(m(text="sin from")),
    messages(message(None, text="from nulo")),
    messages(message({"N": "1"}, text="from número")),
    messages(message("user", text="Hola"), message("bot", text={"N": "7"})),
    messages(message("user", text={"BOOL": True})),
    messages(message("user", text=messages())),
    messages(message("user", text="Hola", timestamp={"N": "1757523600"})),
)
_FEEDBACK: tuple[Any, ...] = (
    None,  # absent
    NULL,
    {"N": "1"},
    {"L": []},
    {"M": {}},
    s(""),
    s("like"),
    as_json(["like"]),
    as_json(None),
    as_json({"comment": "sin tipo"}),
    as_json({"type": None}),
    as_json({"type": True}),
    as_json({"type": "like", "comment": 5}),
    m(comment="sin tipo"),
    m(type=None),
    m(type={"N": "1"}),
    m(type="like", comment={"N": "5"}),
    m(type="like", option={"SS": ["Rápida"]}),
)
_USER_DATA: tuple[Any, ...] = (
    s("Ana"),
    s('{"nombre":'),
    s(""),
    as_json(["Ana"]),
    as_json({"nombre": 7}),
    as_json({"nombre": "Ana", "ciudad": {"es": "Cali"}}),
    {"N": "7"},
    {"L": []},
    m(nombre={"N": "7"}),
    m(nombre="Ana", ciudad={"L": [s("Cali")]}),
    m(nombre="Ana", gerencia={"BOOL": False}),
)


def items() -> list[tuple[str, Item]]:
    """Return pairs of a code (of `REASONS` or `WARNINGS`) and an item that is due to it and to no other.

    The items of a warning are otherwise whole and stay.
    """
    return [
        *(("bad_key", each) for each in _keys()),
        *(("unknown_kind", item(f"{PREFIX}roto", sk, Conversation=_HELLO)) for sk in _kinds()),
        *(
            ("bad_conversation", item(_user(n), f"CONVERSATION#{_AT}#{n}", Conversation=value))
            for n, value in enumerate(_CONVERSATIONS)
        ),
        *(
            ("bad_feedback", item(_user(n), f"FEEDBACK#{_AT}#{n}", Feedback=value))
            for n, value in enumerate(_FEEDBACK)
        ),
        *(("user_data_unreadable", each) for each in _warned()),
        *(("date_unreadable", each) for each in _undated()),
    ]


def _user(number: int) -> str:
    """Spread over users who have whole items too, and one with nothing else."""
    return PREFIX + ("roto" if number % 3 == 0 else f"forma-{number % 3}")


def _keys() -> list[Item]:
    keys = ("USER#", "USER", "user#7", "USER-7", "10472915", "ADMIN#7", " USER#7", "USER#a\nb", "USER#\u0085")
    rest = {"SK": s(f"CONVERSATION#{_AT}"), "Conversation": _HELLO}
    return [{"PK": s(key), **rest} for key in keys]


def _kinds() -> tuple[str, ...]:
    return ("SESSION#1", "conversation#2025-09-10", "CONVERSATION", "FEEDBACK", " REGISTER", "#", "PROFILE")


def _warned() -> list[Item]:
    """User data in no form, on each of the three kinds."""
    rest: tuple[dict[str, Any], ...] = ({"Conversation": _HELLO}, {"Feedback": m(type="like")}, {})
    kinds = ("CONVERSATION", "FEEDBACK", "REGISTER")
    return [
        item(f"{PREFIX}datos-{n}", f"{kinds[n % 3]}#{_AT}", UserData=value, **rest[n % 3])
        for n, value in enumerate(_USER_DATA)
    ]


def _undated() -> list[Item]:
    """Conversations whose day neither CreatedAt nor SK tells."""
    created: tuple[Any, ...] = (None, NULL, s("ayer"), s("2025-02-30T10:00:00"), {"N": "1757523600"}, s(""))
    sks = ("CONVERSATION#", "CONVERSATION#sin-fecha", "CONVERSATION#2025-13-01#2", f"CONVERSATION##{_AT}")
    return [
        item(f"{PREFIX}sin-fecha-{n}", sks[n % len(sks)], CreatedAt=value, Conversation=_HELLO)
        for n, value in enumerate(created)
    ]
