"""Follow one user, or one reject, through the files of a run, for the notebook that investigates.

Every function reads one line at a time, or asks DuckDB, whose memory is bounded. What is not there is empty.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import DecodeError, Struct, field

from cat_lab.report import facts
from cat_normalize.core import csvfile
from cat_normalize.core.errors import InputError, ParameterError
from cat_normalize.core.schema import NAMES, TABLES
from cat_normalize.extract import item_files
from cat_normalize.normalize.decode import USER_PREFIX, bare_item

if TYPE_CHECKING:
    import pandas as pd

MOST = 200
"""Items and rows of a user that are shown at most; all are counted."""
_CHARACTERS = 120
_ORDER = {"users": "usuario_id", "conversations": "orden", "messages": "orden, numero"}


class _Text(Struct, frozen=True):
    text: str = field(name="S", default="")


class _Keys(Struct):
    pk: _Text = field(name="PK", default=_Text())
    sk: _Text = field(name="SK", default=_Text())


_keys = msgspec.json.Decoder(_Keys)


@dataclass(frozen=True, slots=True)
class Items:
    """The raw items of a user: a row of ``COLUMNS`` for the first ones, how many, and the first whole."""

    rows: list[tuple[Any, ...]]
    total: int
    first: bytes | None

    COLUMNS = ("partition", "line", "kind", "sort key", "bytes")


@dataclass(frozen=True, slots=True)
class Reject:
    """One reject: its number of ``total``, its line in the rejects, and what that says; of none all empty."""

    number: int
    total: int
    line: bytes = b""
    item: bytes | None = None
    source: str = ""
    user: str = ""

    @property
    def lines(self) -> list[bytes]:
        """Its line, as `display.rejects` takes lines."""
        return [self.line] if self.line else []


def choose_user(csv: Path, user: str) -> str:
    """Return the given user, else the first one with the most conversations; nothing if there is no user."""
    if user or not csv.is_file():
        return user
    most = -1
    with csv.open("rb") as stream:
        wanted = ("usuario_id", "numero_conversaciones")
        for name, count in csvfile.columns(stream, csv.name, wanted):
            if int(str(count)) > most:
                user, most = str(name), int(str(count))
    return user


def items_of(raw: Path, user: str) -> Items:
    """Find the items of a user in the one partition that has them, by the hash of their PK.

    Raises:
        InputError: the folder has no extract.
    """
    files = _partitions(raw)
    if not user:
        return Items([], 0, None)
    path = raw / files[_partition(user, len(files))]
    rows: list[tuple[Any, ...]] = []
    total, first, pk = 0, None, USER_PREFIX + user
    for number, line in enumerate(item_files.read_lines(path), start=1):
        keys = _keys_of(line)
        if not keys or keys.pk.text != pk:
            continue
        total += 1
        first = line.strip() if first is None else first
        if total <= MOST:
            rows.append((path.name, number, facts.kind(line), keys.sk.text, len(line)))
    return Items(rows, total, first)


def row_of(csv: Path, user: str) -> list[tuple[str, csvfile.Value]]:
    """Return the columns of a user's row of the CSV, with their values; nothing if there is no such row."""
    start = csvfile.line([user])[:-1] + b","
    if user and csv.is_file():
        with csv.open("rb") as stream:
            for number, line in enumerate(stream, start=1):
                if number > 1 and line.startswith(start):
                    return list(zip(NAMES, csvfile.row(line, csv.name, number), strict=True))
    return []


def rows_of(tables: Mapping[str, Path], table: str, user: str) -> pd.DataFrame:
    """Return the first rows of a user in one of the tables, long texts cut, in their order.

    Args:
        tables: the Parquet files by table; where one is missing there are no rows.
        table: ``users``, ``conversations`` or ``messages``.
        user: the user's id.
    """
    (columns,) = [each.columns for each in TABLES if each.name == table]
    chosen = ", ".join(
        f"substr({each.name}, 1, {_CHARACTERS}) AS {each.name}" if each.kind == "string" else each.name
        for each in columns
    )
    order = f"ORDER BY {_ORDER[table]} LIMIT {MOST}"
    return _ask(tables, table, f"SELECT {chosen} FROM {table} WHERE usuario_id = ? {order}", user)


def count_of(tables: Mapping[str, Path], table: str, user: str) -> int:
    """Count the rows of a user in one of the tables."""
    found = _ask(tables, table, f"SELECT count(*) AS n FROM {table} WHERE usuario_id = ?", user)
    return int(found["n"].sum()) if len(found) else 0


def reject_at(rejects: Path, number: int) -> Reject:
    """Find a reject by its number, from 0.

    Raises:
        ParameterError: there are rejects, and none of that number.
    """
    found, total = b"", 0
    if rejects.is_file():
        with rejects.open("rb") as stream:
            for total, line in enumerate(stream, start=1):
                found = line if total == number + 1 else found
    if total and not found:
        raise ParameterError(f"reject: {number} is not within 0 to {total - 1}, the rejects of this run")
    if not found:
        return Reject(number, 0)
    read = json.loads(found)
    item = read["item"]
    whole = item.encode() if isinstance(item, str) else json.dumps(item, ensure_ascii=False).encode()
    keys = _keys_of(whole)
    user = keys.pk.text if keys and keys.pk.text.startswith(USER_PREFIX) else ""
    return Reject(number, total, found, whole, str(read["source"]), user.removeprefix(USER_PREFIX))


def at_source(raw: Path, reject: Reject) -> str:
    """Say whether the item of a reject stands where it was read, in the raw partitions of this folder.

    Raises:
        InputError: there is a reject, and the folder has no extract.
    """
    name, _, number = reject.source.rpartition(":")
    place = f"{name}, line {number}"
    if not reject.line:
        return "There is no reject to look for."
    if name not in _partitions(raw):
        return f"{place}: no file of this extract; the rejects are of another one"
    lines = islice(item_files.read_lines(raw / name), int(number) - 1, int(number))
    line = next(lines, None)
    if line is not None and _is_item(line, json.loads(reject.line)["item"]):
        return f"{place}: the item stands there, {len(line):,} bytes"
    return f"{place}: another item stands there; the rejects are of another extract"


def _ask(tables: Mapping[str, Path], table: str, sql: str, user: str) -> pd.DataFrame:
    import pandas as pd

    from cat_lab.local_athena import run_query
    from cat_normalize.query import Parameter, Query

    if table not in tables:
        return pd.DataFrame()
    query = Query(f"the rows of a user in {table}", "", sql, (Parameter("user", "text"),))
    return run_query(query, tables, {"user": user})


def _partitions(raw: Path) -> list[str]:
    record = raw / item_files.RECORD
    if not record.is_file():
        raise InputError(f"{raw} has no extract; run 01_extract first")
    names: list[str] = json.loads(record.read_bytes())["files"]
    return names


def _partition(user: str, count: int) -> int:
    return item_files.of_line(msgspec.json.encode({"PK": {"S": USER_PREFIX + user}}), count)


def _keys_of(line: bytes) -> _Keys | None:
    try:
        return _keys.decode(bare_item(line))
    except (DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _is_item(line: bytes, item: Any) -> bool:
    """Return whether a line is the item of a reject, which is a text where it was not JSON."""
    if isinstance(item, str):
        return line.rstrip(b"\r\n").decode(errors="backslashreplace") == item.rstrip("\r\n")
    try:
        return bool(json.loads(bare_item(line)) == item)
    except (ValueError, RecursionError):
        return False
