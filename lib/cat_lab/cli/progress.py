"""Show how far a run has come: one line that changes on a terminal, one line per stage elsewhere, events."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer
from rich.cells import cell_len, set_cell_size

from cat_lab.cli import logs
from cat_lab.cli.app import duration

if TYPE_CHECKING:
    from cat_lab.runs import Plan, Watcher
    from cat_lab.stages import Stage

Expected = Mapping["Stage", float]
"""Seconds by stage; a stage of which nothing is known is left out."""
_TICK = 1.0
"""Seconds after which the time on a terminal is written anew."""


@contextmanager
def watching(plan: Plan, expected: Expected) -> Iterator[Watcher]:
    """Say that a run starts, and return what shows its progress until the end of the block."""
    if log := logs.active():
        log.event(
            "start",
            run_id=plan.run_id,
            folder=str(plan.folder),
            run_date=plan.run_date.isoformat(),
            where=plan.where,
            stages=plan.stages,
        )
        yield JsonProgress(log, expected)
        return
    typer.echo(f"run {plan.run_id}, into {plan.folder}", err=True)
    if not sys.stderr.isatty():
        yield LineProgress(expected)
        return
    with TerminalProgress(expected).ticking() as shown:
        yield shown


class JsonProgress:
    """Write an event when a stage starts and when it ends."""

    def __init__(self, log: logs.JsonLog, expected: Expected) -> None:
        self._log, self._expected = log, expected

    def stage_started(self, stage: Stage) -> None:
        """Write ``stage_start``."""
        self._log.event("stage_start", stage=stage, expected_seconds=self._expected.get(stage))

    def cell_started(self, stage: Stage, number: int, total: int, heading: str) -> None:
        """Write nothing."""

    def stage_ended(self, stage: Stage, done: bool, seconds: float) -> None:
        """Write ``stage_end``."""
        self._log.event("stage_end", stage=stage, done=done, seconds=round(seconds, 1))


class LineProgress:
    """Print one line when a stage has ended."""

    def __init__(self, expected: Expected) -> None:
        self._expected = expected
        self._number, self._total, self._heading = 0, 0, ""

    def stage_started(self, stage: Stage) -> None:
        """Forget the cells of the stage before."""
        self._number, self._total, self._heading = 0, 0, ""

    def cell_started(self, stage: Stage, number: int, total: int, heading: str) -> None:
        """Remember the cell."""
        self._number, self._total, self._heading = number, total, heading

    def stage_ended(self, stage: Stage, done: bool, seconds: float) -> None:
        """Print how many cells ran, in what time, and the time that was expected."""
        cells = (
            f"{self._total} cells in" if done else f"stopped at cell {self._number} of {self._total} after"
        )
        usual = f", expected {duration(self._expected[stage])}" if stage in self._expected else ""
        typer.echo(f"{stage}: {cells} {duration(seconds)}{usual}", err=True)


class TerminalProgress(LineProgress):
    """Write stage, cell and time on one line of a terminal, within its width; each stage leaves a line."""

    def __init__(self, expected: Expected) -> None:
        super().__init__(expected)
        self._lock, self._over = threading.Lock(), threading.Event()
        self._stage: Stage | None = None
        self._begun = 0.0

    @contextmanager
    def ticking(self) -> Iterator[TerminalProgress]:
        """Write the time anew each second until the end of the block."""
        thread = threading.Thread(target=self._tick, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._over.set()
            thread.join()

    def stage_started(self, stage: Stage) -> None:
        """Show the stage."""
        with self._lock:
            super().stage_started(stage)
            self._stage, self._begun = stage, time.monotonic()
            self._write()

    def cell_started(self, stage: Stage, number: int, total: int, heading: str) -> None:
        """Show the cell."""
        with self._lock:
            super().cell_started(stage, number, total, heading)
            self._write()

    def stage_ended(self, stage: Stage, done: bool, seconds: float) -> None:
        """Replace the line by the one that stays."""
        with self._lock:
            self._stage = None
            typer.echo("\r\x1b[K", err=True, nl=False)
            super().stage_ended(stage, done, seconds)

    def _tick(self) -> None:
        while not self._over.wait(_TICK):
            with self._lock:
                self._write()

    def _write(self) -> None:
        if self._stage:
            at = f" {self._number}/{self._total}" if self._total else ""
            elapsed, usual = duration(time.monotonic() - self._begun), self._expected.get(self._stage)
            of = "" if usual is None else f" of about {duration(usual)}"
            line = f"{self._stage}{at}  {elapsed}{of}  {self._heading}"
            typer.echo(f"\r{fit(line, _columns() - 1)}\x1b[K", err=True, nl=False)


def fit(line: str, columns: int) -> str:
    r"""Cut a line to the columns of a terminal; characters that are not printed become spaces.

    >>> fit("convert 3/8  1 s", 9), fit("a\tb", 9), fit("日本", 3)
    ('convert 3', 'a b', '日')
    """
    line = "".join(each if each.isprintable() else " " for each in line)
    return (set_cell_size(line, columns) if cell_len(line) > columns else line).rstrip()


def _columns() -> int:
    """Return the width of the terminal now; 80 where it does not tell."""
    return os.get_terminal_size(sys.stderr.fileno()).columns or 80
