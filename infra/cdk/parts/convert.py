"""ETL-2 on AWS: the Glue job that converts a CSV to the tables' Parquet."""

from __future__ import annotations

from constructs import Construct

from artefacts import ETL2_SCRIPT, Artefacts
from cat_normalize.core import layout, schema
from cat_normalize.jobs import events
from environments import Environment
from parts import roles
from parts.job import Job, staged
from parts.roles import Grant


def convert_job(scope: Construct, id: str, env: Environment, artefacts: Artefacts) -> Job:
    """Make the job, with contract §7's arguments."""
    return Job(
        scope,
        id,
        env,
        artefacts,
        ETL2_SCRIPT,
        name=layout.GLUE_JOB,
        description="ETL-2: one CSV to the Parquet objects of three tables (cat-normalize)",
        workers=env.glue_workers,
        minutes=env.glue_minutes,
        arguments=events.job_arguments(env.settings),
        grants=_grants(env),
    )


def _grants(env: Environment) -> list[Grant]:
    settings = env.settings
    bucket, csv = settings.bucket, settings.csv_prefix
    tables = [layout.table_prefix(settings, table) for table in schema.TABLES]
    users, conversations, messages = (layout.parquet_key(settings, table) for table in schema.TABLES)
    manifests = roles.objects(bucket, layout.manifests_prefix(settings, 2))
    return [
        roles.listing(bucket, csv, *tables),
        *staged(bucket, users, conversations, whole=[messages]),
        Grant(["s3:GetObject"], roles.objects(bucket, csv, *tables), wildcard=roles.PREFIX),
        Grant(
            ["s3:PutObject", "s3:AbortMultipartUpload"],
            roles.objects(bucket, *tables),
            wildcard=roles.PREFIX,
        ),
        Grant(["s3:PutObject"], manifests, wildcard=roles.PREFIX),
    ]
