"""Check what a run needs of AWS: credentials, table, bucket, workgroup.

The calls run in parallel, each tries once, and the check waits `SECONDS` for them at most. They need no
permission that the run does not need itself, and leave nothing behind.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from cat_lab.credentials import find_credentials
from cat_lab.runs.plan import Plan
from cat_lab.runs.problems import Check, Problem, existing, gigabytes
from cat_normalize.core import aws, layout
from cat_normalize.core.errors import PipelineError
from cat_normalize.core.schema import TABLES
from cat_normalize.core.settings import Settings
from cat_normalize.extract import scan
from cat_normalize.extract.capacity import TableSize

SECONDS = 2.5
_Call = tuple[str, Callable[[], object]]
"""What a call is about, and the call; only that which describes the table returns something."""


def check_aws(plan: Plan, settings: Settings) -> list[Check]:
    """Check credentials, and what the stages of a plan need of AWS."""
    try:
        session = find_credentials()
    except PipelineError as error:
        names = _needed(plan)
        skipped = [Check(name, skipped="it takes credentials") for name in names]
        return [Check("credentials", (Problem.of("credentials", error),)), *skipped]
    return [Check("credentials"), *_call_in_parallel(list(_calls(plan, settings, session)), plan.folder)]


def _needed(plan: Plan) -> list[str]:
    reads_table = "extract" in plan.stages and not plan.values["extract"].get("input")
    needed = {"table": reads_table, "bucket": True, "workgroup": "query" in plan.stages}
    return [name for name, is_needed in needed.items() if is_needed]


def _calls(plan: Plan, settings: Settings, session: Any) -> Iterator[_Call]:
    needed = _needed(plan)
    if "table" in needed:
        dynamodb = aws.quick_client(settings, "dynamodb", session)
        yield "table", partial(dynamodb.scan, TableName=settings.table_name, Limit=1)
        yield "table", partial(_describe, dynamodb, settings.table_name)
    s3 = aws.quick_client(settings, "s3", session)
    yield "bucket", partial(s3.head_bucket, Bucket=settings.bucket)
    for key in _keys(plan, settings):
        yield "bucket", partial(_check_upload, s3, settings.bucket, key)
    if "workgroup" in needed:
        yield "workgroup", partial(_check_workgroup, aws.quick_client(settings, "athena", session))


def _call_in_parallel(calls: Sequence[_Call], folder: Path) -> list[Check]:
    """Make calls, each in a thread of its own, and return what they found, by name.

    A call without an answer after `SECONDS` is a problem too. A table that is merely slow is not: it may be
    busy, if any other call was answered.
    """
    answers: dict[int, object] = {}

    def make(number: int, name: str, call: Callable[[], object]) -> None:
        try:
            answers[number] = call()
        except Exception as error:
            answers[number] = Problem.of(name, error)

    threads = [
        threading.Thread(target=make, args=(number, *call), daemon=True) for number, call in enumerate(calls)
    ]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + SECONDS
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    answered = dict(answers)
    return [
        _check(
            name,
            [answered.get(number, _SILENT) for number, call in enumerate(calls) if call[0] == name],
            bool(answered),
            folder,
        )
        for name in dict.fromkeys(name for name, _ in calls)
    ]


_SILENT = object()
"""In place of an answer that did not come in time."""


def _check(name: str, answers: Sequence[object], others_answered: bool, folder: Path) -> Check:
    problems = [each for each in answers if isinstance(each, Problem)]
    table = next((each for each in answers if isinstance(each, TableSize)), None)
    skipped = ""
    silence = f"no answer within {SECONDS:g} seconds"
    if _SILENT in answers and name == "table" and others_answered:
        skipped = f"{silence}; it may be busy"
    elif _SILENT in answers:
        problems.append(Problem(name, silence, "check the network, AWS_REGION and AWS_ENDPOINT_URL"))
    if table:
        problems += _space_problems(table, existing(folder))
    return Check(name, tuple(dict.fromkeys(problems)), skipped, table)


def _describe(client: Any, table: str) -> TableSize:
    """Return the size of a table, and check its keys."""
    return TableSize.of(scan.describe(client, table))


def _space_problems(table: TableSize, folder: Path) -> Iterator[Problem]:
    """Check that the disk has space for the items of a table."""
    free = shutil.disk_usage(folder).free
    if table.bytes > free:
        text = f"{table.name} has {gigabytes(table.bytes)}, and {folder} has only {gigabytes(free)} free"
        yield Problem("table", text)


def _keys(plan: Plan, settings: Settings) -> Iterator[str]:
    """Yield the keys under which the stages publish CSV and tables."""
    if "normalize" in plan.stages:
        yield layout.csv_key(settings, plan.run_date)
    if "convert" in plan.stages:
        yield from (layout.parquet_key(settings, table) for table in TABLES)


def _check_upload(client: Any, bucket: str, key: str) -> None:
    """Start an upload and abort it, which leaves no object and no upload."""
    upload = client.create_multipart_upload(Bucket=bucket, Key=key)
    client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload["UploadId"])


def _check_workgroup(client: Any) -> None:
    state = client.get_work_group(WorkGroup=layout.WORKGROUP)["WorkGroup"]["State"]
    if state != "ENABLED":
        raise PipelineError(f"{layout.WORKGROUP} is {state}; enable it in Athena")
