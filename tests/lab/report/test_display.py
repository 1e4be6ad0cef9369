"""What the notebooks show: the right numbers, safe texts, a message if there is nothing to display."""

import json
import re
from datetime import date, timedelta
from html import escape
from xml.etree import ElementTree

import pandas as pd
import pytest

from cat_lab.report import display
from cat_normalize.core.manifest import Conversion, Etl1Manifest, Etl2Manifest, Summary
from cat_normalize.core.settings import Rules, Settings

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = [
    "<script>alert(1)</script>",
    "=1+1",
    "a\nb\r\tc",
    "\x00\x1b[31m\x7f\x85",
    "\u202eabc\u2028",
    "$\\frac{$",
]


def heights(chart):
    return [height for _, height in chart.rows]


@pytest.mark.parametrize(
    "shown", [display.bars({}, "t", "u", "None."), display.bars({"a": 0}, "t", "u", "None.")]
)
def test_a_chart_without_bars_is_a_message(shown):
    assert repr(shown) == "None."


def test_nothing_to_show_is_a_message():
    assert repr(display.timeline({}, "t", "u", "None.")) == "None."
    assert repr(display.table([], ["a"], empty="None.")) == "None."
    assert repr(display.counts({}, "a", "b", "None.")) == "None."
    assert repr(display.item(None)) == "There is no item."
    assert repr(display.rejects([])) == "No item was rejected."
    assert repr(display.provenance(None, None)) == "There is no manifest of this Parquet."


def texts(chart):
    """The texts of a picture, in its order; it must be well-formed."""
    return [each.text for each in ElementTree.fromstring(chart._repr_svg_()).iter(SVG + "text")]


def test_bars_have_the_given_lengths_and_order():
    chart = display.bars({"b": 3, "a": 1_000, "c": 0}, "Title", "items")
    assert (repr(chart), chart.columns) == ("Chart: Title, 3 bars", ("", "items"))
    assert chart.rows == (("b", 3), ("a", 1_000), ("c", 0))
    assert texts(chart) == ["b", "a", "c", "3", "1,000", "0", "Title (items)"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_drawn_and_not_interpreted(name):
    chart = display.bars({name: 1}, name, name)
    assert display.text(name, 26) in texts(chart)
    assert "<script" not in chart._repr_svg_()
    assert chart._repr_svg_() == display.bars({name: 1}, name, name)._repr_svg_()


def test_names_that_are_cut_alike_are_bars_of_their_own():
    assert texts(display.bars({"x" * 40 + "1": 3, "x" * 40 + "2": 5}, "t", "u"))[2:4] == ["3", "5"]


@pytest.mark.parametrize(
    ("days", "step", "ends"),
    [
        ([date(2025, 8, 4)], "day", ("2025-08-04", "2025-08-04")),
        ([date(2025, 8, 4), date(2025, 9, 14)], "day", ("2025-08-04", "2025-09-14")),
        ([date(2025, 1, 1), date(2025, 12, 31)], "week", ("2024-12-30", "2025-12-29")),
        ([date(2020, 2, 29), date(2025, 8, 4)], "month", ("2020-02", "2025-08")),
        ([date(1990, 1, 1), date(2025, 8, 4)], "year", ("1990", "2025")),
        ([date(1582, 10, 4), date(2025, 8, 4)], "decade", ("1580", "2020")),
        ([date(1, 1, 1), date(2025, 8, 4)], "century", ("0000", "2000")),
        ([date(1, 1, 1), date(9999, 12, 31)], "millennium", ("0000", "9000")),
    ],
)
def test_a_timeline_fits_any_days(days, step, ends):
    chart = display.timeline(dict.fromkeys(days, 2), "Title", "items")
    assert repr(chart) == f"Chart: Title, by {step}, {ends[0]} to {ends[1]}"
    assert sum(heights(chart)) == 2 * len(days)
    assert heights(chart)[0] > 0
    assert heights(chart)[-1] > 0
    assert texts(chart)[0] == ends[0]


def test_a_day_without_values_is_a_gap():
    first = date(2025, 8, 4)
    chart = display.timeline({first: 2, first + timedelta(3): 5}, "t", "u")
    assert heights(chart) == [2, 0, 0, 5]


@pytest.mark.parametrize("text", HOSTILE)
def test_texts_of_the_table_are_shown_and_not_interpreted(text):
    table = display.table([[text, 1]], ["text", "n"])
    html = table._repr_html_()
    assert "<script" not in html
    assert "tex2jax_ignore" in html  # a notebook sets $…$ as mathematics otherwise
    for shown in (repr(table), html, display.text(text)):
        assert all(char.isprintable() or char == "\n" for char in shown)


def test_html_is_quoted_and_formulas_stay_text():
    html = display.table([["<b>x</b>"], ["=1+1"]], ["text"])._repr_html_()
    assert "&lt;b&gt;x&lt;/b&gt;" in html
    assert "=1+1" in html


@pytest.fixture
def jupyterlab(monkeypatch):
    monkeypatch.setenv("CAT_NORMALIZE_LAB", "1")
    monkeypatch.setenv("JPY_SESSION_NAME", "04_query.ipynb")


def cells_of(html):
    """The rows that an interactive table gets as data, as texts of HTML."""
    return json.loads(json.loads(re.search(r'"data_json": (".*"),\n', html)[1]))


def test_an_interactive_table_quotes_every_text(jupyterlab):
    hostile = [*HOSTILE, "</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>", "&lt;"]
    shown = display.table([[text, text] for text in hostile], ["<b>a</b>", "</script>"])
    html = shown._repr_html_()
    assert [row[0] for row in cells_of(html)] == [escape(display.text(text), quote=False) for text in hostile]
    assert html.count("<script") == html.count("</script") == 2  # itables' own
    assert "<img" not in html
    assert "<b>" not in html
    assert "mathjax_ignore" in html
    assert set(re.findall(r"https?://[\w.]+", html)) == {"https://itables.org"}  # a link
    assert " import " not in html


def test_an_interactive_table_has_rows_to_search_and_its_text_the_first_ones(jupyterlab):
    table = display.table([[n] for n in range(2_000)], ["n"], limit=3)
    assert len(cells_of(table._repr_html_())) == 1_000
    assert "1,000 of 2,000 rows" in table._repr_html_()
    assert repr(table).splitlines()[-1] == "3 of 2,000 rows"
    assert "<script" not in table.plain()
    assert table.plain().count("<tr>") == 3


def test_null_among_numbers_is_blank_in_an_interactive_table_so_that_they_are_sorted(jupyterlab):
    frame = pd.DataFrame(
        {"n": pd.Series([10, None, 9], dtype="Int64"), "t": pd.Series(["10", None, ""], dtype="string")}
    )
    assert cells_of(display.table(frame)._repr_html_()) == [["10", "10"], ["", "NULL"], ["9", ""]]


def test_what_interactive_tables_need_is_loaded_from_this_machine(jupyterlab, capsys, monkeypatch):
    loaded = []
    monkeypatch.setattr("IPython.display.display", loaded.append)
    display.prepare()
    (html,) = (each.data for each in loaded)
    assert len(html) > 500_000
    assert "unpkg" not in html


@pytest.mark.parametrize("missing", ["CAT_NORMALIZE_LAB", "JPY_SESSION_NAME"])
def test_outside_of_jupyterlab_tables_are_plain_and_nothing_is_loaded(jupyterlab, monkeypatch, missing):
    monkeypatch.delenv(missing)
    monkeypatch.setattr("IPython.display.display", pytest.fail)
    display.prepare()
    table = display.table([[n] for n in range(30)], ["n"])
    assert table._repr_html_() == table.plain()


def test_a_total_that_is_given_is_shown():
    assert repr(display.table([[1]], ["n"], total=7)).splitlines()[-1] == "1 of 7 rows"


def test_a_long_text_is_cut():
    assert "a" * 80 in repr(display.table([["a" * 72_000]], ["text"]))
    assert len(display.table([["a" * 72_000]], ["text"])._repr_html_()) < 1_000


def test_null_of_every_type_is_null():
    columns = {"s": "string", "n": "Int64", "f": "float64", "o": "object"}
    frame = pd.DataFrame({name: pd.Series([None], dtype=kind) for name, kind in columns.items()})
    assert repr(display.table(frame)).split() == ["s", "n", "f", "o", "1", "NULL", "NULL", "NULL", "NULL"]


def test_rows_left_out_are_counted():
    table = display.table([[n] for n in range(2_000)], ["n"], limit=3)
    assert repr(table).splitlines()[-1] == "3 of 2,000 rows"
    assert "3 of 2,000 rows" in table._repr_html_()
    assert "of" not in repr(display.table([[1]], ["n"], limit=1))


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (b'{"PK":{"S":"a\\u0000"}}', '{\n "PK": {\n  "S": "a\\u0000"\n }\n}'),
        (b"no JSON \x1b[31m\xff", "no JSON \\x1b[31m\\xff"),
        (b"[1]", "[1]"),
        (b"", ""),
    ],
)
def test_an_item_of_any_kind_is_shown(line, shown):
    assert repr(display.item(line)) == shown


@pytest.mark.parametrize("line", [b"x" * (17 << 20), b'{"a":"' + b"x" * 400_000 + b'"}', b"[" * 300_000])
def test_a_long_item_is_cut(line):
    assert len(repr(display.item(line))) < 400


def test_an_item_of_many_attributes_is_cut():
    line = b"{" + b",".join(b'"%d":{"S":""}' % n for n in range(900)) + b"}"
    assert repr(display.item(line)).splitlines()[-1] == "…"


def test_rejects_show_reason_source_and_item():
    lines = [
        b'{"reason":"not_json","detail":"d","source":"f.jsonl:3","item":"\\u001b[31m"}',
        b'{"reason":"bad_key","detail":"e","source":"f.jsonl:4","item":{"PK":{"S":"x"}}}',
    ]
    assert repr(display.rejects(lines)).splitlines() == [
        "not_json: d",
        "    read from f.jsonl:3",
        "    \\x1b[31m",
        "bad_key: e",
        "    read from f.jsonl:4",
        '    {"PK": {"S": "x"}}',
    ]


def test_provenance_shows_source_and_rules():
    day, settings = date(2025, 9, 15), Settings(rules=Rules("UTC", since=date(2025, 8, 18)))
    etl1 = Etl1Manifest(day, "dynamodb://t", settings, Summary(), [])
    etl2 = Etl2Manifest(day, "s3://b/x.csv", settings, Conversion(1_234, 9, None), [])
    assert repr(display.provenance(etl1, etl2)).splitlines() == [
        "1,234 users, run date 2025-09-15",
        "read from dynamodb://t",
        "time_zone: UTC",
        "since: 2025-08-18",
    ]
    assert repr(display.provenance(None, etl2)) == "1,234 users, run date 2025-09-15"
