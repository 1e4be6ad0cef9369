"""ETL-2: CSV → Parquet → Athena, for each new CSV."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cw
from aws_cdk import aws_sns as sns
from constructs import Construct

import names
from artefacts import Artefacts
from environments import Environment
from parts import metrics, start, watch
from parts.analysts import analysts
from parts.catalogue import Catalogue, workgroup
from parts.convert import convert_job
from parts.dashboard import dashboard
from parts.freshness import Freshness


class Etl2Stack(cdk.Stack):
    """Rule, state machine, Glue job, catalogue, workgroup, analysts' role, freshness, alarms, dashboard."""

    def __init__(
        self, scope: Construct, id: str, environment: Environment, artefacts: Artefacts, **other: Any
    ) -> None:
        super().__init__(scope, id, description="ETL-2 of cat-normalize: CSV to Parquet and Athena", **other)
        env = environment
        job = convert_job(self, "Convert", env, artefacts)
        log_group = watch.log_group(self, "StatesLog", env, names.LOGS_STATES)
        machine = start.ConvertNewCsv(self, "Start", env, log_group).machine
        machine.node.add_dependency(job)
        failures = watch.dead_letters(self, "DeadLetters", env, names.DEAD_LETTERS_ETL2)
        start.rule(self, "CsvCreated", env, machine, failures)
        Catalogue(self, "Catalogue", env)
        workgroup(self, "Workgroup", env)
        Freshness(self, "Freshness", env, str(artefacts.lambda_zip))
        if env.analysts:
            analysts(self, "Analysts", env)
        alarms = self._alarms(env, machine.state_machine_arn)
        dashboard(self, "Dashboard", env, machine.state_machine_arn, [*self._alarms_of_etl1(env), *alarms])

    def _alarms(self, env: Environment, machine_arn: str) -> list[cw.IAlarm]:
        topic: sns.ITopic = watch.topic_by_name(self, "Topic", env)
        failed = watch.alarm(
            self,
            "FailedAlarm",
            env,
            names.ALARM_GLUE_FAILED,
            metrics.unsuccessful(machine_arn),
            "A run of ETL-2 failed; what it did not replace is of the last run (docs/operate.md).",
            topic,
        )
        letters = watch.dead_letters_alarm(
            self, env, names.ALARM_DEAD_LETTERS_ETL2, names.DEAD_LETTERS_ETL2, topic
        )
        if not env.schedule:
            return [failed, letters]
        return [failed, letters, self._freshness_alarm(env, topic)]

    def _freshness_alarm(self, env: Environment, topic: sns.ITopic) -> cw.Alarm:
        """Make the alarm on the tables' age: of two checks in a row, one of which may be missing."""
        return watch.alarm(
            self,
            "FreshnessAlarm",
            env,
            names.ALARM_FRESHNESS,
            metrics.tables_age(env),
            f"The run date of a table ended more than {env.stale_hours} hours ago, or the check of each hour "
            "sends nothing (docs/operate.md).",
            topic,
            threshold=env.stale_hours,
            evaluation_periods=2,
            comparison_operator=cw.ComparisonOperator.GREATER_THAN_THRESHOLD,
            treat_missing_data=cw.TreatMissingData.BREACHING,
        )

    def _alarms_of_etl1(self, env: Environment) -> list[cw.IAlarm]:
        of_lambda = (names.ALARM_LAMBDA_ERRORS, names.ALARM_REJECTED_SHARE, names.ALARM_REFUSED)
        own = (names.ALARM_SPARK_FAILED,) if env.etl1 == "spark" else of_lambda
        return [
            cw.Alarm.from_alarm_name(self, f"Etl1Alarm{n}", env.named(name))
            for n, name in enumerate((*own, names.ALARM_DEAD_LETTERS_ETL1))
        ]
