"""Draw the charts of the notebooks and the report, each by one function: sharp SVG, made without a network.

A chart has its description as text, and its numbers as rows for a table. Its colors are CSS variables of
the page that holds it, with colors for a notebook; its size depends on no installed font. Texts of the data
go to Vega as values, never as expressions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from html import escape
from typing import TYPE_CHECKING, Any

from cat_lab.imports import skip_uri_grammars
from cat_lab.report.words import Words, as_day, shown

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd

WIDTH = 420
ACCENT = "var(--accent, #2f6f8f)"
SECOND = "var(--second, #8a949e)"
TINT = "var(--tint, #a9c7d5)"
INK = "var(--soft, #66707a)"
LINE = "var(--line, #d5dade)"
BARS = 80
_SIDES = {"left": 46, "right": 12, "top": 30, "bottom": 26}
_NAMES = 26
_ROLES = re.compile(r' role="graphics-[a-z]+"| aria-roledescription="[^"]*"')
_EVERY_DAY = 92
_YEAR = 366
skip_uri_grammars()  # before altair imports them


@dataclass(frozen=True, slots=True, repr=False)
class Chart:
    """A picture, its description, and its numbers: rows of ``columns``."""

    svg: str
    description: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    def __repr__(self) -> str:
        return self.description

    def _repr_svg_(self) -> str:
        return self.svg


def bars(values: Mapping[str, int], title: str, unit: str) -> Chart:
    """Draw a horizontal bar for each name, the first at the top."""
    import altair as alt

    numbers = list(values.values())
    names = [shown(name, _NAMES) for name in values]
    place = alt.Y("place:O", title=None).axis(labelExpr="names[datum.value]", labelLimit=0, labelPadding=6)
    base = _of({"place": n, "value": value, "label": f"{value:,}"} for n, value in enumerate(numbers)).encode(
        y=place, x=alt.X("value:Q", title=unit, axis=None)
    )
    drawn = base.mark_bar(color=ACCENT, height={"band": 0.7})
    labels = base.mark_text(align="left", dx=5, color=INK).encode(text="label:N")
    chart = alt.layer(drawn, labels).add_params(alt.param(name="names", value=names))
    svg = _svg(
        chart,
        22 * len(names),
        f"{title} ({unit})",
        f"{title} ({unit})",
        {"left": 206, "right": 70, "bottom": 4},
    )
    return Chart(svg, f"Chart: {title}, {len(names)} bars", ("", unit), tuple(values.items()))


def timeline(values: Mapping[date, int], title: str, unit: str) -> Chart:
    """Draw a bar for each day, or for each week, month, year or longer period if there are many days."""
    step, number, name = next(each for each in _STEPS if _span(values, each[1]) <= BARS)
    first, last = number(min(values)), number(max(values))
    heights = [0] * (last - first + 1)
    for day, count in values.items():
        heights[number(day) - first] += count
    names = [name(first + n) for n in range(len(heights))]
    drawn = _bars(list(enumerate(heights)), ACCENT, len(heights))
    svg = _over_time(
        [drawn], _ticks(len(heights), 4), names, f"{title} ({unit} by {step})", f"{title} ({unit})"
    )
    description = f"Chart: {title}, by {step}, {names[0]} to {names[-1]}"
    return Chart(svg, description, (step, unit), tuple(zip(names, heights, strict=True)))


def activity(by_day: pd.DataFrame, words: Words) -> Chart | None:
    """Draw conversations and users of every day, None if there is no day.

    Args:
        by_day: the answer of `conversations_by_day`.
        words: the language of the page.
    """
    names = ("conversation_count", "user_count")
    return _by_day(by_day, names, ("conversations", "users"), "activity", words, bars=True)


def reply_time(by_day: pd.DataFrame, words: Words) -> Chart | None:
    """Draw the median and the 95th percentile of the reply time of every day, None if there is none.

    Args:
        by_day: the answer of `reply_time_by_day`.
        words: the language of the page.
    """
    known = by_day.dropna(subset=["median_s", "p95_s"])
    return _by_day(known, ("median_s", "p95_s"), ("median", "p95"), "reply_time", words, bars=False)


def feedback(by_day: pd.DataFrame, words: Words) -> Chart | None:
    """Draw likes above and dislikes below a line for every day, None if there is no feedback.

    Args:
        by_day: the answer of `conversations_by_day`.
        words: the language of the page.
    """
    names = ("like_count", "dislike_count")
    if not by_day[list(names)].fillna(0).to_numpy().any():
        return None
    return _by_day(by_day, names, ("likes", "dislikes"), "feedback", words, bars=True, below=True)


def _by_day(
    frame: pd.DataFrame,
    columns: tuple[str, str],
    labels: tuple[str, str],
    name: str,
    words: Words,
    bars: bool,
    below: bool = False,
) -> Chart | None:
    """Draw two numbers of every day against one axis."""
    dated = frame.dropna(subset="day")
    if dated.empty:
        return None
    days = [as_day(each) for each in dated["day"]]
    first, last = min(days), max(days)
    numbers = [[float(each) for each in dated[column].fillna(0)] for column in columns]
    offsets = [(day - first).days for day in days]
    top, bottom = (list(zip(offsets, each, strict=True)) for each in numbers)
    length = (last - first).days + 1
    colors = (TINT, ACCENT) if bars and not below else (ACCENT, SECOND)
    if below:
        other = _bars([(n, -value) for n, value in bottom], colors[1], length)
    else:
        other = _line(bottom, colors[1])
    drawn = _bars(top, colors[0], length) if bars and length <= _EVERY_DAY else _line(top, colors[0])
    ticks = _ticks(length, 5)
    name_of = words.short_day if length <= _YEAR else _year_and_month
    dates = {n: name_of(first + timedelta(n)) for n in ticks}
    legend = [(words(label), color) for label, color in zip(labels, colors, strict=True)]
    description = words(
        f"{name}_described", first=words.day(first), last=words.day(last), top=words.number(max(numbers[0]))
    )
    svg = _over_time([drawn, other], ticks, dates, description, legend=legend, words=words)
    rows = ((words.day(day), *map(words.number, pair)) for day, *pair in zip(days, *numbers, strict=True))
    return Chart(svg, description, (words("day"), words(labels[0]), words(labels[1])), tuple(rows))


def _bars(points: Sequence[tuple[int, float]], color: str, length: int) -> Any:
    import altair as alt

    width = max(0.4, min(26, 0.72 * (WIDTH - 60) / length))
    made = _of({"x": x, "value": value} for x, value in points).mark_bar(color=color, width=width)
    return made.encode(x=alt.X("x:Q"), y=alt.Y("value:Q"))


def _line(points: Sequence[tuple[int, float]], color: str) -> Any:
    import altair as alt

    dots = {"color": color, "filled": True, "size": 16} if len(points) <= _EVERY_DAY else False
    made = _of({"x": x, "value": value} for x, value in points)
    made = made.mark_line(color=color, strokeWidth=2, point=dots, interpolate="linear")
    return made.encode(x=alt.X("x:Q"), y=alt.Y("value:Q"))


def _over_time(
    layers: Sequence[Any],
    ticks: Sequence[int],
    names: Mapping[int, str] | Sequence[str],
    description: str,
    title: str = "",
    legend: Sequence[tuple[str, str]] = (),
    words: Words | None = None,
) -> str:
    """Lay charts of offsets from a first day over each other, with names for some of the offsets."""
    import altair as alt

    last = max(_largest(layers), 1)
    x_axis = alt.Axis(values=list(ticks), labelExpr="names[datum.value]", title=None, grid=False)
    whole = all(row["value"] == round(row["value"]) for each in layers for row in each.data.values)
    labels = (words or Words()).axis_expression
    least = 1 if whole else alt.Undefined
    y_axis = alt.Axis(tickCount=4, tickMinStep=least, title=None, domain=False, labelExpr=labels)
    encoded = [
        each.encode(
            x=alt.X("x:Q", axis=x_axis).scale(domain=[-0.7, last + 0.7], nice=False, zero=False),
            y=alt.Y("value:Q", axis=y_axis).scale(zero=True, nice=True),
        )
        for each in layers
    ]
    labelled = {str(tick): names[tick] for tick in ticks}
    chart = alt.layer(*encoded).add_params(alt.param(name="names", value=labelled))
    return _svg(chart, 150, description, title, {}, legend)


def _largest(layers: Sequence[Any]) -> int:
    return max((row["x"] for each in layers for row in each.data.values), default=0)


def _of(rows: Iterable[Mapping[str, Any]]) -> alt.Chart:
    import altair as alt

    return alt.Chart(alt.InlineData(values=list(rows)))


def _svg(
    chart: alt.LayerChart | alt.FacetChart,
    height: int,
    description: str,
    title: str,
    sides: Mapping[str, int],
    legend: Sequence[tuple[str, str]] = (),
) -> str:
    """Draw a chart in a picture of a fixed size, whatever the texts in it."""
    import vl_convert

    sides = {**_SIDES, **sides}
    font = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"
    spec = chart.properties(
        width=WIDTH - sides["left"] - sides["right"],
        height=height,
        padding=sides,
        autosize={"type": "none", "contains": "content"},
    ).to_dict()
    axis = {"labelColor": INK, "titleColor": INK, "gridColor": LINE, "domainColor": LINE, "ticks": False}
    spec["config"] = {
        "aria": False,
        "background": None,
        "font": font,
        "view": {"stroke": None},
        "axis": axis | {"labelFontSize": 13, "labelOverlap": False, "labelPadding": 5},
        "text": {"fontSize": 13, "font": font},
    }
    made = _ROLES.sub("", vl_convert.vegalite_to_svg(spec, vl_version="6.4"))
    head = f'<svg role="img" aria-label="{escape(shown(description, 300))}" '
    heading = _text(2, 16, title, INK, 14) if title else _legend(legend, sides["left"])
    return made.replace("<svg ", head, 1).removesuffix("</svg>") + heading + "</svg>"


def _legend(entries: Sequence[tuple[str, str]], x: float) -> str:
    made = ""
    for label, color in entries:
        made += f'<rect x="{x}" y="6" width="10" height="10" rx="2" style="fill: {color}"/>'
        made += _text(x + 15, 15.5, label, INK, 13)
        x += 36 + 7.5 * len(label)
    return made


def _text(x: float, y: float, value: str, color: str, size: int) -> str:
    return (
        f'<text x="{x}" y="{y}" style="fill: {color}" font-size="{size}" font-family="system-ui, sans-serif">'
        f"{escape(shown(value))}</text>"
    )


def _ticks(length: int, most: int) -> list[int]:
    return list(range(0, length, max(1, -(-length // most))))


def _year_and_month(day: date) -> str:
    return day.isoformat()[:7]


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
