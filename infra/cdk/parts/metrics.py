"""The figures that alarms and dashboard read, each named once."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cw

from cat_normalize.core import layout
from environments import Environment
from parts.watch import metric


def of_lambda(env: Environment, name: str, statistic: str = "Sum") -> cw.Metric:
    """Return a metric of the Lambda."""
    return metric("AWS/Lambda", name, statistic=statistic, FunctionName=env.named(layout.LAMBDA))


def items(env: Environment, name: str) -> cw.Metric:
    """Return a count that the Lambda itself reports."""
    return metric(layout.METRICS, name, minutes=60, service=env.named(layout.LAMBDA))


def runs_refused(env: Environment) -> cw.Metric:
    """Return how many runs the guard refused; a run that is published counts 0."""
    return metric(layout.METRICS, layout.RUNS_REFUSED, service=env.named(layout.LAMBDA))


def rejected_share(env: Environment) -> cw.MathExpression:
    """Return the percentage of items read that were rejected."""
    return cw.MathExpression(
        expression="IF(read > 0, 100 * rejected / read, 0)",
        using_metrics={"read": items(env, layout.ITEMS_READ), "rejected": items(env, layout.ITEMS_REJECTED)},
        label="rejected, %",
        period=cdk.Duration.hours(1),
    )


def csv_arrived(env: Environment) -> cw.Metric:
    """Return how many CSVs the rule saw arrive in an hour: the bucket's word, not the Lambda's."""
    return metric("AWS/Events", "TriggeredRules", minutes=60, RuleName=env.named(layout.RULE))


def executions(machine_arn: str, name: str) -> cw.Metric:
    """Return a count of the state machine's executions."""
    return metric("AWS/States", f"Executions{name}", StateMachineArn=machine_arn)


def unsuccessful(machine_arn: str) -> cw.MathExpression:
    """Return how many executions ended in another way than well."""
    kinds = {kind.lower(): executions(machine_arn, kind) for kind in ("Failed", "TimedOut", "Aborted")}
    return cw.MathExpression(
        expression=" + ".join(f"FILL({kind}, 0)" for kind in kinds),
        using_metrics=kinds,
        label="runs that did not succeed",
        period=cdk.Duration.minutes(5),
    )
