"""The report in a real browser: legible on a phone, in both color schemes, for screen readers, in print.

``make browser`` installs the browser. To take the picture of the README:
``node tests/browser/open.mjs REPORT --widths 1280 --schemes light --shots FOLDER --height 1500 --scale 2``.
"""

import pytest

from cat_lab.report import write_page
from report_data import EMPTY, HOSTILE, Answers, copies, failed, record, rows

LOOKS = [(width, scheme) for width in (390, 800, 1280) for scheme in ("light", "dark")]
PAGES = {
    "data": (record(), rows(), "en"),
    "no data": (record(), EMPTY, "en"),
    "a failed run": (failed(HOSTILE, HOSTILE), {}, "en"),
    "Spanish, hostile texts": (record(local=False), rows(text=HOSTILE), "es"),
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_legible_everywhere_and_loads_nothing(browse, tmp_path, name):
    made, answers, lang = PAGES[name]
    write_page(copies(tmp_path), made, tmp_path / "report.html", lang, Answers(answers))
    found = browse("open.mjs", tmp_path / "report.html", "--pdf", str(tmp_path / "report.pdf"))
    assert [(each["width"], each["scheme"]) for each in found["looks"]] == LOOKS
    for look in found["looks"]:
        problems = {key: look[key] for key in ("overflow", "violations", "requests", "errors")}
        assert problems == {"overflow": 0, "violations": [], "requests": [], "errors": []}, look
    assert found["pages"] <= 2
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")


def test_the_browser_tells_a_bad_page(browse, tmp_path):
    page = tmp_path / "bad.html"
    page.write_text(
        "<title>x</title><p style='width: 900px; color: #ddd; background: #fff'>Text</p>"
        "<img src='http://127.0.0.1:9/x.png'><script>throw Error('bad')</script>"
    )
    (look,) = browse("open.mjs", page, "--widths", "390", "--schemes", "light")["looks"]
    assert look["overflow"] > 0
    assert {"color-contrast", "html-has-lang", "image-alt"} <= {each["id"] for each in look["violations"]}
    assert look["requests"] == ["http://127.0.0.1:9/x.png"]
    assert "Error: bad" in look["errors"]
