"""Let a reader of a notebook choose period, city and view; without JupyterLab show the default answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

from cat_lab.front_end import in_jupyterlab
from cat_lab.report import charts, tables
from cat_lab.report.display import Message
from cat_lab.report.insights import Ask
from cat_lab.report.tables import HtmlTable
from cat_lab.report.words import Words, as_day, missing, shown
from cat_normalize.core.errors import CatNormalizeError
from cat_normalize.query import Period

if TYPE_CHECKING:
    import pandas as pd

_CITIES = 500
"""Cities to choose from at most, those with the most users."""
_NOTHING = "No conversation has a day in the period."
_ALL = "all cities"


def _figures(overview: pd.DataFrame, words: Words) -> HtmlTable:
    columns = ("metric", "value")
    rows = tuple((name, words.number(value, 3)) for name, value in overview.astype(object).iloc[0].items())
    return HtmlTable(tables.plain_table(columns, rows), _FIGURES, columns, rows)


_FIGURES = "All figures of the period"
_VIEWS: dict[str, tuple[str, Callable[[pd.DataFrame, Words], Any]]] = {
    "Conversations and users by day": ("conversations_by_day", charts.activity),
    "Reply time by day": ("reply_time_by_day", charts.reply_time),
    "Feedback by day": ("conversations_by_day", charts.feedback),
    "Messages by weekday and hour": ("hours", tables.hours),
    _FIGURES: ("overview", _figures),
}
"""What can be looked at: the named query, and what draws its answer."""
VIEWS = tuple(_VIEWS)
"""The names of what can be looked at; the first is the default."""


def explore(ask: Ask) -> Any:
    """Show conversations by day; in JupyterLab with controls for period, city and what is shown.

    Args:
        ask: answers a named query, such as the workspace's `query`.

    Raises:
        PipelineError: a query failed.
    """
    return panel(ask).box if in_jupyterlab() else answer(ask)


def answer(ask: Ask, view: str = VIEWS[0], **within: Any) -> Any:
    """Return what a view shows of a period, or a message where there is nothing.

    Args:
        ask: answers a named query.
        view: one of `VIEWS`.
        within: ``since``, ``until``, ``ciudad``; what is not given has the query's default.

    Raises:
        PipelineError: a query failed.
        ParameterError: ``since`` is after ``until``.
    """
    name, draw = _VIEWS[view]
    return draw(ask(name, **within), Words()) or Message(_NOTHING)


@dataclass(slots=True)
class Panel:
    """The controls, and ``shown`` below them, which follows every change."""

    ask: Ask
    view: Any
    since: Any
    until: Any
    city: Any
    shown: Any
    box: Any = field(init=False)

    def __post_init__(self) -> None:
        import ipywidgets as widgets

        chosen = (self.view, self.since, self.until, self.city)
        for each in chosen:
            each.observe(lambda _: self.update(), names="value")
        rows = [widgets.HBox(pair) for pair in ((self.view, self.city), (self.since, self.until))]
        self.box = widgets.VBox([*rows, self.shown])
        self.update()

    def update(self) -> None:
        """Show what is chosen, or the error, such as that of a period that ends before it begins."""
        given = {"since": self.since.value, "until": self.until.value, "ciudad": self.city.value}
        within = {name: value for name, value in given.items() if value}
        try:
            made = answer(self.ask, self.view.value, **within)
        except CatNormalizeError as error:
            made = Message(shown(str(error), 400))
        self.shown.value = _html(made)


def panel(ask: Ask) -> Panel:
    """Make the controls: all cities in the 28 days that end with the latest conversation, at first."""
    import ipywidgets as widgets

    covered = ask("data_period").iloc[0]
    last = None if missing(covered["last_day"]) else as_day(covered["last_day"])
    cities: list[str] = []
    if last is not None:
        whole = ask("by_city", since=as_day(covered["first_day"]), until=last)
        cities = [str(each) for each in whole["ciudad"].dropna()][:_CITIES]
    wide = {"description_width": "60px"}
    return Panel(
        ask,
        widgets.Dropdown(options=VIEWS, description="Show", style=wide, layout={"width": "360px"}),
        widgets.DatePicker(
            value=last and Period.ending(last).since,
            description="From",
            style=wide,
            layout={"width": "360px"},
        ),
        widgets.DatePicker(value=last, description="To", style=wide),
        widgets.Dropdown(
            options=[(_ALL, ""), *((shown(each, 40), each) for each in cities)],
            description="City",
            style=wide,
        ),
        widgets.HTML(),
    )


def _html(made: Any) -> str:
    """Return what was made as HTML without scripts, which a widget does not run, in JupyterLab's style."""
    forms = (getattr(made, form)() for form in ("_repr_svg_", "_repr_html_") if hasattr(made, form))
    return f'<div class="jp-RenderedHTMLCommon">{next(forms, escape(str(made)))}</div>'
