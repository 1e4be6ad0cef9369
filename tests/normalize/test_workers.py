"""Workers: the first error is raised, and no worker outlives its parent, however that ends."""

import os
import subprocess
import sys

import psutil
import pytest

from cat_normalize.core.errors import PipelineError
from cat_normalize.normalize.workers import worker_pool
from faults.kit import alive, soon

PARENT = """
import os, time
from cat_normalize.normalize.workers import worker_pool
def work():
    print(os.getpid(), flush=True)
    time.sleep(100)
with worker_pool(2) as run:
    run(work, [(), ()])
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_results_are_in_the_order_of_the_tasks(workers):
    with worker_pool(workers) as run:
        assert run(divmod, [(n, 7) for n in range(50)]) == [divmod(n, 7) for n in range(50)]


@pytest.mark.parametrize("workers", [1, 2])
def test_the_first_error_of_a_task_is_raised(workers):
    with pytest.raises(ZeroDivisionError), worker_pool(workers) as run:
        run(divmod, [(1, 1), (1, 0), (3, 1)])


def test_a_killed_worker_is_an_error_that_says_what_to_do():
    with pytest.raises(PipelineError, match="run again with fewer --workers"), worker_pool(2) as run:
        run(os._exit, [(9,), (9,)])


@pytest.mark.slow
@pytest.mark.parametrize("end", ["kill", "terminate"])
def test_workers_end_with_their_parent(end):
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        workers = [psutil.Process(int(parent.stdout.readline())) for _ in range(2)]
        getattr(parent, end)()
        parent.wait()
        try:
            assert soon(lambda: not alive(workers))
        finally:
            for each in alive(workers):
                each.kill()
