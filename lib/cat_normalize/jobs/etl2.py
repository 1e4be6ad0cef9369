"""ETL-2 in Glue: one CSV in, the three Parquet objects and their manifest out (contract §5, §7)."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from cat_normalize.convert import convert_csv, newest_csv, publish_manifest
from cat_normalize.core import aws, layout
from cat_normalize.core.manifest import Etl2Manifest
from cat_normalize.core.schema import CONVERSATIONS, MESSAGES
from cat_normalize.core.settings import Settings, parse_flag, today
from cat_normalize.jobs.events import SETTINGS

REQUIRED = ("input_bucket", "input_prefix", "output_bucket", "output_prefix")
OPTIONAL = ("input_key", *SETTINGS, "allow_future")
"""The names of the job's arguments; an optional one that is empty counts as not given."""


def run(arguments: Mapping[str, str], environment: Mapping[str, str]) -> Etl2Manifest:
    """Convert the CSV of ``input_key``, or the newest one; publish Parquet and manifest, which is returned.

    Args:
        arguments: by the names in `REQUIRED` and `OPTIONAL`.
        environment: the environment variables of the job.

    Raises:
        CatNormalizeError: as `convert` and `newest_csv` do; nothing was published.
    """
    from pyspark.sql import SparkSession

    settings = settings_of(arguments, environment)
    zone = settings.rules.time_zone
    day = today(zone)
    allow_future = parse_flag("--allow_future", arguments.get("allow_future", ""))
    s3, bucket = aws.client(settings, "s3"), arguments["input_bucket"]
    key = arguments.get("input_key") or newest_csv(
        s3, replace(settings, bucket=bucket), allow_future=allow_future, today=day
    )
    spark = SparkSession.builder.getOrCreate()
    source = layout.s3_uri(bucket, key)
    targets, rules = layout.table_uris(settings), settings.rules
    done = convert_csv(spark, source, targets, s3, allow_future=allow_future, today=day, rules=rules)
    return publish_manifest(settings, done.run_date or day, done, s3)


def settings_of(arguments: Mapping[str, str], environment: Mapping[str, str]) -> Settings:
    """Return the settings of a run; arguments win over environment variables.

    Its bucket is the output's, and its prefixes end in one slash; those of ``conversations`` and ``messages``
    are next to that of ``users``.

    >>> given = {"output_bucket": "mine", "input_prefix": "/in", "output_prefix": "a/u", "time_zone": "UTC"}
    >>> made = settings_of(given, {"AWS_DEFAULT_REGION": "sa-east-1", "CAT_TIME_ZONE": "Asia/Tokyo"})
    >>> made.csv_prefix, made.parquet_prefix, made.messages_prefix, made.region, made.rules.time_zone
    ('in/', 'a/u/', 'a/messages/', 'sa-east-1', 'UTC')
    """
    csv_prefix, parquet_prefix = (
        f"{arguments[name].strip('/')}/".lstrip("/") for name in ("input_prefix", "output_prefix")
    )
    above = parquet_prefix.rstrip("/").rpartition("/")
    parent = above[0] + above[1]
    given = {f"CAT_{name.upper()}": arguments[name] for name in SETTINGS if arguments.get(name)}
    region = {"AWS_REGION": environment.get("AWS_DEFAULT_REGION", "")}
    return Settings.from_environment(
        region | {**environment} | given,
        bucket=arguments["output_bucket"],
        csv_prefix=csv_prefix,
        parquet_prefix=parquet_prefix,
        conversations_prefix=f"{parent}{CONVERSATIONS.name}/",
        messages_prefix=f"{parent}{MESSAGES.name}/",
    )
