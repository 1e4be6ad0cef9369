"""Valid items that look wrong: each is counted, without a reject or a warning (contract §1-§3).

The ids of their users begin with `PREFIX`. They appear in no ranking: each user has few items, with texts
of its own.
"""

from __future__ import annotations

from typing import Any

from cat_lab.sample.dynamodb_json import NULL, Item, as_json, item, m, message, messages, s

PREFIX = "prueba-"
"""Start of the id of every user with edge cases or invalid items; it sorts after the ids of `users`."""
EVERY_TYPE: dict[str, Item] = {
    "Channel": s("teams"),
    "Tokens": {"N": "-1.5E+3"},
    "Digest": {"B": b"\x00\xff\x10"},
    "Escalated": {"BOOL": False},
    "Closed": NULL,
    "Trace": {"M": {"from": {"N": "1"}, "hops": {"L": [{"BOOL": True}, {"M": {}}, {"L": []}]}}},
    "Scores": {"L": [{"N": "0.25"}, NULL, s(""), {"B": b""}]},
    "Tags": {"SS": ["ñ", "vpn"]},
    "Ranks": {"NS": ["1", "2.5"]},
    "Blobs": {"BS": [b"a", b"\x80"]},
    "Item": m(PK="USER#0"),
}
TEXTS = (
    "emoji 👩🏽‍💻🇨🇴 y 𝄞",
    "עברית ‏(RTL)‏ y العربية",
    "cafe\u0301 no es caf\u00e9; n\u0303 ni \u00f1",
    'comillas "dobles", \'simples\' y "a,b"',
    "dos\nlíneas\r\ny\tun tabulador",
    "a | b || c",
    "separadores\u2028de línea\u2029y\u0085otro, \u00a0duro\u3000ancho",
    "control\u0000\u0007\u001b[31m\u007f",
    "   al borde   ",
    "",
    "\ufeffBOM, cero\u200bancho, \ufffd",
    '{"S":"JSON en el texto"}',
    "=1+1",
    "<script>alert(1)</script>",
    "\\N \\n \\ NULL",
    "largo " * 12_000,
)
IDS = ("ana.pérez@example.com", 'a "b", c', "con#almohadilla", "Zoë", "zoe", "\uff21ncho", "😀", " 7")


def items() -> list[Item]:
    """Return all edge cases; their keys are distinct."""
    return [*_texts(), *_shapes(), *_dates(), *_users(), *_feedback()]


def _conversation(user: str, sk: str, conversation: Any, **attributes: Any) -> Item:
    return item(PREFIX + user, f"CONVERSATION#{sk}", Conversation=conversation, **attributes)


def _texts() -> list[Item]:
    """Return every kind of text in both forms of a conversation, and in names and feedback."""
    made: list[Item] = []
    for number, text in enumerate(TEXTS):
        day = f"2025-08-{number + 4:02}T10:00:00"
        talk = [{"from": "user", "text": text}, {"from": "bot", "text": text, "timestamp": day}]
        made.append(_conversation(f"texto-{number % 6}", f"{day}#L", messages(*(m(**said) for said in talk))))
        made.append(_conversation(f"texto-{number % 6}", f"{day}#S", as_json(talk)))
        if number < 9:
            given = m(type="like", comment=text, option=text)
            made.append(item(f"{PREFIX}texto-{number % 6}", f"FEEDBACK#{day}", Feedback=given))
            data = m(nombre=text, ciudad=f"{text} (remoto)", gerencia=text)
            made.append(item(f"{PREFIX}nombre-{number}", f"REGISTER#{day}", UserData=data))
            made.append(_conversation(f"nombre-{number}", day, messages(message("user", text=text))))
    return made


def _shapes() -> list[Item]:
    """Return conversations of unusual shape, and items with every attribute type."""
    at = "2025-08-20T1"
    return [
        _conversation("forma-0", f"{at}0:00:00", messages(), **EVERY_TYPE),
        _conversation("forma-1", f"{at}1:00:00", as_json([])),
        _conversation(
            "forma-2", f"{at}2:00:00", messages(message("user"), message("bot", text=None, timestamp=None))
        ),
        _conversation("forma-0", f"{at}3:00:00", as_json([{"from": "user"}, {"from": "bot", "text": None}])),
        _conversation(
            "forma-1", f"{at}4:00:00", messages(message(" USER ", text="a"), message("CatIA", text="b"))
        ),
        _conversation("forma-2", f"{at}5:00:00", messages(message("Sistema", text="turno de un asesor"))),
        _conversation("forma-0", f"{at}6:00:00", messages(message("", text="sin nombre"))),
        _conversation(
            "forma-1", f"{at}7:00:00", messages(message("user", text="x", intent={"N": "3"}, extra=m()))
        ),
        _conversation(
            "forma-2", f"{at}8:00:00", s(' [\n {"text":"\\u00f1", "from":"bot", "extra":[1,{}]} ] ')
        ),
        _conversation("orden", f"{at}9:00:00#\uff21", messages(message("user", text="antes"))),
        _conversation("orden", f"{at}9:00:00#😀#2", messages(message("user", text="después"))),
        item(f"{PREFIX}forma-0", "REGISTER", UserData=NULL, Feedback=s("se ignora"), Conversation=NULL),
        item(f"{PREFIX}forma-0", "REGISTER#2025-08-20T10:00:00", **EVERY_TYPE),
    ]


def _dates() -> list[Item]:
    """Return dates whose day in Bogotá differs from their text, and dates that only SK has."""
    hello = messages(message("bot", text="¿Qué día es hoy?"))
    return [
        _conversation("fechas-z", "2025-09-02T01:30:00", hello, CreatedAt=s("2025-09-02T01:30:00Z")),
        _conversation("fechas-mas", "2025-09-02T01:30:00", hello, CreatedAt=s("2025-09-02T01:30:00.5+02:00")),
        _conversation("fechas-menos", "2025-09-01T23:30:00", hello, CreatedAt=s("2025-09-01T23:30:00-08:00")),
        _conversation("fechas-borde", "2025-09-01T00:00:00", hello, CreatedAt=s(" 2025-09-01 ")),
        _conversation("fechas-semana", "2025-09-01", hello, CreatedAt=s("2025-W36-1")),
        _conversation("fechas-sk", "2025-09-03T08:00:00", hello),
        _conversation("fechas-sk", "2025-09-04T08:00:00Z#2", hello, CreatedAt=s("ayer")),
        _conversation("fechas-sk", "2025-09-05T08:00:00", hello, CreatedAt=s("")),
        _conversation("fechas-sk", "2025-09-06T08:00:00", hello, CreatedAt={"N": "1757163600"}),
        _conversation("fechas-sk", "2025-09-07T08:00:00", hello, CreatedAt=NULL),
        _conversation("fechas-solo", "sin-fecha", hello, CreatedAt=s("2025-09-08T08:00:00")),
    ]


def _users() -> list[Item]:
    """Return unusual ids, UserData spread over items, and users with registrations only (no row)."""
    at = "2025-08-25T09:00:00"
    made = [_conversation(user, at, messages(message("user", text=f"Soy {user}"))) for user in IDS]
    members: list[dict[str, str | None]] = [{}, {"nombre": " "}, {"ciudad": None}, {"gerencia": "Jurídica"}]
    for number, data in enumerate(members):
        sk = f"2025-08-25T1{number}:00:00"
        made.append(_conversation("partes", sk, messages(), UserData=m(**data)))
        made.append(_conversation("partes-json", sk, messages(), UserData=as_json(data)))
    late = m(nombre="Inés Peña", ciudad="Leticia (Amazonas) (remoto)", correo="x", edad={"N": "40"})
    return [
        *made,
        item(f"{PREFIX}partes", "REGISTER#1", UserData=late),
        item(
            f"{PREFIX}solo-registro", "REGISTER#2025-08-25", UserData=m(nombre="Rubén Ocampo", ciudad="Tunja")
        ),
        item(f"{PREFIX}solo-registro", "REGISTERED"),
    ]


def _feedback() -> list[Item]:
    """Return feedback without conversations, of both types, of other types, without optional members."""

    def feedback(user: str, sk: str, given: Item, **attributes: Any) -> Item:
        return item(PREFIX + user, f"FEEDBACK#2025-08-26T{sk}", Feedback=given, **attributes)

    return [
        feedback(
            "solo-pulgar", "10:00:00", m(type="like", comment="Sin conversación"), UserData=m(nombre="Luz")
        ),
        feedback("pulgares", "10:00:00", m(type="like")),
        feedback("pulgares", "11:00:00#2", as_json({"type": "dislike", "comment": None, "option": None})),
        feedback(
            "pulgares-otros", "10:00:00", m(type="neutral", comment=None, option=None, stars={"N": "3"})
        ),
        feedback("pulgares-otros", "11:00:00", m(type="", comment="", option=" ")),
        feedback("pulgares-caja", "10:00:00", m(type=" Like ", option="Rápida | clara")),
        feedback("pulgares-caja", "11:00:00", as_json({"type": "LIKE", "option": "Rápida", "extra": [1]})),
        feedback("pulgares-caja", "12:00:00", m(type="like", option="Rápida"), **EVERY_TYPE),
    ]
