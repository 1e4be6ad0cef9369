"""What the commands share: the application, errors into exit codes, summaries onto stdout (contract §8)."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable
from typing import Annotated, Any

import typer

from cat_normalize.errors import CatNormalizeError, UsageError
from cat_normalize.settings import Settings

app = typer.Typer(
    name="cat-normalize",
    help="A DynamoDB table of chatbot conversations, one typed row a user in Athena.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
TOO_MANY_REJECTS = 3
AsJson = Annotated[bool, typer.Option("--json", help="Print the summary as one JSON object.")]
MaxRejects = Annotated[
    int | None, typer.Option("--max-rejects", min=0, help="End with exit code 3 if more items are rejected.")
]


def command(example: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a command; its errors become a message and an exit code, its help ends with an example."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(function)
        def guarded(*args: Any, **named: Any) -> None:
            try:
                function(*args, **named)
            except CatNormalizeError as error:
                typer.echo(f"cat-normalize: {error}", err=True)
                raise typer.Exit(error.exit_code) from error
            except KeyboardInterrupt:
                typer.echo("cat-normalize: interrupted", err=True)
                raise typer.Exit(1) from None
            except Exception as error:
                if not type(error).__module__.startswith(("botocore.", "boto3.")):  # a fault of ours
                    raise
                typer.echo(f"cat-normalize: AWS: {error}", err=True)
                raise typer.Exit(1) from error

        return app.command(epilog=f"Example: {example}")(guarded)

    return register


def settings(**given: Any) -> Settings:
    """Read the settings from the environment; arguments that are not None win."""
    return Settings.from_environment(os.environ, **given)


def print_summary(summary: dict[str, Any], as_json: bool) -> None:
    """Print a summary: one JSON object, or a line a member."""
    if as_json:
        typer.echo(json.dumps(summary, ensure_ascii=False))
        return
    width = max(map(len, summary))
    for name, value in summary.items():
        shown = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
        typer.echo(f"{name.replace('_', ' '):{width}}  {'-' if shown in ('', None) else shown}")


def check_limit(rejected: int, max_rejects: int | None) -> None:
    """End with exit code 3 where more was rejected than is allowed."""
    if max_rejects is not None and rejected > max_rejects:
        typer.echo(
            f"cat-normalize: {rejected} items rejected, more than --max-rejects {max_rejects}", err=True
        )
        raise typer.Exit(TOO_MANY_REJECTS)


def pairs(words: list[str]) -> dict[str, str]:
    """Read ``NAME=VALUE`` words.

    >>> pairs(["top=5", "x=a=b"])
    {'top': '5', 'x': 'a=b'}
    """
    for word in words:
        if "=" not in word:
            raise UsageError(f"{word!r} is not NAME=VALUE")
    return {name: value for name, _, value in (word.partition("=") for word in words)}
