"""ETL-1 in Glue: one export of the table in; rejects, CSV and manifest out (contract §6, §7)."""

from __future__ import annotations

from collections.abc import Mapping

from cat_normalize.core.manifest import Etl1Manifest
from cat_normalize.core.settings import Settings, parse_flag, today
from cat_normalize.jobs.etl1 import run_date_of
from cat_normalize.scale import spark as scale

REQUIRED = ("input", "output_bucket")
SETTINGS = ("time_zone", "exclude_cities", "since", "until", "min_users_percent")
"""Optional arguments, each written as the setting ``CAT_…`` of its name (§7)."""
ALLOW = ("allow_shrink", "allow_future")
OPTIONAL = ("run_date", "time", *SETTINGS, *ALLOW)
"""The names of the job's optional arguments; an empty one counts as not given."""


def run(arguments: Mapping[str, str], environment: Mapping[str, str]) -> Etl1Manifest:
    """Normalize the export ``input``; publish rejects, CSV and manifest, which is returned.

    The run date is ``run_date``; else the day, in the time zone, of ``time`` (the schedule's); else today.

    Args:
        arguments: by the names in `REQUIRED` and `OPTIONAL`.
        environment: the environment variables of the job.

    Raises:
        CatNormalizeError: as `scale.spark.run` does; each output is whole or unchanged.
    """
    from pyspark.sql import SparkSession

    settings = settings_of(arguments, environment)
    zone = settings.rules.time_zone
    allow = {name: parse_flag(f"--{name}", arguments.get(name, "")) for name in ALLOW}
    spark, run_date = SparkSession.builder.getOrCreate(), run_date_of(arguments, zone)
    return scale.run(spark, arguments["input"], settings, run_date, **allow, today=today(zone))


def settings_of(arguments: Mapping[str, str], environment: Mapping[str, str]) -> Settings:
    """Return the settings of a run; arguments win over environment variables.

    >>> given = {"output_bucket": "mine", "time_zone": "UTC", "since": ""}
    >>> made = settings_of(given, {"CAT_SINCE": "20250901"})
    >>> made.bucket, made.rules.time_zone, made.rules.since
    ('mine', 'UTC', datetime.date(2025, 9, 1))
    """
    given = {f"CAT_{name.upper()}": arguments[name] for name in SETTINGS if arguments.get(name)}
    region = {"AWS_REGION": environment.get("AWS_DEFAULT_REGION", "")}
    return Settings.from_environment(region | {**environment} | given, bucket=arguments["output_bucket"])
