"""Collect what the report shows: the answers of the named queries, and the manifests of the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from cat_lab.report.words import as_day, missing
from cat_normalize.core.manifest import plain
from cat_normalize.query import Period

if TYPE_CHECKING:
    import pandas as pd

    from cat_normalize.core.manifest import Etl1Manifest, Etl2Manifest

Ask = Callable[..., "pd.DataFrame"]
"""Answers a named query: ``ask(name, **parameters)``."""
WEEKS = 12
_ITEMS = ("items_read", "conversations", "feedback", "registrations", "filtered", "rejected", "users")
_ROWS = {
    "rows": "rows",
    "conversations": "conversation_rows",
    "messages": "message_rows",
    "feedback_unmatched": "feedback_unmatched",
}


def _weeks(period: Period) -> Period:
    """Return the twelve weeks, from a Monday, that end with a period."""
    monday = period.until.toordinal() - period.until.weekday()
    return Period(date.fromordinal(max(1, monday - 7 * (WEEKS - 1))), period.until)


@dataclass(frozen=True, slots=True)
class Figures:
    """Answers over one period; ``before`` and ``came_back_before`` are of the period before it."""

    period: Period
    now: dict[str, Any]
    before: dict[str, Any]
    by_day: pd.DataFrame
    hours: pd.DataFrame
    replies: pd.DataFrame
    cohorts: pd.DataFrame
    negative: pd.DataFrame
    questions: pd.DataFrame
    unanswered: pd.DataFrame
    cities: pd.DataFrame
    departments: pd.DataFrame


@dataclass(frozen=True, slots=True)
class Insights:
    """What a report shows.

    ``covered`` is the answer of `data_period`, ``coverage`` that of `time_coverage`; both are empty without
    tables. ``items`` and ``rows`` are the counts of the two manifests, empty for a manifest that is missing.
    """

    covered: dict[str, Any]
    coverage: dict[str, Any]
    figures: Figures | None
    items: dict[str, int]
    rows: dict[str, int]
    rejects: dict[str, int]
    warnings: dict[str, int]


def collect(
    ask: Ask | None, run_date: date, etl1: Etl1Manifest | None, etl2: Etl2Manifest | None
) -> Insights:
    """Collect the figures of the 28 days that end with the latest conversation.

    Args:
        ask: answers a named query; None if there are no tables.
        run_date: conversations of later days do not count.
        etl1: the manifest of ETL-1 of the run, if it was published.
        etl2: that of ETL-2.

    Raises:
        PipelineError: a query failed.
    """
    covered = _only(ask("data_period", run_date=run_date)) if ask else {}
    last = covered.get("last_day")
    summary = plain(etl1.summary) if etl1 else {}
    rows = plain(etl2.summary) if etl2 else {}
    return Insights(
        covered=covered,
        coverage=_only(ask("time_coverage")) if ask else {},
        figures=_figures(ask, as_day(last), run_date) if ask and not missing(last) else None,
        items={name: summary[name] for name in _ITEMS if name in summary},
        rows={to: rows[name] for name, to in _ROWS.items() if rows.get(name) is not None},
        rejects=_sorted(summary.get("rejected_by_reason", {})),
        warnings=_sorted(summary.get("warnings", {})),
    )


def _figures(ask: Ask, last: date, run_date: date) -> Figures:
    period = Period.ending(last)

    def over(name: str, within: Period = period, **more: Any) -> pd.DataFrame:
        return ask(name, since=within.since, until=within.until, **more)

    def overview(within: Period | None) -> dict[str, Any]:
        if within is None:
            return {}
        came_back = _only(over("came_back", within, run_date=run_date)).get("share")
        return {**_only(over("overview", within)), "came_back": came_back}

    return Figures(
        period=period,
        now=overview(period),
        before=overview(period.before),
        by_day=over("conversations_by_day"),
        hours=over("hours"),
        replies=over("reply_time_by_day"),
        cohorts=over("cohorts", _weeks(period)),
        negative=over("negative_comments", top=5),
        questions=over("most_asked_questions", top=10),
        unanswered=over("unanswered_conversations", top=5),
        cities=over("by_city"),
        departments=over("by_gerencia"),
    )


def _only(frame: pd.DataFrame) -> dict[str, Any]:
    return {} if frame.empty else {str(name): value for name, value in frame.iloc[0].items()}


def _sorted(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda each: (-each[1], each[0])))
