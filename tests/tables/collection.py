"""A collection of generated tables, other than the sample: empty, clean, hostile, large, of other years.

Each is the same in every run. Its items are DynamoDB JSON that a table accepts; its raw lines exist only in
files.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from cat_lab.sample.dynamodb_json import NULL, Item, as_json, item, m, message, messages, s


@dataclass(frozen=True, slots=True)
class Table:
    """Items with distinct keys, raw lines that exist only in files, and the filters to apply."""

    items: Sequence[Item]
    raw: Sequence[bytes] = ()
    rules: Mapping[str, Any] = field(default_factory=dict)

    @property
    def lines(self) -> list[bytes]:
        """The lines of an item file: the items and the raw lines."""
        return [*map(line, self.items), *self.raw]


def line(each: Item, wrapped: bool = False) -> bytes:
    """Return an item as a line, either bare or wrapped as in an export."""
    return json.dumps({"Item": each} if wrapped else each, ensure_ascii=False, separators=(",", ":")).encode()


def talk(user: str, at: str, *texts: str, **attributes: Any) -> Item:
    """Return a conversation with these texts in turn, the first one of the user."""
    turns = [message("bot" if turn % 2 else "user", text=text) for turn, text in enumerate(texts)]
    return item(user, f"CONVERSATION#{at}", Conversation=messages(*turns), **attributes)


def feedback(user: str, at: str, kind: str = "like", **members: Any) -> Item:
    return item(user, f"FEEDBACK#{at}", Feedback=m(type=kind, **members))


def user_data(nombre: str, gerencia: str, ciudad: str) -> Item:
    return m(nombre=nombre, gerencia=gerencia, ciudad=ciudad)


def empty() -> Table:
    return Table([])


def one_item() -> Table:
    return Table([talk("7", "2025-08-18T13:19:49.966664", "hola", "¿en qué ayudo?")])


def clean() -> Table:
    made = []
    for n in range(12):
        user, day = f"u{n:02}", f"2025-08-{10 + n}"
        data = user_data(f"Ana {n}", f"Área {n % 3}", f"Ciudad {n % 4}")
        made.append(item(user, f"REGISTER#{day}T08:00:00", UserData=data))
        made.append(talk(user, f"{day}T09:00:00", f"pregunta {n % 5}", "respuesta"))
        made.append(feedback(user, f"{day}T09:05:00", "like" if n % 3 else "dislike", comment="bien"))
    return Table(made)


def feedback_only() -> Table:
    return Table([feedback(f"u{n}", f"2025-08-1{n}T10:00:00", "dislike", option="Lenta") for n in range(5)])


def registrations_only() -> Table:
    data = user_data("Ana", "TI", "Cali")
    return Table([item(f"u{n}", "REGISTER", UserData=data, CreatedAt=s("2025-08-18")) for n in range(5)])


def all_rejected() -> Table:
    return Table([*_bad_keys(), *_unknown_kinds(), *_bad_conversations(), *_bad_feedback()])


def only_bad_keys() -> Table:
    return Table([*_some(), *_bad_keys()])


def only_unknown_kinds() -> Table:
    return Table([*_some(), *_unknown_kinds()])


def only_bad_conversations() -> Table:
    return Table([*_some(), *_bad_conversations()])


def only_bad_feedback() -> Table:
    return Table([*_some(), *_bad_feedback()])


def only_not_json() -> Table:
    lines = [b"{", b"[1]", b"null", b'"x"', b'{"PK":NaN}', b'{"a":"\xff"}', b'{"a":"\\ud800"}', b"\x00"]
    lines += [b'{"PK":{"S":"USER#\\udfff"},"SK":{"S":"REGISTER"}}', b"\xef\xbb\xbf{}", b"[" * 5000]
    return Table(_some(), raw=[*lines, b" ", b"", b"\xe3\x80\x80", b"\r"])


def _some() -> list[Item]:
    return [talk(f"u{n}", "2025-08-18T10:00:00", "hola", "¿sí?") for n in range(3)]


def _bad_keys() -> list[Item]:
    made = [talk("x", "2025-08-18", "hola") for _ in range(6)]
    keys = ["user#x", "USER#", "x", "USER#a\nb", "USER#\x85", "USERx"]
    return [each | {"PK": s(key)} for each, key in zip(made, keys, strict=True)]


def _unknown_kinds() -> list[Item]:
    kinds = ["OTRO#2025-08-18", "CONVERSATION", "conversation#2025-08-18", "FEEDBACK", " REGISTER", "\x00"]
    return [item("y", kind, UserData=m(nombre="Ana")) for kind in kinds]


def _bad_conversations() -> list[Item]:
    bodies = [
        None,
        NULL,
        s("hola"),
        s('{"from":"user"}'),
        {"L": [s("hola")]},
        messages(m(text="sin emisor")),
        messages(m(from_={"N": "1"})),
        as_json([{"from": "user", "text": 7}]),
    ]
    return [item("z", f"CONVERSATION#2025-08-{n + 10}", Conversation=body) for n, body in enumerate(bodies)]


def _bad_feedback() -> list[Item]:
    bodies = [None, s("like"), m(comment="sin tipo"), m(type={"N": "1"}), as_json(["like"]), {"L": []}]
    return [item("w", f"FEEDBACK#2025-08-{n + 10}", Feedback=body) for n, body in enumerate(bodies)]


def strings_of_json() -> Table:
    made = []
    for n in range(6):
        said = [{"from": "Usuario", "text": f'«{n}» \\ " 😀'}, {"from": "CATIA", "text": None}]
        data = {"nombre": f"José {n}", "ciudad": "Bogotá (Norte)", "extra": [1, {"x": None}]}
        made.append(
            item(f"j{n}", f"CONVERSATION#2025-08-1{n}", UserData=as_json(data), Conversation=as_json(said))
        )
        made.append(
            item(f"j{n}", f"FEEDBACK#2025-08-1{n}", Feedback=as_json({"type": "like", "comment": "sí\u00a0"}))
        )
    made.append(item("j9", "REGISTER", UserData=s("no es JSON")))
    return Table(made)


def nineties() -> Table:
    """Dates before the pipeline existed, two of them with another UTC offset in Bogotá."""
    times = ["1990-01-01T00:00:00", "1992-12-31T04:30:00Z", "1993-03-01T04:30:00Z", "1999-12-31T23:59:59"]
    times += ["1900-01-01T04:56:00Z", "1970-01-01T00:00:00Z"]
    return Table([talk(f"n{n}", at, "hola", CreatedAt=s(at)) for n, at in enumerate(times)])


def year_2019() -> Table:
    days = [f"2019-{month:02}-28T22:00:00-05:00" for month in range(1, 13)]
    return Table([talk(f"a{n % 4}", day, f"¿{n}?", CreatedAt=s(day)) for n, day in enumerate(days)])


def first_and_last_years() -> Table:
    times = ["0001-01-01T00:00:00", "0001-01-01T00:00:00Z", "1582-10-10", "1582-10-04T12:00:00", "0033-04-03"]
    times += ["9999-12-31T23:59:59", "9999-12-31T23:00:00-12:00", "9999-12-31T23:59:59.999999-05:00"]
    return Table([talk(f"y{n}", at, "hola", CreatedAt=s(at)) for n, at in enumerate(times)])


def huge_user() -> Table:
    """One user of about 3 MB among small ones."""
    text = "¿Cómo pido vacaciones? " * 60
    many = [
        talk("heavy", f"2025-08-18T{n // 60:02}:{n % 60:02}:00", f"{n} {text}", f"{text} {n}")
        for n in range(900)
    ]
    return Table([*_some(), *many])


def items_of_400_kb() -> Table:
    """Items of DynamoDB's maximum size, each with another large attribute; one is rejected."""
    text = "ñ€😀 " * 40_000  # ten bytes each
    return Table(
        [
            talk("big", "2025-08-18", text),
            feedback("big", "2025-08-18", comment=text),
            item("big", "REGISTER", UserData=m(nombre=text)),
            item("big", "OTRO", Otro=s(text)),
            item("other", "CONVERSATION#2025-08-19", Conversation=messages(), Otro=s(text)),
            item("json", "CONVERSATION#2025-08-20", Conversation=as_json([{"from": "user", "text": text}])),
        ]
    )


def long_names() -> Table:
    """Users whose names are larger than their conversations."""
    return Table([talk(f"u{n}", "2025-08-18", "hola", UserData=m(nombre="Ana " * 25_000)) for n in range(3)])


def unicode() -> Table:
    hostile = [
        *(
            "\ufeffBOM",
            "a\u2028b\u2029c",
            "\u202eRTL \u05d0\u0628",
            "e\u0301\u0327" * 20,
            "\u200b\u200d\ufe0f",
        ),
        *(
            "\x00\x01\x1f\x7f\x85\x9f",
            "\ud7ff\ue000\ufdd0\ufffe\uffff",
            "\U0001fffe\U0010ffff",
            "👩🏽\u200d🚀🇨🇴",
        ),
        *(
            "".join(chr(plane << 16 | 0x1234) for plane in range(17)),
            "ß ﬃ İ ı Σς",
            "\xa0\u3000 \u1680",
            "\ufffd",
        ),
    ]
    made = []
    for text in hostile:
        user = "".join(char for char in text if not (char < " " or "\x7f" <= char <= "\x9f")) or "sin"
        data = user_data(text, f"{text}|{text}", f"{text} ({text})")
        made.append(talk(user, f"2025-08-18#{text}", text, text, UserData=data))
        made.append(feedback(user, f"2025-08-18#{text}", text, comment=text, option=text))
    return Table(made, raw=[b'{"PK":{"S":"USER#x"},"SK":{"S":"REGISTER"},"t":{"S":"\\ud83d"}}'])


MARKUP = [
    "<script>alert(1)</script>",
    "</td></table><h1>x</h1>",
    "&amp; &lt;b&gt; <!-- -->",
    '=HYPERLINK("http://127.0.0.1","x")',
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "'; DROP TABLE users; --",
    '" OR "1"="1',
    "$x_1^2$ y $\\frac{1$",
    "{{7*7}} ${env:HOME} #{1}",
    "%s %d %n {} {0}",
    "_a_ **b** `c` [d](e) | f",
    "\\N \\. NULL null None NaN",
]


def markup() -> Table:
    """Texts that other programs may interpret: HTML, formulas, SQL, templates, NULL markers."""
    made = []
    for n, text in enumerate(MARKUP):
        made.append(talk(text, f"2025-08-{10 + n}", text, text, UserData=user_data(text, text, text)))
        made.append(feedback(text, f"2025-08-{10 + n}#{text}", "dislike", comment=text, option=text))
        made.append(item(f"r{n}", text, Otro=s(text)))
    return Table(made)


def all_users_excluded() -> Table:
    made = [talk(f"u{n}", "2025-08-18", "hola", UserData=m(ciudad="Prueba")) for n in range(4)]
    made.append(item("u9", "REGISTER", UserData=m(gerencia="Prueba")))
    return Table(made, rules={"exclude_cities": ["^Prueba$"]})


def some_filtered() -> Table:
    made = [
        talk(f"u{n % 4}", f"2025-08-{10 + n}", f"día {n}", UserData=user_data(f"Ana {n}", "TI", f"C{n % 4}"))
        for n in range(12)
    ]
    made += [feedback("u3", "2025-08-01"), talk("u1", "ayer", "sin día"), talk("u2", "2025-08-30", "fuera")]
    rules = {"since": "2025-08-13", "until": "2025-08-19", "exclude_cities": ["C3", "C9"]}
    return Table(made, rules=rules)


def equal_keys() -> Table:
    """Items with the same key, as two exports in one folder have them; a DynamoDB table cannot."""
    made = [talk("u", "2025-08-18", f"lectura {n}", UserData=m(nombre=f"Ana {n}")) for n in range(8)]
    return Table([], raw=[line(each) for each in [*made, *made[:2]]])


def no_day() -> Table:
    at = ["ayer", "2025-02-30", "", "25-8-18", "0001-01-01T00:00:00Z", "#2025-08-18"]
    return Table([talk("u", sk, f"pregunta {n}", CreatedAt=s("hoy")) for n, sk in enumerate(at)])


def one_of_each_kind() -> Table:
    made = [item("1", "REGISTER", UserData=m(nombre="Ana")), talk("1", "2025-08-18", "hola", "¿sí?")]
    return Table([*made, feedback("1", "2025-08-18", "dislike", comment="no", option="Lenta")])


def thousand_users() -> Table:
    return Table([talk(f"{n}", "2025-08-18T10:00:00", "hola") for n in range(1000)])


def around_midnight() -> Table:
    times = [
        *(
            "2025-08-18T23:59:59.999999",
            "2025-08-19T00:00:00",
            "2025-08-19T04:59:59Z",
            "2025-08-19T05:00:00Z",
        ),
        *("2025-08-19T05:00:00+00:00", "2025-08-19T13:59:59+09:00", "2025-08-18T18:59:59-10:00"),
        *(
            "2025-08-19T10:30:00+05:30",
            "2025-08-18 23:59",
            "20250819T000000",
            "2025-W34-2",
            "2025-08-18T24:00:00",
        ),
    ]
    return Table([talk(f"m{n:02}", at, "hola", CreatedAt=s(f" {at}\n")) for n, at in enumerate(times)])


def ten_types() -> Table:
    """Attributes of every type, also nested, in addition to and in place of the contract's attributes."""
    types = {
        "S": "",
        "N": "-1.50E+10",
        "B": "AAEC/w==",
        "BOOL": False,
        "NULL": True,
        "SS": ["a", "b"],
        "NS": ["1", "2.5"],
        "BS": ["AA==", "AQ=="],
        "L": [],
        "M": {},
    }
    deep: Item = s("fondo")
    for _ in range(15):
        deep = {"L": [{"M": {"x": deep}}]}
    made = []
    for kind, value in types.items():
        made.append(talk(kind, "2025-08-18", "hola", UserData={kind: value}, CreatedAt={kind: value}))
        made[-1] |= {"Otro": {kind: value}, "Conversación": deep, "Item": {"M": {"PK": s("x")}}}
        if kind != "M":
            made.append(item(kind, "CONVERSATION#2025-08-19", Conversation={kind: value}))
        made.append(item(kind, "FEEDBACK#2025-08-19", Feedback=m(type="like", comment={kind: value})))
    return Table(made)


def awkward_keys() -> Table:
    ids = ['"', '""', "a,b", ",", "'", "\\", 'a\\"b', " ", " a ", "#", "a#b", "USER#", "NULL", "null", "NaN"]
    ids += ["0", "00", "1e5", "-", "true", "é", "e\u0301", "\u3000", "a\u2028b", "x" * 900, "\ufeff", "=1+1"]
    return Table([talk(each, f"2025-08-18#{each}", "hola", CreatedAt=s("2025-08-18")) for each in ids])


def no_texts() -> Table:
    bodies = [messages(), as_json([]), messages(message("user")), messages(message("user", text=" \n|"))]
    bodies += [messages(message("", text="x")), messages(message("user", text=None, timestamp=""))]
    return Table([item(f"u{n}", "CONVERSATION#", Conversation=body) for n, body in enumerate(bodies)])


TABLES: dict[str, Callable[[], Table]] = {
    make.__name__: cache(make)
    for make in (
        *(empty, one_item, clean, feedback_only, registrations_only, all_rejected, only_bad_keys),
        *(only_unknown_kinds, only_bad_conversations, only_bad_feedback, only_not_json, strings_of_json),
        *(nineties, year_2019, first_and_last_years, huge_user, items_of_400_kb, long_names, unicode, markup),
        *(all_users_excluded, some_filtered, equal_keys, no_day, one_of_each_kind, thousand_users),
        *(around_midnight, ten_types, awkward_keys, no_texts),
    )
}
NAMES = sorted(TABLES)
IN_DYNAMODB = [name for name in NAMES if name not in ("equal_keys", "only_not_json")]
"""The tables that still test something without their raw lines."""
