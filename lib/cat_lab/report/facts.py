"""Count and sample the files of a run in flat memory, for the notebooks.

Every function reads one line at a time, or only the metadata of a Parquet file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

from msgspec import DecodeError, Raw, Struct
from msgspec.json import Decoder

from cat_normalize.core import csvfile
from cat_normalize.extract import item_files
from cat_normalize.normalize.decode import RejectError, kind_of
from cat_normalize.normalize.rows import NO_NAME

KINDS = ("CONVERSATION", "FEEDBACK", "REGISTER", "other")
USER_COLUMNS = ("nombre", "gerencia", "ciudad", "fecha_primera_conversacion", "feedback")
"""The columns that have a value only if a user gave one."""
_SAMPLE_BYTES = 1 << 16
_CLASS_LIMITS = (0, 1, 2, 5, 10, 20, 50, 100)


class _Sk(Struct, frozen=True):
    S: str = ""


class _Keys(Struct):
    SK: _Sk = _Sk()
    Item: Raw = Raw()


_keys = Decoder(_Keys)
_object = Decoder(dict[str, Raw])


def count_items(path: Path) -> dict[str, int]:
    """Count the items of one raw partition, in total and by kind, and its bytes."""
    kinds = Counter(dict.fromkeys(KINDS, 0))
    size = 0
    for line in item_files.read_lines(path):
        kinds[kind(line)] += 1
        size += len(line)
    return {"items": kinds.total(), "bytes": size, **kinds}


def first_lines(paths: Iterable[Path], count: int = 20) -> list[bytes]:
    """Return up to `count` first lines of each file, fewer if they are long."""
    found: list[bytes] = []
    for path in paths:
        left = _SAMPLE_BYTES
        for line in islice(item_files.read_lines(path), count):
            found.append(line.strip())
            left -= len(line)
            if left <= 0:
                break
    return found


def richest_item(lines: Iterable[bytes]) -> bytes | None:
    """Return the item with the most attributes, the first of several; None if there is no item.

    >>> richest_item([b'{"PK":{"S":"a"}}', b'{"PK":{"S":"b"},"SK":{"S":"c"}}', b'?'])
    b'{"PK":{"S":"b"},"SK":{"S":"c"}}'
    """
    return max(lines, key=_attributes, default=None)


def first_rows(csv: Path, columns: Sequence[str], count: int = 6) -> list[list[csvfile.Value]]:
    """Return some columns of the first rows of a CSV."""
    with csv.open("rb") as stream:
        return list(islice(csvfile.columns(stream, csv.name, columns), count))


def users_with_value(csv: Path) -> dict[str, int]:
    """Count the users with a value in each of `USER_COLUMNS`; the name for users without one is none."""
    found = dict.fromkeys(USER_COLUMNS, 0)
    with csv.open("rb") as stream:
        for values in csvfile.columns(stream, csv.name, USER_COLUMNS):
            for name, value in zip(USER_COLUMNS, values, strict=True):
                found[name] += value not in (None, NO_NAME)
    return found


def users_by_conversations(csv: Path) -> dict[str, int]:
    """Count the users by classes of their number of conversations; the last class is open."""
    counts = dict.fromkeys(map(_class_of, (*_CLASS_LIMITS, _CLASS_LIMITS[-1] + 1)), 0)
    with csv.open("rb") as stream:
        for (number,) in csvfile.columns(stream, csv.name, ["numero_conversaciones"]):
            counts[_class_of(int(str(number)))] += 1
    return {name: count for name, count in counts.items() if count}


def column_bytes(parquet: Path) -> dict[str, int]:
    """Return the compressed bytes of each column of a Parquet file, in the columns' order."""
    import pyarrow.parquet as pq

    metadata = pq.read_metadata(parquet)
    sizes = dict.fromkeys(metadata.schema.names, 0)
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        for column in map(group.column, range(group.num_columns if group.num_rows else 0)):
            sizes[column.path_in_schema] += column.total_compressed_size
    return sizes


def kind(line: bytes) -> str:
    """Return the kind of a raw item, `other` where it cannot be told."""
    try:
        keys = _keys.decode(line)
        if not keys.SK.S and keys.Item:
            keys = _keys.decode(keys.Item)
        return kind_of(keys.SK.S)
    except (DecodeError, UnicodeDecodeError, RecursionError, RejectError):
        return KINDS[-1]


def _attributes(line: bytes) -> int:
    try:
        found = _object.decode(line)
        return len(_object.decode(found["Item"]) if set(found) == {"Item"} else found)
    except (DecodeError, UnicodeDecodeError, RecursionError):
        return 0


def _class_of(number: int) -> str:
    """Name the class of a number.

    >>> _class_of(0), _class_of(4), _class_of(10), _class_of(5000)
    ('0', '3 to 5', '6 to 10', 'over 100')
    """
    before = -1
    for last in _CLASS_LIMITS:
        if number <= last:
            return str(last) if before + 1 == last else f"{before + 1} to {last}"
        before = last
    return f"over {before}"
