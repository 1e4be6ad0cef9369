"""Mask the values of parameters whose names say that they are secret (contract §8)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

MASK = "********"
_SECRET = re.compile(r"secret|passw|token|credential|api_?key|private_?key", re.IGNORECASE)


def is_secret(name: str) -> bool:
    """Tell by its name whether a parameter's value must not be written down.

    >>> is_secret("slack_token"), is_secret("segments")
    (True, False)
    """
    return _SECRET.search(name) is not None


def mask_parameters(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters, with the values of the secret ones masked.

    >>> mask_parameters({"api_token": "abc", "top": 3})
    {'api_token': '********', 'top': 3}
    """
    return {name: MASK if is_secret(name) else value for name, value in given.items()}


def mask_text(text: str, secrets: Iterable[str]) -> str:
    r"""Mask secrets in a text, both verbatim and as a Python or JSON literal writes them.

    >>> mask_text('token = "a\\"b" or a"b', ['a"b'])
    'token = "********" or ********'
    """
    for secret in sorted(secrets, key=len, reverse=True):  # a secret may be part of a longer one
        literals = (json.dumps(secret), json.dumps(secret, ensure_ascii=False), ascii(secret), repr(secret))
        by_papermill = secret.encode("unicode_escape").decode().replace('"', r"\"")
        for form in (by_papermill, *(each[1:-1] for each in literals), secret):
            text = text.replace(form, MASK)
    return text


def mask_json(value: Any, secrets: Iterable[str]) -> Any:
    """Return a copy of a JSON value (such as a notebook) with secrets masked in all its texts."""
    if isinstance(value, dict):
        return {name: mask_json(each, secrets) for name, each in value.items()}
    if isinstance(value, list):
        if _is_multiline_text(value):
            return mask_text("".join(value), secrets).splitlines(keepends=True)
        return [mask_json(each, secrets) for each in value]
    return mask_text(value, secrets) if isinstance(value, str) else value


def _is_multiline_text(value: list[Any]) -> bool:
    r"""Tell whether a list holds the lines of one text, as nbformat writes it: a secret may span lines.

    >>> _is_multiline_text(["a\n", "b"]), _is_multiline_text(["a", "b"]), _is_multiline_text(["a\n", None])
    (True, False, False)
    """
    return all(isinstance(each, str) for each in value) and value == "".join(value).splitlines(keepends=True)
