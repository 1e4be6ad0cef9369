"""How single values are cleaned (contract §2)."""

import json
import unicodedata
from datetime import date
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cat_normalize.core import text
from hostile import TEXT

CONTROLS = [chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) == "Cc"]
SPACES = [chr(code) for code in range(0x110000) if chr(code).isspace()]
BOGOTA = ZoneInfo("America/Bogota")


@pytest.mark.parametrize("char", [*CONTROLS, *SPACES], ids=ascii)
def test_tidy_makes_every_space_and_control_character_one_space(char):
    assert text.tidy(f"{char}a{char}{char}b{char}") == "a b"


@pytest.mark.parametrize(
    ("given", "tidied"),
    [
        ("", ""),
        (" \t\x00\u3000", ""),
        ("a|b||c", "a/b//c"),
        (" | ", "/"),
        ("a\u200bb", "a\u200bb"),  # a zero-width space is neither white space nor a control character
        ("a\u00adb\ufeff", "a\u00adb\ufeff"),
        ("e\u0301 😀\u200d", "e\u0301 😀\u200d"),
        ('say "no", \\n', 'say "no", \\n'),
    ],
    ids=ascii,
)
def test_tidy(given, tidied):
    assert text.tidy(given) == tidied


@given(TEXT)
def test_tidy_once_is_enough_and_leaves_no_control_character(value):
    tidied = text.tidy(value)
    assert text.tidy(tidied) == tidied
    assert not any(char in tidied for char in [*CONTROLS, "|"])
    assert not text.has_control(tidied)


@pytest.mark.parametrize(
    ("city", "left"),
    [
        ("Cali", "Cali"),
        ("Cali (Sede Norte)", "Cali"),
        ("Cali(Sede)", "Cali"),
        ("Cali (a) (b)", "Cali (a)"),
        ("Cali (a (b) c)", "Cali"),
        ("Cali (a) Norte", "Cali (a) Norte"),
        ("Cali (", "Cali ("),
        ("Cali )", "Cali )"),
        ("Cali a)", "Cali a)"),
        ("Cali ()", "Cali"),
        ("(Sede)", ""),
        ("", ""),
    ],
)
def test_one_trailing_remark_goes(city, left):
    assert text.without_remark(city) == left


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        *((name, "user") for name in ("user", "usuario", " USER\n", "Usuario")),
        *((name, "bot") for name in ("bot", "assistant", "catia", "BOT", "\tAssistant ", "Catia")),
        (" Supervisor 1 ", "supervisor 1"),
        ("users", "users"),
        ("ÁNGEL", "ángel"),
        ("", ""),
    ],
)
def test_senders(name, canonical):
    assert text.canonical_sender(name) == canonical


@pytest.mark.parametrize(
    ("instant", "day"),
    [
        ("2025-08-18T13:19:49.966664", date(2025, 8, 18)),
        ("2025-08-18T13:19:49", date(2025, 8, 18)),
        (" 2025-08-18\n", date(2025, 8, 18)),
        ("20250818", date(2025, 8, 18)),
        ("2025-W34-1", date(2025, 8, 18)),
        ("2025-08-18T23:59:59", date(2025, 8, 18)),
        ("2025-08-19T04:59:59Z", date(2025, 8, 18)),
        ("2025-08-19T05:00:00Z", date(2025, 8, 19)),
        ("2025-08-18T23:00:00-08:00", date(2025, 8, 19)),
        ("2025-08-19T00:30+02:00", date(2025, 8, 18)),
        ("0001-01-01T00:00:00Z", None),
        ("9999-12-31T23:00:00-08:00", None),
        ("18/08/2025", None),
        ("2025-02-30", None),
        ("2025-08-18T25:00", None),
        ("1755523189", None),
        ("", None),
        (None, None),
    ],
)
def test_days_as_python_reads_them_in_the_configured_zone(instant, day):
    assert text.read_day(instant, BOGOTA) == day


@pytest.mark.parametrize("char", CONTROLS, ids=ascii)
def test_json_escapes_every_control_character(char):
    written = text.compact_json({"é": char}).decode()
    assert char not in written
    assert json.loads(written) == {"é": char}


def test_json_leaves_line_separators_and_quotes_as_json_has_them():
    assert text.compact_json(['\u2028é😀"\\/', 1, None]).decode() == '["\u2028é😀\\"\\\\/",1,null]'


@given(
    st.recursive(TEXT | st.none() | st.booleans(), lambda inner: st.lists(inner, max_size=3), max_leaves=6)
)
def test_compact_json_is_compact_and_comes_back(value):
    written = text.compact_json(value).decode()
    assert json.loads(written) == value
    assert not any(char in written for char in CONTROLS)
    assert len(written) <= len(json.dumps(value, ensure_ascii=False, separators=(",", ":"))) + 5 * sum(
        map(written.count, ("\\u00",))
    )
