"""Run one function over many tasks, in this process or in several that end with it."""

from __future__ import annotations

import gc
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from cat_normalize.core.errors import PipelineError

_Result = TypeVar("_Result")


class RunTasks(Protocol):
    """Calls one function for many tasks."""

    def __call__(
        self, function: Callable[..., _Result], tasks: Sequence[tuple[Any, ...]], /
    ) -> list[_Result]:
        """Call a function with each tuple of arguments; return the results in the order of the tasks."""


@contextmanager
def worker_pool(workers: int) -> Iterator[RunTasks]:
    """Yield a `RunTasks` on that many processes; with one it is this process.

    The processes end with the block if it raises, and with this process however it ends.

    Raises:
        PipelineError: a worker was killed, most likely because memory ran out.
    """
    if workers == 1:
        yield lambda function, tasks: [function(*task) for task in tasks]
        return
    import multiprocessing
    from concurrent.futures.process import BrokenProcessPool, ProcessPoolExecutor

    alive = os.pipe()  # the write end stays open as long as this process lives
    context = multiprocessing.get_context("fork")
    others = set(multiprocessing.active_children())

    def run(function: Callable[..., _Result], tasks: Sequence[tuple[Any, ...]]) -> list[_Result]:
        with signals_deferred():  # the first call forks; an interruption within a fork is lost
            futures = [pool.submit(function, *task) for task in tasks]
        return _results(futures)

    with ProcessPoolExecutor(workers, context, initializer=_begin_worker, initargs=alive) as pool:
        try:
            yield run
        except BrokenProcessPool as error:
            raise PipelineError(
                "a worker process was killed, most likely because memory ran out; run again with fewer "
                "--workers"
            ) from error
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for worker in set(multiprocessing.active_children()) - others:
                worker.terminate()
            raise
        finally:
            for end in alive:
                os.close(end)


def _results(futures: list[Future[_Result]]) -> list[_Result]:
    """Return all results, or raise the first error as soon as it occurs."""
    from concurrent.futures import FIRST_EXCEPTION, wait

    done, _ = wait(futures, return_when=FIRST_EXCEPTION)
    for future in futures:
        if future in done and (error := future.exception()):
            raise error
    return [future.result() for future in futures]


def _begin_worker(read_end: int, write_end: int) -> None:
    """Prepare a forked process: signals end it, and so does the end of its parent."""
    gc.disable()
    os.close(write_end)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, args=(read_end,), daemon=True).start()


def _end_with_parent(read_end: int) -> None:
    os.read(read_end, 1)  # returns when no process has the write end open any more
    os._exit(1)


@contextmanager
def signals_deferred() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait until the end of the block, then pass them to the earlier handlers.

    Outside of the main thread, where Python handles no signal, it does nothing.

    >>> before = signal.signal(signal.SIGINT, signal.default_int_handler)
    >>> try:
    ...     with signals_deferred():
    ...         signal.raise_signal(signal.SIGINT)
    ...         print("done first")
    ... except KeyboardInterrupt:
    ...     print("then interrupted")
    done first
    then interrupted
    >>> _ = signal.signal(signal.SIGINT, before)
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _frame: arrived.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)
        for each in dict.fromkeys(arrived):
            signal.raise_signal(each)
