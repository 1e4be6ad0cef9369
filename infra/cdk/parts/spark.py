"""ETL-1 in Spark on AWS: a state machine exports the table, then a Glue job normalizes the export.

It replaces the Lambda where an environment says ``etl1="spark"`` (docs/scale.md).
"""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_logs as logs
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks
from constructs import Construct

import names
from artefacts import ETL1_SCRIPT, Artefacts
from cat_normalize.core import layout
from environments import Environment
from parts import roles, start
from parts.job import Job, staged
from parts.roles import Grant

_EXPORT = "$.export.ExportDescription"


def normalize_job(scope: Construct, id: str, env: Environment, artefacts: Artefacts) -> Job:
    """Make the job; the settings ``CAT_…`` of contract §7 become arguments of the same names."""
    settings = env.settings
    variables = settings.to_environment()
    variables.pop("CAT_MAX_RCU", None)  # an export uses no read units
    rules = {name.removeprefix("CAT_").lower(): name for name in variables if name.startswith("CAT_")}
    return Job(
        scope,
        id,
        env,
        artefacts,
        ETL1_SCRIPT,
        name=names.SPARK_JOB,
        description="ETL-1: one export of the table to one CSV (cat-normalize)",
        workers=env.spark_workers,
        minutes=env.spark_minutes,
        arguments={
            "--output_bucket": settings.bucket,
            **{f"--{argument}": variables[name] for argument, name in rules.items()},
            "--enable-auto-scaling": "true",
        },
        grants=_grants(env),
    )


def _grants(env: Environment) -> list[Grant]:
    settings = env.settings
    bucket, manifests = settings.bucket, layout.manifests_prefix(settings, 1)
    return [
        roles.listing(bucket, names.EXPORTS_PREFIX, manifests),
        Grant(["s3:GetObject"], roles.objects(bucket, names.EXPORTS_PREFIX), wildcard=roles.PREFIX),
        *staged(bucket, settings.csv_prefix),
        Grant(
            ["s3:PutObject", "s3:AbortMultipartUpload"],
            roles.objects(bucket, settings.csv_prefix, settings.rejects_prefix),
            wildcard=roles.PREFIX,
        ),
        Grant(["s3:GetObject", "s3:PutObject"], roles.objects(bucket, manifests), wildcard=roles.PREFIX),
    ]


class ExportAndNormalize(Construct):
    """The state machine: export the table, wait until the export is complete, run the job over it."""

    def __init__(self, scope: Construct, id: str, env: Environment, log_group: logs.ILogGroup) -> None:
        super().__init__(scope, id)
        stack = cdk.Stack.of(self)
        table = f"arn:aws:dynamodb:{stack.region}:{stack.account}:table/{env.table}"
        exports = roles.objects(env.settings.bucket, names.EXPORTS_PREFIX)
        reason = "DynamoDB makes up an export's id, which is in its ARN and in its keys; no other is granted."
        grants = [
            Grant(["dynamodb:ExportTableToPointInTime"], [table]),
            *roles.read_encrypted(env.table_key, env.region),
            Grant(["dynamodb:DescribeExport"], [f"{table}/export/*"], wildcard=reason),
            # DynamoDB writes the export with the caller's permissions.
            Grant(["s3:AbortMultipartUpload", "s3:PutObject", "s3:PutObjectAcl"], exports, wildcard=reason),
            start.job_runs(self, env.named(names.SPARK_JOB)),
        ]
        self.machine = start.state_machine(
            self, env.named(names.SPARK_STATES), self._steps(env, table), grants, env.spark_minutes, log_group
        )

    def _steps(self, env: Environment, table: str) -> sfn.IChainable:
        export = self._call(
            "Export",
            "Export the table",
            "exportTableToPointInTime",
            {
                "TableArn": table,
                "S3Bucket": env.settings.bucket,
                "S3Prefix": names.EXPORTS_PREFIX.rstrip("/"),
                "ExportFormat": "DYNAMODB_JSON",
                "ClientToken": sfn.JsonPath.execution_name,  # a retry is the same export
            },
        )
        look = self._call(
            "Look",
            "Describe the export",
            "describeExport",
            {"ExportArn": sfn.JsonPath.string_at(f"{_EXPORT}.ExportArn")},
        )
        wait = sfn.Wait(
            self,
            "Wait",
            state_name="Wait for the export",
            time=sfn.WaitTime.duration(cdk.Duration.minutes(1)),
        )
        failed = sfn.Fail(
            self,
            "Failed",
            state_name="The export failed",
            error="ExportFailed",
            cause="DynamoDB did not complete the export; DescribeExport gives its FailureMessage.",
        )
        status = f"{_EXPORT}.ExportStatus"
        choice = sfn.Choice(self, "Status", state_name="Is the export complete?")
        choice.when(sfn.Condition.string_equals(status, "COMPLETED"), self._run(env))
        choice.when(sfn.Condition.string_equals(status, "IN_PROGRESS"), wait).otherwise(failed)
        return export.next(wait).next(look).next(choice)

    def _call(self, id: str, name: str, action: str, parameters: dict[str, str]) -> tasks.CallAwsService:
        call = tasks.CallAwsService(
            self,
            id,
            state_name=name,
            service="dynamodb",
            action=action,
            parameters=parameters,
            iam_resources=[],  # the role is written above
            result_path="$.export",
        )
        call.add_retry(errors=[sfn.Errors.TASKS_FAILED], interval=cdk.Duration.seconds(10), max_attempts=5)
        return call

    def _run(self, env: Environment) -> sfn.IChainable:
        export_id = sfn.JsonPath.array_get_item(
            sfn.JsonPath.string_split(sfn.JsonPath.string_at(f"{_EXPORT}.ExportArn"), "/"), 3
        )
        folder = layout.s3_uri(env.settings.bucket, f"{names.EXPORTS_PREFIX}AWSDynamoDB/{{}}/")
        arguments = {
            "--input": sfn.JsonPath.format(folder, export_id),
            "--time": sfn.JsonPath.string_at("$.time"),
        }
        run = start.run_job(self, env.named(names.SPARK_JOB), arguments, env.spark_minutes)
        return start.ends_as_its_run(self, run)
