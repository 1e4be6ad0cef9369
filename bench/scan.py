"""CPU of a scan's client: boto3's paginator against raw bodies, over the same local table.

``python bench/scan.py`` prints CPU seconds of this process (the server is another) and their ratio.
"""

import tempfile
import time
from pathlib import Path

from cat_normalize import scan
from cat_normalize.local import running
from cat_normalize.settings import Settings

ROUNDS = 5


def by_paginator(client, table):
    pages = client.get_paginator("scan").paginate(TableName=table)
    return sum(len(page["Items"]) for page in pages)


def by_raw_bodies(client, table):
    with scan.raw_bodies(client):
        return sum(len(page.items) for page in scan.pages(client, table))


def cpu(work, *args):
    """Return the least CPU seconds of a few rounds, and what the work returned."""
    best, value = float("inf"), None
    for _ in range(ROUNDS):
        start = time.process_time()
        value = work(*args)
        best = min(best, time.process_time() - start)
    return best, value


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, running(Settings(), Path(folder)) as aws:
        client, table = aws.client("dynamodb"), aws.settings.table_name
        usual, items = cpu(by_paginator, client, table)
        raw, same = cpu(by_raw_bodies, client, table)
    assert items == same
    print(f"{items} items: paginator {usual:.3f} s, raw bodies {raw:.3f} s, ratio {raw / usual:.2f}")
