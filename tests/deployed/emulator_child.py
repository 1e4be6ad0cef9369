"""Run MiniStack on a free port of 127.0.0.1 and print its address once it answers: ``FOLDER [mended]``.

FOLDER holds MiniStack and what it needs (``build/apart/ministack``). With ``mended`` three gaps of its Athena
are closed; a test shows that they are there without.
"""

import os
import runpy
import socket
import sys
import threading
import time
import urllib.request
from contextvars import ContextVar


def mend() -> None:
    """Let Athena speak its dialect, bind parameters, and write a result where the execution says it is."""
    import duckdb
    import sqlglot
    from ministack.services import athena

    values = ContextVar("values", default=())
    start, rewrite, save = (
        athena._start_query_execution,
        athena._rewrite_data_paths,
        athena._save_query_results,
    )
    connect = duckdb.connect

    def started(data):
        values.set(data.get("ExecutionParameters") or ())
        return start(data)

    async def rewritten(query, *context):
        (query,) = sqlglot.transpile(query, read="athena", write="duckdb")
        text, *other = await rewrite(query, *context)
        if given := values.get():
            text = f"PREPARE q AS {text}; EXECUTE q({', '.join(given)})"
        return text, *other

    def connected(place):
        connection = connect(place)
        connection.execute("SET integer_division = true")  # 5 / 2 is 2 in Athena
        return connection

    async def saved(query_id):
        place = athena._executions[query_id]["ResultConfiguration"]
        whole = place["OutputLocation"]
        place["OutputLocation"] = whole.rpartition("/")[0]
        await save(query_id)
        place["OutputLocation"] = whole

    athena._start_query_execution, athena._rewrite_data_paths = started, rewritten
    athena._save_query_results, duckdb.connect = saved, connected


def announce(address: str, output) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while True:
        try:
            opener.open(f"{address}/_ministack/health").close()
            break
        except OSError:
            time.sleep(0.05)
    print(address, file=output, flush=True)


def main(folder: str, *options: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    os.environ |= {"BIND_HOST": "127.0.0.1", "MINISTACK_HOST": "127.0.0.1", "GATEWAY_PORT": str(port)}
    os.environ |= {"MINISTACK_ACCOUNT_ID": "123456789012", "SFN_WAIT_SCALE": "0.01"}
    os.environ |= {"LAMBDA_ASYNC_RETRY_MAX_SECONDS": "0.1"}
    sys.path.insert(0, folder)
    if "mended" in options:
        mend()
    told = (f"http://127.0.0.1:{port}", sys.stdout)
    threading.Thread(target=announce, args=told, daemon=True).start()
    sys.stdout, sys.argv = sys.stderr, ["ministack"]
    runpy.run_module("ministack", run_name="__main__")


if __name__ == "__main__":
    main(*sys.argv[1:])
