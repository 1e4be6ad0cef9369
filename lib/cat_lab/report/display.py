"""Show tables, texts and charts in the notebooks, or a message if there is nothing to show.

Texts from the data are never interpreted: control characters become escapes, HTML is quoted, formulas stay
text, and long texts are cut.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from cat_normalize.core.manifest import plain

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from cat_normalize.core.manifest import Etl1Manifest, Etl2Manifest

WIDTH = 90
_NOTHING = "There is nothing to show."
_LINES = 40
_PARSED = 1 << 20
_BARS = 80


class Message(str):
    """A text that a notebook shows without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


@dataclass(frozen=True, slots=True, repr=False)
class Table:
    """A table of safe texts: the first rows of ``total``."""

    frame: pd.DataFrame
    total: int

    def __repr__(self) -> str:
        return self.frame.to_string() + self._footer()

    def _repr_html_(self) -> str:
        import pandas as pd

        with pd.option_context("display.html.use_mathjax", False, "display.max_colwidth", None):
            return self.frame.to_html(escape=True, border=0) + self._footer().replace("\n", "")

    def _footer(self) -> str:
        shown = len(self.frame)
        return "" if shown == self.total else f"\n{shown:,} of {self.total:,} rows"


@dataclass(frozen=True, slots=True, repr=False)
class Chart:
    """A chart, drawn when a notebook asks for its picture; ``description`` is its text form."""

    figure: Figure
    description: str

    def __repr__(self) -> str:
        return self.description

    def _repr_png_(self) -> bytes:
        stream = io.BytesIO()
        self.figure.savefig(stream, format="png", metadata={"Software": None})
        return stream.getvalue()


def text(value: str, width: int = WIDTH) -> str:
    r"""Make a text safe to show: characters that do not print become escapes, a long text is cut.

    >>> text("a\nb\x1b[31m"), text("a" * 9, 5)
    ('a\\nb\\x1b[31m', 'aaaa…')
    """
    cut = value if len(value) <= width else value[: width - 1] + "…"
    return "".join(each if each.isprintable() else _escaped(each) for each in cut)


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


def provenance(etl1: Etl1Manifest | None, etl2: Etl2Manifest | None) -> Message:
    """Show from the two manifests of a run date what the Parquet was made from, and under which rules."""
    if etl2 is None:
        return Message("There is no manifest of this Parquet.")
    shown = [f"{etl2.summary.rows:,} users, run date {etl2.run_date}"]
    if etl1:
        rules = {name: value for name, value in plain(etl1.settings.rules).items() if value}
        shown.append(f"read from {text(etl1.source)}")
        shown += [f"{name}: {text(str(value))}" for name, value in rules.items()]
    return Message("\n".join(shown))


def table(
    rows: pd.DataFrame | Sequence[Sequence[Any]],
    columns: Sequence[str] = (),
    limit: int = 20,
    empty: str = _NOTHING,
) -> Table | Message:
    """Show the first rows of a table.

    Args:
        rows: a data frame, or rows of `columns`.
        columns: the names, unless `rows` is a data frame.
        limit: how many rows are shown.
        empty: the message for a table without rows.
    """
    import pandas as pd

    frame = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(list(rows), columns=list(columns))
    if frame.empty:
        return Message(empty)
    first = frame.head(limit)
    first = first.astype(object).where(first.notna(), "NULL").map(_safe)
    return Table(first.set_axis(range(1, len(first) + 1)), len(frame))


def counts(values: Mapping[str, int], name: str, unit: str, empty: str = _NOTHING) -> Table | Message:
    """Show counts by name as a table of two columns."""
    return table(list(values.items()), [name, unit], len(values), empty)


def bars(values: Mapping[str, int], title: str, unit: str, empty: str = _NOTHING) -> Chart | Message:
    """Draw a horizontal bar for each name, the first at the top."""
    if not any(values.values()):
        return Message(empty)
    figure, axes = _axes(title, 1 + 0.32 * len(values))
    names = [text(name, 40) for name in values]
    drawn = axes.barh(range(len(names)), list(values.values()))
    axes.bar_label(drawn, fmt="{:,.0f}", padding=3)
    axes.set_yticks(range(len(names)), names, parse_math=False)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set_xlabel(unit)
    return Chart(figure, f"Chart: {title}, {len(names)} bars")


def timeline(values: Mapping[date, int], title: str, unit: str, empty: str = _NOTHING) -> Chart | Message:
    """Draw a bar for each day, or for each week, month, year or longer period if there are many days."""
    if not values:
        return Message(empty)
    step, number, name = next(each for each in _STEPS if _span(values, each[1]) <= _BARS)
    first, last = number(min(values)), number(max(values))
    heights = [0] * (last - first + 1)
    for day, count in values.items():
        heights[number(day) - first] += count
    figure, axes = _axes(title, 3)
    axes.bar(range(len(heights)), heights)
    axes.set_ylabel(unit)
    ticks = range(0, len(heights), max(1, len(heights) // 7))
    axes.set_xticks(ticks, [name(first + tick) for tick in ticks])
    axes.set_xlabel(f"by {step}")
    return Chart(figure, f"Chart: {title}, by {step}, {name(first)} to {name(last)}")


def _axes(title: str, height: float) -> tuple[Figure, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, height), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _span(values: Mapping[date, int], number: Callable[[date], int]) -> int:
    return number(max(values)) - number(min(values)) + 1


_STEPS: tuple[tuple[str, Callable[[date], int], Callable[[int], str]], ...] = (
    ("day", date.toordinal, lambda n: date.fromordinal(n).isoformat()),
    ("week", lambda day: (day.toordinal() - 1) // 7, lambda n: date.fromordinal(7 * n + 1).isoformat()),
    (
        "month",
        lambda day: 12 * day.year + day.month - 1,
        lambda n: f"{n // 12:04}-{n % 12 + 1:02}",
    ),
    ("year", lambda day: day.year, lambda n: f"{n:04}"),
    ("decade", lambda day: day.year // 10, lambda n: f"{10 * n:04}"),
    ("century", lambda day: day.year // 100, lambda n: f"{100 * n:04}"),
    ("millennium", lambda day: day.year // 1000, lambda n: f"{1000 * n:04}"),
)


def _safe(value: Any) -> Any:
    return text(value) if isinstance(value, str) else value


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode()
