"""ETL-1: table → CSV, every night."""

from __future__ import annotations

from typing import Any

from aws_cdk import Stack
from aws_cdk import aws_cloudwatch as cw
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

import names
from artefacts import Artefacts
from environments import Environment
from parts import metrics, nightly, spark, watch
from parts.storage import Storage


class Etl1Stack(Stack):
    """Bucket, Lambda or Glue job, schedule, dead-letter queue, the alarms' topic and ETL-1's own alarms."""

    def __init__(
        self, scope: Construct, id: str, environment: Environment, artefacts: Artefacts, **other: Any
    ) -> None:
        super().__init__(scope, id, description="ETL-1 of cat-normalize: DynamoDB table to CSV", **other)
        storage = Storage(self, "Storage", environment)
        topic = watch.topic(self, "Alarms", environment)
        failures = watch.dead_letters(self, "DeadLetters", environment, names.DEAD_LETTERS_ETL1)
        if environment.etl1 == "spark":
            self._spark(environment, artefacts, storage, topic, failures)
        else:
            self._lambda(environment, artefacts, topic, failures)
        queue = names.DEAD_LETTERS_ETL1
        watch.dead_letters_alarm(self, environment, names.ALARM_DEAD_LETTERS_ETL1, queue, topic)

    def _lambda(
        self, env: Environment, artefacts: Artefacts, topic: sns.ITopic, failures: sqs.IQueue
    ) -> None:
        log_group = watch.log_group(self, "Log", env, names.LOGS_LAMBDA)
        function = nightly.Function(
            self, "Normalize", env, str(artefacts.lambda_zip), log_group, failures
        ).function
        nightly.schedule(self, "Nightly", env, "lambda:InvokeFunction", function.function_arn, failures)
        watch.alarm(
            self,
            "ErrorsAlarm",
            env,
            names.ALARM_LAMBDA_ERRORS,
            metrics.of_lambda(env, "Errors"),
            "ETL-1 failed; Lambda retries it twice (docs/operate.md).",
            topic,
        )
        watch.alarm(
            self,
            "RejectedAlarm",
            env,
            names.ALARM_REJECTED_SHARE,
            metrics.rejected_share(env),
            f"More than {env.rejected_percent:g} % of the items were rejected (docs/operate.md).",
            topic,
            threshold=env.rejected_percent,
            comparison_operator=cw.ComparisonOperator.GREATER_THAN_THRESHOLD,
            treat_missing_data=cw.TreatMissingData.IGNORE,  # stays in ALARM until a run has fewer rejects
        )
        watch.alarm(
            self,
            "RefusedAlarm",
            env,
            names.ALARM_REFUSED,
            metrics.runs_refused(env),
            "ETL-1 published no CSV: every item was rejected, or there are far fewer users than in the last "
            "run; CSV and tables are those of that run. Look at the table and the rejects; if so few users "
            "are right, run it with allow_shrink (docs/operate.md).",
            topic,
            treat_missing_data=cw.TreatMissingData.IGNORE,  # stays in ALARM until a run is published
        )

    def _spark(
        self,
        env: Environment,
        artefacts: Artefacts,
        storage: Storage,
        topic: sns.ITopic,
        failures: sqs.IQueue,
    ) -> None:
        job = spark.normalize_job(self, "Normalize", env, artefacts)
        job.node.add_dependency(storage)
        log_group = watch.log_group(self, "StatesLog", env, names.LOGS_SPARK_STATES)
        machine = spark.ExportAndNormalize(self, "Export", env, log_group).machine
        machine.node.add_dependency(job)
        arn = machine.state_machine_arn
        nightly.schedule(self, "Nightly", env, "states:StartExecution", arn, failures)
        watch.alarm(
            self,
            "FailedAlarm",
            env,
            names.ALARM_SPARK_FAILED,
            metrics.unsuccessful(arn),
            "A run of ETL-1 failed or was refused; the CSV is that of the last run (docs/operate.md).",
            topic,
        )
