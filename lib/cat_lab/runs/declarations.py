"""Read the parameters that a notebook declares, and check given values against their types."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cat_lab.imports import skip_uri_grammars
from cat_lab.secrets import MASK, is_secret
from cat_normalize.core.errors import ParameterError

_READERS: dict[str, Callable[[str], Any]] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": lambda text: {"true": True, "false": False}[text.lower()],
    "list": ast.literal_eval,
    "dict": ast.literal_eval,
}


@dataclass(frozen=True, slots=True)
class Declaration:
    """One parameter of a notebook: the name of its Python type, its default as source code, its comment."""

    name: str
    type: str
    default: str
    help: str

    def read(self, value: Any) -> Any:
        """Return a value of this parameter's type, from such a value or from its text on a command line.

        Raises:
            ValueError: it is of another type.

        >>> Declaration("workers", "int", "1", "").read("2")
        2
        """
        kind = self.type.partition("[")[0]
        if kind not in _READERS:
            raise ValueError(f"its type {self.type!r} is none of {', '.join(_READERS)}")
        read = value
        if isinstance(value, str):
            with suppress(ValueError, KeyError, SyntaxError, TypeError):  # of another type: refused below
                read = _READERS[kind](value)
        allowed = ("int", "float") if kind == "float" else (kind,)
        if type(read).__name__ not in allowed:
            raise ValueError(f"{value!r} is not of type {self.type}")
        return read


def read_declarations(notebook: Path) -> dict[str, Declaration]:
    """Return the parameters of a notebook, by name, in the order they are declared.

    Raises:
        ParameterError: it cannot be read, or has not exactly one cell tagged ``parameters``.
    """
    skip_uri_grammars()
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
        name: Declaration(name, _type_of(each), each["default"], each["help"]) for name, each in found.items()
    }


def defaults(declarations: Mapping[str, Declaration]) -> dict[str, Any]:
    """Return the default of each parameter whose default is a literal.

    >>> both = [Declaration("top", "int", "8", ""), Declaration("day", "str", "today()", "")]
    >>> defaults({each.name: each for each in both})
    {'top': 8}
    """
    found = {}
    for name, each in declarations.items():
        with suppress(ValueError, SyntaxError):
            found[name] = ast.literal_eval(each.default)
    return found


def check_types(
    notebook: str, declarations: Mapping[str, Declaration], given: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the given parameters with the types that a notebook declares.

    Args:
        notebook: its file name, for errors.
        declarations: its parameters.
        given: values by name, as text or already of the right type.

    Raises:
        ParameterError: an unknown name or another type; the message says what is allowed.
    """
    allowed = ", ".join(f"{each.name}: {each.type} = {each.default}" for each in declarations.values())
    checked = {}
    for name, value in given.items():
        if name not in declarations:
            raise ParameterError(f"{notebook} has no parameter {name!r}; it has {allowed}")
        try:
            checked[name] = declarations[name].read(value)
        except ValueError as error:
            shown = MASK if is_secret(name) else error
            raise ParameterError(f"{notebook}: parameter {name}: {shown}; it has {allowed}") from None
    return checked


def _type_of(parameter: Mapping[str, str]) -> str:
    """Return the declared type, or that of the default if none is declared."""
    declared = parameter["inferred_type_name"]
    if declared and declared != "None":
        return declared
    return type(ast.literal_eval(parameter["default"])).__name__
