"""ETL-1 on AWS: the Lambda, and the nightly schedule that starts ETL-1."""

from __future__ import annotations

import json

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_destinations as destinations
from aws_cdk import aws_logs as logs
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_sqs as sqs
from constructs import Construct

import names
from cat_normalize.core import layout
from environments import Environment
from parts import roles
from parts.roles import Grant, acknowledge

HANDLER = "lambda_function.lambda_handler"
HOURS_TO_TRY = 3
INPUT = {"time": "<aws.scheduler.scheduled-time>"}
"""The input of a run: its day is that of the schedule, also in a retry after midnight."""


class Function(Construct):
    """The Lambda: contract §7's name and settings, one run at a time; failed events go to a queue."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        env: Environment,
        zip: str,
        log_group: logs.ILogGroup,
        failures: sqs.IQueue,
    ) -> None:
        super().__init__(scope, id)
        role = roles.role(self, "Role", "lambda", _calls(self, env, failures))
        name = env.named(layout.LAMBDA)
        self.function = lambda_.Function(
            self,
            "Function",
            function_name=name,
            description="ETL-1: the conversations' table to one CSV (cat-normalize)",
            code=lambda_.Code.from_asset(zip),
            handler=HANDLER,
            runtime=lambda_.Runtime.PYTHON_3_11,
            architecture=architecture(env),
            memory_size=env.memory_mb,
            ephemeral_storage_size=cdk.Size.mebibytes(env.scratch_mb),
            timeout=cdk.Duration.minutes(15),
            reserved_concurrent_executions=env.concurrency,
            tracing=lambda_.Tracing.ACTIVE,
            environment=settings_of(env),
            role=role,
            log_group=log_group,
            logging_format=lambda_.LoggingFormat.JSON,  # also the runtime's own lines, such as for a timeout
            retry_attempts=2,
            max_event_age=cdk.Duration.hours(HOURS_TO_TRY),
            on_failure=destinations.SqsDestination(failures),
        )
        acknowledge(
            self.function,
            "One Python everywhere: the tests and Glue 5.1 run 3.11, so the Lambda does too.",
            "L1",
        )


def architecture(env: Environment) -> lambda_.Architecture:
    """Return the architecture of the zip that the environment deploys."""
    return {"arm64": lambda_.Architecture.ARM_64, "x86_64": lambda_.Architecture.X86_64}[env.architecture]


def settings_of(env: Environment) -> dict[str, str]:
    """Return the Lambda's environment variables (contract §7); AWS_REGION is set by the runtime."""
    variables = env.settings.to_environment()
    del variables["AWS_REGION"]
    return variables


def _calls(scope: Construct, env: Environment, failures: sqs.IQueue) -> list[Grant]:
    stack, settings = cdk.Stack.of(scope), env.settings
    table = f"arn:aws:dynamodb:{stack.region}:{stack.account}:table/{env.table}"
    files = roles.objects(settings.bucket, settings.csv_prefix, settings.rejects_prefix)
    own_manifests = layout.manifests_prefix(settings, 1)
    manifests = roles.objects(settings.bucket, own_manifests)
    return [
        Grant(["dynamodb:DescribeTable", "dynamodb:Scan"], [table]),
        *roles.read_encrypted(env.table_key, env.region),
        Grant(["s3:PutObject", "s3:AbortMultipartUpload"], files, wildcard=roles.PREFIX),
        Grant(["s3:GetObject", "s3:PutObject"], manifests, wildcard=roles.PREFIX),
        roles.listing(settings.bucket, own_manifests),
        roles.list_uploads(settings.bucket),
        Grant(["sqs:SendMessage"], [failures.queue_arn]),
        roles.write_logs(scope, env.named(names.LOGS_LAMBDA)),
        roles.XRAY,
    ]


def schedule(
    scope: Construct, id: str, env: Environment, action: str, target_arn: str, failures: sqs.IQueue
) -> scheduler.CfnSchedule:
    """Start ETL-1 every day at 23:30 in the settings' time zone; send undelivered events to a queue.

    Args:
        scope: where it belongs.
        id: its construct's id.
        env: whether it is enabled, and the time zone.
        action: the permission to start the target, such as ``lambda:InvokeFunction``.
        target_arn: a function or a state machine.
        failures: the dead-letter queue.
    """
    role = roles.role(
        scope,
        f"{id}Role",
        "scheduler",
        [
            Grant([action], [target_arn]),
            Grant(["sqs:SendMessage"], [failures.queue_arn]),
        ],
        own_account=True,
    )
    return scheduler.CfnSchedule(
        scope,
        id,
        name=env.named(names.SCHEDULE),
        description="ETL-1, every night",
        schedule_expression="cron(30 23 * * ? *)",
        schedule_expression_timezone=env.settings.rules.time_zone,
        state="ENABLED" if env.schedule else "DISABLED",
        flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
        target=scheduler.CfnSchedule.TargetProperty(
            arn=target_arn,
            role_arn=role.role_arn,
            input=json.dumps(INPUT),
            retry_policy=scheduler.CfnSchedule.RetryPolicyProperty(
                maximum_retry_attempts=10, maximum_event_age_in_seconds=HOURS_TO_TRY * 3600
            ),
            dead_letter_config=scheduler.CfnSchedule.DeadLetterConfigProperty(arn=failures.queue_arn),
        ),
    )
