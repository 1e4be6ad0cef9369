"""The command line (contract §8): words into one call each.

Data and summaries go to stdout, messages and progress to stderr.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from cat_normalize.cli import runs, stages
from cat_normalize.cli.app import app

__all__ = ["main", "runs", "stages"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; the entry point ``cat-normalize``."""
    app(_spread(list(sys.argv[1:] if arguments is None else arguments), "--input"))


def _spread(words: list[str], option: str) -> list[str]:
    """Let an option take several values: ``--input a b`` is ``--input a --input b``.

    >>> _spread(["normalize", "--input", "a", "b", "--output", "c"], "--input")
    ['normalize', '--input', 'a', '--input', 'b', '--output', 'c']
    """
    spread: list[str] = []
    inside = False
    for word in words:
        if inside and not word.startswith("-") and spread[-1] != option:
            spread.append(option)
        elif word.startswith("-"):
            inside = word == option
        spread.append(word)
    return spread
