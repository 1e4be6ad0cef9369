"""Handle Ctrl-C and SIGTERM: the first ends a command in an orderly way, a third ends it at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from cat_lab.errors import Terminated

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_CLEANING_UP = b"\ncat-normalize: cleaning up; one more signal ends it without\n"


@contextmanager
def handled() -> Iterator[None]:
    """Raise KeyboardInterrupt or `Terminated` at the first signal, so that every clean-up runs.

    A second signal meanwhile prints a line and changes nothing; a third ends the process without clean-up.
    """
    count = 0

    def handle(number: int, _frame: FrameType | None) -> None:
        nonlocal count
        count += 1
        if count == 1:
            raise Terminated if number == signal.SIGTERM else KeyboardInterrupt
        if count > 2:
            os._exit(128 + number)
        os.write(2, _CLEANING_UP)

    before = {number: signal.signal(number, handle) for number in _SIGNALS}
    try:
        yield
    finally:
        if not count:  # else the process is about to end, and a late signal changes nothing
            for number, handler in before.items():
                signal.signal(number, handler)
