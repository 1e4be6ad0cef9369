"""What the stacks make on AWS, on the local AWS: bucket, table, catalogue, workgroup (contract §6, §7)."""

from __future__ import annotations

import os
from typing import Any

from cat_lab.local.environment import KEY_ID, SECRET
from cat_normalize.core import layout, schema
from cat_normalize.core.settings import Settings

_PARQUET = "org.apache.hadoop.hive.ql.io.parquet"


def client(settings: Settings, service: str) -> Any:
    """Return a boto3 client of the local AWS: dummy credentials, no proxy, no file or profile of the user."""
    import boto3
    import botocore.session
    from botocore.config import Config

    own = botocore.session.Session(
        session_vars={
            "profile": (None, None, None, None),
            "config_file": (None, None, os.devnull, None),
            "credentials_file": (None, None, os.devnull, None),
        }
    )
    session = boto3.session.Session(
        aws_access_key_id=KEY_ID,
        aws_secret_access_key=SECRET,
        region_name=settings.region,
        botocore_session=own,
    )
    config = Config(proxies={}, use_fips_endpoint=False, use_dualstack_endpoint=False)
    return session.client(service, endpoint_url=settings.endpoint_url, config=config)


def everything(settings: Settings) -> None:
    """Make all of it, empty; the names come from the settings and `layout`."""
    bucket(client(settings, "s3"), settings)
    dynamodb_table(client(settings, "dynamodb"), settings)
    catalogue(client(settings, "glue"), settings)
    workgroup(client(settings, "athena"), settings)


def bucket(s3: Any, settings: Settings) -> None:
    """Make the bucket: versioned, and telling EventBridge of every new object."""
    elsewhere = (
        {}
        if settings.region == "us-east-1"
        else {"CreateBucketConfiguration": {"LocationConstraint": settings.region}}
    )
    s3.create_bucket(Bucket=settings.bucket, **elsewhere)
    s3.put_bucket_versioning(Bucket=settings.bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_notification_configuration(
        Bucket=settings.bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )


def dynamodb_table(dynamodb: Any, settings: Settings) -> None:
    """Make the conversations' table, paid by request (contract §1)."""
    dynamodb.create_table(
        TableName=settings.table_name,
        KeySchema=[
            {"AttributeName": "PK", "KeyType": "HASH"},
            {"AttributeName": "SK", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("PK", "SK")],
        BillingMode="PAY_PER_REQUEST",
    )


def catalogue(glue: Any, settings: Settings) -> None:
    """Make the Glue database and its table over the Parquet object (contract §2, §5)."""
    glue.create_database(DatabaseInput={"Name": layout.DATABASE})
    glue.create_table(
        DatabaseName=layout.DATABASE,
        TableInput={
            "Name": layout.TABLE,
            "TableType": "EXTERNAL_TABLE",
            "Parameters": {"EXTERNAL": "TRUE", "classification": "parquet"},
            "StorageDescriptor": {
                "Columns": schema.glue_columns(),
                "Location": layout.s3_uri(settings.bucket, settings.parquet_prefix),
                "InputFormat": f"{_PARQUET}.MapredParquetInputFormat",
                "OutputFormat": f"{_PARQUET}.MapredParquetOutputFormat",
                "SerdeInfo": {"SerializationLibrary": f"{_PARQUET}.serde.ParquetHiveSerDe"},
            },
        },
    )


def workgroup(athena: Any, settings: Settings) -> None:
    """Make the Athena workgroup, its results in the bucket."""
    location = layout.s3_uri(settings.bucket, settings.athena_prefix)
    athena.create_work_group(
        Name=layout.WORKGROUP,
        Configuration={
            "ResultConfiguration": {"OutputLocation": location},
            "EnforceWorkGroupConfiguration": True,
        },
    )
