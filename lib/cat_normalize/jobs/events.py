"""What the arrival of a CSV starts: which events count, and what the Glue job is then given (contract §7).

Said once, for the stacks and for the local AWS.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cat_normalize.core.errors import InputError, StaleInputError
from cat_normalize.core.settings import Settings

RUN_ARGUMENTS = {"--input_key": "$.detail.object.key"}
"""Each argument of a run, and where in the S3 event its value is: a JSONPath of names alone."""

IN_ORDER = f"*{StaleInputError.__name__}*"
"""How the cause of a failed run reads if all is in order: an older CSV left the newer Parquet alone (§6).

A Parquet of a day that has not come yet is not in order, and has an error of its own.
"""


def pattern(settings: Settings) -> dict[str, Any]:
    """Return EventBridge's pattern of the events that start ETL-2: a CSV of ETL-1's is new or replaced.

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
    """Return the arguments that every run of the Glue job has.

    >>> job_arguments(Settings())["--input_prefix"]
    'reports/etl-process1/'
    """
    return {
        "--input_bucket": settings.bucket,
        "--input_prefix": settings.csv_prefix,
        "--output_bucket": settings.bucket,
        "--output_prefix": settings.parquet_prefix,
        "--time_zone": settings.rules.time_zone,
    }


def run_arguments(event: str, places: Mapping[str, str] = RUN_ARGUMENTS) -> dict[str, str]:
    """Return the arguments of the run that an event starts.

    Args:
        event: the event's JSON.
        places: as in `RUN_ARGUMENTS`.

    Raises:
        InputError: the event is no JSON, or has nothing at such a place.

    >>> run_arguments('{"detail": {"object": {"key": "reports/etl-process1/data_20250901.csv"}}}')
    {'--input_key': 'reports/etl-process1/data_20250901.csv'}
    """
    try:
        whole = json.loads(event)
        return {name: _at(whole, place) for name, place in places.items()}
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"no event of S3: {event[:200]!r}: {error!r}") from error


def _at(value: Any, place: str) -> str:
    for name in place.removeprefix("$.").split("."):
        value = value[name]
    return str(value)
