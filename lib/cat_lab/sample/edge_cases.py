"""Items that look wrong and are right: each is counted, none is rejected and none warns (contract §1-§3).

Their users are told by `PREFIX`. No ranking shows them: each has few items and says what nobody else does.
"""

from __future__ import annotations

from typing import Any

from cat_lab.sample.dynamodb_json import NULL, Item, as_json, item, m, message, messages, s

PREFIX = "prueba-"
"""Begins the id of every user of odd or broken items; it sorts behind the digits of people."""
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
    """Return them all; the keys are distinct."""
    return [*_texts(), *_shapes(), *_dates(), *_users(), *_feedback()]


def _talk(user: str, sk: str, conversation: Any, **attributes: Any) -> Item:
    return item(PREFIX + user, f"CONVERSATION#{sk}", Conversation=conversation, **attributes)


def _texts() -> list[Item]:
    """Every kind of text in both forms, and in names and feedback too."""
    both: list[Item] = []
    for number, text in enumerate(TEXTS):
        day = f"2025-08-{number + 4:02}T10:00:00"
        plain = [{"from": "user", "text": text}, {"from": "bot", "text": text, "timestamp": day}]
        both.append(_talk(f"texto-{number % 6}", f"{day}#L", messages(*(m(**said) for said in plain))))
        both.append(_talk(f"texto-{number % 6}", f"{day}#S", as_json(plain)))
        if number < 9:
            given = m(type="like", comment=text, option=text)
            both.append(item(f"{PREFIX}texto-{number % 6}", f"FEEDBACK#{day}", Feedback=given))
            data = m(nombre=text, ciudad=f"{text} (remoto)", gerencia=text)
            both.append(item(f"{PREFIX}nombre-{number}", f"REGISTER#{day}", UserData=data))
            both.append(_talk(f"nombre-{number}", day, messages(message("user", text=text))))
    return both


def _shapes() -> list[Item]:
    """Conversations at the edge of their shape, and every type of attribute beside them."""
    at = "2025-08-20T1"
    return [
        _talk("forma-0", f"{at}0:00:00", messages(), **EVERY_TYPE),
        _talk("forma-1", f"{at}1:00:00", as_json([])),
        _talk(
            "forma-2", f"{at}2:00:00", messages(message("user"), message("bot", text=None, timestamp=None))
        ),
        _talk("forma-0", f"{at}3:00:00", as_json([{"from": "user"}, {"from": "bot", "text": None}])),
        _talk("forma-1", f"{at}4:00:00", messages(message(" USER ", text="a"), message("CatIA", text="b"))),
        _talk("forma-2", f"{at}5:00:00", messages(message("Sistema", text="turno de un asesor"))),
        _talk("forma-0", f"{at}6:00:00", messages(message("", text="sin nombre"))),
        _talk("forma-1", f"{at}7:00:00", messages(message("user", text="x", intent={"N": "3"}, extra=m()))),
        _talk("forma-2", f"{at}8:00:00", s(' [\n {"text":"\\u00f1", "from":"bot", "extra":[1,{}]} ] ')),
        _talk("orden", f"{at}9:00:00#\uff21", messages(message("user", text="antes"))),
        _talk("orden", f"{at}9:00:00#😀#2", messages(message("user", text="después"))),
        item(f"{PREFIX}forma-0", "REGISTER", UserData=NULL, Feedback=s("se ignora"), Conversation=NULL),
        item(f"{PREFIX}forma-0", "REGISTER#2025-08-20T10:00:00", **EVERY_TYPE),
    ]


def _dates() -> list[Item]:
    """Moments whose day is not the one they begin with, and those only SK can tell."""
    hello = messages(message("bot", text="¿Qué día es hoy?"))
    return [
        _talk("fechas-z", "2025-09-02T01:30:00", hello, CreatedAt=s("2025-09-02T01:30:00Z")),
        _talk("fechas-mas", "2025-09-02T01:30:00", hello, CreatedAt=s("2025-09-02T01:30:00.5+02:00")),
        _talk("fechas-menos", "2025-09-01T23:30:00", hello, CreatedAt=s("2025-09-01T23:30:00-08:00")),
        _talk("fechas-borde", "2025-09-01T00:00:00", hello, CreatedAt=s(" 2025-09-01 ")),
        _talk("fechas-semana", "2025-09-01", hello, CreatedAt=s("2025-W36-1")),
        _talk("fechas-sk", "2025-09-03T08:00:00", hello),
        _talk("fechas-sk", "2025-09-04T08:00:00Z#2", hello, CreatedAt=s("ayer")),
        _talk("fechas-sk", "2025-09-05T08:00:00", hello, CreatedAt=s("")),
        _talk("fechas-sk", "2025-09-06T08:00:00", hello, CreatedAt={"N": "1757163600"}),
        _talk("fechas-sk", "2025-09-07T08:00:00", hello, CreatedAt=NULL),
        _talk("fechas-solo", "sin-fecha", hello, CreatedAt=s("2025-09-08T08:00:00")),
    ]


def _users() -> list[Item]:
    """Ids, user data told in parts, and users seen only at registration (no row)."""
    at = "2025-08-25T09:00:00"
    made = [_talk(user, at, messages(message("user", text=f"Soy {user}"))) for user in IDS]
    parts: list[dict[str, str | None]] = [{}, {"nombre": " "}, {"ciudad": None}, {"gerencia": "Jurídica"}]
    for number, data in enumerate(parts):
        sk = f"2025-08-25T1{number}:00:00"
        made.append(_talk("partes", sk, messages(), UserData=m(**data)))
        made.append(_talk("partes-json", sk, messages(), UserData=as_json(data)))
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
    """Users with feedback alone, both thumbs, other thumbs, none of the optional members."""

    def thumb(user: str, sk: str, given: Item, **attributes: Any) -> Item:
        return item(PREFIX + user, f"FEEDBACK#2025-08-26T{sk}", Feedback=given, **attributes)

    return [
        thumb(
            "solo-pulgar", "10:00:00", m(type="like", comment="Sin conversación"), UserData=m(nombre="Luz")
        ),
        thumb("pulgares", "10:00:00", m(type="like")),
        thumb("pulgares", "11:00:00#2", as_json({"type": "dislike", "comment": None, "option": None})),
        thumb("pulgares-otros", "10:00:00", m(type="neutral", comment=None, option=None, stars={"N": "3"})),
        thumb("pulgares-otros", "11:00:00", m(type="", comment="", option=" ")),
        thumb("pulgares-caja", "10:00:00", m(type=" Like ", option="Rápida | clara")),
        thumb("pulgares-caja", "11:00:00", as_json({"type": "LIKE", "option": "Rápida", "extra": [1]})),
        thumb("pulgares-caja", "12:00:00", m(type="like", option="Rápida"), **EVERY_TYPE),
    ]
