"""ETL-2 on AWS: the Glue job that converts a CSV to Parquet."""

from __future__ import annotations

from constructs import Construct

from artefacts import ETL2_SCRIPT, Artefacts
from cat_normalize.core import layout
from cat_normalize.jobs import events
from environments import Environment
from parts import roles
from parts.job import Job, staged
from parts.roles import Grant


def convert_job(scope: Construct, id: str, env: Environment, artefacts: Artefacts) -> Job:
    """Make the job, with contract §7's arguments.

    The wheel is passed as ``--extra-py-files``: Spark puts it on the driver's path only, which is enough,
    since no task of ETL-2 runs Python.
    """
    settings = env.settings
    return Job(
        scope,
        id,
        env,
        artefacts,
        ETL2_SCRIPT,
        name=layout.GLUE_JOB,
        description="ETL-2: one CSV to one Parquet object (cat-normalize)",
        workers=env.glue_workers,
        minutes=env.glue_minutes,
        arguments={
            **events.job_arguments(settings),
            "--extra-py-files": artefacts.wheel_uri(settings.bucket, ETL2_SCRIPT),
            "--additional-python-modules": ",".join(artefacts.glue_modules),
        },
        grants=_grants(env),
    )


def _grants(env: Environment) -> list[Grant]:
    settings = env.settings
    bucket, csv, parquet = settings.bucket, settings.csv_prefix, settings.parquet_prefix
    manifests = roles.objects(bucket, layout.manifests_prefix(settings, 2))
    return [
        roles.listing(bucket, csv, parquet),
        *staged(bucket, layout.parquet_key(settings)),
        Grant(["s3:GetObject"], roles.objects(bucket, csv, parquet), wildcard=roles.PREFIX),
        Grant(
            ["s3:PutObject", "s3:AbortMultipartUpload"],
            roles.objects(bucket, parquet),
            wildcard=roles.PREFIX,
        ),
        Grant(["s3:PutObject"], manifests, wildcard=roles.PREFIX),
    ]
