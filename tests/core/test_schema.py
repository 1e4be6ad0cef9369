"""The twelve columns, and that every form of them agrees (contract §2)."""

import pyarrow as pa
import pytest

from cat_normalize.core import schema

CONTRACT = [
    ("usuario_id", "string"),
    ("nombre", "string"),
    ("gerencia", "string"),
    ("ciudad", "string"),
    ("fecha_primera_conversacion", "date"),
    ("numero_conversaciones", "int"),
    ("conversacion_completa", "string"),
    ("feedback_total", "string"),
    ("numero_feedback", "int"),
    ("pregunta_conversacion", "string"),
    ("feedback", "string"),
    ("respuesta_feedback", "string"),
]
ARROW = {pa.string(): "string", pa.date32(): "date", pa.int32(): "int"}


@pytest.mark.parametrize(
    "columns",
    [
        [(column.name, column.kind) for column in schema.COLUMNS],
        [(each["Name"], each["Type"]) for each in schema.USERS.glue_columns()],
        [
            (name, kind.lower())
            for name, kind in (each.split() for each in schema.USERS.spark_ddl().split(", "))
        ],
        [(field.name, ARROW[field.type]) for field in schema.USERS.arrow_schema()],
        list(zip(schema.csv_header().split(","), dict(CONTRACT).values(), strict=True)),
        list(zip(schema.NAMES, dict(CONTRACT).values(), strict=True)),
    ],
    ids=["declared", "Glue", "Spark", "Arrow", "CSV", "names"],
)
def test_every_form_is_the_contracts(columns):
    assert columns == CONTRACT


def test_every_column_may_be_null_and_has_a_comment():
    assert all(field.nullable for field in schema.USERS.arrow_schema())
    assert all(each["Comment"] and len(each["Comment"]) <= 255 for each in schema.USERS.glue_columns())
