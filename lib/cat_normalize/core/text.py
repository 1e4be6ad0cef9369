"""Clean single values: tidy text, city remarks, senders, days, compact JSON (contract §2)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, datetime
from zoneinfo import ZoneInfo

import msgspec

SEPARATOR = " | "
SENDERS = {"user": "user", "usuario": "user", "bot": "bot", "assistant": "bot", "catia": "bot"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_DEL_AND_C1 = re.compile(r"[\x7f-\x9f]")
_C1 = re.compile(rb"\xc2[\x80-\x9f]")
_LONGEST_DAY = len("2025-W34-2")
_encode = msgspec.json.Encoder().encode


def tidy(text: str) -> str:
    r"""Make every run of white space or control characters one space, strip, and turn ``|`` into ``/``.

    >>> tidy(" a\t\x00 b|c\u3000")
    'a b/c'
    """
    if text.isprintable():  # no control character, and no white space but the space: the usual case
        if "  " not in text and text.strip() == text:
            return text.replace("|", "/")
    else:
        text = _CONTROL.sub(" ", text)
    return " ".join(text.split()).replace("|", "/")


def without_remark(city: str) -> str:
    """Drop one trailing ``(…)`` remark from a tidy city; brackets inside it go with it.

    >>> without_remark("Cali (sede (norte))"), without_remark("(a) Cali (b) (c)"), without_remark("Cali)")
    ('Cali', '(a) Cali (b)', 'Cali)')
    """
    if not city.endswith(")"):
        return city
    depth = 0
    for at in range(len(city) - 1, -1, -1):
        depth += (city[at] == ")") - (city[at] == "(")
        if depth == 0:
            return city[:at].rstrip()
    return city


def canonical_sender(name: str) -> str:
    """Return ``user``, ``bot``, or another sender stripped and in lower case.

    >>> canonical_sender(" Usuario "), canonical_sender("CATIA"), canonical_sender("Supervisor")
    ('user', 'bot', 'supervisor')
    """
    known = SENDERS.get(name)
    if known is not None:
        return known
    name = name.strip().lower()
    return SENDERS.get(name, name)


def join_distinct(values: Iterable[str]) -> str | None:
    """Join the tidy form of values, each once, in order of first use; None where nothing is left.

    >>> join_distinct(["hola ", "", "a|b", "hola"]), join_distinct([""])
    ('hola | a/b', None)
    """
    return SEPARATOR.join(filter(None, dict.fromkeys(map(tidy, values)))) or None


def read_instant(text: str | None, zone: ZoneInfo, naive: ZoneInfo | None = None) -> datetime | None:
    """Read an ISO 8601 instant as local time in ``zone``; None where Python 3.11's ``fromisoformat`` cannot.

    An instant with an offset is moved to ``zone``; one without is taken as it stands, or moved there from
    the zone ``naive``. A day alone is its midnight, and is never moved (contract §9).

    >>> read_instant(" 2025-08-19T03:00:00Z ", ZoneInfo("America/Bogota"))
    datetime.datetime(2025, 8, 18, 22, 0)
    """
    if text is None:
        return None
    text = text.strip()
    try:
        instant = datetime.fromisoformat(text)
        if instant.tzinfo is None:
            if naive is None or is_day(text):
                return instant
            instant = instant.replace(tzinfo=naive)
        return instant.astimezone(zone).replace(tzinfo=None, fold=0)
    except (ValueError, OverflowError):  # OverflowError: the zone moves it out of the years 1 to 9999
        return None


def is_day(text: str) -> bool:
    """Tell whether a text is a day without a time of day.

    >>> is_day("2025-08-19"), is_day("2025-W34-2"), is_day("2025-08-19T00:00")
    (True, True, False)
    """
    text = text.strip()
    try:
        return len(text) <= _LONGEST_DAY and bool(date.fromisoformat(text))
    except ValueError:
        return False


def read_day(text: str | None, zone: ZoneInfo, naive: ZoneInfo | None = None) -> date | None:
    """Read the day of an ISO 8601 day or instant, as `read_instant` does.

    >>> read_day("2025-08-19T03:00:00Z", ZoneInfo("America/Bogota"))
    datetime.date(2025, 8, 18)
    """
    instant = read_instant(text, zone, naive)
    return None if instant is None else instant.date()


def has_control(text: str) -> bool:
    r"""Tell whether text holds a control character (Unicode category Cc).

    >>> has_control("a\x85"), has_control("a\u200d")
    (True, False)
    """
    return not text.isprintable() and _CONTROL.search(text) is not None


def compact_json(value: object) -> bytes:
    r"""Encode in UTF-8 without spaces, non-ASCII as it is, every control character (Cc) escaped.

    >>> compact_json(["¿\n\x7f\x85"]).decode()
    '["¿\\n\\u007f\\u0085"]'
    """
    data = _encode(value)
    # msgspec does not escape U+007F to U+009F; searching the bytes is cheaper than decoding them.
    if b"\x7f" in data or (b"\xc2" in data and _C1.search(data)):
        data = _DEL_AND_C1.sub(lambda found: f"\\u{ord(found[0]):04x}", data.decode()).encode()
    return data
