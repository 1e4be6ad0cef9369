"""What the commands share: the application, exit codes for errors, summaries on stdout (contract §8)."""

from __future__ import annotations

import errno
import functools
import inspect
import json
import os
import shlex
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import Annotated, Any

import typer

from cat_lab import installed
from cat_lab.errors import Terminated
from cat_lab.remedies import remedy
from cat_lab.secrets import MASK, is_secret
from cat_normalize.core.errors import CatNormalizeError, UsageError

app = typer.Typer(
    name="cat-normalize",
    help="Turn a DynamoDB table of chatbot conversations into three typed tables for Athena.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich would read text in brackets as markup
)
command_line: ContextVar[list[str]] = ContextVar("command_line")
"""The words of the command that is running."""
INTERRUPTED = 130
TOO_MANY_REJECTS = 3
DAY = "such as 2025-08-18 or 20250818"
AsJson = Annotated[bool, typer.Option("--json", help="Print the summary as one JSON object.")]
MaxRcu = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Read units per second that the scan may use "
        "[default: CAT_MAX_RCU, else a quarter of what the table provides].",
    ),
]
MaxRejects = Annotated[
    int | None, typer.Option("--max-rejects", min=0, help="End with exit code 3 if more items are rejected.")
]


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"cat-normalize {installed.version()}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Take the options that come before a command."""


def command(
    example: str, group: typer.Typer = app, name: str | None = None, passes_on: bool = False
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a command: its errors end it with one line and an exit code, its help ends with an example.

    Args:
        example: a line that can be typed.
        group: the application, or a group of commands within it.
        name: what is typed; the name of the function by default.
        passes_on: take options that are not its own as further arguments, to hand them to another program.
    """

    def register(function: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(function)
        def guarded(*args: Any, **named: Any) -> None:
            try:
                function(*args, **named)
            except (Exception, KeyboardInterrupt) as error:
                message, code = _message_of(error)
                advice = remedy(f"{type(error).__name__}: {message}")
                if advice and advice not in message:
                    message += f"; {advice}"
                typer.echo(f"cat-normalize: {message}", err=True)
                raise typer.Exit(code) from error

        # After \b click does not wrap the line, so that it can be copied.
        text = inspect.cleandoc(function.__doc__ or "")
        settings = {"ignore_unknown_options": passes_on}
        epilog = f"\b\nExample: {example}"
        return group.command(name, epilog=epilog, short_help=text, context_settings=settings)(guarded)

    return register


def _message_of(error: BaseException) -> tuple[str, int]:
    """Return the line and the exit code for an error; raise it again if it is a defect of the library."""
    if isinstance(error, ModuleNotFoundError):
        error = installed.missing(error.name or "") or error
    if isinstance(error, CatNormalizeError):
        return str(error), error.exit_code
    if isinstance(error, KeyboardInterrupt):
        how, code = interruption(type(error).__name__)
        return f"{how}; run it again: {quote(command_line.get())}", code
    if isinstance(error, OSError) and error.errno != errno.EPIPE:  # EPIPE: the reader of our output is gone
        return _os_message(error), 1
    if type(error).__module__.startswith(("botocore.", "boto3.")):
        return f"AWS: {error}", 1
    raise error


def _os_message(error: OSError) -> str:
    r"""Return what the system refused, and for which file.

    >>> _os_message(FileNotFoundError(2, "No such file or directory", b"a\xff"))
    'a\udcff: No such file or directory'
    """
    files = [
        os.fsdecode(each) for each in (error.filename, error.filename2) if isinstance(each, (str, bytes))
    ]
    return ": ".join([*files, error.strerror or str(error) or type(error).__name__])


def interruption(error: str) -> tuple[str, int]:
    """Return how a command was interrupted and its exit code, from the class name of the error.

    >>> interruption("KeyboardInterrupt"), interruption("Terminated")
    (('interrupted', 130), ('ended by SIGTERM', 143))
    """
    if error == Terminated.__name__:
        return "ended by SIGTERM", Terminated.exit_code
    return "interrupted", INTERRUPTED


def quote(words: Iterable[str]) -> str:
    """Join words to a line that a shell reads, with the values of secrets masked.

    >>> quote(["run", "-p", "api_token=x y", "-p", "top=3"])
    "run -p 'api_token=********' -p top=3"
    """
    split = ((word, *word.partition("=")) for word in words)
    return shlex.join(
        f"{name}={MASK}" if equals and is_secret(name) else word for word, name, equals, _ in split
    )


def print_summary(summary: dict[str, Any], as_json: bool) -> None:
    """Print a summary on stdout, as one JSON object or one line per member."""
    if as_json:
        typer.echo(json.dumps(summary, ensure_ascii=False))
        return
    width = max(map(len, summary))
    for name, value in summary.items():
        shown = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
        typer.echo(f"{name.replace('_', ' '):{width}}  {'-' if shown in ('', None) else shown}")


def duration(seconds: float) -> str:
    """Return seconds as people write them.

    >>> duration(4.2), duration(75), duration(7500)
    ('4 s', '1 min 15 s', '2 h 5 min')
    """
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if minutes else f"{rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def check_max_rejects(rejected: int, max_rejects: int | None) -> None:
    """End with exit code 3 if more items were rejected than is allowed."""
    if max_rejects is not None and rejected > max_rejects:
        typer.echo(
            f"cat-normalize: {rejected} items rejected, more than --max-rejects {max_rejects}", err=True
        )
        raise typer.Exit(TOO_MANY_REJECTS)


def parse_pairs(words: Iterable[str]) -> dict[str, str]:
    """Read ``NAME=VALUE`` words.

    Raises:
        UsageError: a word without ``=``.

    >>> parse_pairs(["top=5", "x=a=b"])
    {'top': '5', 'x': 'a=b'}
    """
    for word in words:
        if "=" not in word:
            raise UsageError(f"{word!r} is not NAME=VALUE")
    return {name: value for name, _, value in (word.partition("=") for word in words)}
