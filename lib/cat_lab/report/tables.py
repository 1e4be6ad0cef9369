"""HTML tables that report and notebooks share: shaded cells, bars in cells, plain numbers.

They need no style sheet, and take the colors of a page that has the variables of `charts`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from cat_lab.report.charts import ACCENT
from cat_lab.report.words import Words, as_day, missing, shown

if TYPE_CHECKING:
    import pandas as pd

_STRONGEST = 62  # percent of the color under a text that stays legible in both color schemes
_FILL = "var(--fill, #2f6f8f)"
_CELL = 160


@dataclass(frozen=True, slots=True, repr=False)
class HtmlTable:
    """A table as HTML, its description, and its numbers: rows of ``columns``."""

    html: str
    description: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    def __repr__(self) -> str:
        return self.description

    def _repr_html_(self) -> str:
        return self.html


def hours(frame: pd.DataFrame, words: Words) -> HtmlTable | None:
    """Shade a cell for every weekday and hour, None if there is no message.

    Args:
        frame: the answer of `hours`.
        words: the language of the page.
    """
    records = frame.to_dict("records")
    counts = {(int(row["weekday"]), int(row["hora"])): int(row["message_count"]) for row in records}
    most = max(counts.values(), default=0)
    if not most:
        return None
    weekday, hour = max(counts, key=lambda each: (counts[each], -each[0], -each[1]))
    described = words("hours_described", weekday=words.weekday(weekday), hour=hour, top=words.number(most))
    head = "".join(f'<th scope="col">{n if n % 3 == 0 else ""}</th>' for n in range(24))
    body = ""
    for day in range(1, 8):
        cells = "".join(_shaded("", counts.get((day, n), 0) / most) for n in range(24))
        body += f'<tr><th scope="row">{escape(words.weekday(day))}</th>{cells}</tr>'
    html = (
        f'<table class="heat" role="img" aria-label="{escape(described)}">'
        f"<thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table>"
    )
    rows = tuple(
        (f"{n}:00", *(words.number(counts.get((day, n), 0)) for day in range(1, 8))) for n in range(24)
    )
    return HtmlTable(html, described, (words("hour"), *map(words.weekday, range(1, 8))), rows)


def cohorts(frame: pd.DataFrame, words: Words) -> HtmlTable | None:
    """Shade the share of users active in each later week, a row per first week, None if there is no week.

    Args:
        frame: the answer of `cohorts`.
        words: the language of the page.
    """
    if frame.empty:
        return None
    sizes: dict[Any, int] = {}
    found: dict[tuple[Any, int], Any] = {}
    for row in frame.to_dict("records"):
        week = as_day(row["week"])
        sizes[week] = int(row["week_users"])
        found[week, int(row["weeks_later"])] = (row["active_users"], row["share"])
    later = range(1 + max(n for _, n in found))
    described = words("cohorts_described", weeks=len(sizes))
    body, rows = "", []
    for week in sorted(sizes):
        pairs = [found.get((week, n)) for n in later]
        cells = "".join("<td></td>" if each is None else _percent(each[1], words) for each in pairs)
        name, users = escape(words.short_day(week)), words.number(sizes[week])
        body += f'<tr><th scope="row">{name}</th><td class="size">{users}</td>{cells}</tr>'
        numbers = ["" if each is None else words.number(each[0]) for each in pairs]
        rows.append((words.day(week), users, *numbers))
    head = "".join(f'<th scope="col">{n}</th>' for n in later)
    html = (
        f'<table class="heat cohorts" role="img" aria-label="{escape(described)}"><thead><tr>'
        f'<td></td><th scope="col" class="size">{escape(words("users"))}</th>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )
    columns = (words("first_week"), words("users"), *(words("week_n", n=n) for n in later))
    return HtmlTable(html, described, columns, tuple(rows))


def ranking(rows: Sequence[tuple[str, float, str]], columns: tuple[str, str], most: float = 0) -> HtmlTable:
    """List names with a number and a bar as long as the number.

    Args:
        rows: name, number, and the number as text.
        columns: what the names and the numbers are.
        most: the number of the longest bar; by default the largest.
    """
    most = most or max((value for _, value, _ in rows), default=0) or 1
    body = "".join(
        f'<tr><th scope="row">{_name(name)}{_bar(value / most)}</th>'
        f'<td class="number">{escape(text)}</td></tr>'
        for name, value, text in rows
    )
    what, number = map(escape, columns)
    head = f'<th scope="col">{what}</th><th scope="col" class="number">{number}</th>'
    html = f'<table class="ranking"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    numbers = tuple((name, text) for name, _, text in rows)
    return HtmlTable(html, f"{columns[0]}, {columns[1]}: {len(rows)}", columns, numbers)


def plain_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], kind: str = "plain") -> str:
    """Write a table of texts; the first column names the row."""
    head = "".join(f'<th scope="col">{escape(each)}</th>' for each in columns)
    body = "".join(
        "<tr>"
        + "".join(
            f'<th scope="row">{_name(each)}</th>' if n == 0 else f"<td>{_name(each)}</td>"
            for n, each in enumerate(row)
        )
        + "</tr>"
        for row in rows
    )
    return f'<table class="{kind}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def counts(values: Mapping[str, int], columns: tuple[str, str], words: Words) -> HtmlTable:
    """List counts by the words of their codes."""
    return ranking(
        [(words.label(code), count, words.number(count)) for code, count in values.items()], columns
    )


def _percent(share: Any, words: Words) -> str:
    return "<td></td>" if missing(share) else _shaded(words.number(100 * float(share), 0), float(share))


def _shaded(text: str, part: float) -> str:
    strength = round((_STRONGEST if text else 100) * min(1, max(0, part)))
    color = f"color-mix(in srgb, {_FILL} {strength}%, var(--cell, #eef1f3))"
    return f'<td style="background: {color}">{escape(text)}</td>'


def _bar(part: float) -> str:
    width = round(100 * min(1, max(0, part)), 1)
    style = f"display: block; height: 4px; width: {width}%; background: {ACCENT}"
    return f'<span style="{style}"></span>'


def _name(value: Any) -> str:
    return f"<bdi>{escape(shown(str(value), _CELL))}</bdi>"
