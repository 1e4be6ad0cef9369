"""Turn the figures into the parts of the report: tiles, and a picture and its numbers for each section."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cat_lab.report import charts, tables
from cat_lab.report.charts import Chart
from cat_lab.report.insights import Figures, Insights
from cat_lab.report.tables import HtmlTable, plain_table, ranking
from cat_lab.report.words import Words, missing

if TYPE_CHECKING:
    import pandas as pd
    from markupsafe import Markup

_PLACES = 8
_QUESTION = 120
_TILES = {
    "active_users": "number",
    "conversations": "number",
    "median_reply_s": "seconds",
    "unanswered_share": "share",
    "like_share": "share",
    "came_back": "share",
}
_NONE = {
    "negative": "no_negative",
    "questions": "no_questions",
    "unanswered": "no_unanswered",
    "cities": "no_places",
    "departments": "no_places",
    **{name: f"no_{name}" for name in ("activity", "hours", "cohorts", "reply_time", "feedback")},
    **{name: f"no_{name}" for name in ("funnel", "coverage", "rejects", "warnings")},
}


@dataclass(frozen=True, slots=True)
class Shown:
    """One section: a picture or a table, the table of its numbers if it is a picture, a remark."""

    picture: Markup
    numbers: Markup | None = None
    more: str = ""


@dataclass(frozen=True, slots=True)
class Tile:
    """One number, what it is, and how it differs from the period before."""

    now: str
    label: str
    change: str


def tiles(figures: Figures | None, words: Words) -> list[Tile]:
    """Return the six tiles, none without figures."""
    if figures is None:
        return []
    made = []
    for name, kind in _TILES.items():
        now, before = figures.now.get(name), figures.before.get(name)
        change = _change(now, before, kind, words)
        compared = f"{change} · {words('previous')} {_written(before, kind, words)}"
        made.append(Tile(_written(now, kind, words), words(name), change if missing(before) else compared))
    return made


def tile_rows(figures: Figures | None, words: Words) -> tuple[list[str], list[list[str]]]:
    """Return head and rows of the table of all tiles."""
    if figures is None:
        return [], []
    head = [words("metric"), words("this_period"), words("before", days=figures.period.days), words("change")]
    rows = []
    for name, kind in _TILES.items():
        now, before = figures.now.get(name), figures.before.get(name)
        pair = [_written(now, kind, words), _written(before, kind, words)]
        rows.append([words(name), *pair, _change(now, before, kind, words)])
    return head, rows


def none_texts(found: Insights, words: Words) -> dict[str, str]:
    """Return the sentence of every section that has nothing to show."""
    texts = dict(_NONE)
    if not found.items:
        texts |= {"rejects": "no_funnel", "warnings": "no_funnel"}
    if not found.coverage:
        texts["coverage"] = "unknown_coverage"
    return {name: words(text) for name, text in texts.items()}


def shown_sections(found: Insights, words: Words) -> dict[str, Shown | None]:
    """Return every section by its name; None for one that has nothing to show."""
    made: dict[str, Shown | None] = dict.fromkeys(_NONE)
    if found.figures is not None:
        made |= _of_figures(found.figures, words)
    labels = (words("step"), words("count"))
    funnel = {_FUNNEL.get(name, name): count for name, count in found.items.items()}
    made["funnel"] = (
        _table(tables.counts(funnel | found.rows, labels, words)) if funnel or found.rows else None
    )
    for name, counts in (("rejects", found.rejects), ("warnings", found.warnings)):
        columns = (words("reason" if name == "rejects" else "warning"), words("count"))
        made[name] = _table(tables.counts(counts, columns, words)) if counts else None
    made["coverage"] = _coverage(found, words)
    return made


_FUNNEL = {"feedback": "feedback_items"}


def _of_figures(figures: Figures, words: Words) -> dict[str, Shown | None]:
    return {
        "activity": _figure(charts.activity(figures.by_day, words)),
        "hours": _figure(tables.hours(figures.hours, words)),
        "cohorts": _figure(tables.cohorts(figures.cohorts, words)),
        "reply_time": _figure(charts.reply_time(figures.replies, words)),
        "feedback": _figure(charts.feedback(figures.by_day, words)),
        "negative": _texts(
            figures.negative,
            {"comentario": "comment", "feedback_en": "when", "usuario": "user", "ciudad": "city"},
            words,
        ),
        "unanswered": _texts(
            figures.unanswered,
            {"primera_pregunta": "first_question", "inicio": "when", "usuario": "user", "ciudad": "city"},
            words,
        ),
        "questions": _questions(figures.questions, words),
        "cities": _places(figures.cities, "ciudad", "city", words),
        "departments": _places(figures.departments, "gerencia", "department", words),
    }


def _change(now: Any, before: Any, kind: str, words: Words) -> str:
    """Write a change: in points for shares, in percent for others."""
    if missing(now) or missing(before) or (kind != "share" and not before):
        return words("no_comparison")
    if kind == "share":
        rounded = round(round(100 * float(now), 1) - round(100 * float(before), 1), 1)
    else:
        rounded = round(100 * (float(now) / float(before) - 1))
    if not rounded:
        return words("same")
    sign = "+" if rounded > 0 else "\N{MINUS SIGN}"
    if kind == "share":
        return sign + words("points", value=words.number(abs(rounded)))
    return sign + words.share(abs(rounded) / 100)


def _written(value: Any, kind: str, words: Words) -> str:
    text: str = getattr(words, kind)(value)
    return text


def _figure(picture: Chart | HtmlTable | None) -> Shown | None:
    from markupsafe import Markup

    if picture is None:
        return None
    drawn = picture.svg if isinstance(picture, Chart) else picture.html
    return Shown(Markup(drawn), Markup(plain_table(picture.columns, picture.rows)))


def _table(table: HtmlTable) -> Shown:
    from markupsafe import Markup

    return Shown(Markup(table.html))


def _texts(frame: pd.DataFrame, columns: Mapping[str, str], words: Words) -> Shown | None:
    """Show texts with when, who and where in a second column."""
    from markupsafe import Markup

    if frame.empty:
        return None
    text, *others = columns
    rows = []
    for record in frame.to_dict("records"):
        about = [_cell(record[name], words) for name in others]
        rows.append([_cell(record[text], words) or "–", " · ".join(each for each in about if each)])
    second = ", ".join(words(columns[name]) for name in others)
    return Shown(Markup(plain_table([words(columns[text]), second], rows, "texts")))


def _questions(frame: pd.DataFrame, words: Words) -> Shown | None:
    if frame.empty:
        return None
    rows = [
        (str(row["question"]), float(row["user_count"]), words.number(row["user_count"]))
        for row in frame.to_dict("records")
    ]
    return _table(ranking(rows, (words("question"), words("users"))))


def _places(frame: pd.DataFrame, column: str, label: str, words: Words) -> Shown | None:
    """Show the places with the most users, and the other numbers of these in a table."""
    from markupsafe import Markup

    if frame.empty:
        return None
    first = frame.head(_PLACES).to_dict("records")
    names = [words("no_name") if missing(row[column]) else str(row[column]) for row in first]
    users = [0 if missing(row["active_users"]) else row["active_users"] for row in first]
    bars = ranking(
        [(name, float(count), words.number(count)) for name, count in zip(names, users, strict=True)],
        (words(label), words("users")),
    )
    head = [words(label), *(words(name) for name in ("users", *list(_TILES)[1:4]))]
    numbers = [
        [name, *(_written(row[of], kind, words) for of, kind in list(_TILES.items())[:4])]
        for name, row in zip(names, first, strict=True)
    ]
    left = len(frame) - len(first)
    more = words("and_more", count=words.number(left)) if left else ""
    return Shown(Markup(bars.html), Markup(plain_table(head, numbers)), more)


def _coverage(found: Insights, words: Words) -> Shown | None:
    pairs: list[tuple[str, Any]] = [
        ("timed", _part(found.coverage, "timed_messages", "message_count")),
        ("dated", _part(found.coverage, "dated_conversations", "conversation_count")),
        ("measured", found.figures.now.get("reply_coverage") if found.figures else None),
    ]
    rows = [(words(name), float(share), words.share(share)) for name, share in pairs if not missing(share)]
    return _table(ranking([*rows], (words("step"), words("of_all")), most=1)) if rows else None


def _part(counts: Mapping[str, Any], part: str, whole: str) -> float | None:
    of = counts.get(whole)
    return None if missing(of) or not of else float(counts[part]) / float(of)


def _cell(value: Any, words: Words) -> str:
    if missing(value):
        return ""
    if hasattr(value, "hour"):
        return f"{words.day(value)}, {value.hour:02}:{value.minute:02}"
    return str(value)
