"""Show tables, texts and charts in the notebooks, or a message if there is nothing to show.

Texts from the data are never interpreted: control characters become escapes, HTML is quoted, formulas stay
text, and long texts are cut.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from cat_lab.front_end import in_jupyterlab
from cat_lab.report import charts
from cat_lab.report.charts import Chart
from cat_lab.report.words import shown as text
from cat_normalize.core.manifest import plain
from cat_normalize.core.settings import FALLBACK_PATTERNS

if TYPE_CHECKING:
    import pandas as pd

    from cat_normalize.core.manifest import Etl1Manifest, Etl2Manifest
    from cat_normalize.core.settings import Rules

WIDTH = 90
_NOTHING = "There is nothing to show."
_LINES = 40
_SEARCHED = 1000
"""Rows of an interactive table at most."""
_PARSED = 1 << 20


class Message(str):
    """A text that a notebook shows without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


@dataclass(frozen=True, slots=True, repr=False)
class Table:
    """A table of safe texts: the first ``limit`` rows of ``total``; in JupyterLab more, to be searched."""

    frame: pd.DataFrame
    limit: int
    total: int

    def __repr__(self) -> str:
        return self.frame.head(self.limit).to_string() + self._footer(self.limit)

    def _repr_html_(self) -> str:
        return self._interactive() if in_jupyterlab() else self.plain()

    def plain(self) -> str:
        """Return the table as HTML without scripts."""
        import pandas as pd

        with pd.option_context("display.html.use_mathjax", False, "display.max_colwidth", None):
            html: str = self.frame.head(self.limit).to_html(escape=True, border=0)
        return html + self._footer(self.limit).replace("\n", "")

    def _interactive(self) -> str:
        """Return the table with itables' script, which needs `prepare` in the same notebook."""
        from itables import to_html_datatable

        html: str = to_html_datatable(
            self.frame.apply(_sortable),
            connected=False,
            allow_html=False,
            showIndex=False,
            maxBytes=0,
            maxColumns=0,
            pageLength=10 if self.limit < 20 else 20,
            lengthMenu=[10, 20, 50, _SEARCHED],
            classes="display compact nowrap tex2jax_ignore mathjax_ignore",
            style="width:auto; margin:0",
            columnDefs=[{"targets": "_all", "className": "dt-left"}],
            display_logo_when_loading=False,
        )
        return html + self._footer(len(self.frame)).replace("\n", "")

    def _footer(self, most: int) -> str:
        shown = min(len(self.frame), most)
        return "" if shown == self.total else f"\n{shown:,} of {self.total:,} rows"


def _sortable(column: pd.Series) -> pd.Series:
    """Write a column as texts; a NULL among numbers is blank, so that the others are sorted as numbers."""
    numbers = all(value == "NULL" or isinstance(value, (int, float)) for value in column)
    return column.map(lambda value: "" if numbers and value == "NULL" else str(value)).astype(object)


def prepare() -> None:
    """Load what interactive tables need into a notebook of JupyterLab, without a network."""
    if in_jupyterlab():
        from IPython.display import HTML
        from IPython.display import display as show
        from itables import options
        from itables.javascript import generate_init_offline_itables_html

        show(HTML(generate_init_offline_itables_html(options.dt_bundle)))  # type: ignore[no-untyped-call]


def item(line: bytes | None, lines: int = _LINES) -> Message:
    """Show a raw item: its first lines as indented JSON, or its first characters if it is not JSON."""
    if line is None:
        return Message("There is no item.")
    try:
        whole = json.loads(line) if len(line) <= _PARSED else None
    except (ValueError, RecursionError):
        whole = None
    if not isinstance(whole, dict):
        return Message(text(line[: 4 * WIDTH].decode(errors="backslashreplace"), 2 * WIDTH))
    shown = json.dumps(whole, indent=1, ensure_ascii=False).split("\n")
    more = ["…"] if len(shown) > lines else []
    return Message("\n".join([*(text(each) for each in shown[:lines]), *more]))


def rejects(lines: Sequence[bytes]) -> Message:
    """Show lines of the rejects file: reason and detail, file and line, the item."""
    if not lines:
        return Message("No item was rejected.")
    shown = []
    for line in lines:
        reject = json.loads(line)
        whole = reject["item"]
        written = whole if isinstance(whole, str) else json.dumps(whole, ensure_ascii=False)
        shown += [
            f"{reject['reason']}: {text(reject['detail'], 2 * WIDTH)}",
            f"    read from {text(reject['source'])}",
            f"    {text(written, 2 * WIDTH)}",
        ]
    return Message("\n".join(shown))


def rules(made: Rules) -> Message:
    """Show the rules that are set: the zones, the filters, and patterns other than the default ones."""
    given = {name: value for name, value in plain(made).items() if value}
    if made.fallback_patterns == FALLBACK_PATTERNS:
        given.pop("fallback_patterns", None)
    return Message("\n".join(f"{name}: {text(str(value))}" for name, value in given.items()))


def provenance(etl1: Etl1Manifest | None, etl2: Etl2Manifest | None) -> Message:
    """Show from the two manifests of a run date what the Parquet was made from, and under which rules."""
    if etl2 is None:
        return Message("There is no manifest of this Parquet.")
    shown = [f"{etl2.summary.rows:,} users, run date {etl2.run_date}"]
    if etl1:
        shown += [f"read from {text(etl1.source)}", rules(etl1.settings.rules)]
    return Message("\n".join(shown))


def sums(etl1: Etl1Manifest | None, etl2: Etl2Manifest) -> Table | Message:
    """Show from the two manifests of a run date that no conversation and no feedback is lost."""
    if etl1 is None:
        return Message("There is no manifest of this CSV to compare with.")
    read, made = etl1.summary, etl2.summary
    unmatched = made.feedback_unmatched or 0
    rows = [
        ("users", read.users, "rows of users", made.rows),
        ("conversations", read.conversations, "rows of conversations", made.conversations),
        ("feedback", read.feedback, "with a conversation", read.feedback - unmatched),
        ("", "", "without one", unmatched),
    ]
    return table(rows, ["in the CSV", "count", "in the tables", "rows or items"])


def table(
    rows: pd.DataFrame | Sequence[Sequence[Any]],
    columns: Sequence[str] = (),
    limit: int = 20,
    empty: str = _NOTHING,
    total: int | None = None,
) -> Table | Message:
    """Show the first rows of a table; in JupyterLab more of them, which can be sorted and searched.

    Args:
        rows: a data frame, or rows of `columns`.
        columns: the names, unless `rows` is a data frame.
        limit: how many rows are shown.
        empty: the message for a table without rows.
        total: how many rows there are, if `rows` are not all.
    """
    import pandas as pd

    frame = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(list(rows), columns=list(columns))
    if frame.empty:
        return Message(empty)
    first = frame.head(max(limit, _SEARCHED) if in_jupyterlab() else limit)
    first = first.astype(object).where(first.notna(), "NULL").map(_safe)
    return Table(first.set_axis(range(1, len(first) + 1)), limit, len(frame) if total is None else total)


def counts(values: Mapping[str, int], name: str, unit: str, empty: str = _NOTHING) -> Table | Message:
    """Show counts by name as a table of two columns."""
    return table(list(values.items()), [name, unit], len(values), empty)


def bars(values: Mapping[str, int], title: str, unit: str, empty: str = _NOTHING) -> Chart | Message:
    """Draw a horizontal bar for each name, the first at the top."""
    return charts.bars(values, title, unit) if any(values.values()) else Message(empty)


def timeline(values: Mapping[date, int], title: str, unit: str, empty: str = _NOTHING) -> Chart | Message:
    """Draw a bar for each day, or for each week, month, year or longer period if there are many days."""
    return charts.timeline(values, title, unit) if values else Message(empty)


def _safe(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(" ", "minutes")
    return text(value) if isinstance(value, str) else value
