"""Rows of the Parquet, and the complete answer of every named query to them."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cat_normalize.core import schema

FAKE = 'say "sk":"CONVERSATION#2020-01-01T00:00:00" or \\"sk\\":"CONVERSATION#2020-01-02'


def conversations(*keys: str, text: str = "hola") -> str:
    """Return column 7 for conversations with these sort keys, each with one message."""
    conversations = [
        {"sk": sk, "messages": [{"from": "user", "text": text, "timestamp": "sk"}]} for sk in keys
    ]
    return json.dumps(conversations, ensure_ascii=False, separators=(",", ":"))


def user(usuario_id: str, **columns: Any) -> dict[str, Any]:
    """Return a row: a user without conversations or feedback, but for the columns given."""
    empty: dict[str, Any] = dict.fromkeys(schema.NAMES) | {
        "nombre": "Usuario Anónimo",
        "numero_conversaciones": 0,
        "conversacion_completa": "[]",
        "numero_feedback": 0,
    }
    return empty | {"usuario_id": usuario_id} | columns


ROWS = [
    user(
        "Zoe",  # before "ana" in byte order
        nombre="Zoé",
        gerencia="Ventas",
        ciudad="Cúcuta",
        fecha_primera_conversacion=date(2025, 8, 17),  # a Sunday
        numero_conversaciones=2,
        conversacion_completa=conversations("CONVERSATION#2025-08-17T23:59:59#a", "CONVERSATION#2025-08-18"),
        pregunta_conversacion="¿Qué hay? | hola | a/b",
    ),
    user(
        "ana",
        gerencia="Ventas",
        ciudad="Bogotá",
        fecha_primera_conversacion=date(2025, 8, 18),  # the Monday after
        numero_conversaciones=3,
        conversacion_completa=conversations(
            "CONVERSATION#2025-08-18T08:00:00",
            "CONVERSATION#2025-08-18T09:00:00",
            "CONVERSATION#x",
            text=FAKE,
        ),
        numero_feedback=2,
        pregunta_conversacion="hola | ¿Qué hay? | Hola",
        feedback="mixed",
    ),
    user(
        "beto",
        gerencia="Bogotá",
        ciudad="Bogotá",
        fecha_primera_conversacion=date(2025, 8, 24),  # the Sunday of that week
        numero_conversaciones=2,
        conversacion_completa=conversations(
            "CONVERSATION#2025-02-30T08:00:00", "CONVERSATION#2025-08-24#z|z"
        ),
        numero_feedback=1,
        pregunta_conversacion="¿Qué hay?",
        feedback="like",
    ),
    user("caro", numero_feedback=1, feedback="dislike"),  # feedback alone, and nothing known of her
    user(
        "dani",
        ciudad="Cali",
        gerencia="Cali",
        numero_conversaciones=1,  # nobody can read its day
        conversacion_completa=conversations("CONVERSATION#"),
        numero_feedback=1,  # of a type that is neither
        pregunta_conversacion="|| | a/b",
    ),
]

# Every query's whole answer: its parameters, its columns with Athena's types, its rows.
ANSWERS: dict[str, tuple[dict[str, Any], dict[str, str], list[tuple[Any, ...]]]] = {
    "totals": (
        {},
        {"user_count": "bigint", "conversation_count": "bigint", "feedback_count": "bigint"},
        [(5, 8, 5)],
    ),
    "conversations_by_day": (
        {},
        {"day": "date", "conversation_count": "bigint", "user_count": "bigint"},
        [
            (date(2025, 8, 17), 1, 1),
            (date(2025, 8, 18), 3, 2),
            (date(2025, 8, 24), 1, 1),
            (None, 3, 3),
        ],
    ),
    "new_users_by_week": (
        {},
        {"week": "date", "user_count": "bigint"},
        [(date(2025, 8, 11), 1), (date(2025, 8, 18), 2), (None, 2)],
    ),
    "feedback_split": (
        {},
        {"feedback": "varchar", "user_count": "bigint"},
        [("none", 2), ("dislike", 1), ("like", 1), ("mixed", 1)],
    ),
    "most_asked_questions": (
        {"top": 4},
        {"place": "bigint", "question": "varchar", "user_count": "bigint"},
        [(1, "¿Qué hay?", 3), (2, "a/b", 2), (3, "hola", 2), (4, "Hola", 1)],
    ),
    "users_by_city": (
        {},
        {
            "ciudad": "varchar",
            "user_count": "bigint",
            "conversation_count": "bigint",
            "feedback_count": "bigint",
        },
        [("Bogotá", 2, 5, 3), ("Cali", 1, 1, 1), ("Cúcuta", 1, 2, 0), (None, 1, 0, 1)],
    ),
    "users_by_gerencia": (
        {},
        {
            "gerencia": "varchar",
            "user_count": "bigint",
            "conversation_count": "bigint",
            "feedback_count": "bigint",
        },
        [("Ventas", 2, 5, 2), ("Bogotá", 1, 2, 1), ("Cali", 1, 1, 1), (None, 1, 0, 1)],
    ),
    "feedback_share": (
        {},
        {
            "user_count": "bigint",
            "users_with_feedback": "bigint",
            "share_of_users": "double",
            "feedback_per_conversation": "double",
        },
        [(5, 4, 0.8, 0.625)],
    ),
    "heaviest_users": (
        {"top": 3},
        {
            "place": "bigint",
            "usuario_id": "varchar",
            "nombre": "varchar",
            "numero_conversaciones": "integer",
            "numero_feedback": "integer",
        },
        [
            (1, "ana", "Usuario Anónimo", 3, 2),
            (2, "Zoe", "Zoé", 2, 0),
            (3, "beto", "Usuario Anónimo", 2, 1),
        ],
    ),
}


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    pq.write_table(pa.Table.from_pylist(rows, schema=schema.USERS.arrow_schema()), path)
    return path


def rows_of(frame: pd.DataFrame) -> list[tuple[Any, ...]]:
    columns = [[None if pd.isna(value) else value for value in frame[name]] for name in frame.columns]
    return list(zip(*columns, strict=True))
