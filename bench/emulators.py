"""Weigh two emulators of AWS for local runs: ``python bench/emulators.py``.

Printed for moto, which local runs use, and for MiniStack, in which tests create the stacks: seconds to start,
to put ten copies of the sample and to scan them, and the process's memory. ``make test`` installs MiniStack.
"""

import sys
import tempfile
import time
from contextlib import AbstractContextManager
from pathlib import Path

import psutil
from table import Table, seconds

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from cat_lab import sample
from cat_lab.local import LocalAws, provision, running
from cat_normalize.core.settings import Settings
from cat_normalize.extract import extract_table
from deployed import emulator

COPIES = 10


def measure(name: str, starting: AbstractContextManager[LocalAws], scratch: Path) -> list[str]:
    """Return one row of the table."""
    begun = time.perf_counter()
    with starting as aws:
        row = [name, seconds(time.perf_counter() - begun)]
        if name != "moto":
            provision.create_table(aws.settings)
        client, table = aws.client("dynamodb"), aws.settings.table_name
        items = [item for item in sample.items() if "S" in item.get("PK", {})]
        begun = time.perf_counter()
        for copy in range(COPIES):
            sample.put(client, table, [item | {"PK": {"S": f"{item['PK']['S']}-{copy}"}} for item in items])
        row.append(seconds(time.perf_counter() - begun))
        begun = time.perf_counter()
        read = extract_table(client, table, scratch / "raw", 4, 16)
        row.append(f"{seconds(time.perf_counter() - begun)} ({read.items} items)")
        family = psutil.Process().children(recursive=True)
        row.append(f"{max(each.memory_info().rss for each in family) / 1e6:.0f} MB")
    return row


def main() -> None:
    """Print the table."""
    made = Table("", "start", f"put {COPIES} samples", "scan them", "memory")
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        made.add(*measure("moto", running(Settings(), Path(first), seed=False), Path(first)))
        made.add(*measure("MiniStack", emulator.running(Path(second)), Path(second)))
    sys.stdout.write(f"{made}\n")


if __name__ == "__main__":
    main()
