"""Create on the local AWS what the stacks create on AWS (contract §6, §7).

moto runs no Glue job and routes no rule to a state machine; the rule targets an SQS queue, which `worker`
reads.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cat_lab.local.environment import client
from cat_normalize.core import layout, schema
from cat_normalize.core.settings import Settings
from cat_normalize.jobs import events

EVENTS = layout.RULE
"""Name of the queue of events that start the Glue job."""
FAILED = f"{layout.RULE}-failed"
"""Name of the queue of events whose run failed."""
_VISIBILITY_TIMEOUT = 12 * 60 * 60  # SQS's maximum: a received event stays hidden while its run lasts
_PARQUET = "org.apache.hadoop.hive.ql.io.parquet"
_ROLE = "arn:aws:iam::123456789012:role/glue"  # moto's account; the role is not used


def create_all(settings: Settings) -> None:
    """Create bucket, table, catalog and workgroup under the names of `settings` and `layout`."""
    for create in (create_bucket, create_table, create_catalog, create_workgroup):
        create(settings)


def create_bucket(settings: Settings) -> None:
    """Create the bucket: versioned, with an EventBridge event for every new object."""
    s3, bucket = client(settings, "s3"), settings.bucket
    location = {"CreateBucketConfiguration": {"LocationConstraint": settings.region}}
    s3.create_bucket(Bucket=bucket, **({} if settings.region == "us-east-1" else location))
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )


def create_table(settings: Settings) -> None:
    """Create the conversations table (contract §1)."""
    keys = {"PK": "HASH", "SK": "RANGE"}
    client(settings, "dynamodb").create_table(
        TableName=settings.table_name,
        KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys.items()],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in keys],
        BillingMode="PAY_PER_REQUEST",
    )


def create_catalog(settings: Settings) -> None:
    """Create the Glue database and its tables, each of one Parquet object (contract §2, §5)."""
    glue = client(settings, "glue")
    glue.create_database(DatabaseInput={"Name": layout.DATABASE})
    for table in schema.TABLES:
        glue.create_table(DatabaseName=layout.DATABASE, TableInput=_table_input(settings, table))


def _table_input(settings: Settings, table: schema.Table) -> dict[str, Any]:
    storage = {
        "Columns": table.glue_columns(),
        "Location": layout.s3_uri(settings.bucket, layout.table_prefix(settings, table)),
        "InputFormat": f"{_PARQUET}.MapredParquetInputFormat",
        "OutputFormat": f"{_PARQUET}.MapredParquetOutputFormat",
        "SerdeInfo": {"SerializationLibrary": f"{_PARQUET}.serde.ParquetHiveSerDe"},
    }
    return {
        "Name": table.name,
        "Description": table.comment,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"EXTERNAL": "TRUE", "classification": "parquet"},
        "StorageDescriptor": storage,
    }


def create_workgroup(settings: Settings) -> None:
    """Create the Athena workgroup, with its results in the bucket."""
    results = {"OutputLocation": layout.s3_uri(settings.bucket, settings.athena_prefix)}
    client(settings, "athena").create_work_group(
        Name=layout.WORKGROUP,
        Configuration={"ResultConfiguration": results, "EnforceWorkGroupConfiguration": True},
    )


def create_csv_trigger(settings: Settings, script: Path) -> None:
    """Create the Glue job for a script, and the rule for new CSVs; earlier objects start nothing.

    Raises:
        OSError: the script cannot be read.
    """
    body = script.read_bytes()
    key = layout.scripts_prefix(settings.scripts_prefix, body) + script.name
    client(settings, "s3").put_object(Bucket=settings.bucket, Key=key, Body=body)
    location = layout.s3_uri(settings.bucket, key)
    client(settings, "glue").create_job(
        Name=layout.GLUE_JOB,
        Role=_ROLE,
        Command={"Name": "glueetl", "PythonVersion": "3", "ScriptLocation": location},
        GlueVersion="5.1",
        DefaultArguments=events.job_arguments(settings),
    )
    create_rule(settings, events.pattern(settings))


def create_rule(settings: Settings, pattern: dict[str, Any]) -> None:
    """Create the rule that sends the events that match a pattern to a queue, and both queues."""
    sqs, eventbridge = client(settings, "sqs"), client(settings, "events")
    timeout = {"VisibilityTimeout": str(_VISIBILITY_TIMEOUT)}
    queue = sqs.create_queue(QueueName=EVENTS, Attributes=timeout)["QueueUrl"]
    sqs.create_queue(QueueName=FAILED)
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    eventbridge.put_rule(Name=layout.RULE, EventPattern=json.dumps(pattern))
    eventbridge.put_targets(Rule=layout.RULE, Targets=[{"Id": "queue", "Arn": arn}])
