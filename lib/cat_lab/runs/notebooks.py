"""Notebooks: what parameters one declares, and running it with papermill into a copy of its own.

Three things papermill leaves open are settled here. Parameters are checked before anything runs. A kernel
that dies leaves a record that says so (papermill's own says ``completed``). The copy is written whole, cell
by cell, and never holds a secret.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cat_lab.errors import NotebookError
from cat_normalize.core.errors import ParameterError
from cat_normalize.core.files import write_bytes

ENGINE = "cat-normalize"
MASK = "********"
_SCHEME = "cat-normalize-run:"
_SECRET = re.compile(r"secret|passw|token|credential|api_?key|private_?key", re.IGNORECASE)
_READERS: dict[str, Callable[[str], Any]] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": lambda text: {"true": True, "false": False}[text.lower()],
    "list": lambda text: _literal(text, list),
    "dict": lambda text: _literal(text, dict),
}
OnCell = Callable[[int, int, str], None]
"""Is told before each code cell: its number from 1, how many there are, the heading it stands under."""


@dataclass(frozen=True, slots=True)
class Declared:
    """One parameter as the notebook declares it: Python's names of types, the default as it is written."""

    name: str
    type: str
    default: str
    help: str

    def read(self, value: Any) -> Any:
        """Give a value this parameter's type: text as a command line has it, or a value that has it already.

        Raises:
            ValueError: it is of another type.

        >>> Declared("workers", "int", "1", "").read("2")
        2
        """
        kind = self.type.partition("[")[0]
        if kind not in _READERS:
            raise ValueError(f"its type {self.type!r} is none of {', '.join(_READERS)}")
        wanted = {"float": (int, float)}.get(kind, (_BUILTIN[kind],))
        if type(value) in wanted:
            return value
        try:
            if isinstance(value, str):
                return _READERS[kind](value)
        except (ValueError, KeyError, SyntaxError):  # text that is none of the type: said just below
            pass
        raise ValueError(f"{value!r} is not of type {self.type}")


_BUILTIN: dict[str, type] = {"str": str, "int": int, "float": float, "bool": bool, "list": list, "dict": dict}


def is_secret(name: str) -> bool:
    """Tell by its name whether a parameter's value must not be written down.

    >>> is_secret("slack_token"), is_secret("segments")
    (True, False)
    """
    return _SECRET.search(name) is not None


def declared(notebook: Path) -> dict[str, Declared]:
    """Return the parameters of a notebook, by name, in the order they are declared.

    Raises:
        ParameterError: it cannot be read, or has not exactly one cell tagged ``parameters``.
    """
    _skip_grammars()
    import papermill

    try:
        cells = json.loads(notebook.read_bytes())["cells"]
        tagged = [cell for cell in cells if "parameters" in cell["metadata"].get("tags", [])]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ParameterError(f"{notebook} is not a notebook that can be read: {error!r}") from error
    if len(tagged) != 1:
        raise ParameterError(f"{notebook.name} has {len(tagged)} cells tagged 'parameters'; it needs one")
    found = papermill.inspect_notebook(str(notebook))
    return {
        name: Declared(name, _type_of(each), each["default"], each["help"]) for name, each in found.items()
    }


def defaults(parameters: Mapping[str, Declared]) -> dict[str, Any]:
    """Return the default of each parameter whose default is a literal.

    >>> defaults({"top": Declared("top", "int", "8", ""), "day": Declared("day", "str", "today()", "")})
    {'top': 8}
    """
    found = {}
    for name, each in parameters.items():
        with suppress(ValueError, SyntaxError):
            found[name] = ast.literal_eval(each.default)
    return found


def check(notebook: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the given parameters with the types the notebook declares.

    Raises:
        ParameterError: an unknown name or another type; the message says what is allowed.
    """
    known = declared(notebook)
    allowed = ", ".join(f"{each.name}: {each.type} = {each.default}" for each in known.values())
    checked = {}
    for name, value in given.items():
        if name not in known:
            raise ParameterError(f"{notebook.name} has no parameter {name!r}; it has {allowed}")
        try:
            checked[name] = known[name].read(value)
        except ValueError as error:
            shown = MASK if is_secret(name) else error
            raise ParameterError(f"{notebook.name}: parameter {name}: {shown}; it has {allowed}") from None
    return checked


def execute(
    notebook: Path, copy: Path, parameters: Mapping[str, Any], folder: Path, on_cell: OnCell | None = None
) -> None:
    """Run a notebook with papermill; its copy on disk is whole after every cell.

    Args:
        notebook: the source; it is not written to.
        copy: where the executed copy appears.
        parameters: checked ones (`check`); values of secrets are masked wherever the copy would hold them.
        folder: the kernel's working directory.
        on_cell: is told of the progress.

    Raises:
        NotebookError: a cell failed, or the kernel died or did not start; the copy says which cell.
    """
    _skip_grammars()
    from jupyter_client.kernelspec import NoSuchKernel
    from papermill.exceptions import PapermillExecutionError
    from papermill.execute import execute_notebook

    at = (0, 0, "")

    def failed(name: str, text: str) -> NotebookError:
        return NotebookError(str(copy), name, _masked(text, secrets), *at)

    def follow(number: int, total: int, heading: str) -> None:
        nonlocal at
        at = (number, total, heading)
        if on_cell:
            on_cell(number, total, heading)

    secrets = [str(value) for name, value in parameters.items() if is_secret(name) and str(value)]
    _register(follow, secrets)
    try:
        done = execute_notebook(
            str(notebook.resolve()),
            _SCHEME + str(copy.resolve()),
            dict(parameters),
            engine_name=ENGINE,
            progress_bar=False,
            cwd=str(folder),
        )
    except PapermillExecutionError as error:
        raise failed(error.ename, error.evalue) from None
    except NoSuchKernel as error:
        text = f"no kernel named {error.name!r} is installed here; install ipykernel in this environment"
        raise failed("NoSuchKernel", text) from error
    except RuntimeError as error:
        raise failed("RuntimeError", f"the kernel did not come up: {error}") from error
    except OSError as error:  # the copy could not be written, or the kernel's files
        raise failed(type(error).__name__, str(error)) from error
    if done.metadata.papermill["exception"]:  # papermill takes sys.exit(0) for a good end
        raise failed("SystemExit", "the notebook ended itself")


def _skip_grammars() -> None:
    """Keep jsonschema from compiling its grammars of URIs on import, 1.5 seconds that no notebook needs."""
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]


def _register(on_cell: OnCell, secrets: list[str]) -> None:
    from papermill.engines import papermill_engines
    from papermill.iorw import papermill_io

    from cat_lab.runs.engine import make_engine

    papermill_engines.register(ENGINE, make_engine(on_cell))
    papermill_io.register(_SCHEME, _Copies(secrets))


class _Copies:
    """papermill's way to write: whole or not at all, under the plain path, secrets masked."""

    def __init__(self, secrets: list[str]) -> None:
        self._secrets = secrets

    def write(self, text: str, path: str) -> None:
        notebook = _mask(json.loads(text), self._secrets)
        path = path.removeprefix(_SCHEME)
        notebook["metadata"].get("papermill", {})["output_path"] = path
        text = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
        write_bytes(Path(path), text.encode("utf-8", "backslashreplace"))

    def pretty_path(self, path: str) -> str:
        return path.removeprefix(_SCHEME)


def _mask(value: Any, secrets: list[str]) -> Any:
    if isinstance(value, dict):
        return {name: _mask(each, secrets) for name, each in value.items()}
    if isinstance(value, list):
        if _is_text(value):
            return _masked("".join(value), secrets).splitlines(keepends=True)
        return [_mask(each, secrets) for each in value]
    return _masked(value, secrets) if isinstance(value, str) else value


def _is_text(value: list[Any]) -> bool:
    r"""Tell a text that nbformat keeps as a list of its lines: a secret may go over several.

    >>> _is_text(["a\n", "b"]), _is_text(["a", "b"]), _is_text(["a\n", None])
    (True, False, False)
    """
    return all(isinstance(each, str) for each in value) and value == "".join(value).splitlines(keepends=True)


def _masked(text: str, secrets: list[str]) -> str:
    r"""Mask secrets in text, as they are and as a Python or JSON literal writes them.

    >>> _masked('token = "a\\"b" or a"b', ['a"b'])
    'token = "********" or ********'
    """
    for secret in sorted(secrets, key=len, reverse=True):
        forms = (json.dumps(secret), json.dumps(secret, ensure_ascii=False), ascii(secret), repr(secret))
        papermills = secret.encode("unicode_escape").decode().replace('"', r"\"")
        for form in (papermills, *(each[1:-1] for each in forms), secret):
            text = text.replace(form, MASK)
    return text


def _type_of(parameter: Mapping[str, str]) -> str:
    """Return the declared type, or that of the default where none is declared."""
    named = parameter["inferred_type_name"]
    if named and named != "None":
        return named
    return type(ast.literal_eval(parameter["default"])).__name__


def _literal(text: str, kind: type) -> Any:
    value = ast.literal_eval(text)
    if type(value) is not kind:
        raise ValueError(text)
    return value
