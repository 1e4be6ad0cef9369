"""The command line (contract §8): words into one call each.

Data and summaries go to stdout, messages and progress to stderr.
"""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Sequence

import typer

from cat_lab.cli import runs, signals, stages
from cat_lab.cli.app import app, typed
from cat_normalize.core.errors import UsageError

__all__ = ["main", "runs", "stages"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; the entry point ``cat-normalize``."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    typed.set(["cat-normalize", *words])
    _tell_interruptions_once()
    if "" in words:
        typer.echo("cat-normalize: an argument is empty: a variable that is not set, perhaps?", err=True)
        sys.exit(UsageError.exit_code)
    for stream in (sys.stdout, sys.stderr):  # a file's name may hold what no encoding does
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    with signals.handled():
        app(_spread(words, "--input"))


def _spread(words: list[str], option: str) -> list[str]:
    """Let an option take several values: ``--input a b`` is ``--input a --input b``.

    >>> _spread(["normalize", "--input", "a", "b", "--output", "c"], "--input")
    ['normalize', '--input', 'a', '--input', 'b', '--output', 'c']
    """
    spread: list[str] = []
    inside = False
    for word in words:
        if inside and not _is_option(word) and spread[-1] != option:
            spread.append(option)
        elif _is_option(word):
            inside = word == option
        spread.append(word)
    return spread


def _is_option(word: str) -> bool:
    return word.startswith("-") and word != "-"


def _tell_interruptions_once() -> None:
    """Keep asyncio and py4j, which logs as root, from telling of an interruption too: they do it in pages."""
    logging.getLogger("asyncio").setLevel(logging.CRITICAL + 1)
    logging.getLogger().addFilter(lambda record: not record.getMessage().startswith("KeyboardInterrupt"))
