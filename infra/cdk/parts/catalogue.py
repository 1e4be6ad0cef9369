"""Athena's database, tables (with the declared columns) and workgroup."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_athena as athena
from aws_cdk import aws_glue as glue
from constructs import Construct

from cat_normalize.core import layout, schema
from environments import Environment
from parts.watch import removal

_PARQUET = "org.apache.hadoop.hive.ql.io.parquet"


class Catalogue(Construct):
    """The database and its tables, each over one Parquet object, with declared columns (no crawler)."""

    def __init__(self, scope: Construct, id: str, env: Environment) -> None:
        super().__init__(scope, id)
        account = cdk.Stack.of(self).account
        database = glue.CfnDatabase(
            self,
            "Database",
            catalog_id=account,
            database_input=glue.CfnDatabase.DatabaseInputProperty(
                name=env.named(layout.DATABASE),
                description="Users, conversations and messages (cat-normalize)",
            ),
        )
        database.apply_removal_policy(removal(env))
        for table in schema.TABLES:
            made = glue.CfnTable(
                self,
                table.name.title(),
                catalog_id=account,
                database_name=env.named(layout.DATABASE),
                table_input=_input(env, table),
            )
            made.add_resource_dependency(database)
            made.apply_removal_policy(removal(env))


def _input(env: Environment, table: schema.Table) -> glue.CfnTable.TableInputProperty:
    return glue.CfnTable.TableInputProperty(
        name=table.name,
        description=table.comment,
        table_type="EXTERNAL_TABLE",
        parameters={"EXTERNAL": "TRUE", "classification": "parquet", "parquet.compression": "ZSTD"},
        storage_descriptor=_storage(env, table),
    )


def _storage(env: Environment, table: schema.Table) -> glue.CfnTable.StorageDescriptorProperty:
    return glue.CfnTable.StorageDescriptorProperty(
        columns=[
            glue.CfnTable.ColumnProperty(name=each["Name"], type=each["Type"], comment=each["Comment"])
            for each in table.glue_columns()
        ],
        location=layout.s3_uri(env.settings.bucket, layout.table_prefix(env.settings, table)),
        input_format=f"{_PARQUET}.MapredParquetInputFormat",
        output_format=f"{_PARQUET}.MapredParquetOutputFormat",
        serde_info=glue.CfnTable.SerdeInfoProperty(
            serialization_library=f"{_PARQUET}.serde.ParquetHiveSerDe"
        ),
    )


def workgroup(scope: Construct, id: str, env: Environment) -> athena.CfnWorkGroup:
    """Make the workgroup: encrypted results in the bucket, and a limit of bytes scanned per query."""
    made = athena.CfnWorkGroup(
        scope,
        id,
        name=env.named(layout.WORKGROUP),
        description="Queries on users, conversations and messages (cat-normalize)",
        recursive_delete_option=not env.keep,
        work_group_configuration=athena.CfnWorkGroup.WorkGroupConfigurationProperty(
            enforce_work_group_configuration=True,
            publish_cloud_watch_metrics_enabled=True,
            bytes_scanned_cutoff_per_query=env.scan_limit_bytes,
            engine_version=athena.CfnWorkGroup.EngineVersionProperty(
                selected_engine_version="Athena engine version 3"
            ),
            result_configuration=athena.CfnWorkGroup.ResultConfigurationProperty(
                output_location=layout.s3_uri(env.settings.bucket, env.settings.athena_prefix),
                encryption_configuration=athena.CfnWorkGroup.EncryptionConfigurationProperty(
                    encryption_option="SSE_S3"
                ),
            ),
        ),
    )
    made.apply_removal_policy(removal(env))
    return made
