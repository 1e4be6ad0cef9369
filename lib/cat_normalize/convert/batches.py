"""Turn Arrow batches of the CSV's rows into batches of both new tables; runs in Spark's Python workers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from cat_normalize.convert.conversations import Conversation, Reader, Row, User
from cat_normalize.core.schema import CONVERSATIONS, MESSAGES, Table
from cat_normalize.core.settings import Rules

if TYPE_CHECKING:
    import pyarrow as pa

BLOCK, TABLE, USERS_READ, UNMATCHED = "block", "table", "users_read", "unmatched"
"""What comes with the rows: their place in the CSV, their table (NULL: counts), and two counts."""
INPUT = ("usuario_id", "ciudad", "gerencia", "conversacion_completa", "feedback_total", BLOCK)
"""The columns of the batches to split."""
_columns = {column.name: column for table in (CONVERSATIONS, MESSAGES) for column in table.columns}
_BOTH = Table(
    "both", "The columns of both tables; a row has NULL in those of the other", (*_columns.values(),)
)
_LONG_TEXTS = {"texto", "primera_pregunta", "comentario"}
_ROWS, _CHARACTERS = 4096, 1 << 20


def spark_ddl() -> str:
    """Return the Spark schema of the batches that `split` yields."""
    return f"{_BOTH.spark_ddl()}, {BLOCK} BIGINT, {TABLE} STRING, {USERS_READ} INT, {UNMATCHED} INT"


def split(batches: Iterator[pa.RecordBatch], rules: Rules) -> Iterator[pa.RecordBatch]:
    """Yield batches of `spark_ddl`: rows of both tables, and after each batch one row of counts.

    The rows of a table keep the order of the users; a batch may have those of several, or of a part of one.

    Args:
        batches: of the columns `INPUT`.
        rules: zones and fallback patterns.

    Raises:
        ConvertError: a conversation or a feedback is not the JSON of contract §2.
    """
    reader, messages, conversations = Reader(rules), _Gathered(MESSAGES), _Gathered(CONVERSATIONS)
    for batch in batches:
        unmatched = 0
        for line in range(batch.num_rows):
            user, ciudad, gerencia, block = (batch.column(n)[line].as_py() for n in (0, 1, 2, 5))
            talk, feedback = (batch.column(n)[line].as_buffer() for n in (3, 4))
            who, found = User(user, ciudad, gerencia), list[Conversation]()
            for rows in reader.messages(who, talk, found):
                yield from messages.add(rows, block)
            rows, of_none = reader.conversations(who, feedback, found)
            yield from conversations.add(rows, block)
            unmatched += of_none
        yield _batch({USERS_READ: [batch.num_rows], UNMATCHED: [unmatched]}, 1)
    yield from (*messages.rest(), *conversations.rest())


class _Gathered:
    """Rows of one table, until they are enough for a batch."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._texts = [n for n, each in enumerate(table.columns) if each.name in _LONG_TEXTS]
        self._rows: list[Row] = []
        self._blocks: list[int] = []
        self._characters = 0

    def add(self, rows: list[Row], block: int) -> Iterator[pa.RecordBatch]:
        """Add rows of one block, and yield a batch if there are enough."""
        self._rows += rows
        self._blocks += [block] * len(rows)
        self._characters += sum(len(row[at] or "") for row in rows for at in self._texts)
        if len(self._rows) >= _ROWS or self._characters >= _CHARACTERS:
            yield from self.rest()

    def rest(self) -> Iterator[pa.RecordBatch]:
        """Yield what is left as one batch."""
        if self._rows:
            values: dict[str, Any] = dict(zip(self._table.names, zip(*self._rows, strict=True), strict=True))
            count = len(self._rows)
            yield _batch({**values, BLOCK: self._blocks, TABLE: [self._table.name] * count}, count)
            self._rows, self._blocks, self._characters = [], [], 0


def _batch(values: Mapping[str, Sequence[Any]], count: int) -> pa.RecordBatch:
    """Return a batch of all columns; those without values are NULL."""
    import pyarrow as pa

    schema = _schema()
    arrays = [
        pa.array(values[field.name], field.type) if field.name in values else pa.nulls(count, field.type)
        for field in schema
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


@cache
def _schema() -> pa.Schema:
    import pyarrow as pa

    own = {BLOCK: pa.int64(), TABLE: pa.string(), USERS_READ: pa.int32(), UNMATCHED: pa.int32()}
    return pa.schema([*_BOTH.arrow_schema(), *(pa.field(name, kind) for name, kind in own.items())])
