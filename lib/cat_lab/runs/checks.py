"""Check before a run starts that everything its stages need is there: every problem, with its remedy (§8).

``run`` starts nothing if there is a problem; ``doctor`` prints what was checked, and starts nothing anyway.
What is asked of AWS is in `checks_aws`.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import date
from functools import partial
from pathlib import Path

from cat_lab.errors import MissingPackageError
from cat_lab.installed import require
from cat_lab.parameters import find_problems, memory_bytes
from cat_lab.runs.checks_aws import check_aws
from cat_lab.runs.plan import Plan
from cat_lab.runs.problems import Check, Problem, existing, gigabytes
from cat_normalize.core.errors import CatNormalizeError
from cat_normalize.core.settings import Settings, parse_day

LEAST_FREE = 256_000_000
"""Bytes of free disk space below which no run can finish."""
_LONGEST_TMPDIR = 70
"""Bytes: the sockets of kernels are there, and the path of a socket has 107 bytes at most."""
_FREE_SPACE = "free space there, or give another folder (--runs, TMPDIR)"


def check_plan(plan: Plan, settings: Settings, today: date) -> list[Check]:
    """Check all that the stages of a plan need, each thing once; nothing is left behind.

    Args:
        plan: its stages, parameters and folder.
        settings: table, bucket, region, endpoint and rules.
        today: the calendar day in the configured time zone.
    """
    names = ["local AWS", "queries"] if plan.local else []
    names += ["parameters", "dates", "runs folder", "TMPDIR"]
    found = [*_package_problems(plan), *_parameter_problems(plan, settings, today)]
    found += [*_locale_problems(settings), *_disk_problems(plan.folder)]
    if "convert" in plan.stages:
        names += ["Spark", "Java", "S3A jars", "memory"]
        found += _java_problems(str(plan.values["convert"].get("memory", "2g")))
    unique = list(dict.fromkeys(found))
    names += [each.name for each in unique]  # none is left out
    checks = [
        Check(name, tuple(each for each in unique if each.name == name)) for name in dict.fromkeys(names)
    ]
    return checks if plan.local else checks + check_aws(plan, settings)


def problems_of(checks: Iterable[Check]) -> list[Problem]:
    """Return the problems of all checks, in their order."""
    return [problem for each in checks for problem in each.problems]


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


def _locale_problems(settings: Settings) -> Iterator[Problem]:
    """Check that the settings were read as text; in a locale without their letters they match nothing."""
    for name, value in settings.to_environment().items():
        if any("\udc80" <= letter <= "\udcff" for letter in value):  # bytes that the locale has no letter for
            text = f"it has no letters beyond ASCII, as {name} has"
            yield Problem("locale", text, "set PYTHONUTF8=1, or LC_ALL to a locale with UTF-8")


def _disk_problems(folder: Path) -> Iterator[Problem]:
    """Check the space in the folder of the run and in that of temporary files."""
    temporary = Path(tempfile.gettempdir())
    for name, path in (("runs folder", folder), ("TMPDIR", temporary)):
        there = existing(path)
        free = shutil.disk_usage(there).free
        if not os.access(there, os.W_OK | os.X_OK):
            yield Problem(name, f"{there} cannot be written to", _FREE_SPACE)
        elif free < LEAST_FREE:
            text = f"{there} has {free // 10**6} MB free, a run needs {LEAST_FREE // 10**6}"
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
            text = f"{memory} for Java is more than the {gigabytes(installed)} of this machine"
            yield Problem("memory", text, "give less with -p convert.memory=")
