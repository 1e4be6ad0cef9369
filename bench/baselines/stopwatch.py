"""Times the work of a baseline within its own process."""

import json
import time
from collections.abc import Callable


def report(work: Callable[[], dict], untimed: Callable[[], dict] = dict) -> None:
    """Do the work and print, as one JSON object, what it took, and what it and the untimed rest returned."""
    wall, cpu = time.perf_counter(), time.process_time()
    told = work()
    took = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    print(json.dumps(took | told | untimed()))
