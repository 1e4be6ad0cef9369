"""Rows of the three tables for the named queries: some to look at, and a strategy for any."""

from __future__ import annotations

import unicodedata
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from cat_normalize.core import schema

Row = dict[str, Any]
Data = dict[str, list[Row]]


def user(usuario_id: str, **columns: Any) -> Row:
    """Return a row: a user without conversations or feedback, but for the columns given."""
    empty: Row = dict.fromkeys(schema.NAMES) | {
        "nombre": "Usuario Anónimo",
        "numero_conversaciones": 0,
        "conversacion_completa": "[]",
        "numero_feedback": 0,
    }
    return empty | {"usuario_id": usuario_id} | columns


def conversation(usuario_id: str, day: date | None, orden: int = 1, **columns: Any) -> Row:
    """Return a row: a conversation of that day without messages, but for the columns given."""
    numbers = ("mensajes", "mensajes_usuario", "mensajes_bot", "turnos", "con_hora", "likes", "dislikes")
    empty: Row = dict.fromkeys(schema.CONVERSATIONS.names) | dict.fromkeys(numbers, 0)
    start = datetime(day.year, day.month, day.day, 9, orden % 60) if day else None
    place = {"usuario_id": usuario_id, "conversacion_id": f"CONVERSATION#{start}", "orden": orden}
    return (
        empty
        | place
        | {"inicio": start, "fecha": day, "sin_respuesta": False, "no_entendida": False}
        | columns
    )


def message(usuario_id: str, day: date | None, texto: str = "", **columns: Any) -> Row:
    """Return a row: a message of that day, of the user unless another sender is given."""
    empty: Row = dict.fromkeys(schema.MESSAGES.names)
    place = {"usuario_id": usuario_id, "conversacion_id": "CONVERSATION#", "orden": 1, "numero": 1}
    sender = columns.get("emisor", "user")
    question = plain(texto) if sender == "user" and " " in plain(texto) else None
    said = {"emisor": sender, "texto": texto, "pregunta": question, "fecha": day, "respuesta": False}
    return empty | place | said | columns


def write(folder: Path, **tables: list[Row]) -> dict[str, Path]:
    """Write the three tables, empty where no rows are given; return their paths."""
    paths = {table.name: folder / f"{table.name}.parquet" for table in schema.TABLES}
    for table in schema.TABLES:
        rows = pa.Table.from_pylist(tables.get(table.name, []), schema=table.arrow_schema())
        pq.write_table(rows, paths[table.name])
    return paths


def plain(text: str) -> str:
    """Return a text without case, marks and punctuation."""
    marks = [c for c in unicodedata.normalize("NFKD", text.casefold()) if unicodedata.category(c)[0] != "M"]
    return " ".join("".join(c if c.isalnum() else " " for c in marks).split())


SINCE, UNTIL = date(2025, 8, 6), date(2025, 9, 2)
DAYS = [
    *(SINCE - timedelta(1), SINCE, SINCE + timedelta(3), SINCE + timedelta(7), SINCE + timedelta(8)),
    *(date(2025, 8, 31), date(2025, 9, 1), UNTIL, UNTIL + timedelta(1), UNTIL + timedelta(6)),
    *(date.min, date(1582, 10, 10), date.max, None),
]
"""The first and the last day of a period and those beside them, days far away, and none."""
PEOPLE = {
    "a": (None, "Ventas"),
    "Zoe": ("Bogotá", "Ventas"),
    "1234567": ("Cali", None),
    "12345678": ("Bogotá", "O'Brien"),
    "ana@x.co": ("O'Brien", "Ventas"),
    "ñandú🙂🙂🙂": ("Bogotá", "\u202eRTL"),
}
"""City and department of each user."""
TEXTS = [
    *(
        "¿Qué hay?",
        "qué  hay",
        "que|hay",
        "QUE\u00a0HAY\x85",
        "hola",
        "",
        " | ",
        "\x00\t\x1f",
        "¿Cuánto cuesta?",
    ),
    *(
        "cuanto\u2028cuesta",
        "a.b $1 \\1",
        "<b>a b</b>",
        "🙂 si\u0301 no",
        "\u202eסלום עולם",
        "'; DROP TABLE users --",
    ),
]
COMMENTS = [
    *(
        "no sirve",
        "soy ana@x.co",
        "mi cédula es 12345678",
        "1234 y 12345",
        "a@b@c",
        "@",
        "ana.maria+1@mail.example.org!",
    ),
    *("ñandú🙂🙂🙂 $0 \\0", "Zoe y a", "٠١٢٣٤٥"),
]


@st.composite
def _conversations(draw: st.DrawFn) -> Row:
    who, day = draw(st.sampled_from(list(PEOPLE))), draw(st.sampled_from(DAYS))
    count = st.integers(0, 3)
    columns = {
        **dict.fromkeys(("mensajes", "mensajes_usuario", "turnos", "con_hora", "likes", "dislikes"), count),
        **dict.fromkeys(("sin_respuesta", "no_entendida"), st.booleans()),
        "comentario_negativo": st.none() | st.sampled_from(COMMENTS),
        "feedback_en": st.none() | st.sampled_from([datetime.min, datetime(2025, 8, 7, 1, 2, 3, 4000)]),
        "primera_pregunta": st.none() | st.sampled_from(TEXTS),
    }
    city, department = PEOPLE[who]
    drawn = {name: draw(of) for name, of in columns.items()}
    return conversation(who, day, draw(st.integers(1, 99)), ciudad=city, gerencia=department, **drawn)


@st.composite
def _messages(draw: st.DrawFn) -> Row:
    who, day = draw(st.sampled_from(list(PEOPLE))), draw(st.sampled_from(DAYS))
    columns: Row = {"emisor": draw(st.sampled_from(["user", "bot", "agent"]))}
    if day and draw(st.booleans()):
        columns["hora"] = draw(st.sampled_from([0, 9, 23]))
        columns["enviado"] = datetime(day.year, day.month, day.day, columns["hora"], 59)
    if columns["emisor"] == "bot" and draw(st.booleans()):
        columns["respuesta"] = True
        columns["espera_s"] = draw(st.none() | st.sampled_from([0.0, 0.001, 1.0005, 2.5, 2.5, 1e9]))
    city, department = PEOPLE[who]
    return message(who, day, draw(st.sampled_from(TEXTS)), ciudad=city, gerencia=department, **columns)


_USERS = st.builds(
    user,
    st.sampled_from(list(PEOPLE)),
    numero_conversaciones=st.integers(0, 3),
    numero_feedback=st.integers(0, 3),
)
DATA = st.fixed_dictionaries(
    {
        "users": st.lists(_USERS, max_size=6, unique_by=lambda row: row["usuario_id"]),
        "conversations": st.lists(
            _conversations(), max_size=16, unique_by=lambda row: (row["usuario_id"], row["orden"])
        ),
        "messages": st.lists(_messages(), max_size=30),
    }
)
"""Rows of the three tables."""
GIVEN = st.fixed_dictionaries(
    {
        "since": st.sampled_from([SINCE, SINCE, SINCE + timedelta(8)]),
        "until": st.sampled_from([UNTIL, UNTIL, UNTIL - timedelta(1)]),
        "ciudad": st.sampled_from(["", "", "Bogotá", "O'Brien", "bogotá"]),
        "gerencia": st.sampled_from(["", "", "Ventas", "O'Brien"]),
        "top": st.sampled_from([0, 1, 10]),
        "run_date": st.sampled_from([UNTIL, UNTIL + timedelta(6), date.min, date.max]),
    }
)
"""A value of every parameter."""


def sample() -> Data:
    """Return rows to which every query has an answer of several rows, where it can have any."""
    data: Data = {"users": [], "conversations": [], "messages": []}
    for n, (who, (city, department)) in enumerate(PEOPLE.items()):
        place = {"ciudad": city, "gerencia": department}
        data["users"].append(user(who, numero_conversaciones=n // 2, numero_feedback=n % 3, **place))
        for orden, day in enumerate(DAYS[n % 3 : n % 3 + 10 : 2], 1):
            thumbs = {
                "likes": orden % 2,
                "dislikes": n % 2,
                "comentario_negativo": COMMENTS[n] if n % 2 else None,
            }
            when = {"feedback_en": datetime(2025, 8, 7 + orden, n, 30), "mensajes": 3, "con_hora": 2}
            flags = {"sin_respuesta": n % 3 == 0, "no_entendida": orden == 2, "turnos": orden}
            data["conversations"].append(conversation(who, day, orden, **place, **thumbs, **when, **flags))
            for number, text in enumerate(TEXTS[:4] + TEXTS[-6:-4], 1):
                timed = {"hora": 9, "enviado": datetime(2025, 8, 7, 9, number)} if day else {}
                reply = (
                    {"emisor": "bot", "respuesta": True, "espera_s": number / 7} if number % 3 == 0 else {}
                )
                data["messages"].append(message(who, day, text, numero=number, **place, **timed, **reply))
    return data
