"""What the notebooks tell of files, on files of every kind."""

import gzip

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cat_lab.report import facts
from cat_normalize.core import csvfile
from cat_normalize.core.schema import NAMES, USERS

TALK = b'{"PK":{"S":"USER#1"},"SK":{"S":"CONVERSATION#2025-08-18"},"Conversation":{"L":[]}}\n'
LINES = [
    TALK,
    b'{"Item":{"PK":{"S":"USER#1"},"SK":{"S":"FEEDBACK#1"}}}\n',
    b'{"PK":{"S":"USER#1"},"SK":{"S":"REGISTER"}}\n',
    b'{"PK":{"S":"USER#1"},"SK":{"S":"SESSION#1"}}\n',
    b'{"PK":{"S":"USER#1"},"SK":{"N":"1"}}\n',
    b"no JSON \xff\n",
    b"[" * 9_000 + b"\n",
]


def row(user, conversations=1, **given):
    values = {"usuario_id": user, "nombre": "Usuario Anónimo", "conversacion_completa": "[]"}
    values |= {"numero_conversaciones": conversations, "numero_feedback": 0} | given
    return csvfile.line([values.get(name) for name in NAMES])


@pytest.fixture
def csv(tmp_path):
    def write(*rows):
        path = tmp_path / "users.csv"
        path.write_bytes(csvfile.HEADER + b"".join(rows))
        return path

    return write


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_kinds_of_a_partition(tmp_path, pack):
    path = tmp_path / "part"
    path.write_bytes(pack(b"".join(LINES)))
    assert facts.count_items(path) == {
        "items": 7,
        "bytes": sum(map(len, LINES)),
        "CONVERSATION": 1,
        "FEEDBACK": 1,
        "REGISTER": 1,
        "other": 4,
    }


def test_an_empty_partition(tmp_path):
    (tmp_path / "part").touch()
    assert set(facts.count_items(tmp_path / "part").values()) == {0}
    assert facts.first_lines([tmp_path / "part"]) == []
    assert facts.richest_item([]) is None


def test_only_a_few_lines_of_each_file_are_read(tmp_path):
    short, long = tmp_path / "short", tmp_path / "long"
    short.write_bytes(TALK * 30)
    long.write_bytes((b'"' + b"x" * 400_000 + b'"\n') * 30)
    assert list(map(len, facts.first_lines([short, long]))) == [len(TALK) - 1] * 20 + [400_002]


def test_the_richest_item_is_counted_inside_its_wrapper():
    lines = [each.strip() for each in LINES]
    assert facts.richest_item(lines) == TALK.strip()
    wrapped = b'{"Item":{"PK":{},"SK":{},"a":{},"b":{}}}'
    assert facts.richest_item([*lines, wrapped]) == wrapped


def test_the_first_rows(csv):
    path = csv(*(row(f"u{n}", n) for n in range(9)))
    assert facts.first_rows(path, ["numero_conversaciones", "usuario_id"], 2) == [[0, "u0"], [1, "u1"]]
    assert facts.first_rows(csv(), ["usuario_id"]) == []


def test_users_with_a_value_by_column(csv):
    rows = [row("a"), row("b", nombre="Ana", ciudad="Cali"), row("c", ciudad="Pasto", feedback="like")]
    assert facts.users_with_value(csv(*rows)) == {
        "nombre": 1,
        "gerencia": 0,
        "ciudad": 2,
        "fecha_primera_conversacion": 0,
        "feedback": 1,
    }
    assert set(facts.users_with_value(csv()).values()) == {0}


def test_users_by_conversations(csv):
    numbers = [0, 1, 1, 2, 3, 5, 6, 10, 11, 100, 101, 9_999]
    assert facts.users_by_conversations(csv(*(row(str(n), n) for n in numbers))) == {
        "0": 1,
        "1": 2,
        "2": 1,
        "3 to 5": 2,
        "6 to 10": 2,
        "11 to 20": 1,
        "51 to 100": 1,
        "over 100": 2,
    }
    assert facts.users_by_conversations(csv()) == {}


def test_the_bytes_of_columns_are_those_of_all_row_groups(tmp_path):
    table = pa.Table.from_pylist(
        [dict.fromkeys(NAMES) | {"nombre": "x" * n} for n in range(9)], USERS.arrow_schema()
    )
    pq.write_table(table, tmp_path / "p", row_group_size=2)
    metadata = pq.read_metadata(tmp_path / "p")
    groups = [metadata.row_group(n) for n in range(metadata.num_row_groups)]
    assert len(groups) == 5
    assert list(facts.column_bytes(tmp_path / "p").items()) == [
        (name, sum(group.column(at).total_compressed_size for group in groups))
        for at, name in enumerate(NAMES)
    ]


def test_a_file_without_rows_has_no_bytes(tmp_path):
    pq.write_table(USERS.arrow_schema().empty_table(), tmp_path / "p")
    assert set(facts.column_bytes(tmp_path / "p").values()) == {0}
