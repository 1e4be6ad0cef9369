"""Show docstrings as this project writes them: examples without a heading, fields of a class as ``Args``."""

from __future__ import annotations

import re
from typing import Any

from griffe import Class, Extension, Object

_DOCTEST = re.compile(r"^>>> (?:.+\n?)+", re.MULTILINE)


class Docstrings(Extension):
    """Make docstrings Google style as griffe reads it."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Fence every example; the arguments of a class without ``__init__`` are its attributes."""
        if not obj.docstring:
            return
        text = _DOCTEST.sub(lambda found: f"```pycon\n{found[0].rstrip()}\n```\n", obj.docstring.value)
        if isinstance(obj, Class) and "__init__" not in obj.members:
            text = text.replace("\nArgs:\n", "\nAttributes:\n")
        obj.docstring.value = text
