"""Time the work of a baseline within its own process."""

import json
import time
from collections.abc import Callable


def report(work: Callable[[], dict], untimed: Callable[[], dict] = dict) -> None:
    """Do the work and print one JSON object: its times, its result, and the result of `untimed`."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    took = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    print(json.dumps(took | result | untimed()))
