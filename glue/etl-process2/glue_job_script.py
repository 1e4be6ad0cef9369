"""ETL-2's door on AWS: a Glue 5.1 job that makes of one CSV the one Parquet object (contract §5, §7)."""

import json
import os
import sys
from dataclasses import replace

from awsglue.utils import getResolvedOptions

from cat_normalize import aws, convert, layout, manifest
from cat_normalize.settings import Settings, today

REQUIRED = ("input_bucket", "input_prefix", "output_bucket", "output_prefix")
OPTIONAL = "input_key"


def read_arguments(argv: list[str]) -> dict[str, str]:
    """Return the job's arguments: prefixes end in one slash, an absent or empty key is an empty text.

    Raises:
        GlueArgumentError: a required one is missing.
    """
    there = any(each.partition("=")[0] == f"--{OPTIONAL}" for each in argv)
    found = getResolvedOptions(argv, [*REQUIRED, OPTIONAL] if there else [*REQUIRED])
    given = {name: found[name] for name in REQUIRED}
    for name in ("input_prefix", "output_prefix"):
        given[name] = f"{found[name].strip('/')}/".lstrip("/")
    return given | {OPTIONAL: found.get(OPTIONAL, "")}


def main(argv: list[str]) -> None:
    """Convert the CSV of that key, or the newest, and publish Parquet and manifest.

    Raises:
        CatNormalizeError: as `convert.newest_csv` and `convert.convert` do; nothing was published.
    """
    from pyspark.sql import SparkSession

    given = read_arguments(argv)
    settings = Settings.from_environment(
        {"AWS_REGION": os.environ.get("AWS_DEFAULT_REGION", ""), **os.environ},
        bucket=given["output_bucket"],
        csv_prefix=given["input_prefix"],
        parquet_prefix=given["output_prefix"],
    )
    s3 = aws.client(settings, "s3")
    key = given["input_key"] or convert.newest_csv(s3, replace(settings, bucket=given["input_bucket"]))
    source = layout.s3_uri(given["input_bucket"], key)
    target = layout.s3_uri(settings.bucket, layout.parquet_key(settings))
    done = convert.convert(SparkSession.builder.getOrCreate(), source, target, s3)
    day = done.run_date or today(settings.rules.time_zone)
    made = manifest.publish_etl2(settings, day, done, s3)
    sys.stdout.write(json.dumps(made, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(sys.argv)
