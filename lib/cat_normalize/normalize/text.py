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


def read_day(text: str | None, zone: ZoneInfo) -> date | None:
    """Read an ISO 8601 day or instant; None where Python 3.11's ``fromisoformat`` cannot.

    An instant with an offset is moved to ``zone`` first; one without is taken as it stands.

    >>> read_day(" 2025-08-19T03:00:00Z ", ZoneInfo("America/Bogota"))
    datetime.date(2025, 8, 18)
    """
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text.strip())
        return (instant if instant.tzinfo is None else instant.astimezone(zone)).date()
    except (ValueError, OverflowError):  # OverflowError: the zone moves it out of the years 1 to 9999
        return None


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
