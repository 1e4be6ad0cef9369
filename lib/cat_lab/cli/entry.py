"""Start the command line: read the words, register the commands, handle signals."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Sequence

import typer

from cat_lab.cli import history, logs, runs, signals, stages  # noqa: F401  (importing them registers the commands)
from cat_lab.cli.app import app, command_line
from cat_normalize.core.errors import UsageError


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; the entry point ``cat-normalize``.

    Args:
        arguments: the words after the program's name; those of this process by default.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    command_line.set(["cat-normalize", *words])
    _silence_interrupts()
    if "" in words:
        typer.echo("cat-normalize: an argument is empty; is a variable not set?", err=True)
        sys.exit(UsageError.exit_code)
    for stream in (sys.stdout, sys.stderr):  # a file name may contain bytes that no encoding accepts
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    with signals.handled(), logs.ended():
        app(repeat_option(words, "--input"))


def repeat_option(words: list[str], option: str) -> list[str]:
    """Let an option take several values: ``--input a b`` becomes ``--input a --input b``.

    >>> repeat_option(["normalize", "--input", "a", "b", "--output", "c"], "--input")
    ['normalize', '--input', 'a', '--input', 'b', '--output', 'c']
    """
    repeated: list[str] = []
    inside = False
    for word in words:
        if inside and not _is_option(word) and repeated[-1] != option:
            repeated.append(option)
        elif _is_option(word):
            inside = word == option
        repeated.append(word)
    return repeated


def _is_option(word: str) -> bool:
    return word.startswith("-") and word != "-"


def _silence_interrupts() -> None:
    """Keep asyncio, and py4j, which logs as root, from logging a traceback for every interrupt."""
    logging.getLogger("asyncio").setLevel(logging.CRITICAL + 1)
    logging.getLogger().addFilter(lambda record: not record.getMessage().startswith("KeyboardInterrupt"))
