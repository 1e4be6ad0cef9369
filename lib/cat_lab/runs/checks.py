"""Check before a run starts that everything its stages need is there: every problem, with its remedy (§8).

The calls to AWS run in parallel, each tries once, and the check waits `SECONDS` for them at most. They need
no permission that the run does not need itself, and leave nothing behind.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from cat_lab.credentials import find_credentials
from cat_lab.errors import MissingPackageError
from cat_lab.installed import require
from cat_lab.parameters import find_problems, memory_bytes
from cat_lab.remedies import remedy
from cat_lab.runs.plan import Plan
from cat_normalize.core import aws, layout
from cat_normalize.core.errors import CatNormalizeError, PipelineError
from cat_normalize.core.schema import TABLES
from cat_normalize.core.settings import Settings, parse_day
from cat_normalize.extract import scan

SECONDS = 2.5
LEAST_FREE = 256_000_000
"""Bytes of free disk space below which no run can finish."""
_LONGEST_TMPDIR = 70
"""Bytes: the sockets of kernels are there, and the path of a socket has 107 bytes at most."""
_FREE_SPACE = "free space there, or give another folder (--runs, TMPDIR)"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that keeps a run from starting; ``exit_code`` is 2 if the command line is wrong."""

    name: str
    text: str
    remedy: str = ""
    exit_code: int = 1

    @classmethod
    def of(cls, name: str, error: Exception) -> Problem:
        """Return the problem that an error reports."""
        code = error.exit_code if isinstance(error, MissingPackageError) else 1
        return cls(name, str(error), remedy(f"{type(error).__name__}: {error}") or "", code)

    def __str__(self) -> str:
        return f"{self.name}: {self.text}" + (f"; {self.remedy}" if self.remedy else "")


def check_plan(plan: Plan, settings: Settings, today: date) -> list[Problem]:
    """Return the problems of all that the stages of a plan need, each once.

    Args:
        plan: its stages, parameters and folder.
        settings: table, bucket, region, endpoint and rules.
        today: the calendar day in the configured time zone.
    """
    found = [*_package_problems(plan), *_parameter_problems(plan, settings, today)]
    found += _disk_problems(plan.folder)
    if "convert" in plan.stages:
        found += _java_problems(str(plan.values["convert"].get("memory", "2g")))
    if not plan.local:
        found += _aws_problems(plan, settings)
    return list(dict.fromkeys(found))


def _package_problems(plan: Plan) -> Iterator[Problem]:
    """Check that the extra ``local`` is installed; without ``notebooks`` there is no plan."""
    needed = {"local AWS": "moto", "queries": "duckdb"} if plan.local else {}
    needed |= {"Spark": "pyspark"} if "convert" in plan.stages else {}
    yield from _missing({name: partial(require, module) for name, module in needed.items()})


def _missing(checks: Mapping[str, Callable[[], object]]) -> Iterator[Problem]:
    """Make checks, and yield a problem for each that finds something that is not installed."""
    for name, check in checks.items():
        try:
            check()
        except MissingPackageError as error:
            yield Problem.of(name, error)


def _parameter_problems(plan: Plan, settings: Settings, today: date) -> Iterator[Problem]:
    """Check the value of every parameter, and that no day is after today unless that is allowed."""
    configured = {
        name: day.isoformat() for name in ("since", "until") if (day := getattr(settings.rules, name))
    }
    future_allowed = any(each.get("allow_future") for each in plan.values.values())
    for stage in plan.stages:
        given = plan.values[stage]
        effective = {name: value for name, value in given.items() if value or name not in configured}
        if "since" in given:
            effective = configured | effective
        for text in find_problems(effective):
            yield Problem("parameters", text, exit_code=2)
        for name in () if future_allowed or stage == "query" else ("run_date", "since"):
            with suppress(CatNormalizeError, KeyError):  # not a day: reported above
                if (day := parse_day(name, effective[name])) > today:
                    text = f"{name.replace('_', ' ')} {day} is after today, {today}"
                    yield Problem("dates", text, "correct it, or give --allow-future", exit_code=2)


def _disk_problems(folder: Path) -> Iterator[Problem]:
    """Check the space in the folder of the run and in that of temporary files."""
    temporary = Path(tempfile.gettempdir())
    for name, path in (("runs folder", folder), ("TMPDIR", temporary)):
        existing = _existing(path)
        free = shutil.disk_usage(existing).free
        if not os.access(existing, os.W_OK | os.X_OK):
            yield Problem(name, f"{existing} cannot be written to", _FREE_SPACE)
        elif free < LEAST_FREE:
            text = f"{existing} has {free // 10**6} MB free, a run needs {LEAST_FREE // 10**6}"
            yield Problem(name, text, _FREE_SPACE)
    if len(os.fsencode(temporary)) > _LONGEST_TMPDIR:
        text = f"{temporary} is too long a path for the sockets of a kernel"
        yield Problem("TMPDIR", text, f"set TMPDIR to a folder of up to {_LONGEST_TMPDIR} bytes")


def _java_problems(memory: str) -> Iterator[Problem]:
    """Check Java, the jars for S3 and the memory of the machine."""
    from cat_lab import spark

    checks = {"Java": lambda: spark.java_home(os.environ), "S3A jars": spark.s3a_jars}
    yield from _missing(checks)
    installed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with suppress(CatNormalizeError):  # not a size: reported with the parameters
        if memory_bytes(memory) > installed:
            text = f"{memory} for Java is more than the {_gb(installed)} of this machine"
            yield Problem("memory", text, "give less with -p convert.memory=")


def _aws_problems(plan: Plan, settings: Settings) -> list[Problem]:
    """Check credentials, and what the stages need of AWS: table, bucket, workgroup."""
    try:
        session = find_credentials()
    except PipelineError as error:
        return [Problem.of("credentials", error)]
    calls: list[tuple[str, Callable[[], object]]] = []
    if "extract" in plan.stages and not plan.values["extract"].get("input"):
        dynamodb = aws.quick_client(settings, "dynamodb", session)
        calls += [
            ("table", lambda: dynamodb.scan(TableName=settings.table_name, Limit=1)),
            ("table", lambda: _check_table(dynamodb, settings.table_name, plan.folder)),
        ]
    s3 = aws.quick_client(settings, "s3", session)
    calls.append(("bucket", lambda: s3.head_bucket(Bucket=settings.bucket)))
    calls += [("bucket", partial(_check_upload, s3, settings.bucket, key)) for key in _keys(plan, settings)]
    if "query" in plan.stages:
        athena = aws.quick_client(settings, "athena", session)
        calls.append(("workgroup", lambda: _check_workgroup(athena)))
    return _call_in_parallel(calls)


def _call_in_parallel(calls: Sequence[tuple[str, Callable[[], object]]]) -> list[Problem]:
    """Make calls, each in a thread of its own, and return the problems that they raise.

    A call without an answer after `SECONDS` is a problem too. A table that is merely slow is not: it may be
    busy, if any other call was answered.
    """
    answers: dict[int, Problem | None] = {}

    def make(number: int, name: str, call: Callable[[], object]) -> None:
        try:
            call()
            answers[number] = None
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
    answered, found = dict(answers), []
    for number, (name, _) in enumerate(calls):
        if number in answered:
            found.append(answered[number])
        elif name != "table" or not answered:
            text = f"no answer within {SECONDS:g} seconds"
            found.append(Problem(name, text, "check the network, AWS_REGION and AWS_ENDPOINT_URL"))
    return [each for each in found if each]


def _check_table(client: Any, table: str, folder: Path) -> None:
    """Check a table's keys, and that the disk has space for its items."""
    size = int(scan.describe(client, table).get("TableSizeBytes", 0))
    free = shutil.disk_usage(_existing(folder)).free
    if size > free:
        raise PipelineError(f"{table} has {_gb(size)}, and {_existing(folder)} has only {_gb(free)} free")


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


def _existing(path: Path) -> Path:
    """Return the folder itself, or its nearest parent that exists."""
    return next(each for each in (path.absolute(), *path.absolute().parents) if each.is_dir())


def _gb(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
