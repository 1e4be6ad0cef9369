"""Write docs/commands.md, the reference of the command line, from the commands' own help."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import typer
from typer.main import get_command

from cat_lab.cli import app

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"
HEAD = """\
# Commands

What `--help` of each command says. `make reference` writes this page: change the help, not the page.
Exit codes and streams are in [the contract](contract.md#8-command-line).
"""


def main() -> None:
    """Write the page."""
    PAGE.write_text(reference())


def reference(application: typer.Typer = app) -> str:
    """Return the page of an application; it depends on the commands alone, not on a terminal."""
    program = get_command(application)
    return "\n".join([HEAD, *_sections(program, click.Context(program, info_name="cat-normalize"))])


def _sections(command: click.Command, context: click.Context) -> Iterator[str]:
    """Yield the section of a command, then those of the commands in it."""
    if context.parent:
        yield from (f"## `{context.command_path}`", "", _text(command.help), "")
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    yield from ("```", f"Usage: {usage}", "```", "")
    yield from _parameters(command, context)
    if command.epilog:
        example = command.epilog.removeprefix("\b\nExample: ")
        yield from ("Example:", "", "```", example, "```", "")
    for name, each in getattr(command, "commands", {}).items():
        if not each.hidden:
            yield from _sections(each, click.Context(each, info_name=name, parent=context))


def _parameters(command: click.Command, context: click.Context) -> Iterator[str]:
    """Yield a table of arguments and options."""
    records = [each.get_help_record(context) for each in command.get_params(context)]
    rows = [(name, text) for name, text in filter(None, records) if name != "--help"]
    if rows:
        yield from ("| option | what it does |", "|---|---|")
        yield from (f"| `{name}` | {_text(text)} |" for name, text in rows)
        yield ""


def _text(text: str | None) -> str:
    """Return a help text as one line of Markdown, with nothing in it read as markup."""
    return re.sub(r"([`*|]|<(?=\w))", r"\\\1", " ".join((text or "").split()))


if __name__ == "__main__":
    main()
