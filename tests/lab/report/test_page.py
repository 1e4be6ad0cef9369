"""The report for people: what it shows, in which order, and what it says where there is nothing."""

import re
from datetime import date
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from cat_lab.report import write_page
from cat_lab.runs import Failure
from cat_normalize.core.errors import QueryError
from report_data import EMPTY, HOSTILE, Answers, copies, failed, record, rows

VOID = ("meta", "img", "br", "hr", "link", "input", "rect", "path")
FIGURES = ("activity", "hours", "cohorts", "reply_time", "feedback", "cities", "departments")


class Page(HTMLParser):
    """The page as a browser parses it."""

    def __init__(self, text):
        super().__init__()
        self.source, self.tags, self.words = text, [], ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words += data

    def named(self, *names):
        return [(tag, given) for tag, given in self.tags if tag in names]

    def card(self, name):
        return self.source.partition(f'<section class="card {name}"')[2].partition("</section>")[0]


@pytest.fixture
def page(tmp_path):
    def make(made=None, answers=None, lang="en", tables=True):
        if tables:
            copies(tmp_path)
        answer = Answers(rows() if answers is None else answers)
        write_page(tmp_path, made or record(), tmp_path / "report.html", lang, answer)
        return Page((tmp_path / "report.html").read_text(encoding="utf-8"))

    return make


def test_the_period_the_tiles_and_their_change_come_first(page):
    made = page()
    assert "19 August 2025 to 15 September 2025" in made.words
    assert "Conversations in the data: 12,483, from 4 June 2025 to 15 September 2025." in made.words
    tiles = re.findall(r"<li><b>(.*)</b><span>(.*)</span><small>(.*)</small></li>", made.source)
    assert tiles == [
        ("1,284", "active users", "+11% · previous period 1,155"),
        ("4,096", "conversations", "+11% · previous period 3,686"),
        ("2.4 s", "median reply time", "+11% · previous period 2.2 s"),
        ("6.1%", "left without an answer", "+0.6 points · previous period 5.5%"),
        ("84.2%", "of the feedback is a like", "+8.4 points · previous period 75.8%"),
        ("40.1%", "came back within a week", "unchanged · previous period 40.1%"),
    ]


def test_a_tile_without_a_period_before_compares_with_nothing(page):
    made = page(answers=rows(date(1, 1, 1)), made=record(run_date=date(1, 1, 1)))
    assert made.source.count("<small>nothing to compare with</small>") == 6


def test_spanish(page):
    made = page(lang="es")
    assert made.named("html") == [("html", {"lang": "es"})]
    assert "Del 19 de agosto de 2025 al 15 de septiembre de 2025" in made.words
    assert "12.483" in made.words
    assert "active users" not in made.words


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_followed_by_its_numbers_in_a_table(page, name):
    card = page().card(name)
    figure, details = card.index("</figure>"), card.index("<details>")
    assert figure < details < card.rindex("<table") < card.index("</details>")
    assert "scope=" in card[details:]


def test_headings_are_in_order_and_landmarks_and_language_are_there(page):
    made = page()
    levels = [int(tag[1]) for tag, _ in made.named("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert [tag for tag, _ in made.named("header", "main", "footer")] == ["header", "main", "footer"]
    ids = [given["id"] for _, given in made.tags if "id" in given]
    labels = [given["aria-labelledby"] for _, given in made.tags if "aria-labelledby" in given]
    assert sorted(set(ids)) == sorted(ids)
    assert set(labels) <= set(ids)
    assert all(given.get("role") == "img" and given["aria-label"] for _, given in made.named("svg"))


def test_nothing_is_loaded_and_nothing_runs(page):
    made = page()
    assert made.named("script", "img", "link", "iframe", "object") == []
    assert not re.search(r"@import|url\(", made.source)
    assert not any(name.startswith("on") or name == "src" for _, given in made.tags for name in given)
    assert [given["href"] for _, given in made.named("a")] == ["details.html"]
    assert len(made.source) < 3_000_000


def test_the_details_are_next_to_it_and_link_back(page, tmp_path):
    page()
    assert '<a href="report.html">' in (tmp_path / "details.html").read_text()


@pytest.mark.parametrize("lang", ["en", "es"])
def test_texts_of_the_data_stay_text(page, lang):
    made = page(answers=rows(text=HOSTILE), lang=lang)
    assert made.named("script", "img") == []
    assert "<script>alert(1)</script>" in made.words
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", made.source)


def test_without_conversations_the_page_says_so_and_finds_nothing(page):
    made = page(answers=EMPTY, made=record(outputs={}))
    assert "There are no conversations." in made.words
    for name in (*FIGURES, "negative", "unanswered", "questions"):
        assert f'class="card {name}"' not in made.source
    for name in ("funnel", "coverage", "rejects", "warnings"):
        card = made.card(name)
        assert card.count('<p class="none">') == 1, name
        assert "<table" not in card


@pytest.mark.parametrize("last", [date(1, 1, 1), date(9999, 12, 31)])
def test_any_year(page, last):
    made = page(answers=rows(last), made=record(run_date=last))
    assert f"{last.year}" in made.words


def test_missing_copies_are_named_and_the_quality_of_the_data_is_shown(page):
    made = page(tables=False)
    assert "lacks the tables that the figures come from: data.parquet, conversations.parquet" in made.words
    assert made.named("svg") == []
    assert "13,920" in made.card("funnel")


def test_a_query_that_fails_is_told(tmp_path):
    def answer(name, tables, **_):
        raise QueryError(f"{name} <b>broke</b>")

    write_page(copies(tmp_path), record(), tmp_path / "report.html", answer=answer)
    made = Page((tmp_path / "report.html").read_text())
    assert "A query failed: data_period <b>broke</b>" in made.words


def test_the_funnel_goes_from_items_to_rows(page):
    words = re.findall(r"<bdi>([^<]*)</bdi>.*?number\">([\d,]+)<", page().card("funnel"))
    assert words == [
        ("items read", "13,920"),
        ("conversations", "12,495"),
        ("feedback", "1,180"),
        ("registrations", "190"),
        ("left out by filters", "40"),
        ("rejected", "15"),
        ("users", "2,210"),
        ("rows of users converted", "2,210"),
    ]


@pytest.mark.parametrize("outputs", [{}, {"etl-process1": {"summary": {}}}])
def test_a_manifest_that_cannot_be_read_counts_as_none(page, outputs):
    assert "This run published no counts of its items." in page(record(outputs=outputs)).card("funnel")


def test_a_failed_run_shows_first_what_failed_and_what_to_try(page):
    made = page(failed(), tables=False)
    order = (
        "The run failed",
        "In stage normalize",
        "the CSV differs from its manifest",
        "Run again.",
        "no figures",
    )
    places = [made.words.index(each) for each in order]
    assert places == sorted(places)
    assert "did not reach its third stage" in made.words
    assert "No item was rejected" not in made.words


def test_an_interrupted_run_says_so(page):
    failure = Failure(stage=None, error="KeyboardInterrupt", text="")
    assert "The run was interrupted" in page(record(status="interrupted", failure=failure)).words


def test_a_failure_without_advice_points_to_the_details(page):
    assert "See the details of the run" in page(failed(advice=None)).words


def test_texts_of_the_record_stay_text(page):
    made = page(failed(HOSTILE, HOSTILE, run_id=HOSTILE))
    assert made.named("script", "img") == []


def test_a_run_that_failed_after_its_tables_shows_the_failure_then_the_figures(page):
    made = page(record(status="failed", failure=Failure(stage="query", error="QueryError", text="it broke")))
    order = ("The run failed", "19 August 2025 to", "it broke", "1,284")
    places = [made.words.index(each) for each in order]
    assert places == sorted(places)
