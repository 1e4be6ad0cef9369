"""What a check before a run found: its problems, each with a remedy, or what is there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cat_lab.errors import MissingPackageError
from cat_lab.remedies import remedy
from cat_normalize.extract.capacity import TableSize


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that keeps a run from starting; ``exit_code`` is 2 if the command line is wrong."""

    name: str
    text: str
    remedy: str = ""
    exit_code: int = 1

    @classmethod
    def of(cls, name: str, error: Exception) -> Problem:
        """Return the problem that an error reports."""
        code = error.exit_code if isinstance(error, MissingPackageError) else 1
        return cls(name, str(error), remedy(f"{type(error).__name__}: {error}") or "", code)

    @property
    def line(self) -> str:
        """The problem and its remedy, without its name."""
        return self.text + (f"; {self.remedy}" if self.remedy else "")

    def __str__(self) -> str:
        return f"{self.name}: {self.line}"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked: its problems, none if it is as it should be.

    ``skipped`` says why it could not be checked; ``table`` is the size of the table that was described.
    """

    name: str
    problems: tuple[Problem, ...] = ()
    skipped: str = ""
    table: TableSize | None = None

    @property
    def status(self) -> str:
        """``OK``, ``problem`` or ``not checked``.

        >>> Check("Java").status, Check("table", skipped="no credentials").status
        ('OK', 'not checked')
        """
        return "problem" if self.problems else "not checked" if self.skipped else "OK"


def existing(path: Path) -> Path:
    """Return the folder itself, or its nearest parent that exists."""
    return next(each for each in (path.absolute(), *path.absolute().parents) if each.is_dir())


def gigabytes(size: int) -> str:
    """Return a number of bytes in GB.

    >>> gigabytes(2_340_000_000)
    '2.3 GB'
    """
    return f"{size / 1e9:.1f} GB"
