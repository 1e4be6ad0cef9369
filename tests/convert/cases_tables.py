"""Single cases of the tables `conversations` and `messages`, computed by hand from their definitions.

A case has a user's row of the CSV, settings, and what the tables must hold: for every conversation and every
message a dict of some columns, in order, or None where the case says nothing; and the unmatched feedback.
"""

import json
from dataclasses import dataclass
from datetime import date, datetime

UTC_IN = {"naive_zone": "UTC"}
NEW_YORK = {"zone": "America/New_York"}


@dataclass(frozen=True)
class Case:
    name: str
    row: dict
    conversations: list | None = None
    messages: list | None = None
    unmatched: int = 0
    zone: str = "America/Bogota"
    naive_zone: str | None = None
    patterns: tuple = ()


def at(text):
    return datetime.fromisoformat(text)


def talk(instant, *messages):
    """Messages are (from, text) or (from, text, timestamp)."""
    names = ("from", "text", "timestamp")
    return {
        "sk": f"CONVERSATION#{instant}",
        "messages": [dict(zip(names, message, strict=False)) for message in messages],
    }


def thumb(instant, kind="like", **members):
    return {"sk": f"FEEDBACK#{instant}", "type": kind, **members}


def row(*talks, thumbs=(), **columns):
    """The twelve columns of a user; columns 5 and 9 to 12 as they come, for neither table reads them."""
    return {
        "usuario_id": "u1",
        "nombre": "Ana",
        "gerencia": "TI",
        "ciudad": "Cali",
        "fecha_primera_conversacion": None,
        "numero_conversaciones": len(talks),
        "conversacion_completa": json.dumps(talks, ensure_ascii=False),
        "feedback_total": json.dumps(thumbs, ensure_ascii=False) if thumbs else None,
        "numero_feedback": len(thumbs),
        "pregunta_conversacion": None,
        "feedback": None,
        "respuesta_feedback": None,
        **columns,
    }


def sent_at(name, text, expected, **rules):
    """One message at a text; its conversation begins at noon of 2025-08-01, so `fecha` falls back on that."""
    if expected is None:
        wanted = {"enviado": None, "fecha": date(2025, 8, 1), "hora": None}
    else:
        wanted = {"enviado": at(expected), "fecha": at(expected).date(), "hora": at(expected).hour}
    sent = row(talk("2025-08-01T12:00", ("user", "a", text)))
    con_hora = {"con_hora": 0 if expected is None else 1, "fin": wanted["enviado"]}
    return Case(f"enviado: {name}", sent, [con_hora], [wanted], **rules)


def starts_at(name, text, expected, **rules):
    wanted = {"inicio": expected and at(expected), "fecha": expected and at(expected).date()}
    return Case(f"inicio: {name}", row(talk(text)), [wanted], [], **rules)


def waits(name, first, second, seconds, **rules):
    answered = row(talk("x", ("user", "a", first), ("bot", "b", second)))
    wanted = [{"respuesta": False, "espera_s": None}, {"respuesta": True, "espera_s": seconds}]
    return Case(f"espera: {name}", answered, [{"respuesta_primera_s": seconds}], wanted, **rules)


def replies(name, senders, expected, sin_respuesta, **counts):
    spoken = row(talk("x", *((each, "t") for each in senders)))
    wanted = {"turnos": sum(expected), "sin_respuesta": sin_respuesta, "mensajes": len(senders), **counts}
    return Case(f"respuesta: {name}", spoken, [wanted], [{"respuesta": each} for each in expected])


def asks(name, text, plain, sender="user"):
    wanted = [{"texto": text, "pregunta": plain, "emisor": sender}]
    return Case(f"pregunta: {name}", row(talk("x", (sender, text))), None, wanted)


def belongs(name, instants, feedback, place, **rules):
    """One like; the conversation at `place` (from 0) has it, None where none has."""
    wanted = [{"likes": int(n == place)} for n in range(len(instants))]
    given = row(*map(talk, instants), thumbs=[thumb(feedback)])
    return Case(f"belongs: {name}", given, wanted, [], int(place is None), **rules)


def rated(name, thumbs, unmatched=0, **wanted):
    given = row(talk("2025-08-18T10:00"), thumbs=thumbs)
    return Case(f"feedback: {name}", given, [wanted], [], unmatched)


def understood(name, text, expected, patterns, sender="bot"):
    wanted = [{"no_entendida": expected}]
    return Case(f"no_entendida: {name}", row(talk("x", (sender, text))), wanted, patterns=patterns)


INSTANTS = [
    sent_at("without an offset, as it stands", "2025-08-18T13:19:49.966664", "2025-08-18T13:19:49.966"),
    sent_at("Z is moved", "2025-08-19T03:00:00Z", "2025-08-18T22:00:00"),
    sent_at("an offset of seconds is moved", "2025-08-18T10:00:00+05:30:15", "2025-08-17T23:29:45"),
    sent_at("ends stripped", "\u3000 2025-08-18T10:00\n", "2025-08-18T10:00:00"),
    sent_at("cut, not rounded", "2025-08-18T23:59:59.9999999", "2025-08-18T23:59:59.999"),
    sent_at("cut towards the past before 1970", "1969-12-31T23:59:59.0009", "1969-12-31T23:59:59.000"),
    sent_at(
        "an offset of microseconds, then cut", "2025-08-18T10:00-05:00:00.0001", "2025-08-18T10:00:00.000"
    ),
    sent_at("basic format, comma fraction", "20250818T100000,25", "2025-08-18T10:00:00.250"),
    sent_at("a week date", "2025-W34-1T10", "2025-08-18T10:00:00"),
    sent_at("any separator", "2025-08-18😀10:00", "2025-08-18T10:00:00"),
    sent_at("a day", "2025-08-18", None),
    sent_at("a week", " 2025W34 ", None),
    sent_at("24:00", "2025-08-18T24:00", None),
    sent_at("a leap second", "2025-08-18T23:59:60", None),
    sent_at("a small z", "2025-08-18T10:00z", None),
    sent_at("no day of the calendar", "2025-02-29T10:00", None),
    sent_at("empty", "", None),
    sent_at("words", "ayer", None),
    sent_at("before year 1 in the zone", "0001-01-01T04:56:15Z", None),
    sent_at("the first of year 1 in the zone", "0001-01-01T04:56:16Z", "0001-01-01T00:00:00"),
    sent_at("before year 1 as UTC", "0001-01-01T00:00:00+14:00", None),
    sent_at("after year 9999", "9999-12-31T23:00:00-12:00", None),
    sent_at("the last of year 9999", "9999-12-31T23:59:59.999999", "9999-12-31T23:59:59.999"),
    sent_at("after year 9999 in the zone", "9999-12-31T15:00:00Z", None, zone="Asia/Tokyo"),
    sent_at("naive zone", "2025-08-18T03:00:00", "2025-08-17T22:00:00", **UTC_IN),
    sent_at("naive zone, but an offset", "2025-08-18T03:00:00-05:00", "2025-08-18T03:00:00", **UTC_IN),
    sent_at("naive zone, a day", "2025-08-18", None, **UTC_IN),
    sent_at("naive zone before year 1", "0001-01-01T00:00:00", None, **UTC_IN),
    sent_at("twice: the first", "2025-11-02T01:30", "2025-11-02T00:30", naive_zone="America/New_York"),
    sent_at(
        "skipped: as before the change", "2025-03-09T02:30", "2025-03-09T02:30", naive_zone="America/New_York"
    ),
    sent_at(
        "naive zone is the zone: as it stands",
        "2025-03-09T02:30",
        "2025-03-09T02:30",
        naive_zone="America/New_York",
        **NEW_YORK,
    ),
    sent_at("the second of a fold", "2025-11-02T06:30Z", "2025-11-02T01:30", **NEW_YORK),
    starts_at("in the sk", "2025-08-18T10:00:00.5555", "2025-08-18T10:00:00.555"),
    starts_at("between the first and the second #", "2025-08-19T03:00:00Z#2#3", "2025-08-18T22:00:00"),
    starts_at("a day is midnight", "2025-08-18", "2025-08-18T00:00:00"),
    starts_at("a week is its Monday's midnight", "2025-W34#1", "2025-08-18T00:00:00"),
    starts_at("naive zone, a day is midnight", "2025-08-18", "2025-08-18T00:00:00", **UTC_IN),
    starts_at("naive zone", "2025-08-18T00:00", "2025-08-17T19:00:00", **UTC_IN),
    starts_at("nothing to read", "ayer", None),
    starts_at("only the part after the second #", "#2025-08-18T10:00", None),
    starts_at("empty", "", None),
]
SPANS = [
    Case(
        "inicio: else the earliest enviado, not the first",
        row(
            talk(
                "ayer",
                ("bot", "a"),
                ("user", "b", "2025-08-18"),
                ("user", "c", "2025-08-20T10:00"),
                ("bot", "d", "2025-08-19T10:00"),
            )
        ),
        [
            {
                "inicio": at("2025-08-19T10:00"),
                "fecha": date(2025, 8, 19),
                "fin": at("2025-08-20T10:00"),
                "con_hora": 2,
            }
        ],
        [{"fecha": date(2025, 8, day)} for day in (19, 19, 20, 19)],
    ),
    Case(
        "inicio: that of the sk, though messages were sent before it",
        row(talk("2025-08-18T10:00", ("user", "a", "2025-08-17T10:00"))),
        [{"inicio": at("2025-08-18T10:00"), "fin": at("2025-08-17T10:00")}],
        [{"fecha": date(2025, 8, 17)}],
    ),
    Case(
        "no instant anywhere: the day of a message is none",
        row(talk("ayer", ("user", "a", "hoy"), ("user", "b", "2025-08-18"))),
        [{"inicio": None, "fecha": None, "fin": None, "con_hora": 0}],
        [{"enviado": None, "fecha": None, "hora": None}] * 2,
    ),
    waits("whole milliseconds", "2025-08-18T10:00:00", "2025-08-18T10:00:02.345", 2.345),
    waits("of the cut instants", "2025-08-18T10:00:00.0009", "2025-08-18T10:00:00.001", 0.001),
    waits(
        "zero after cutting, though negative before",
        "2025-08-18T10:00:00.0009",
        "2025-08-18T10:00:00.0001",
        0.0,
    ),
    waits("negative", "2025-08-18T10:00:00.001", "2025-08-18T10:00:00", None),
    waits("only the user's has an instant", "2025-08-18T10:00", "ayer", None),
    waits("only the bot's has an instant", "2025-08-18", "2025-08-18T10:00", None),
    waits("of many years", "0001-01-01T00:00", "9999-12-31T23:59:59.999", 315537897599.999),
    waits(
        "stored: the hour that New York repeats", "2025-11-02T05:59Z", "2025-11-02T06:01Z", None, **NEW_YORK
    ),
    waits(
        "stored: the hour that New York skips", "2025-03-09T06:59Z", "2025-03-09T07:01Z", 3720.0, **NEW_YORK
    ),
    Case(
        "espera: of the last message of the user before the reply; the first that is not NULL",
        row(
            talk(
                "x",
                ("user", "a", "2025-08-18T10:00:09"),
                ("bot", "b", "2025-08-18T10:00:00"),
                ("user", "c", "2025-08-18T10:00:00"),
                ("otro", "d", "2025-08-18T10:00:02"),
                ("user", "e", "2025-08-18T10:00:03"),
                ("otro", "f", "2025-08-18T10:00:04"),
                ("bot", "g", "2025-08-18T10:00:05"),
                ("bot", "h", "2025-08-18T10:00:06"),
                ("user", "i", "2025-08-18T10:00:07"),
                ("bot", "j", "2025-08-18T10:00:08"),
            )
        ),
        [{"turnos": 3, "respuesta_primera_s": 2.0, "sin_respuesta": False}],
        [{"espera_s": each} for each in (None, None, None, None, None, None, 2.0, None, None, 1.0)],
    ),
]
MESSAGES = [
    Case(
        "an empty conversation",
        row(talk("2025-08-18T10:00")),
        [
            {
                "mensajes": 0,
                "mensajes_usuario": 0,
                "mensajes_bot": 0,
                "turnos": 0,
                "con_hora": 0,
                "fin": None,
                "sin_respuesta": False,
                "no_entendida": False,
                "primera_pregunta": None,
                "respuesta_primera_s": None,
                "likes": 0,
                "dislikes": 0,
                "feedback": None,
                "feedback_en": None,
                "comentario": None,
                "comentario_negativo": None,
                "ciudad": "Cali",
                "gerencia": "TI",
            }
        ],
        [],
        patterns=("",),
    ),
    Case(
        "a user of feedback alone", row(thumbs=[thumb("2025-08-18T10:00"), thumb("ayer", "meh")]), [], [], 2
    ),
    Case(
        "two items of one sk are two conversations; no city",
        row(
            talk("2025-08-18#1", ("bot", "a")),
            talk("2025-08-18#1", ("user", "b"), ("x", "")),
            ciudad=None,
            gerencia=None,
        ),
        [
            {
                "usuario_id": "u1",
                "conversacion_id": "CONVERSATION#2025-08-18#1",
                "orden": n,
                "mensajes": n,
                "ciudad": None,
                "gerencia": None,
            }
            for n in (1, 2)
        ],
        [
            {
                "usuario_id": "u1",
                "conversacion_id": "CONVERSATION#2025-08-18#1",
                "orden": orden,
                "numero": numero,
                "emisor": emisor,
                "texto": texto,
                "ciudad": None,
                "gerencia": None,
            }
            for orden, numero, emisor, texto in ((1, 1, "bot", "a"), (2, 1, "user", "b"), (2, 2, "x", ""))
        ],
    ),
    replies(
        "the bot greets first",
        ["bot", "user", "bot"],
        [False, False, True],
        False,
        mensajes_usuario=1,
        mensajes_bot=2,
    ),
    replies(
        "others do not count",
        ["user", "otro", "bot", "otro", "bot"],
        [False, False, True, False, False],
        False,
        mensajes_usuario=1,
        mensajes_bot=2,
    ),
    replies(
        "several of the user, several of the bot",
        ["user", "user", "bot", "bot", "user"],
        [False, False, True, False, False],
        True,
        mensajes_usuario=3,
        mensajes_bot=2,
    ),
    replies("only the user", ["user"], [False], True, mensajes_usuario=1, mensajes_bot=0),
    replies("only the bot", ["bot", "bot"], [False, False], False, mensajes_usuario=0, mensajes_bot=2),
    replies("only others", ["otro", ""], [False, False], False, mensajes_usuario=0, mensajes_bot=0),
    replies(
        "another after the user's last does not answer", ["bot", "user", "otro"], [False, False, False], True
    ),
    asks("folded, without marks and punctuation", "¿CÓMO  pido\tvacaciones?!", "como pido vacaciones"),
    asks("one word", "¡Hola!", None),
    asks("one word in plain form", "hola ... !!!", None),
    asks("two words without a space between", "hola-mundo", "hola mundo"),
    asks("case folding comes first", "STRASSE Straße", "strasse strasse"),
    asks("compatible forms", "ﬁn de ① x²", "fin de 1 x2"),
    asks("a fraction is two words", "½", "1 2"),
    asks("marks join what they stand between", "n\u0303o co\u0301mo", "no como"),
    asks("format characters part words", "a\u200bb\u00adc", "a b c"),
    asks("a low line parts words", "mi_clave", "mi clave"),
    asks("folding of what only NFKD makes a letter is not repeated", "𝐀 b", "A b"),
    asks("control characters and pictures", "\x00a😀b\x1f", "a b"),
    asks("blank", " \t", None),
    asks("of the bot", "hola a todos", None, "bot"),
    asks("of another", "hola a todos", None, "usuario"),
    Case(
        "primera_pregunta: the first not blank of the user, tidied, of one word too",
        row(talk("x", ("bot", "a"), ("user", " \x00\n"), ("user", " Hola\n|  2 "), ("user", "b"))),
        [{"primera_pregunta": "Hola / 2"}],
        [{}, {"texto": " \x00\n"}, {"texto": " Hola\n|  2 ", "pregunta": "hola 2"}, {"pregunta": None}],
    ),
    understood("in any case", "NO ENTENDÍ", True, (r"^no entendí$",)),
    understood("the second expression", "reformula", True, ("x", r"\breform")),
    understood("searched in the text as it is", "no\n entendí", False, (r"no entendí",)),
    understood("no expressions", "no entendí", False, ()),
    understood("of the user", "no entendí", False, ("entend",), "user"),
    understood("of another", "no entendí", False, ("entend",), "otro"),
]
FEEDBACK = [
    belongs("the same text after the first #, unreadable", ["ayer#1", "hoy#1"], "ayer#1", 0),
    belongs(
        "the same text before a nearer one", ["2025-08-18T09:00", "2025-08-18T10:00"], "2025-08-18T09:00", 0
    ),
    belongs("the same text, empty", ["", "2025-08-18T10:00"], "", 0),
    belongs("the same text twice: the last", ["x", "x"], "x", 1),
    belongs("the second # is part of the text", ["x#1", "x#2"], "x#1", 0),
    belongs("a space more is another text", ["x"], "x ", None),
    belongs("the same instant, written otherwise", ["2025-08-18T10:00:00"], "2025-08-18T15:00:00Z", 0),
    belongs(
        "the latest not after it",
        ["2025-08-18T10:00", "2025-08-18T11:00", "2025-08-18T12:00"],
        "2025-08-18T11:30",
        1,
    ),
    belongs(
        "latest by instant, not by place", ["2025-08-18T10:00", "2025-08-18T11:00Z"], "2025-08-18T10:30", 0
    ),
    belongs(
        "equal inicio: the last in order",
        ["2025-08-18T10:00", "2025-08-18T10:00#1", "2025-08-18T10:00#2"],
        "2025-08-18T11:00",
        2,
    ),
    belongs("23:59:59.999", ["2025-08-18T10:00"], "2025-08-19T09:59:59.999", 0),
    belongs("24:00:00 is within", ["2025-08-18T10:00"], "2025-08-19T10:00:00", 0),
    belongs(
        "24:00:00 and less than a millisecond, cut", ["2025-08-18T10:00"], "2025-08-19T10:00:00.000999", 0
    ),
    belongs("24:00:00.001", ["2025-08-18T10:00"], "2025-08-19T10:00:00.001", None),
    belongs("a millisecond before", ["2025-08-18T10:00"], "2025-08-18T09:59:59.999", None),
    belongs(
        "before by less than a millisecond, cut", ["2025-08-18T10:00:00.0009"], "2025-08-18T10:00:00.0001", 0
    ),
    belongs("no instant", ["2025-08-18T10:00"], "ayer", None),
    belongs("conversations without inicio", ["ayer"], "2025-08-18T10:00", None),
    belongs("a day is midnight", ["2025-08-17T12:00", "2025-08-18T12:00"], "2025-08-18", 0),
    belongs("a conversation at a day", ["2025-08-18"], "2025-08-19T00:00", 0),
    belongs(
        "25 hours of stored time in a day of 24", ["2025-03-08T12:00Z"], "2025-03-09T12:00Z", None, **NEW_YORK
    ),
    belongs("24 hours of stored time in 25", ["2025-11-01T12:00Z"], "2025-11-02T13:00Z", 0, **NEW_YORK),
    belongs("naive zone, for both", ["2025-08-18T10:00"], "2025-08-18T05:00-05:00", 0, **UTC_IN),
    Case(
        "belongs: inicio may be the earliest enviado",
        row(talk("ayer", ("user", "a", "2025-08-18T10:00")), thumbs=[thumb("2025-08-18T11:00")]),
        [{"likes": 1, "feedback_en": at("2025-08-18T11:00")}],
    ),
    rated(
        "types stripped, in any case",
        [thumb("2025-08-18T10:00#1", " LIKE\n"), thumb("2025-08-18T10:00#2", "Dislike")],
        likes=1,
        dislikes=1,
        feedback="mixed",
    ),
    rated(
        "likes alone",
        [thumb("2025-08-18T11:00"), thumb("2025-08-18T10:00")],
        likes=2,
        dislikes=0,
        feedback="like",
        feedback_en=at("2025-08-18T11:00"),
    ),
    rated("dislikes alone", [thumb("2025-08-18T10:00", "dislike")], likes=0, dislikes=1, feedback="dislike"),
    rated(
        "another type belongs and does not rate",
        [thumb("2025-08-18T10:30", "meh", comment="a")],
        likes=0,
        dislikes=0,
        feedback=None,
        feedback_en=at("2025-08-18T10:30"),
        comentario="a",
        comentario_negativo=None,
    ),
    rated(
        "unmatched does not rate",
        [thumb("2025-08-18T09:00", "dislike", comment="a")],
        1,
        likes=0,
        dislikes=0,
        feedback=None,
        feedback_en=None,
        comentario=None,
    ),
    rated(
        "comments tidied, distinct, by first use, without options",
        [
            thumb("2025-08-18T10:01", "dislike", comment=" mal|o\n", option="x"),
            thumb("2025-08-18T10:02", "like", comment="bien"),
            thumb("2025-08-18T10:03", "dislike", comment=" \t"),
            thumb("2025-08-18T10:04", "dislike"),
            thumb("2025-08-18T10:05", "DISLIKE", comment="mal/o"),
            thumb("2025-08-18T10:06", "dislike", comment="bien"),
        ],
        likes=1,
        dislikes=5,
        feedback="mixed",
        feedback_en=at("2025-08-18T10:06"),
        comentario="mal/o | bien",
        comentario_negativo="mal/o | bien",
    ),
    Case(
        "feedback: the same text without an instant",
        row(talk("ayer"), thumbs=[thumb("ayer", "dislike", comment="no")]),
        [{"dislikes": 1, "feedback": "dislike", "feedback_en": None, "comentario_negativo": "no"}],
    ),
]
CASES = [*INSTANTS, *SPANS, *MESSAGES, *FEEDBACK]
