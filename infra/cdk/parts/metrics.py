"""The metrics that alarms and dashboard read, each defined once."""

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
    """Return a metric that the Lambda's own code sends."""
    return metric(layout.METRICS, name, minutes=60, service=env.named(layout.LAMBDA))


def runs_refused(env: Environment) -> cw.Metric:
    """Return how many runs the guard refused; a published run sends 0."""
    return metric(layout.METRICS, layout.RUNS_REFUSED, service=env.named(layout.LAMBDA))


def rejected_share(env: Environment) -> cw.MathExpression:
    """Return the percentage of items read that were rejected."""
    return cw.MathExpression(
        expression="IF(read > 0, 100 * rejected / read, 0)",
        using_metrics={"read": items(env, layout.ITEMS_READ), "rejected": items(env, layout.ITEMS_REJECTED)},
        label="rejected, %",
        period=cdk.Duration.hours(1),
    )


def tables_age(env: Environment) -> cw.Metric:
    """Return the age of the oldest table in hours, which the check of each hour sends."""
    service = env.named(layout.FRESHNESS)
    return metric(layout.METRICS, layout.TABLES_AGE, minutes=60, statistic="Maximum", service=service)


def csv_arrived(env: Environment) -> cw.Metric:
    """Return how many events of new CSVs matched the rule in an hour, whoever wrote them."""
    return metric("AWS/Events", "TriggeredRules", minutes=60, RuleName=env.named(layout.RULE))


def of_machine(machine_arn: str, name: str, statistic: str = "Sum") -> cw.Metric:
    """Return a metric of a state machine."""
    return metric("AWS/States", name, statistic=statistic, StateMachineArn=machine_arn)


def all_executions(machine_arn: str) -> list[cw.Metric]:
    """Return the counts of a state machine's executions: started, and each way to end."""
    ends = ("Started", "Succeeded", "Failed", "TimedOut", "Aborted")
    return [of_machine(machine_arn, f"Executions{end}") for end in ends]


def unsuccessful(machine_arn: str) -> cw.MathExpression:
    """Return how many executions did not succeed."""
    kinds = {
        kind.lower(): of_machine(machine_arn, f"Executions{kind}")
        for kind in ("Failed", "TimedOut", "Aborted")
    }
    return cw.MathExpression(
        expression=" + ".join(f"FILL({kind}, 0)" for kind in kinds),
        using_metrics=kinds,
        label="runs that did not succeed",
        period=cdk.Duration.minutes(5),
    )
