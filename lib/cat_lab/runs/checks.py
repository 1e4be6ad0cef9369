"""What a run needs around it, looked at before anything starts: every problem at once, each with its remedy.

The calls to AWS run side by side, each tries once, and none is waited for longer than `SECONDS`. They ask
for no permission that the run does not need itself, and leave nothing behind.
"""

from __future__ import annotations

import os
import queue
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cat_lab import parameters as values
from cat_lab.remedies import remedy
from cat_normalize.core import aws, layout
from cat_normalize.core.errors import CatNormalizeError, ConvertError
from cat_normalize.core.settings import Settings, parse_day
from cat_normalize.extract import scan

if TYPE_CHECKING:
    from cat_lab.runs.plan import Plan
    from cat_lab.workspace import Stage

SECONDS = 2.5
LEAST_FREE = 256 << 20
"""Bytes without which no run ends well."""
_LONGEST_TMPDIR = 70
"""A kernel's sockets lie there, and the system takes 107 bytes of path."""
_EXTRA = "install the extra: cat-normalize[local]"
_PLACES = "free space there, or name another place (--runs, TMPDIR)"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; without a ``problem`` it is well.

    ``exit_code`` is what a command ends with because of the problem: 2 if what was asked cannot be.
    """

    name: str
    problem: str = ""
    remedy: str = ""
    exit_code: int = 1

    @property
    def ok(self) -> bool:
        """Whether there is no problem."""
        return not self.problem

    def __str__(self) -> str:
        return f"{self.name}: {self.problem or 'ok'}" + (f"; {self.remedy}" if self.remedy else "")


def before_run(planned: Plan, settings: Settings, today: date) -> list[Check]:
    """Look at everything that the stages of a plan need, and no more.

    Args:
        planned: its stages, parameters and folder.
        settings: table, bucket, region, endpoint and rules.
        today: the calendar day in the configured time zone.
    """
    found = parameters(planned, settings, today) + disk(planned.folder)
    if "convert" in planned.stages:
        found += java(str(planned.values["convert"].get("memory", "2g")))
    return found if planned.local else found + remote(planned, settings)


def parameters(planned: Plan, settings: Settings, today: date) -> list[Check]:
    """Check the value of every parameter, and that the run date has come."""
    of_environment = {
        name: day.isoformat() for name in ("since", "until") if (day := getattr(settings.rules, name))
    }
    found = {}
    for stage in planned.stages:
        given = planned.values[stage]
        win = {name: value for name, value in given.items() if value or name not in of_environment}
        effective = (of_environment if "since" in given else {}) | win
        for problem in values.problems(effective):
            found[problem] = Check("parameters", problem, exit_code=2)
        for name in ("run_date", "since") if _holds_dates(planned, stage) else ():
            with suppress(CatNormalizeError, KeyError):  # no day at all: among the problems already
                if (day := parse_day(name, effective[name])) > today:
                    told = f"{name.replace('_', ' ')} {day} is after today, {today}"
                    found[name] = Check("dates", told, "correct it, or --allow-future", exit_code=2)
    return list(found.values()) or [Check("parameters")]


def _holds_dates(planned: Plan, stage: Stage) -> bool:
    """Tell whether a stage makes something under the run date, and no stage is allowed the future."""
    return stage != "query" and not any(each.get("allow_future") for each in planned.values.values())


def disk(folder: Path) -> list[Check]:
    """Check that there is room where a run writes: its folder, and that for temporary files."""
    scratch = Path(tempfile.gettempdir())
    found = [_room("runs folder", folder), _room("TMPDIR", scratch)]
    if len(os.fsencode(scratch)) > _LONGEST_TMPDIR:
        problem = f"{scratch} is too long a path for the sockets of a kernel"
        found.append(Check("TMPDIR", problem, f"name one of up to {_LONGEST_TMPDIR} bytes with TMPDIR"))
    return found


def java(memory: str) -> list[Check]:
    """Check that Spark, a Java, the jars for S3 and the memory asked for are there."""
    from cat_lab import spark

    found = [Check("Spark") if find_spec("pyspark") else Check("Spark", "it is not installed", _EXTRA)]
    for name, look in (("Java", lambda: spark.java_home(os.environ)), ("S3A jars", spark.s3a_jars)):
        try:
            look()
            found.append(Check(name))
        except ConvertError as error:
            found.append(Check(name, str(error)))
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with suppress(CatNormalizeError):  # no size at all: among the parameters' problems
        if values.memory_bytes(memory) > there:
            problem = f"{memory} for Java is more than the {there / (1 << 30):.1f} GB of this machine"
            found.append(Check("memory", problem, "give less with -p convert.memory="))
    return found


def remote(planned: Plan, settings: Settings) -> list[Check]:
    """Check credentials, and what the stages need of AWS: table, bucket, workgroup."""
    session, found = credentials()
    if session is None:
        return [found]
    stages, calls = planned.stages, []
    if "extract" in stages and not planned.values["extract"].get("input"):
        dynamodb = aws.quick_client(settings, "dynamodb", session)
        calls += [
            ("table", lambda: dynamodb.scan(TableName=settings.table_name, Limit=1) and ""),
            ("table", lambda: _described(dynamodb, settings.table_name, planned.folder)),
        ]
    s3 = aws.quick_client(settings, "s3", session)
    calls.append(("bucket", lambda: s3.head_bucket(Bucket=settings.bucket) and ""))
    if "normalize" in stages or "convert" in stages:
        key = layout.csv_key(settings, planned.run_date)
        key = key if "normalize" in stages else layout.parquet_key(settings)
        calls.append(("bucket", lambda: _writable(s3, settings.bucket, key)))
    if "query" in stages:
        athena = aws.quick_client(settings, "athena", session)
        calls.append(("workgroup", lambda: _enabled(athena)))
    return [found, *_side_by_side(calls)]


def credentials() -> tuple[Any, Check]:
    """Look for credentials as boto3 does; return a session of its own with them, or None, and the check.

    A machine without AWS's metadata service is not waited for.
    """
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
    from botocore.session import get_session

    core = get_session()
    core.set_config_variable("metadata_service_timeout", 1)
    core.set_config_variable("metadata_service_num_attempts", 1)
    try:
        found = core.get_credentials()
        if found is None:
            raise NoCredentialsError()
        found.get_frozen_credentials()
    except (BotoCoreError, ClientError) as error:
        return None, _failed("credentials", error)
    return boto3.Session(botocore_session=core), Check("credentials")


def _side_by_side(calls: Sequence[tuple[str, Callable[[], str]]]) -> list[Check]:
    """Make calls, each in a thread that nobody waits for after `SECONDS`; each returns a problem or nothing.

    A table that is slow is no problem where anything else has answered.
    """
    answers: queue.SimpleQueue[tuple[int, Check]] = queue.SimpleQueue()

    def make(number: int, name: str, call: Callable[[], str]) -> None:
        try:
            answers.put((number, Check(name, call())))
        except Exception as error:
            answers.put((number, _failed(name, error)))

    for number, (name, call) in enumerate(calls):
        threading.Thread(target=make, args=(number, name, call), daemon=True).start()
    deadline = time.monotonic() + SECONDS
    told: dict[int, Check] = {}
    with suppress(queue.Empty):
        while len(told) < len(calls):
            number, answer = answers.get(timeout=max(0.0, deadline - time.monotonic()))
            told[number] = answer
    late = Check(
        "", f"no answer within {SECONDS:g} seconds", "check the network, AWS_REGION and AWS_ENDPOINT_URL"
    )
    for number, (name, _) in enumerate(calls):
        told.setdefault(number, Check(name) if told and name == "table" else replace(late, name=name))
    return _distinct(told[number] for number in range(len(calls)))


def _distinct(checks: Iterable[Check]) -> list[Check]:
    """Return one check of each name that is well, and every problem once."""
    found = list(dict.fromkeys(checks))
    bad = {each.name for each in found if not each.ok}
    return [each for each in found if not each.ok or each.name not in bad]


def _failed(name: str, error: Exception) -> Check:
    return Check(name, str(error), remedy(f"{type(error).__name__}: {error}") or "")


def _described(client: Any, table: str, folder: Path) -> str:
    """Look at a table's keys, and whether there is room for what it holds."""
    size = int(scan.describe(client, table).get("TableSizeBytes", 0))
    free = shutil.disk_usage(_existing(folder)).free
    if size > free:
        return f"{table} holds {_gb(size)}, and {_existing(folder)} has room for {_gb(free)}"
    return ""


def _writable(client: Any, bucket: str, key: str) -> str:
    """Begin an upload and take it back: nothing is ever to be seen of it."""
    begun = client.create_multipart_upload(Bucket=bucket, Key=key)
    client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=begun["UploadId"])
    return ""


def _enabled(client: Any) -> str:
    state = client.get_work_group(WorkGroup=layout.WORKGROUP)["WorkGroup"]["State"]
    return "" if state == "ENABLED" else f"{layout.WORKGROUP} is {state}; enable it in Athena"


def _room(name: str, place: Path) -> Check:
    folder = _existing(place)
    if not os.access(folder, os.W_OK | os.X_OK):
        return Check(name, f"{folder} cannot be written to", _PLACES)
    free = shutil.disk_usage(folder).free
    if free < LEAST_FREE:
        return Check(name, f"{folder} has {free >> 20} MB free, a run wants {LEAST_FREE >> 20}", _PLACES)
    return Check(name)


def _existing(place: Path) -> Path:
    """Return the folder itself, or the nearest above it that is there."""
    return next(each for each in (place.absolute(), *place.absolute().parents) if each.is_dir())


def _gb(size: int) -> str:
    return f"{size / (1 << 30):.1f} GB"
