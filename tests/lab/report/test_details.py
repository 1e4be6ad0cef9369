"""The details of a run: one page without network, figures first, code folded, nothing in it that runs."""

import base64
import json
import re
from datetime import date
from html.parser import HTMLParser

import pytest

from cat_lab.report.details import write_details
from cat_lab.runs import Failure, RunRecord, StageRecord
from cat_lab.stages import NOTEBOOKS

ATTACK = "<script>alert(1)</script><img src=http://evil.example/x>"
PNG = base64.b64encode(b"\x89PNG picture").decode()
LOADING = {"src", "href", "srcset", "data", "poster", "action", "formaction", "background", "xlink:href"}


class Page(HTMLParser):
    """The page as a browser parses it: tags with their parents, and texts with theirs."""

    VOID = ("meta", "img", "br", "hr", "link", "input")

    def __init__(self, text):
        super().__init__()
        self.tags, self.text, self.open = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs), tuple(self.open)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data):
        self.text.append((data, tuple(self.open)))

    def words(self, inside=None):
        return "".join(data for data, around in self.text if inside is None or inside in around)


def markdown(text):
    return {"cell_type": "markdown", "source": text}


def code(source, *outputs):
    return {"cell_type": "code", "source": source, "outputs": list(outputs)}


def stream(text):
    return {"output_type": "stream", "name": "stdout", "text": text}


def result(**data):
    return {
        "output_type": "execute_result",
        "data": {name.replace("_", "/"): value for name, value in data.items()},
    }


def error(*traceback):
    return {"output_type": "error", "ename": "E", "evalue": "e", "traceback": list(traceback)}


def stages(**changed):
    return {
        stage: changed.get(stage) or StageRecord(notebook=name, status="done")
        for stage, name in NOTEBOOKS.items()
    }


@pytest.fixture
def page(tmp_path):
    def make(*cells, raw=False, **record):
        (tmp_path / "01_extract.ipynb").write_text(json.dumps({"cells": list(cells)}))
        values = {
            "run_id": "r1",
            "run_date": date(2025, 9, 1),
            "local": True,
            "status": "done",
            "started_at": "2025-09-01T00:00:00+00:00",
            "stages": stages(),
        }
        write_details(tmp_path, RunRecord(**values | record), tmp_path / "d.html", "report.html")
        text = (tmp_path / "d.html").read_text(encoding="utf-8")
        return text if raw else Page(text)

    return make


EVERYTHING = (
    markdown("# One\n\nProse with [a link](https://example.org) and `code`.\n\n$x^2$"),
    code("x = '<b>'  # secret sauce\nprint(x)", stream("said\n")),
    code("table", result(text_html=["<table><tr><td>cell</td></tr></table>"], text_plain="plain")),
    markdown("## Picture"),
    code(
        "plt.show()",
        {"output_type": "display_data", "data": {"image/png": PNG + "\n", "text/plain": "<Figure>"}},
    ),
    code("value", result(text_plain=["4", "2"])),
    code("fail", error("\x1b[31mTraceback\x1b[0m", "ValueError: no")),
)


def loaded(page):
    """What a browser fetches by itself on opening the page."""
    for tag, attributes, _ in page.tags:
        for name, value in attributes.items():
            if name in LOADING and not (tag == "a" and name == "href"):
                yield value


def test_the_page_loads_no_external_resource(page):
    made = page(*EVERYTHING)
    assert list(loaded(made)) == [f"data:image/png;base64,{PNG}"]
    assert not {"script", "link", "iframe", "object", "embed", "base"} & {tag for tag, _, _ in made.tags}
    styles = made.words("style")
    assert not re.search(r"@import|url\(|expression", styles)
    assert not any(name.startswith("on") for _, attributes, _ in made.tags for name in attributes)


def test_a_drawing_is_a_picture_in_which_nothing_runs(page):
    drawing = {"output_type": "display_data", "data": {"image/svg+xml": ["<svg>", ATTACK, "</svg>"]}}
    made = page(code("draw", drawing))
    (url,) = loaded(made)
    assert url.startswith("data:image/svg+xml;base64,")
    assert base64.b64decode(url.partition(",")[2]).decode() == f"<svg>{ATTACK}</svg>"
    assert not any(tag in ("script", "svg") for tag, _, _ in made.tags)


def test_it_links_to_the_report(page):
    assert ("a", {"href": "report.html"}) in [(tag, attributes) for tag, attributes, _ in page().tags]


def test_code_is_folded_and_its_outputs_are_not(page):
    made = page(*EVERYTHING)
    folded = made.words("details")
    for source in ("secret sauce", "plt", "fail"):
        assert source in folded
    for output in ("said", "cell", "42", "ValueError: no"):
        assert output not in folded
        assert output in made.words()
    assert all("open" not in attributes for tag, attributes, _ in made.tags if tag == "details")


def test_figures_come_first_and_once(page):
    made = page(*EVERYTHING)
    tags = [(tag, attributes.get("id")) for tag, attributes, _ in made.tags]
    assert tags.index(("img", None)) < tags.index(("h2", "01_extract.ipynb"))
    assert sum(tag == "img" for tag, _ in tags) == 1
    assert "Picture (01_extract.ipynb)" in made.words("figcaption")
    assert "<Figure>" not in made.words()


@pytest.mark.parametrize(
    "cell",
    [
        code("1", stream(ATTACK)),
        code("1", stream([ATTACK, "\n"])),
        code("1", result(text_plain=ATTACK)),
        code("1", error(ATTACK)),
        code(ATTACK),
        code("1", stream("</pre></div></details>" + ATTACK)),
    ],
    ids=["stream", "stream in parts", "result", "traceback", "source", "closing tags first"],
)
def test_text_of_the_data_stays_text(page, cell):
    made = page(cell)
    assert not any(tag in ("script", "img") for tag, _, _ in made.tags)
    assert "<script>alert(1)</script>" in made.words()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *((name, ATTACK) for name in ("run_id", "status", "run_date")),  # a time is refused
        ("notes", [ATTACK]),
        ("failure", Failure(stage=None, error=ATTACK, text=ATTACK, advice=ATTACK)),
    ],
)
def test_text_of_the_record_stays_text(page, field, value):
    made = page(**{field: value})
    assert not any(tag in ("script", "img") for tag, _, _ in made.tags)


def test_the_error_of_a_stage_is_shown_as_text(page):
    entry = StageRecord(notebook="01_extract.ipynb", status="failed", error=f"NameError: {ATTACK}")
    made = page(status="failed", stages=stages(extract=entry))
    assert f"NameError: {ATTACK}" in made.words("td")
    assert not any(tag in ("script", "img") for tag, _, _ in made.tags)


def test_counts_are_shown_with_thousands_separators(page):
    names = ("items_read", "conversations", "feedback", "registrations", "filtered", "rejected", "users")
    made = page(outputs={"etl-process1": {"summary": dict.fromkeys(names, 1234567)}})
    assert made.words("li").count("1,234,567") == len(names)


def test_a_notebook_that_did_not_run_is_left_out(page):
    made = page(code("1"))
    assert [attributes["id"] for tag, attributes, _ in made.tags if tag == "h2"] == ["01_extract.ipynb"]
    assert "02_normalize.ipynb" in made.words("table")


def test_terminal_colors_are_removed(page):
    assert "\x1b" not in page(*EVERYTHING, raw=True)
