"""Write the report of a run, for people who have never seen the code: one HTML page that loads nothing.

``report.html`` shows the figures of a period and the quality of the data; ``details.html``, which it links
to, is the engineer's page.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cat_lab.report.details import write_details
from cat_lab.report.insights import Insights, collect
from cat_lab.report.sections import none_texts, shown_sections, tile_rows, tiles
from cat_lab.report.tables import plain_table
from cat_lab.report.words import Words, as_day, shown
from cat_lab.stages import COPIES
from cat_normalize.core import manifest
from cat_normalize.core.errors import InputError, PipelineError
from cat_normalize.core.files import write_bytes
from cat_normalize.core.manifest import Etl1Manifest, Etl2Manifest

if TYPE_CHECKING:
    import pandas as pd

    from cat_lab.runs.records import RunRecord

DETAILS = "details.html"
SECTIONS = (
    ("use", ("activity", "hours", "cohorts")),
    ("quality", ("reply_time", "feedback", "negative", "unanswered")),
    ("asked", ("questions",)),
    ("where", ("cities", "departments")),
)
Answer = Callable[..., "pd.DataFrame"]
"""Answers a named query from tables: ``answer(name, tables, **parameters)``."""


def write_page(
    folder: Path, record: RunRecord, target: Path, lang: str = "en", answer: Answer | None = None
) -> None:
    """Write the report of a run, and ``details.html`` next to it, each whole or not at all.

    Args:
        folder: the folder of the run, with the copies of the tables and the executed notebooks.
        record: the run record.
        target: the path of the report.
        lang: the language of the report, ``en`` or ``es``.
        answer: answers the queries; by default with DuckDB.
    """
    import jinja2
    from markupsafe import Markup

    write_details(folder, record, target.with_name(DETAILS), target.name)
    words = Words(lang)
    etl1, etl2 = _manifest(record, Etl1Manifest), _manifest(record, Etl2Manifest)
    found, why_none = _insights(folder, record, etl1, etl2, words, answer)
    read = resources.files(__package__).joinpath
    page = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    ).from_string(read("people.html.j2").read_text(encoding="utf-8"))
    text = page.render(
        words=words,
        style=Markup(read("people.css").read_text(encoding="utf-8")),
        heading=_heading(record, found, words),
        lead=_lead(found, words, record.status == "done"),
        failure=_failure(record, words),
        why_none=why_none,
        tiles=tiles(found.figures, words),
        tile_numbers=Markup(plain_table(*tile_rows(found.figures, words))),
        sections=SECTIONS,
        shown=shown_sections(found, words),
        absent=none_texts(found, words),
        run_line=words("run_line", run_id=record.run_id, day=record.run_date),
        local=record.local,
    )
    write_bytes(target, text.encode("utf-8", "replace"))


def _insights(
    folder: Path,
    record: RunRecord,
    etl1: Etl1Manifest | None,
    etl2: Etl2Manifest | None,
    words: Words,
    answer: Answer | None,
) -> tuple[Insights, str]:
    """Return what the page shows, and why there are no figures if there are none."""
    tables = {name: folder / file for name, file in COPIES.items()}
    lacking = [path.name for path in tables.values() if not path.is_file()]
    why = words("copies_missing", names=", ".join(lacking)) if lacking else ""
    if record.stages["convert"].status != "done":
        why = words("not_converted")
    if not why:
        if answer is None:
            from cat_lab import local_athena

            answer = local_athena.run_local
        ask = partial(_asked, answer, tables)
        try:
            found = collect(ask, record.run_date, etl1, etl2)
            return found, "" if found.figures else _why_no_period(found, record, words)
        except PipelineError as error:
            why = words("queries_failed", error=shown(str(error), 500))
    return collect(None, record.run_date, etl1, etl2), why


def _why_no_period(found: Insights, record: RunRecord, words: Words) -> str:
    """Say why no conversation is in a period."""
    count, known = (each["conversation_count"] for each in (found.coverage, found.covered))
    if not count:
        return words("no_conversations")
    if later := count - known:
        return words("only_later", count=words.number(later), day=words.day(record.run_date))
    return words("no_period")


def _asked(answer: Answer, tables: dict[str, Path], name: str, **parameters: Any) -> pd.DataFrame:
    return answer(name, tables, **parameters)


def _manifest(record: RunRecord, kind: type[manifest.M]) -> manifest.M | None:
    """Return a manifest that the run published, None if there is none that can be read."""
    process = "etl-process1" if kind is Etl1Manifest else "etl-process2"
    try:
        return manifest.decode(json.dumps(record.outputs[process]).encode(), kind)
    except (KeyError, InputError):
        return None


def _heading(record: RunRecord, found: Insights, words: Words) -> str:
    if record.status != "done":
        return words("interrupted" if record.status == "interrupted" else "failed")
    if found.figures is None:
        return words("no_figures")
    period = found.figures.period
    return words("period", first=words.day(period.since), last=words.day(period.until))


def _lead(found: Insights, words: Words, done: bool) -> list[str]:
    """Return the period and what the data cover, in sentences."""
    if found.figures is None:
        return []
    period = found.figures.period
    lines = [words("period_length", days=period.days)]
    if not done:
        lines.insert(0, words("period", first=words.day(period.since), last=words.day(period.until)))
    first, last = (words.day(as_day(found.covered[name])) for name in ("first_day", "last_day"))
    count = words.number(found.covered["conversation_count"])
    lines.append(words("covers", count=count, first=first, last=last))
    if found.covered["undated_count"]:
        lines.append(words("undated", count=words.number(found.covered["undated_count"])))
    return lines


def _failure(record: RunRecord, words: Words) -> dict[str, Any] | None:
    failure = record.failure
    if not failure:
        return None
    notebook = failure.notebook or (record.stages[failure.stage].notebook if failure.stage else "")
    place = words("in_stage", stage=failure.stage, notebook=notebook) if failure.stage else ""
    if failure.cell:
        place += " " + words("at_cell", cell=failure.cell, cells=failure.cells, heading=failure.heading)
    return {
        "place": place,
        "text": shown_lines(f"{failure.error}: {failure.text}"),
        "advice": _sentence(shown_lines(failure.advice)) if failure.advice else words("see_details"),
        "notes": [shown_lines(note) for note in record.notes],
    }


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def shown_lines(text: str) -> str:
    r"""Make a text of several lines safe to show.

    >>> shown_lines("a\nb\x1b")
    'a\nb\\x1b'
    """
    return "\n".join(shown(line, 2000) for line in text.split("\n")[:200])
