"""Compare a Parquet file with its CSV: value by value, in order, a few rows at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cat_normalize.core import csvfile
from cat_normalize.core.errors import ConvertError
from cat_normalize.core.schema import NAMES, USERS

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

_BATCH_BYTES = 1 << 19
_BATCH_ROWS = 1024
_STREAMED = 1 << 20
_SLICE = 1 << 20


def same_rows(stream: Iterable[bytes], file: str, parquet: Path) -> int:
    """Check that a CSV and a Parquet file have equal rows in the same order; return how many.

    A row is compared as the bytes of its CSV line, so a conversation of many MB is never decoded.

    Args:
        stream: the lines of the CSV.
        file: the name of the CSV, for errors.
        parquet: the path of the Parquet file.

    Raises:
        ConvertError: they differ; the message names row and column and quotes no value.
        MalformedCsvError: the CSV does not follow the contract (§4).
    """
    import pyarrow.parquet as pq

    number = 0
    lines = iter(stream)
    list(csvfile.rows([next(lines, b"")], file))  # the header
    with pq.ParquetFile(parquet, buffer_size=_STREAMED, pre_buffer=False) as source:
        if not source.schema_arrow.equals(USERS.arrow_schema()):
            raise ConvertError(
                f"{parquet.name}: its columns or types are not the declared ones; convert again"
            )
        for number, (line, values) in enumerate(zip_longest(lines, _rows(source)), start=1):
            if line is None or values is None:
                longer = file if values is None else parquet.name
                raise ConvertError(f"row {number} is only in {longer}; convert again")
            if not _is_line(values, line) and (column := _difference(values, line, file, number)):
                raise ConvertError(
                    f"row {number}, column {column}: {parquet.name} differs from {file}; convert again"
                )
    return number


def _rows(source: ParquetFile) -> Iterator[tuple[Any, ...]]:
    """Yield the rows, with texts as UTF-8 bytes."""
    import pyarrow as pa

    metadata = source.metadata
    size = sum(metadata.row_group(n).total_byte_size for n in range(metadata.num_row_groups))
    count = _BATCH_BYTES * metadata.num_rows // max(size, 1)
    for batch in source.iter_batches(batch_size=max(1, min(_BATCH_ROWS, count)), use_threads=False):
        columns = [c.cast(pa.binary()) if pa.types.is_string(c.type) else c for c in batch.columns]
        for row in range(batch.num_rows):
            yield tuple(_value(column[row]) for column in columns)


class _LongText:
    """A text of many MB, read in slices each time it is iterated."""

    def __init__(self, buffer: pa.Buffer) -> None:
        self._buffer = buffer

    def __iter__(self) -> Iterator[bytes]:
        for start in range(0, self._buffer.size, _SLICE):
            yield self._buffer.slice(start, min(_SLICE, self._buffer.size - start)).to_pybytes()


def _value(scalar: pa.Scalar) -> Any:
    buffer = scalar.as_buffer() if hasattr(scalar, "as_buffer") else None
    return scalar.as_py() if buffer is None or buffer.size <= _SLICE else _LongText(buffer)


def _is_line(values: tuple[Any, ...], line: bytes) -> bool:
    """Tell whether a row would be written as this line; an empty text never is, as it looks like NULL."""
    written = [csvfile.format_day(value) if isinstance(value, date) else value for value in values]
    offset = 0
    for piece in csvfile.pieces(written):
        if not line.startswith(piece, offset):
            return False
        offset += len(piece)
    return offset == len(line) and b"" not in values


def _difference(values: tuple[Any, ...], line: bytes, file: str, number: int) -> str | None:
    """Return the first column whose value differs."""
    expected = csvfile.row(line, file, number + 1)
    for name, value, found in zip(NAMES, expected, values, strict=True):
        if isinstance(found, _LongText):
            found = b"".join(found)
        if value != (found.decode() if isinstance(found, bytes) else found):
            return name
    return None
