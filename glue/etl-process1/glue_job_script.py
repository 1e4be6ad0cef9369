"""ETL-1's door for a table that one machine cannot hold: a Glue 5.1 job over an export or raw partitions."""

import json
import os
import sys

from awsglue.utils import getResolvedOptions

from cat_normalize.core.manifest import plain
from cat_normalize.core.settings import Settings, parse_day, parse_flag, today
from cat_normalize.scale import spark as distributed

REQUIRED = ("input", "output_bucket")
RULES = {
    "time_zone": "CAT_TIME_ZONE",
    "exclude_cities": "CAT_EXCLUDE_CITIES",
    "since": "CAT_SINCE",
    "until": "CAT_UNTIL",
    "min_users_percent": "CAT_MIN_USERS_PERCENT",
}
"""Optional arguments, written as the contract's settings of those names are (§7)."""
ALLOW = ("allow_shrink", "allow_future")
"""Optional arguments that let pass, if they are ``true``, what is refused otherwise (§6)."""
OPTIONAL = ("run_date", *RULES, *ALLOW)


def read_arguments(argv: list[str]) -> dict[str, str]:
    """Return the job's arguments; of the optional ones those that are there and not empty.

    Raises:
        GlueArgumentError: a required one is missing.
    """
    given = {each.partition("=")[0] for each in argv}
    wanted = [*REQUIRED, *(name for name in OPTIONAL if f"--{name}" in given)]
    found = getResolvedOptions(argv, wanted)
    return {name: found[name] for name in wanted if found[name]}


def main(argv: list[str]) -> None:
    """Normalise all items under ``--input`` and publish rejects, CSV and manifest.

    Raises:
        CatNormalizeError: as `distributed.run` does; no output is half there.
    """
    from pyspark.sql import SparkSession

    given = read_arguments(argv)
    environment = {"AWS_REGION": os.environ.get("AWS_DEFAULT_REGION", ""), **os.environ}
    environment |= {RULES[name]: value for name, value in given.items() if name in RULES}
    settings = Settings.from_environment(environment, bucket=given["output_bucket"])
    now, day = today(settings.rules.time_zone), given.get("run_date")
    run_date = parse_day("--run_date", day) if day else now
    allow = {name: parse_flag(f"--{name}", given.get(name, "")) for name in ALLOW}
    spark = SparkSession.builder.getOrCreate()
    made = distributed.run(spark, given["input"], settings, run_date, **allow, today=now)
    sys.stdout.write(json.dumps(plain(made), ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(sys.argv)
