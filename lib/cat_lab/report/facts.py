"""What the notebooks tell of a run's files: counts and a few first lines, in flat memory.

Every function reads a line at a time, or what a Parquet file says of itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

from msgspec import DecodeError, Raw, Struct
from msgspec.json import Decoder

from cat_normalize.core import csvfile
from cat_normalize.extract import partitions
from cat_normalize.normalize.decode import RejectError, kind_of
from cat_normalize.normalize.rows import NO_NAME

KINDS = ("CONVERSATION", "FEEDBACK", "REGISTER", "other")
GIVEN = ("nombre", "gerencia", "ciudad", "fecha_primera_conversacion", "feedback")
"""The columns that say something only where a user gave it."""
_LOOKED_AT = 1 << 16
_UP_TO = (0, 1, 2, 5, 10, 20, 50, 100)


class _Sk(Struct, frozen=True):
    S: str = ""


class _Keys(Struct):
    SK: _Sk = _Sk()
    Item: Raw = Raw()


_keys = Decoder(_Keys)
_object = Decoder(dict[str, Raw])


def of_partition(path: Path) -> dict[str, int]:
    """Count the items of one raw partition, in all and by kind, and its bytes."""
    kinds = Counter(dict.fromkeys(KINDS, 0))
    size = 0
    for line in partitions.read_lines(path):
        kinds[_kind(line)] += 1
        size += len(line)
    return {"items": kinds.total(), "bytes": size, **kinds}


def first_lines(paths: Iterable[Path], count: int = 20) -> list[bytes]:
    """Return up to `count` first lines of each file, fewer where they are long."""
    found: list[bytes] = []
    for path in paths:
        left = _LOOKED_AT
        for line in islice(partitions.read_lines(path), count):
            found.append(line.strip())
            left -= len(line)
            if left <= 0:
                break
    return found


def fullest(lines: Iterable[bytes]) -> bytes | None:
    """Return the first of those items that have the most attributes, None where there is no item.

    >>> fullest([b'{"PK":{"S":"a"}}', b'{"PK":{"S":"b"},"SK":{"S":"c"}}', b'?'])
    b'{"PK":{"S":"b"},"SK":{"S":"c"}}'
    """
    return max(lines, key=_attributes, default=None)


def first_rows(csv: Path, columns: Sequence[str], count: int = 6) -> list[list[csvfile.Value]]:
    """Return some columns of the first rows of a CSV."""
    with csv.open("rb") as stream:
        return list(islice(csvfile.columns(stream, csv.name, columns), count))


def given(csv: Path) -> dict[str, int]:
    """Count the users who have a value of their own in each of the columns `GIVEN`."""
    found = dict.fromkeys(GIVEN, 0)
    with csv.open("rb") as stream:
        for values in csvfile.columns(stream, csv.name, GIVEN):
            for name, value in zip(GIVEN, values, strict=True):
                found[name] += value not in (None, NO_NAME)
    return found


def users_by_conversations(csv: Path) -> dict[str, int]:
    """Count the users by how many conversations they have; the last class has no end."""
    counts = Counter[str]()
    with csv.open("rb") as stream:
        for (number,) in csvfile.columns(stream, csv.name, ["numero_conversaciones"]):
            counts[_class_of(int(str(number)))] += 1
    return {name: counts[name] for name in map(_class_of, (*_UP_TO, _UP_TO[-1] + 1)) if counts[name]}


def column_bytes(parquet: Path) -> dict[str, int]:
    """Return the compressed bytes of each column of a Parquet file, in the columns' order."""
    import pyarrow.parquet as pq

    metadata = pq.read_metadata(parquet)
    sizes = dict.fromkeys(metadata.schema.names, 0)
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        for at in range(group.num_columns if group.num_rows else 0):
            sizes[group.column(at).path_in_schema] += group.column(at).total_compressed_size
    return sizes


def _kind(line: bytes) -> str:
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
    for last in _UP_TO:
        if number <= last:
            return str(last) if before + 1 == last else f"{before + 1} to {last}"
        before = last
    return f"over {before}"
