"""The pictures of report and notebooks: the right numbers, well-formed, any year, nothing interpreted."""

from datetime import date, timedelta
from xml.etree import ElementTree

import pytest

from cat_lab.report import charts, tables
from cat_lab.report.words import Words
from report_data import EMPTY, HOSTILE, LAST, Answers, rows

EN, ES = Words("en"), Words("es")
DRAWN = {
    "activity": (charts.activity, "conversations_by_day"),
    "reply_time": (charts.reply_time, "reply_time_by_day"),
    "feedback": (charts.feedback, "conversations_by_day"),
    "hours": (tables.hours, "hours"),
    "cohorts": (tables.cohorts, "cohorts"),
}
SVG = "{http://www.w3.org/2000/svg}"


def drawn(name, words=EN, answers=None):
    draw, query = DRAWN[name]
    return draw(Answers(rows() if answers is None else answers).ask(query), words)


def one_day(*numbers):
    return {"conversations_by_day": [(LAST, *numbers)]}


@pytest.mark.parametrize("name", DRAWN)
def test_nothing_is_no_picture(name):
    assert drawn(name, answers=EMPTY) is None


@pytest.mark.parametrize(("name", "numbers"), [("activity", ("1", "2")), ("feedback", ("6", "7"))])
def test_a_row_per_day_holds_the_numbers_of_the_query(name, numbers):
    found = drawn(name, answers=one_day(1, 2, 3, 4, 5, 6, 7))
    assert found.rows == (("15 September 2025", *numbers),)
    assert "15 September 2025" in repr(found)


def test_reply_times_of_which_nothing_is_known_are_left_out():
    found = drawn(
        "reply_time", answers={"reply_time_by_day": [(LAST, 3, 0, None, None), (LAST, 3, 3, 2, 4.5)]}
    )
    assert found.rows == (("15 September 2025", "2", "4.5"),)


def test_no_like_and_no_dislike_is_no_picture():
    assert drawn("feedback", answers=one_day(9, 9, 0, 0, 0, 0, 0)) is None


@pytest.mark.parametrize("name", ["activity", "reply_time", "feedback"])
@pytest.mark.parametrize("last", [date(1, 1, 2), date(9999, 12, 31), LAST])
def test_a_picture_of_any_year_is_well_formed_and_described(name, last):
    found = drawn(name, ES, rows(last))
    picture = ElementTree.fromstring(found._repr_svg_())
    assert (picture.get("role"), picture.get("aria-label")) == ("img", repr(found))
    assert (picture.get("width"), picture.get("viewBox").split()[2]) == ("420", "420")
    assert not any(each.tag in (SVG + "script", SVG + "style") for each in picture.iter())
    assert len(found.rows) == min(28, last.toordinal())


def test_colors_are_those_of_the_page():
    assert "var(--accent, #" in drawn("activity").svg
    assert not any(f'{what}="black"' in drawn("activity").svg for what in ("fill", "stroke"))


def test_years_of_days_are_a_line_with_year_and_month():
    days = [(LAST + timedelta(n), 5, 4, 0, 0, 0, 0, 0) for n in range(800)]
    svg = drawn("activity", answers={"conversations_by_day": days}).svg
    assert "2025-09" in svg
    assert len(svg) < 100_000


def test_the_heat_map_has_every_hour_and_the_busiest():
    found = drawn("hours", answers={"hours": [(1, 0, 3), (7, 23, 1_500)]})
    assert found.rows[23] == ("23:00", *["0"] * 6, "1,500")
    assert len(found.rows) == 24
    assert repr(found) == "Messages of users by weekday and hour; most on Sun at 23:00, 1,500 messages."
    assert found.html.count("<td style") == 7 * 24


def test_cohorts_have_a_row_per_week():
    weeks = [
        (date(2025, 9, 1), 4, 0, 4, 1.0),
        (date(2025, 9, 1), 4, 1, 0, 0.0),
        (date(2025, 9, 8), 2, 0, 2, 1.0),
    ]
    found = drawn("cohorts", answers={"cohorts": weeks})
    assert found.columns == ("first week", "users", "week 0", "week 1")
    assert found.rows == (("1 September 2025", "4", "4", "0"), ("8 September 2025", "2", "2", ""))


def test_names_in_a_table_stay_text():
    html = tables.ranking([(HOSTILE, 1.0, "1")], ("a", "b")).html
    assert "<script" not in html
    assert "<img" not in html
    assert "\x1b" not in html


def test_bars_in_cells_are_as_long_as_the_numbers():
    html = tables.ranking([("a", 4.0, "4"), ("b", 1.0, "1"), ("c", 0.0, "0")], ("a", "b")).html
    assert [part.split("%")[0] for part in html.split("width: ")[1:]] == ["100", "25.0", "0"]
