"""ETL-2's door on AWS: a Glue 5.1 job that makes of one CSV the one Parquet object (contract §5, §7)."""

import json
import os
import sys
from dataclasses import replace

from awsglue.utils import getResolvedOptions

from cat_normalize.convert import convert_csv, newest_csv
from cat_normalize.core import aws, layout, manifest
from cat_normalize.core.settings import Settings, parse_flag, today

REQUIRED = ("input_bucket", "input_prefix", "output_bucket", "output_prefix")
OPTIONAL = ("input_key", "time_zone", "allow_future")


def read_arguments(argv: list[str]) -> dict[str, str]:
    """Return the job's arguments: prefixes end in one slash, an absent optional one is an empty text.

    Raises:
        GlueArgumentError: a required one is missing.
    """
    there = {each.partition("=")[0] for each in argv}
    found = getResolvedOptions(argv, [*REQUIRED, *(name for name in OPTIONAL if f"--{name}" in there)])
    given = {name: found[name] for name in REQUIRED}
    for name in ("input_prefix", "output_prefix"):
        given[name] = f"{found[name].strip('/')}/".lstrip("/")
    return given | {name: found.get(name, "") for name in OPTIONAL}


def main(argv: list[str]) -> None:
    """Convert the CSV of that key, or the newest, and publish Parquet and manifest.

    Raises:
        CatNormalizeError: as `newest_csv` and `convert_csv` do; nothing was published.
    """
    from pyspark.sql import SparkSession

    given = read_arguments(argv)
    settings = Settings.from_environment(
        {"AWS_REGION": os.environ.get("AWS_DEFAULT_REGION", ""), **os.environ},
        bucket=given["output_bucket"],
        csv_prefix=given["input_prefix"],
        parquet_prefix=given["output_prefix"],
        time_zone=given["time_zone"] or None,
    )
    day = today(settings.rules.time_zone)
    dates = {"allow_future": parse_flag("--allow_future", given["allow_future"]), "today": day}
    s3 = aws.client(settings, "s3")
    place = replace(settings, bucket=given["input_bucket"])
    key = given["input_key"] or newest_csv(s3, place, **dates)
    source = layout.s3_uri(given["input_bucket"], key)
    target = layout.s3_uri(settings.bucket, layout.parquet_key(settings))
    spark, zone = SparkSession.builder.getOrCreate(), settings.rules.time_zone
    done = convert_csv(spark, source, target, s3, time_zone=zone, **dates)
    made = manifest.publish_etl2(settings, done.run_date or day, done, s3)
    sys.stdout.write(json.dumps(made, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(sys.argv)
