"""Which S3 events start ETL-2, and with which arguments (contract §7).

The stacks and the local AWS both use it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import reduce
from operator import getitem
from typing import Any

from cat_normalize.core.errors import InputError, StaleInputError
from cat_normalize.core.settings import Settings

RUN_ARGUMENTS = {"--input_key": "$.detail.object.key"}
"""Each argument of a run, and the JSONPath of its value in the S3 event; a path consists of names only."""

SETTINGS = ("time_zone", "naive_time_zone", "fallback_patterns")
"""Arguments of the job, each written as the setting ``CAT_…`` of its name (§7); left out where not set."""

IN_ORDER = f"*{StaleInputError.__name__}*"
"""Matches the cause of a failed run where all is in order: an older CSV left the newer Parquet (§6)."""


def pattern(settings: Settings) -> dict[str, Any]:
    """Return EventBridge's pattern of the events that start ETL-2: a CSV of ETL-1 is created or replaced.

    >>> pattern(Settings())["detail"]["object"]
    {'key': [{'wildcard': 'reports/etl-process1/data_*.csv'}]}
    """
    return {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {
            "bucket": {"name": [settings.bucket]},
            "object": {"key": [{"wildcard": f"{settings.csv_prefix}data_*.csv"}]},
        },
    }


def job_arguments(settings: Settings) -> dict[str, str]:
    """Return the default arguments of the Glue job.

    >>> made = job_arguments(Settings())
    >>> made["--input_prefix"], "--naive_time_zone" in made
    ('reports/etl-process1/', False)
    """
    variables = settings.to_environment()
    given = {f"--{name}": variables.get(f"CAT_{name.upper()}") for name in SETTINGS}
    return {
        "--input_bucket": settings.bucket,
        "--input_prefix": settings.csv_prefix,
        "--output_bucket": settings.bucket,
        "--output_prefix": settings.parquet_prefix,
        **{name: value for name, value in given.items() if value},
    }


def run_arguments(event: str, paths: Mapping[str, str] = RUN_ARGUMENTS) -> dict[str, str]:
    """Return the arguments of the run that an event starts.

    Args:
        event: the event's JSON.
        paths: as in `RUN_ARGUMENTS`.

    Raises:
        InputError: the event is not JSON, or has no value at a path.

    >>> run_arguments('{"detail": {"object": {"key": "reports/etl-process1/data_20250901.csv"}}}')
    {'--input_key': 'reports/etl-process1/data_20250901.csv'}
    """
    try:
        whole = json.loads(event)
        return {
            name: str(reduce(getitem, path.removeprefix("$.").split("."), whole))
            for name, path in paths.items()
        }
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"not an event of S3: {event[:200]!r}: {error!r}") from error
