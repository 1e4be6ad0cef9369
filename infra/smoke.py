"""Run one night in a deployed environment, and ask one query: ``infra/smoke.py ENVIRONMENT [--minutes N]``.

It calls the function as the schedule does; all else has to follow by itself. The day's CSV and the tables
are replaced as by any night, nothing else is written. As boto3 does, it takes credentials from the
environment, and another endpoint from ``AWS_ENDPOINT_URL``.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

sys.path.insert(0, str(Path(__file__).with_name("cdk")))

from environments import ENVIRONMENTS, Environment, environment

from cat_normalize import query
from cat_normalize.convert.parquet import origin_of
from cat_normalize.core import layout
from cat_normalize.core.errors import CatNormalizeError
from cat_normalize.core.schema import TABLES
from cat_normalize.core.settings import parse_day

MINUTES = 30
QUERY = "totals"
_PAUSE = 1.0  # seconds between two looks
_LAMBDAS_LIMIT = 15 * 60 + 10


class SmokeError(Exception):
    """What failed, in one line that begins with the step."""


def main() -> None:
    """Run it for the environment that the command line names; end with 1 at the first failure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("environment", choices=ENVIRONMENTS)
    parser.add_argument("--minutes", type=float, default=MINUTES, help=f"the limit of it all, {MINUTES}")
    given = parser.parse_args()
    try:
        smoke(given.environment, minutes=given.minutes)
    except SmokeError as error:
        sys.exit(f"smoke: {error}")


def smoke(
    name: str,
    session: boto3.Session | None = None,
    say: Callable[[str], object] = print,
    minutes: float = MINUTES,
) -> None:
    """Run one night in the environment of that name, and ask one query.

    Args:
        name: of `environments.ENVIRONMENTS`.
        session: of boto3; a new one by default.
        say: called with one line for each step, which begins with the seconds so far.
        minutes: the limit of it all.

    Raises:
        SmokeError: a step failed, or there was no time left for it.
    """
    with _step("environment"):
        env = environment(name)
        if env.etl1 != "lambda":
            raise SmokeError(f"ETL-1 of {name} is a state machine; start it as docs/deploy.md says")
    started = time.monotonic()
    night = _Night(env, session or boto3.Session(), started + 60 * minutes)
    for step, run in (
        ("ETL-1", night.normalize),
        ("ETL-2", night.convert),
        ("Parquet", night.look),
        ("Athena", night.ask),
    ):
        with _step(step):
            done = run()
        say(f"{time.monotonic() - started:4.0f} s  {step}: {done}")


class _Night:
    """The steps, in order; each returns what it saw."""

    def __init__(self, env: Environment, session: boto3.Session, end: float) -> None:
        self._env, self._end = env, end
        # A call of the function is not repeated: it would be a second night.
        once = {"total_max_attempts": 1}
        waits = Config(read_timeout=_LAMBDAS_LIMIT, retries=once, tcp_keepalive=True)
        self._lambda = session.client("lambda", region_name=env.region, config=waits)
        names = ("stepfunctions", "s3", "athena")
        self._states, self._s3, self._athena = (
            session.client(each, region_name=env.region) for each in names
        )
        self._machine, self._earlier = "", set[str]()
        self._answer: dict[str, Any] = {}

    def normalize(self) -> str:
        """Call the function with the schedule's payload, and wait for its answer."""
        self._machine = self._find_machine()
        self._earlier = {each["executionArn"] for each in self._executions()}
        instant = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        done = self._lambda.invoke(
            FunctionName=self._env.named(layout.LAMBDA), Payload=json.dumps({"time": instant})
        )
        self._answer = json.load(done["Payload"])
        if "FunctionError" in done:
            raise SmokeError(f"{self._answer.get('errorType')}: {self._answer.get('errorMessage')}")
        return f"{self._answer['users']} users, {self._csv['uri']}"

    def convert(self) -> str:
        """Wait for the execution that the CSV's event starts, and for its end."""
        key = layout.split_s3(self._csv["uri"])[1]
        found = self._until(f"the event of {key} starts {self._machine}", lambda: self._started_for(key))
        arn = found["executionArn"]

        def ended() -> dict[str, Any] | None:
            now: dict[str, Any] = self._states.describe_execution(executionArn=arn)
            return None if now["status"] == "RUNNING" else now

        last = self._until(f"{arn} ends", ended)
        if last["status"] != "SUCCEEDED":
            raise SmokeError(f"{arn} is {last['status']}: {last.get('error')}: {last.get('cause')}")
        return f"{arn} succeeded"

    def look(self) -> str:
        """Hold each table's object to this night: its CSV, its day, this library, the environment's rules."""
        day = parse_day("run_date", self._answer["run_date"])
        expected = origin_of(self._csv["sha256"], day, self._env.settings.rules).metadata()
        for uri in layout.table_uris(self._env.settings).values():
            bucket, key = layout.split_s3(uri)
            with _step(uri):
                made_of = self._s3.head_object(Bucket=bucket, Key=key)["Metadata"]
            for what, value in expected.items():
                if made_of.get(what) != value:
                    raise SmokeError(f"{uri}: {what} is {made_of.get(what)}, not {value}")
        return f"{', '.join(table.name for table in TABLES)} are of this CSV, {day}, and this library"

    def ask(self) -> str:
        """Ask the named query in the environment's workgroup, and compare the users."""
        asked = self._athena.start_query_execution(
            QueryString=query.load(QUERY).sql,
            QueryExecutionContext={"Database": self._env.named(layout.DATABASE)},
            WorkGroup=self._env.named(layout.WORKGROUP),
        )["QueryExecutionId"]

        def ended() -> dict[str, Any] | None:
            now: dict[str, Any] = self._athena.get_query_execution(QueryExecutionId=asked)["QueryExecution"]
            return None if now["Status"]["State"] in ("QUEUED", "RUNNING") else now["Status"]

        status = self._until(f"query {asked} ends", ended)
        if status["State"] != "SUCCEEDED":
            raise SmokeError(f"{QUERY} is {status['State']}: {status.get('StateChangeReason')}")
        rows = self._athena.get_query_results(QueryExecutionId=asked)["ResultSet"]["Rows"]
        header, values = ([cell.get("VarCharValue") for cell in row["Data"]] for row in rows)
        answer = dict(zip(header, values, strict=True))
        if answer["user_count"] != str(self._answer["users"]):
            raise SmokeError(f"{QUERY} counts {answer['user_count']} users, ETL-1 {self._answer['users']}")
        return f"{QUERY} is {', '.join(f'{name} {value}' for name, value in answer.items())}"

    @property
    def _csv(self) -> dict[str, Any]:
        (csv,) = (each for each in self._answer["outputs"] if layout.run_date_of(each["uri"]))
        made: dict[str, Any] = csv
        return made

    def _find_machine(self) -> str:
        name = self._env.named(layout.STATE_MACHINE)
        for page in self._states.get_paginator("list_state_machines").paginate():
            for each in page["stateMachines"]:
                if each["name"] == name:
                    return str(each["stateMachineArn"])
        raise SmokeError(f"there is no state machine {name}; deploy {self._env.named(layout.STACK_ETL2)}")

    def _executions(self) -> list[dict[str, Any]]:
        """Return the newest executions."""
        found: list[dict[str, Any]] = self._states.list_executions(stateMachineArn=self._machine)[
            "executions"
        ]
        return found

    def _started_for(self, key: str) -> dict[str, Any] | None:
        """Return the execution that an event of this key started, of those that were not there before."""
        for each in self._executions():
            if each["executionArn"] not in self._earlier:
                found: dict[str, Any] = self._states.describe_execution(executionArn=each["executionArn"])
                if json.loads(found["input"])["detail"]["object"]["key"] == key:
                    return found
        return None

    def _until(self, what: str, look: Callable[[], dict[str, Any] | None]) -> dict[str, Any]:
        """Look until there is something to see.

        Raises:
            SmokeError: the time is over.
        """
        while (seen := look()) is None:
            if time.monotonic() > self._end:
                raise SmokeError(f"no time left to wait until {what}")
            time.sleep(_PAUSE)
        return seen


@contextmanager
def _step(name: str) -> Iterator[None]:
    """Name the step in its failure, of whatever kind, in one line."""
    try:
        yield
    except (SmokeError, CatNormalizeError, BotoCoreError, ClientError) as error:
        raise SmokeError(f"{name}: {' '.join(str(error).split())}") from error


if __name__ == "__main__":
    main()
