"""query on a local file: every answer as JSON and as a table."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cat_normalize import query
from cat_normalize.core import schema


@pytest.fixture
def parquet(tmp_path):
    row = dict.fromkeys(schema.NAMES) | {
        "usuario_id": "u1",
        "nombre": "Ana",
        "numero_conversaciones": 2,
        "numero_feedback": 0,
        "conversacion_completa": "[]",
        "pregunta_conversacion": "hola | adiós",
    }
    path = tmp_path / "users.parquet"
    pq.write_table(pa.Table.from_pylist([row], schema=schema.USERS.arrow_schema()), path)
    return path


@pytest.mark.parametrize("name", query.names())
def test_every_query_answers_as_json(call, parquet, name):
    code, out, err = call("query", name, "--parquet", parquet, "--json")
    assert (code, err) == (0, "")
    printed = json.loads(out)
    assert list(printed) == ["query", "rows"]
    assert printed["query"] == name
    assert all(isinstance(row, dict) for row in printed["rows"])


def test_null_is_null_in_json(call, parquet):
    _, out, _ = call("query", "users_by_city", "--parquet", parquet, "--json")
    assert json.loads(out)["rows"][0]["ciudad"] is None


def test_a_share_of_zero_users_is_null_in_json(call, tmp_path):
    pq.write_table(schema.USERS.arrow_schema().empty_table(), tmp_path / "empty.parquet")
    _, out, _ = call("query", "feedback_share", "--parquet", tmp_path / "empty.parquet", "--json")
    assert json.loads(out)["rows"][0]["share_of_users"] is None


def test_a_query_parameter_applies(call, parquet):
    code, out, _ = call("query", "most_asked_questions", "--parquet", parquet, "--param", "top=1", "--json")
    assert (code, len(json.loads(out)["rows"])) == (0, 1)


def test_a_table_is_printed(call, parquet):
    code, out, err = call("query", "totals", "--parquet", parquet)
    assert (code, err) == (0, "")
    header, row = (line.split() for line in out.splitlines())
    assert dict(zip(header, row, strict=True))["conversation_count"] == "2"
