"""Run dynalite, a DynamoDB from npm, in a process of its own, with a table of made-up items."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import boto3
import timing
from botocore.exceptions import ConnectionError as BotoConnectionError

HERE = Path(__file__).parent
PROGRAM = HERE / "node_modules" / "dynalite" / "cli.js"
TABLE = "cat-prod-catia-conversations-table"
_BATCH = 25


def install() -> None:
    """Install dynalite as pinned in ``bench/package.json``, unless it is installed."""
    if not PROGRAM.exists():
        command = ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--silent"]
        subprocess.run(command, cwd=HERE, check=True)


@contextmanager
def running(items: Path) -> Iterator[dict[str, str]]:
    """Run dynalite with a table of these items; yield the environment for its clients."""
    install()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["node", str(PROGRAM), "--host", "127.0.0.1", "--port", str(port), "--createTableMs", "0"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        environment = _environment(f"http://127.0.0.1:{port}")
        _load(_client(environment), items)
        yield environment
    finally:
        server.terminate()
        server.wait()


def _environment(endpoint: str) -> dict[str, str]:
    kept = {
        name: value for name, value in timing.compiling().items() if not name.startswith(("AWS_", "CAT_"))
    }
    own = {"AWS_ENDPOINT_URL": endpoint, "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1"}
    direct = {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    keys = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
    return kept | own | keys | {"DYNAMODB_TABLE_NAME": TABLE} | direct


def _client(environment: dict[str, str]) -> Any:
    return boto3.client(
        "dynamodb",
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        region_name=environment["AWS_REGION"],
        aws_access_key_id="local",
        aws_secret_access_key="local",
    )


def _load(client: Any, items: Path) -> None:
    """Create the table once the server answers, and write the items in batches."""
    keys = [{"AttributeName": name, "KeyType": kind} for name, kind in (("PK", "HASH"), ("SK", "RANGE"))]
    names = [{"AttributeName": name, "AttributeType": "S"} for name in ("PK", "SK")]
    for _ in range(100):
        try:
            client.create_table(
                TableName=TABLE, KeySchema=keys, AttributeDefinitions=names, BillingMode="PAY_PER_REQUEST"
            )
            break
        except BotoConnectionError:
            time.sleep(0.1)
    client.get_waiter("table_exists").wait(TableName=TABLE, WaiterConfig={"Delay": 1})
    with items.open("rb") as lines:
        while batch := list(islice(lines, _BATCH)):
            _write(client, [json.loads(line) for line in batch])


def _write(client: Any, batch: Sequence[dict[str, Any]]) -> None:
    by_key = {(item["PK"]["S"], item["SK"]["S"]): item for item in batch}  # a batch must not repeat a key
    unprocessed = {TABLE: [{"PutRequest": {"Item": item}} for item in by_key.values()]}
    while unprocessed:
        unprocessed = client.batch_write_item(RequestItems=unprocessed)["UnprocessedItems"]
