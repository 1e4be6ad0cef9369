"""The three tables and their columns (contract §2, §9).

CSV header, Spark schemas, Arrow schemas and Glue tables are all derived from these declarations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pyarrow

Kind = Literal["string", "date", "int", "double", "boolean", "timestamp"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name, its type (the same word in Glue and Athena) and its meaning."""

    name: str
    kind: Kind
    comment: str


@dataclass(frozen=True, slots=True)
class Table:
    """One table: its name, its meaning, its columns in order."""

    name: str
    comment: str
    columns: tuple[Column, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(column.name for column in self.columns)

    def spark_ddl(self) -> str:
        """Return the columns as a Spark schema string; a timestamp has no zone.

        >>> USERS.spark_ddl()[-41:]
        'eedback STRING, respuesta_feedback STRING'
        """
        return ", ".join(f"{column.name} {_SPARK.get(column.kind, column.kind)}" for column in self.columns)

    def glue_columns(self) -> list[dict[str, str]]:
        """Return the columns in the form of the Glue API's ``StorageDescriptor.Columns``.

        >>> USERS.glue_columns()[5]
        {'Name': 'numero_conversaciones', 'Type': 'int', 'Comment': 'Conversations'}
        """
        return [{"Name": c.name, "Type": c.kind, "Comment": c.comment} for c in self.columns]

    def arrow_schema(self) -> pyarrow.Schema:
        """Return the columns as an Arrow schema (needs pyarrow).

        >>> MESSAGES.arrow_schema().field("enviado").type
        TimestampType(timestamp[us])
        """
        import pyarrow as pa

        types = {
            "string": pa.string(),
            "date": pa.date32(),
            "int": pa.int32(),
            "double": pa.float64(),
            "boolean": pa.bool_(),
            "timestamp": pa.timestamp("us"),
        }
        return pa.schema([pa.field(c.name, types[c.kind]) for c in self.columns])


_SPARK = {
    "string": "STRING",
    "date": "DATE",
    "int": "INT",
    "double": "DOUBLE",
    "boolean": "BOOLEAN",
    "timestamp": "TIMESTAMP_NTZ",
}
_USER = Column("usuario_id", "string", "The user: PK without USER#")
_CITY = Column("ciudad", "string", "City, else the department, else NULL")
_DEPARTMENT = Column("gerencia", "string", "Department, else the city")
_PLACE = (
    _USER,
    Column("conversacion_id", "string", "The conversation's sk, whole"),
    Column("orden", "int", "Place of the conversation among the user's, from 1"),
)

USERS = Table(
    "users",
    "One row per user",
    (
        _USER,
        Column("nombre", "string", "Name, or 'Usuario Anónimo'"),
        _DEPARTMENT,
        _CITY,
        Column("fecha_primera_conversacion", "date", "Day of the first conversation"),
        Column("numero_conversaciones", "int", "Conversations"),
        Column("conversacion_completa", "string", "JSON: every conversation with every message"),
        Column("feedback_total", "string", "JSON: every feedback; NULL if none"),
        Column("numero_feedback", "int", "Feedback items"),
        Column("pregunta_conversacion", "string", "The user's own messages, distinct, joined with ' | '"),
        Column("feedback", "string", "like, dislike, mixed, or NULL"),
        Column("respuesta_feedback", "string", "Comments and options, distinct, joined with ' | '"),
    ),
)
CONVERSATIONS = Table(
    "conversations",
    "One row per conversation",
    (
        *_PLACE,
        Column("inicio", "timestamp", "Start: the instant in the sk, else the first message's, else NULL"),
        Column("fecha", "date", "Day of the start"),
        Column("fin", "timestamp", "The last message's instant"),
        Column("mensajes", "int", "Messages"),
        Column("mensajes_usuario", "int", "Messages of the user"),
        Column("mensajes_bot", "int", "Messages of the bot"),
        Column("turnos", "int", "Messages of the bot that answer one of the user"),
        Column("primera_pregunta", "string", "The user's first text that is not blank, tidy"),
        Column("respuesta_primera_s", "double", "Seconds to the first reply that has a time"),
        Column("con_hora", "int", "Messages with an instant"),
        Column("sin_respuesta", "boolean", "A message of the user is followed by none of the bot"),
        Column("no_entendida", "boolean", "A message of the bot says that it did not understand"),
        Column("likes", "int", "Feedback of type like"),
        Column("dislikes", "int", "Feedback of type dislike"),
        Column("feedback", "string", "like, dislike, mixed, or NULL"),
        Column("feedback_en", "timestamp", "The latest instant of feedback"),
        Column("comentario", "string", "Comments of the feedback, distinct, joined with ' | '"),
        Column("comentario_negativo", "string", "Comments of dislikes, distinct, joined with ' | '"),
        _CITY,
        _DEPARTMENT,
    ),
)
MESSAGES = Table(
    "messages",
    "One row per message",
    (
        *_PLACE,
        Column("numero", "int", "Place of the message in the conversation, from 1"),
        Column("emisor", "string", "user, bot, or another sender"),
        Column("texto", "string", "The text"),
        Column("pregunta", "string", "The user's text in plain form, of two words or more; else NULL"),
        Column("enviado", "timestamp", "When it was sent"),
        Column("fecha", "date", "Day it was sent, else the conversation's"),
        Column("hora", "int", "Hour it was sent, 0 to 23"),
        Column("respuesta", "boolean", "The bot's answer to a message of the user"),
        Column("espera_s", "double", "Seconds that the user waited for it"),
        _CITY,
        _DEPARTMENT,
    ),
)
TABLES = (USERS, CONVERSATIONS, MESSAGES)
"""In the order in which their objects are replaced (§6)."""
COLUMNS, NAMES = USERS.columns, USERS.names
"""The columns of the CSV (§4)."""


def csv_header() -> str:
    """Return the CSV's first line, without its line break (contract §4).

    >>> csv_header()[:32]
    'usuario_id,nombre,gerencia,ciuda'
    """
    return ",".join(NAMES)
