"""What the commands share: the application, errors into exit codes, summaries onto stdout (contract §8)."""

from __future__ import annotations

import errno
import functools
import inspect
import json
import os
import shlex
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import Annotated, Any, NoReturn

import typer

from cat_lab.errors import Terminated
from cat_lab.remedies import remedy
from cat_lab.runs.notebooks import MASK, is_secret
from cat_normalize.core.errors import CatNormalizeError, UsageError
from cat_normalize.core.settings import Settings

app = typer.Typer(
    name="cat-normalize",
    help="A DynamoDB table of chatbot conversations, one typed row per user in Athena.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # it takes what stands in brackets for markup, and shows the rest
)
typed: ContextVar[list[str]] = ContextVar("typed")
"""The words of the command that is running."""
INTERRUPTED = 130
TOO_MANY_REJECTS = 3
DAY = "such as 2025-08-18 or 20250818"
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
                _end(str(error), error.exit_code, error)
            except KeyboardInterrupt as error:
                again = f"run it again: {shell(typed.get())}"
                _end(f"{interruption(error)}; {again}", exit_code_of_interruption(error), None)
            except OSError as error:
                if error.errno == errno.EPIPE:  # whoever read our output has enough
                    raise
                _end(_sentence(error), 1, error)
            except Exception as error:
                if not type(error).__module__.startswith(("botocore.", "boto3.")):  # a fault of ours
                    raise
                _end(f"AWS: {error}", 1, error)

        # Without the mark the line is filled anew, and could not be typed as it stands.
        text = inspect.cleandoc(function.__doc__ or "")
        return app.command(epilog=f"\b\nExample: {example}", short_help=text)(guarded)

    return register


def _end(said: str, code: int, error: Exception | None) -> NoReturn:
    """End the command with what is wrong and what to try."""
    what = remedy(f"{type(error).__name__}: {said}")
    typer.echo(f"cat-normalize: {said}" + (f"; {what}" if what and what not in said else ""), err=True)
    raise typer.Exit(code) from error


def _sentence(error: OSError) -> str:
    r"""Say what the system refused, and where.

    >>> _sentence(FileNotFoundError(2, "No such file or directory", b"a\xff"))
    'a\udcff: No such file or directory'
    """
    where = [
        os.fsdecode(each) for each in (error.filename, error.filename2) if isinstance(each, (str, bytes))
    ]
    return ": ".join([*where, error.strerror or str(error) or type(error).__name__])


def shell(words: Iterable[str]) -> str:
    """Write words as a shell takes them, without the values of secrets.

    >>> shell(["run", "-p", "api_token=x y", "-p", "top=3"])
    "run -p 'api_token=********' -p top=3"
    """
    split = ((word, *word.partition("=")) for word in words)
    return shlex.join(
        f"{name}={MASK}" if equals and is_secret(name) else word for word, name, equals, _ in split
    )


def interruption(error: BaseException) -> str:
    """Say how a command was interrupted."""
    return "ended by SIGTERM" if isinstance(error, Terminated) else "interrupted"


def exit_code_of_interruption(error: BaseException) -> int:
    """Return the exit code after Ctrl-C or SIGTERM."""
    return Terminated.exit_code if isinstance(error, Terminated) else INTERRUPTED


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
