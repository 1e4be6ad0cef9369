"""Ctrl-C and SIGTERM: the first ends a command in good order, whatever it is doing; a third at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from cat_lab.errors import Terminated

_CAUGHT = (signal.SIGINT, signal.SIGTERM)
_STILL = b"\ncat-normalize: cleaning up; once more ends it without\n"


@contextmanager
def handled() -> Iterator[None]:
    """Raise KeyboardInterrupt or `Terminated` at the first signal, so that every clean-up runs.

    A second one meanwhile is answered with a line, not a traceback; a third ends the process as it is.
    """
    count = 0

    def caught(number: int, _frame: FrameType | None) -> None:
        nonlocal count
        count += 1
        if count == 1:
            raise Terminated if number == signal.SIGTERM else KeyboardInterrupt
        if count > 2:
            os._exit(128 + number)
        os.write(2, _STILL)

    before = {number: signal.signal(number, caught) for number in _CAUGHT}
    try:
        yield
    finally:
        if not count:  # else the process is about to end, and a late signal is no news
            for number, handler in before.items():
                signal.signal(number, handler)
