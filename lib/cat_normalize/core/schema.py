"""The twelve columns (contract §2).

CSV header, Spark schema, Arrow schema and Glue table are all derived from `COLUMNS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pyarrow

Kind = Literal["string", "date", "int"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name, its type (the same word in Spark, Glue and Athena) and its meaning."""

    name: str
    kind: Kind
    comment: str


COLUMNS: tuple[Column, ...] = (
    Column("usuario_id", "string", "The user: PK without USER#"),
    Column("nombre", "string", "Name, or 'Usuario Anónimo'"),
    Column("gerencia", "string", "Department, else the city"),
    Column("ciudad", "string", "City, else the department, else NULL"),
    Column("fecha_primera_conversacion", "date", "Day of the first conversation"),
    Column("numero_conversaciones", "int", "Conversations"),
    Column("conversacion_completa", "string", "JSON: every conversation with every message"),
    Column("feedback_total", "string", "JSON: every feedback; NULL if none"),
    Column("numero_feedback", "int", "Feedback items"),
    Column("pregunta_conversacion", "string", "The user's own messages, distinct, joined with ' | '"),
    Column("feedback", "string", "like, dislike, mixed, or NULL"),
    Column("respuesta_feedback", "string", "Comments and options, distinct, joined with ' | '"),
)

NAMES: tuple[str, ...] = tuple(column.name for column in COLUMNS)


def csv_header() -> str:
    """Return the CSV's first line, without its line break (contract §4).

    >>> csv_header()[:32]
    'usuario_id,nombre,gerencia,ciuda'
    """
    return ",".join(NAMES)


def spark_ddl() -> str:
    """Return the columns as a Spark schema string.

    >>> spark_ddl()[-41:]
    'eedback STRING, respuesta_feedback STRING'
    """
    return ", ".join(f"{column.name} {column.kind.upper()}" for column in COLUMNS)


def glue_columns() -> list[dict[str, str]]:
    """Return the columns in the form of the Glue API's ``StorageDescriptor.Columns``.

    >>> glue_columns()[5]
    {'Name': 'numero_conversaciones', 'Type': 'int', 'Comment': 'Conversations'}
    """
    return [{"Name": c.name, "Type": c.kind, "Comment": c.comment} for c in COLUMNS]


def arrow_schema() -> pyarrow.Schema:
    """Return the columns as an Arrow schema (needs pyarrow).

    >>> arrow_schema().field("fecha_primera_conversacion").type
    DataType(date32[day])
    """
    import pyarrow as pa

    types = {"string": pa.string(), "date": pa.date32(), "int": pa.int32()}
    return pa.schema([pa.field(c.name, types[c.kind]) for c in COLUMNS])
