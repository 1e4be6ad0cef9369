"""Expected outputs of a table, by the reference implementation, and checks of CSV, rejects and Parquet."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import sys
from base64 import b64decode
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq

import reference
import reference_tables
from cat_normalize.core.settings import Settings
from tables.collection import Table, line

HEADER = (
    b"usuario_id,nombre,gerencia,ciudad,fecha_primera_conversacion,numero_conversaciones,conversacion_completa,"
    b"feedback_total,numero_feedback,pregunta_conversacion,feedback,respuesta_feedback\n"
)
REJECTED = r"(?s)(\d[\d,]* .*reject|reject.* \d)"
"""The part of the error of an all-rejected table that has the number of rejects."""


@dataclass(frozen=True, slots=True)
class Expected:
    """The rows and the summary of a table by the contract."""

    rows: list[list[str]]
    summary: dict[str, Any]

    @property
    def all_rejected(self) -> bool:
        return 0 < self.summary["items_read"] == self.summary["rejected"]

    @property
    def totals(self) -> dict[str, int]:
        sums = (sum(int(row[column]) for row in self.rows) for column in (5, 8))
        return dict(
            zip(("user_count", "conversation_count", "feedback_count"), (len(self.rows), *sums), strict=True)
        )


def expect(table: Table, lines: Sequence[bytes]) -> Expected:
    """Normalize lines with the reference implementation and the table's filters."""
    rules = dict(table.rules)
    days = {name: date.fromisoformat(rules.pop(name)) for name in ("since", "until") if name in rules}
    rows, reasons, warnings, kinds = reference.normalize(lines, **rules, **days)
    kept = [kinds.get(kind, 0) for kind in ("CONVERSATION#", "FEEDBACK#", "REGISTER", "filtered")]
    counts = [sum(kept) + len(reasons), *kept, len(reasons)]
    names = ("items_read", "conversations", "feedback", "registrations", "filtered", "rejected")
    summary: dict[str, Any] = dict(zip(names, counts, strict=True))
    by_reason, warned = dict(sorted(Counter(reasons).items())), dict(sorted(Counter(warnings).items()))
    return Expected(rows, summary | {"rejected_by_reason": by_reason, "warnings": warned, "users": len(rows)})


def write_files(table: Table, folder: Path) -> dict[str, list[bytes]]:
    """Write a table's lines as three files: plain, gzip of wrapped items, CRLF; return each file's lines."""
    folder.mkdir()
    lines = table.lines
    third = len(lines) // 3
    wrapped = [line(json.loads(each), wrapped=True) for each in lines[third : 2 * third] if _plain(each)]
    wrapped += [each for each in lines[third : 2 * third] if not _plain(each)]
    files = {"a.jsonl": lines[:third], "b.json.gz": wrapped, "c.jsonl": lines[2 * third :]}
    (folder / "a.jsonl").write_bytes(b"".join(each + b"\n" for each in files["a.jsonl"]))
    (folder / "b.json.gz").write_bytes(gzip.compress(b"\n".join(files["b.json.gz"])))
    (folder / "c.jsonl").write_bytes(b"\r\n".join(files["c.jsonl"]))
    return files


def _plain(each: bytes) -> bool:
    return each.startswith(b'{"PK":{"S":') and b"\\u" not in each


def check_rejects(data: bytes, files: Mapping[str, Sequence[bytes]]) -> None:
    """Compare rejects with the reference: file and line in reading order, reason, unchanged item."""
    expected = [
        (f"{name}:{number}", reason, bare(each))
        for name, lines in files.items()
        for number, each in enumerate(lines, start=1)
        for reason in reference.normalize([each])[1]
    ]
    found = [json.loads(each) for each in data.splitlines()]
    check_rows([(Path(each["source"]).name, each["reason"], each["item"]) for each in found], expected)
    assert all(each["detail"] for each in found)


def bare(each: bytes) -> Any:
    """Return the item of a line's reject: the bare item, or the line if it is not JSON."""
    if reference.normalize([each])[1] == ["not_json"]:
        return each.decode(errors="backslashreplace")
    item = json.loads(each)
    return item["Item"] if list(item) == ["Item"] else item


def check_csv(data: bytes, expected: Expected) -> None:
    """Compare a CSV, read by Python's csv module, with the expected rows."""
    csv.field_size_limit(sys.maxsize)
    assert data.startswith(HEADER)
    assert data.count(b"\n") == 1 + len(expected.rows)
    assert b"\r" not in data
    check_rows(read_csv(data), expected.rows)


def check_rows(found: Sequence[Any], expected: Sequence[Any]) -> None:
    """Compare rows and show only the first difference: pytest takes minutes to compare megabytes."""
    for number, (row, other) in enumerate(zip(found, expected, strict=False)):
        for column, (value, right) in enumerate(zip(row, other, strict=True)):
            same = value == right
            assert same, f"row {number}, column {column}: {value!r:.300}, expected {right!r:.300}"
    assert len(found) == len(expected)


def read_csv(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode(), newline=""), strict=True))[1:]


def check_parquet(path: Path, data: bytes) -> None:
    """Compare a Parquet file, read by PyArrow and by DuckDB, with the CSV it was converted from."""
    rows = [tuple(map(typed, range(12), row)) for row in read_csv(data)]
    read = pq.read_table(path)
    assert ",".join(read.column_names).encode() == HEADER.rstrip()
    assert [str(each) for each in read.schema.types] == [kind(column) for column in range(12)]
    check_rows(list(zip(*(each.to_pylist() for each in read.columns), strict=True)), rows)
    with duckdb.connect() as connection:
        check_rows(connection.read_parquet(str(path)).fetchall(), rows)


def check_tables(data: bytes, conversations: Path, messages: Path) -> None:
    """Compare the two tables with what the independent reading makes of the CSV."""
    names = HEADER.decode().strip().split(",")
    rows = [dict(zip(names, map(typed, range(12), row), strict=True)) for row in read_csv(data)]
    patterns = Settings().rules.fallback_patterns
    *expected, _ = reference_tables.tables(rows, patterns=patterns)
    for path, wanted in zip((conversations, messages), expected, strict=True):
        found = pq.read_table(path).to_pylist()
        check_rows([tuple(row.values()) for row in found], [tuple(row.values()) for row in wanted])


def kind(column: int) -> str:
    return {4: "date32[day]", 5: "int32", 8: "int32"}.get(column, "string")


def typed(column: int, text: str) -> Any:
    if not text:
        return None
    if column == 4:
        return datetime.strptime(text, "%d/%m/%Y").date()
    return int(text) if column in (5, 8) else text


def for_boto(value: Any) -> Any:
    """Return DynamoDB JSON as boto3 takes it: bytes instead of base64."""
    if isinstance(value, list):
        return [for_boto(each) for each in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((name, inner),) = value.items()
        if name == "B" and isinstance(inner, str):
            return {"B": b64decode(inner)}
        if name == "BS" and isinstance(inner, list):
            return {"BS": [b64decode(each) for each in inner]}
    return {name: for_boto(each) for name, each in value.items()}


def filter_options(rules: Mapping[str, Any]) -> Iterator[str]:
    """Yield a table's filters as options of the command line."""
    for name in {"since", "until"} & set(rules):
        yield from (f"--{name}", rules[name])
    for city in rules.get("exclude_cities", ()):
        yield from ("--exclude-city", city)


def filter_variables(rules: Mapping[str, Any]) -> dict[str, str]:
    """Return a table's filters as environment variables."""
    joined = {name: ",".join(value) if isinstance(value, list) else value for name, value in rules.items()}
    return {f"CAT_{name.upper()}": value for name, value in joined.items()}


def explains(text: str, summary: Mapping[str, Any]) -> bool:
    """Return whether the error of an all-rejected table has the number of rejects and every reason."""
    return bool(re.search(REJECTED, text)) and all(reason in text for reason in summary["rejected_by_reason"])


def rejects_of(each: bytes) -> Iterator[tuple[str, str]]:
    """Yield reason and bare item if the reference rejects a line."""
    for reason in reference.normalize([each])[1]:
        yield reason, json.dumps(bare(each), sort_keys=True)


def without_sources(rejects: bytes) -> list[tuple[str, str]]:
    """Return reasons and items of rejects, sorted, without file and line: these depend on the scan."""
    found = [json.loads(each) for each in rejects.splitlines()]
    return sorted((each["reason"], json.dumps(each["item"], sort_keys=True)) for each in found)
