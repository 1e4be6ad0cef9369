"""Items that normalize must reject or warn about, each with its reason or warning code (contract §3).

Two cases cannot exist in a DynamoDB table: a line that is not JSON and an item without string keys.
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
    """Return pairs of a code (of `REASONS` or `WARNINGS`) and an item that has exactly that problem.

    Items with a warning are otherwise valid and are not rejected.
    """
    return [
        *(("bad_key", each) for each in _bad_keys()),
        *(("unknown_kind", item(f"{PREFIX}roto", sk, Conversation=_HELLO)) for sk in _unknown_kinds()),
        *(
            ("bad_conversation", item(_user(n), f"CONVERSATION#{_AT}#{n}", Conversation=value))
            for n, value in enumerate(_CONVERSATIONS)
        ),
        *(
            ("bad_feedback", item(_user(n), f"FEEDBACK#{_AT}#{n}", Feedback=value))
            for n, value in enumerate(_FEEDBACK)
        ),
        *(("user_data_unreadable", each) for each in _unreadable_user_data()),
        *(("date_unreadable", each) for each in _unreadable_dates()),
    ]


def _user(number: int) -> str:
    """Return a user id: users that have valid items too, and one with invalid items only."""
    return PREFIX + ("roto" if number % 3 == 0 else f"forma-{number % 3}")


def _bad_keys() -> list[Item]:
    keys = ("USER#", "USER", "user#7", "USER-7", "10472915", "ADMIN#7", " USER#7", "USER#a\nb", "USER#\u0085")
    rest = {"SK": s(f"CONVERSATION#{_AT}"), "Conversation": _HELLO}
    return [{"PK": s(key), **rest} for key in keys]


def _unknown_kinds() -> tuple[str, ...]:
    return ("SESSION#1", "conversation#2025-09-10", "CONVERSATION", "FEEDBACK", " REGISTER", "#", "PROFILE")


def _unreadable_user_data() -> list[Item]:
    """Return items whose UserData is unreadable, of each of the three kinds."""
    rest: tuple[dict[str, Any], ...] = ({"Conversation": _HELLO}, {"Feedback": m(type="like")}, {})
    kinds = ("CONVERSATION", "FEEDBACK", "REGISTER")
    return [
        item(f"{PREFIX}datos-{n}", f"{kinds[n % 3]}#{_AT}", UserData=value, **rest[n % 3])
        for n, value in enumerate(_USER_DATA)
    ]


def _unreadable_dates() -> list[Item]:
    """Return conversations with a readable date neither in CreatedAt nor in SK."""
    created: tuple[Any, ...] = (None, NULL, s("ayer"), s("2025-02-30T10:00:00"), {"N": "1757523600"}, s(""))
    sks = ("CONVERSATION#", "CONVERSATION#sin-fecha", "CONVERSATION#2025-13-01#2", f"CONVERSATION##{_AT}")
    return [
        item(f"{PREFIX}sin-fecha-{n}", sks[n % len(sks)], CreatedAt=value, Conversation=_HELLO)
        for n, value in enumerate(created)
    ]
