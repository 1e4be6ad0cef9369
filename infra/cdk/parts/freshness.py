"""The check of each hour that sends the age of the published tables, whatever became of the two ETLs."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_scheduler as scheduler
from constructs import Construct

import names
from cat_normalize.core import layout, schema
from environments import Environment
from parts import roles, watch
from parts.nightly import architecture, settings_of
from parts.roles import Grant, acknowledge

HANDLER = "freshness_function.lambda_handler"
SETTINGS = ("S3_BUCKET_NAME", "CAT_TIME_ZONE")


class Freshness(Construct):
    """A function of the Lambda's zip and its schedule; ETL-1's reserved concurrency does not hold for it.

    Nothing is kept of a check that fails for good: without its metric the alarm fires.
    """

    def __init__(self, scope: Construct, id: str, env: Environment, zip: str) -> None:
        super().__init__(scope, id)
        variables = settings_of(env)
        function = lambda_.Function(
            self,
            "Function",
            function_name=env.named(layout.FRESHNESS),
            description="How old the published tables are (cat-normalize)",
            code=lambda_.Code.from_asset(zip),
            handler=HANDLER,
            runtime=lambda_.Runtime.PYTHON_3_11,
            architecture=architecture(env),
            memory_size=256,
            timeout=cdk.Duration.minutes(2),
            environment={name: variables[name] for name in SETTINGS},
            role=roles.role(self, "Role", "lambda", self._calls(env)),
            log_group=watch.log_group(self, "Log", env, names.LOGS_FRESHNESS),
            logging_format=lambda_.LoggingFormat.JSON,
            retry_attempts=2,
            max_event_age=cdk.Duration.minutes(20),
        )
        reason = "One Python everywhere: the tests and Glue 5.1 run 3.11, so the Lambdas do too."
        acknowledge(function, reason, "L1")
        self._schedule(env, function.function_arn)

    def _calls(self, env: Environment) -> list[Grant]:
        """Let the function ask for three objects, and be told that one is not there."""
        bucket = f"arn:aws:s3:::{env.settings.bucket}"
        keys = [layout.parquet_key(env.settings, table) for table in schema.TABLES]
        return [
            Grant(["s3:GetObject"], [f"{bucket}/{key}" for key in keys]),
            Grant(["s3:ListBucket"], [bucket], {"StringEquals": {"s3:prefix": keys}}),
            roles.write_logs(self, env.named(names.LOGS_FRESHNESS)),
        ]

    def _schedule(self, env: Environment, function_arn: str) -> None:
        """Call the function in the middle of each hour, so that no retry ends in the alarm's next period."""
        role = roles.role(
            self,
            "HourlyRole",
            "scheduler",
            [Grant(["lambda:InvokeFunction"], [function_arn])],
            own_account=True,
        )
        scheduler.CfnSchedule(
            self,
            "Hourly",
            name=env.named(names.FRESHNESS_SCHEDULE),
            description="The age of the published tables, every hour",
            schedule_expression="cron(30 * * * ? *)",
            state="ENABLED" if env.schedule else "DISABLED",
            flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
            target=scheduler.CfnSchedule.TargetProperty(
                arn=function_arn,
                role_arn=role.role_arn,
                retry_policy=scheduler.CfnSchedule.RetryPolicyProperty(
                    maximum_retry_attempts=3, maximum_event_age_in_seconds=600
                ),
            ),
        )
