"""ETL-1: table → CSV, every night."""

from __future__ import annotations

from typing import Any

from aws_cdk import Stack
from aws_cdk import aws_cloudwatch as cw
from constructs import Construct

import names
from artefacts import Artefacts
from environments import Environment
from parts import metrics, nightly, watch
from parts.storage import Storage


class Etl1Stack(Stack):
    """Bucket, Lambda, schedule, dead letters, the alarms' topic and ETL-1's own alarms."""

    def __init__(
        self, scope: Construct, id: str, environment: Environment, artefacts: Artefacts, **other: Any
    ) -> None:
        super().__init__(scope, id, description="ETL-1 of cat-normalize: DynamoDB table to CSV", **other)
        env = environment
        Storage(self, "Storage", env)
        topic = watch.topic(self, "Alarms", env)
        failures = watch.dead_letters(self, "DeadLetters", env, names.DEAD_LETTERS_ETL1)
        log_group = watch.log_group(self, "Log", env, names.LOGS_LAMBDA)
        normalize = nightly.Function(self, "Normalize", env, str(artefacts.lambda_zip), log_group, failures)
        nightly.schedule(self, "Nightly", env, normalize.function, failures)
        watch.alarm(
            self,
            "ErrorsAlarm",
            env,
            names.ALARM_LAMBDA_ERRORS,
            metrics.of_lambda(env, "Errors"),
            "ETL-1 failed; Lambda tries twice more (docs/operate.md).",
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
            treat_missing_data=cw.TreatMissingData.IGNORE,  # rings on until a run is good again
        )
        watch.alarm(
            self,
            "RefusedAlarm",
            env,
            names.ALARM_REFUSED,
            metrics.runs_refused(env),
            "ETL-1 published no CSV: every item was rejected, or there are far fewer users than in the last "
            "run; CSV and Parquet are those of that run. Look at the table and the rejects; if so few are "
            "right, run it with allow_shrink (docs/operate.md).",
            topic,
            treat_missing_data=cw.TreatMissingData.IGNORE,  # rings on until a run is published
        )
        watch.dead_letters_alarm(self, env, names.ALARM_DEAD_LETTERS_ETL1, names.DEAD_LETTERS_ETL1, topic)
