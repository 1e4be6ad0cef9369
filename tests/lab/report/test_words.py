"""The words of the report: both languages, the same values in both."""

from datetime import date
from string import Formatter

import pandas as pd
import pytest

from cat_lab.report.words import TEXTS, Words

EN, ES = Words("en"), Words("es")


@pytest.mark.parametrize("name", TEXTS)
def test_both_languages_have_the_words_with_the_same_values(name):
    both = [{field for _, field, _, _ in Formatter().parse(text) if field} for text in TEXTS[name]]
    assert all(TEXTS[name])
    assert both[0] == both[1]


@pytest.mark.parametrize("value", [None, float("nan"), pd.NA, pd.NaT])
def test_what_is_missing_is_a_dash(value):
    assert {EN.number(value), EN.share(value), EN.seconds(value)} == {"–"}


@pytest.mark.parametrize(
    ("english", "spanish", "value"),
    [
        ("1,234.5", "1.234,5", 1234.5),
        ("0", "0", 0),
        ("10", "10", 10),
        ("-3", "-3", -3.0),
        ("1,000", "1.000", 1000),
    ],
)
def test_numbers_have_the_separators_of_the_language(english, spanish, value):
    assert (EN.number(value), ES.number(value)) == (english, spanish)


def test_days_are_written_in_the_language():
    assert EN.day(date(1, 5, 3)) == "3 May 1"
    assert ES.day(date(9999, 12, 31)) == "31 de diciembre de 9999"
    assert ES.weekday(3) == "mié"


def test_another_language_is_refused():
    with pytest.raises(ValueError, match="'fr'"):
        Words("fr")


def test_an_unknown_code_is_shown_as_it_is():
    assert EN.label("new_reason") == "new reason"
