"""What the report asks, and over which days."""

from datetime import date, timedelta

import msgspec
import pytest

from cat_lab.report.insights import collect
from cat_normalize.core.manifest import Etl1Manifest, Etl2Manifest
from cat_normalize.query import Period
from report_data import COLUMNS, EMPTY, LAST, Answers, manifests, rows

NOW = {"since": date(2025, 8, 19), "until": LAST}
BEFORE = {"since": date(2025, 7, 22), "until": date(2025, 8, 18)}
PLAIN = ("conversations_by_day", "hours", "reply_time_by_day", "by_city", "by_gerencia")
RUN = {"run_date": date(2025, 9, 20)}


def both():
    made = manifests()
    return (
        msgspec.convert(made["etl-process1"], Etl1Manifest),
        msgspec.convert(made["etl-process2"], Etl2Manifest),
    )


def test_every_query_is_asked_once_and_those_of_the_tiles_for_the_period_before_too():
    answers = Answers(rows())
    found = collect(answers.ask, RUN["run_date"], *both())
    asked = {name: [given for each, given in answers.asked if each == name] for name in COLUMNS}
    weeks = {"since": date(2025, 6, 30), "until": LAST}
    assert asked == {
        "data_period": [RUN],
        "time_coverage": [{}],
        "overview": [NOW, BEFORE],
        "came_back": [NOW | RUN, BEFORE | RUN],
        "cohorts": [weeks],
        "negative_comments": [NOW | {"top": 5}],
        "unanswered_conversations": [NOW | {"top": 5}],
        "most_asked_questions": [NOW | {"top": 10}],
        **{
            name: [NOW]
            for name in ("conversations_by_day", "hours", "reply_time_by_day", "by_city", "by_gerencia")
        },
    }
    assert found.figures.now["active_users"] == 1_284
    assert found.figures.now["came_back"] == 0.401


def test_without_a_day_nothing_more_is_asked():
    answers = Answers(EMPTY)
    assert collect(answers.ask, LAST, None, None).figures is None
    assert [name for name, _ in answers.asked] == ["data_period", "time_coverage"]


def test_manifests_are_counted_without_tables():
    found = collect(None, LAST, *both())
    assert (found.figures, found.coverage) == (None, {})
    assert found.items["items_read"] == 13_920
    assert found.rows["rows"] == 2_210
    assert list(found.rejects) == ["bad_conversation", "bad_key", "bad_feedback", "not_json", "unknown_kind"]
    assert list(found.warnings) == ["user_data_unreadable", "date_unreadable"]


@pytest.mark.parametrize("last", [date(1, 1, 1), date(1, 1, 28), date(1, 2, 20), date(9999, 12, 31)])
def test_periods_at_the_ends_of_the_calendar(last):
    period = Period.ending(last)
    assert period.days == min(28, last.toordinal())
    before = period.before
    assert before is None or (before.days == period.days and before.until + timedelta(1) == period.since)
    answers = Answers(rows(last))
    collect(answers.ask, last, None, None)
    assert [given["until"] for name, given in answers.asked if name == "cohorts"] == [last]
