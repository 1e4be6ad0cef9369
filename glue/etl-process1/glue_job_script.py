"""Entry point of ETL-1 in Spark, a Glue 5.1 job: normalize one full DynamoDB export (contract §6, §7)."""

import json
import os
import sys

from awsglue.utils import getResolvedOptions

from cat_normalize.core.settings import Settings, parse_flag, today
from cat_normalize.jobs.etl1 import run_date_of
from cat_normalize.scale import spark as scale

REQUIRED = ("input", "output_bucket")
SETTINGS = ("time_zone", "exclude_cities", "since", "until", "min_users_percent")
"""Optional arguments, written as the settings ``CAT_…`` of contract §7 are."""
ALLOW = ("allow_shrink", "allow_future")
"""Optional arguments that allow, if they are ``true``, what is refused otherwise (§6)."""
OPTIONAL = ("run_date", "time", *SETTINGS, *ALLOW)


def read_arguments(argv: list[str]) -> dict[str, str]:
    """Return the job's arguments without the optional ones that are absent or empty.

    Raises:
        GlueArgumentError: a required one is missing.
    """
    given = {each.partition("=")[0] for each in argv}
    names = [*REQUIRED, *(name for name in OPTIONAL if f"--{name}" in given)]
    found = getResolvedOptions(argv, names)
    return {name: found[name] for name in names if found[name]}


def main(argv: list[str]) -> None:
    """Normalize the export ``--input`` and publish rejects, CSV and manifest.

    The run date is ``--run_date``, else the day of ``--time`` (the schedule's) in the time zone, else today.

    Raises:
        CatNormalizeError: as `scale.spark.run` does; each output is whole or unchanged.
    """
    from pyspark.sql import SparkSession

    given = read_arguments(argv)
    environment = {"AWS_REGION": os.environ.get("AWS_DEFAULT_REGION", ""), **os.environ}
    environment |= {f"CAT_{name.upper()}": given[name] for name in SETTINGS if name in given}
    settings = Settings.from_environment(environment, bucket=given["output_bucket"])
    zone = settings.rules.time_zone
    allow = {name: parse_flag(f"--{name}", given.get(name, "")) for name in ALLOW}
    spark = SparkSession.builder.getOrCreate()
    made = scale.run(spark, given["input"], settings, run_date_of(given, zone), **allow, today=today(zone))
    sys.stdout.write(json.dumps(made, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(sys.argv)
