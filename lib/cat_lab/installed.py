"""What is installed: the version of this distribution, and which extra brings a package that is missing.

Both are read from the metadata of the installed distribution: pyproject.toml is the only list of packages.
"""

from __future__ import annotations

import re
from importlib import metadata
from importlib.util import find_spec

from cat_lab.errors import MissingPackageError

DISTRIBUTION = "cat-normalize-lab"
_REQUIRED = re.compile(r"""([\w.-]+)[^;]*(?:;\s*extra == ['"]([\w.-]+)['"])?""")
"""A package that is required, and the extra that requires it."""


def version() -> str:
    """Return the version of the installed distribution."""
    return metadata.version(DISTRIBUTION)


def require(*modules: str) -> None:
    """Check that modules of the extras can be imported, without importing them.

    Raises:
        MissingPackageError: one cannot; the message names it and how to install it.
    """
    for module in modules:
        if find_spec(module) is None:
            raise missing(module) or ModuleNotFoundError(f"No module named {module!r}", name=module)


def missing(module: str) -> MissingPackageError | None:
    """Return the error for a module that cannot be imported; None if no extra has a package of its name.

    >>> print(missing("pyspark.sql"))
    pyspark is not installed; run: pip install "cat-normalize-lab[local]", or [lab] for every command
    >>> missing("cat_normalize.nowhere")
    """
    package = module.partition(".")[0]
    extra = _smallest_extra_with(package)
    return MissingPackageError(f"{package} is not installed; run: {install(extra)}") if extra else None


def install(extra: str) -> str:
    """Return the words that say how to install an extra."""
    return f'pip install "{DISTRIBUTION}[{extra}]", or [lab] for every command'


def _smallest_extra_with(package: str) -> str | None:
    """Return the extra with the fewest packages among those that have this one, None if the base has it.

    The name of a distribution may be longer than that of its module: ``vl-convert-python`` is ``vl_convert``.
    """
    packages: dict[str | None, list[str]] = {}
    for line in metadata.requires(DISTRIBUTION) or ():
        if found := _REQUIRED.match(line):
            packages.setdefault(found[2], []).append(found[1].lower().replace("-", "_"))
    if package in packages.pop(None, ()):
        return None
    extras = sorted(packages, key=lambda extra: len(packages[extra]))
    same = [extra for extra in extras if package in packages[extra]]
    longer = [extra for extra in extras if any(each.startswith(package) for each in packages[extra])]
    return next(iter(same + longer), None)
