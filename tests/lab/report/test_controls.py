"""The controls: what they offer and show after each change; without JupyterLab the default answer."""

from datetime import date
from xml.etree import ElementTree

import pytest

from cat_lab.report import charts, controls
from cat_normalize.core.errors import ParameterError
from report_data import EMPTY, HOSTILE, LAST, Answers, rows


@pytest.fixture
def jupyterlab(monkeypatch):
    monkeypatch.setenv("CAT_NORMALIZE_LAB", "1")
    monkeypatch.setenv("JPY_SESSION_NAME", "00_start.ipynb")


def last_of(answers, name):
    """The parameters with which a query was asked last."""
    return [given for asked, given in answers.asked if asked == name][-1]


def test_without_jupyterlab_the_default_answer_is_shown(monkeypatch):
    monkeypatch.setenv("CAT_NORMALIZE_LAB", "1")  # a run in its terminal inherits it
    answers = Answers(rows())
    made = controls.explore(answers.ask)
    assert isinstance(made, charts.Chart)
    assert answers.asked == [("conversations_by_day", {})]


def test_in_jupyterlab_the_controls_are_shown(jupyterlab):
    made = controls.explore(Answers(rows()).ask)
    assert "application/vnd.jupyter.widget-view+json" in made._repr_mimebundle_()


def test_at_first_the_period_is_the_default_one_and_the_city_is_any():
    answers = Answers(rows())
    panel = controls.panel(answers.ask)
    assert (panel.until.value, (panel.until.value - panel.since.value).days) == (LAST, 27)
    assert panel.city.options[0] == ("all cities", "")
    assert "<svg" in panel.shown.value
    assert last_of(answers, "conversations_by_day") == {"since": panel.since.value, "until": LAST}


def test_a_change_asks_again_and_shows_the_answer():
    answers = Answers(rows())
    panel = controls.panel(answers.ask)
    _, city = panel.city.options[1]
    panel.city.value = city
    panel.since.value = date(2025, 1, 1)
    assert last_of(answers, "conversations_by_day") == {
        "since": date(2025, 1, 1),
        "until": LAST,
        "ciudad": city,
    }
    before = panel.shown.value
    panel.view.value = controls.VIEWS[-1]
    assert last_of(answers, "overview")["ciudad"] == city
    assert panel.shown.value != before
    assert "active_users" in panel.shown.value


@pytest.mark.parametrize("view", controls.VIEWS)
@pytest.mark.parametrize("data", [rows(), rows(text=HOSTILE), EMPTY], ids=["data", "hostile", "empty"])
def test_every_view_is_html_without_scripts_or_unprintable_characters(view, data):
    panel = controls.panel(Answers(data).ask)
    panel.view.value = view
    ElementTree.fromstring(panel.shown.value.replace("&nbsp;", " "))
    assert "<script" not in panel.shown.value
    for label, _ in panel.city.options:
        assert label.isprintable()
        assert len(label) <= 40


def test_without_a_day_it_says_so():
    panel = controls.panel(Answers(EMPTY).ask)
    assert (panel.since.value, panel.until.value, len(panel.city.options)) == (None, None, 1)
    assert "No conversation has a day in the period." in panel.shown.value


def test_an_error_of_a_choice_is_shown_in_its_place_and_the_next_choice_is_answered():
    def ask(name, **given):
        if given.get("since", date.min) > given.get("until", date.max):
            raise ParameterError("since is after <until>")
        return answers.ask(name, **given)

    answers = Answers(rows())
    panel = controls.panel(ask)
    panel.since.value = date(2099, 1, 1)
    assert "since is after &lt;until&gt;" in panel.shown.value
    panel.since.value = None
    assert "<svg" in panel.shown.value
    assert "since" not in last_of(answers, "conversations_by_day")
