"""Alarms and dashboard: what they watch exists, every failure has an alarm, every alarm is shown and sent."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import pytest

from cat_normalize.core import layout
from cat_normalize.core.manifest import Etl1Manifest, Summary
from cat_normalize.core.settings import Settings
from cat_normalize.jobs import etl1, freshness
from infra.assembly import ACCOUNT, CDK, Assembly, Template

ENVIRONMENTS = ["prod", "test", "spark"]
PUBLISHED = Etl1Manifest(date(2025, 9, 1), "dynamodb://table", Settings(), Summary(), [])
EMITTED = {
    "AWS/Lambda": ({"Invocations", "Errors", "Duration", "Throttles"}, "FunctionName"),
    "AWS/SQS": ({"ApproximateNumberOfMessagesVisible"}, "QueueName"),
    "AWS/Events": ({"TriggeredRules", "Invocations", "FailedInvocations"}, "RuleName"),
    "AWS/States": (
        {"ExecutionTime"}
        | {f"Executions{end}" for end in ("Started", "Succeeded", "Failed", "TimedOut", "Aborted")},
        "StateMachineArn",
    ),
    "cat-normalize": (
        {name for name, _, _ in etl1.metrics(PUBLISHED, 1.0)} | {layout.TABLES_AGE},
        "service",
    ),
}
"""The metrics of each namespace, and the dimension that names the resource that emits them.

https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-monitoring.html
https://docs.aws.amazon.com/step-functions/latest/dg/procedure-cw-metrics.html
"""


@dataclass(frozen=True)
class Metric:
    """A metric of one resource: what it is, over which period in seconds, and how it is aggregated."""

    namespace: str
    name: str
    resource: str
    period: int = field(compare=False)
    statistic: str = field(compare=False)


def metric(namespace: str, name: str, dimensions: dict[str, str], period: int, statistic: str) -> Metric:
    """Read a metric; it must be one that its namespace has, with the one dimension of the resource."""
    names, dimension = EMITTED[namespace]
    assert name in names
    assert dimensions.keys() == {dimension}
    return Metric(namespace, name, dimensions[dimension], period, statistic)


@dataclass(frozen=True)
class Alarm:
    """An alarm with the metrics that it watches, by the ids in its expression (``value`` if it has none)."""

    body: dict[str, Any]
    metrics: dict[str, Metric]
    expression: str

    def is_breached(self, **values: float) -> bool:
        """Return whether one period with these sums breaches the threshold."""
        python = re.sub(r"FILL\((\w+), 0\)", r"\1", self.expression)
        python = re.sub(r"IF\((.+), (.+), (.+)\)", r"(\2 if \1 else \3)", python)
        value = eval(python, {}, values)
        compare = {
            "GreaterThanOrEqualToThreshold": value >= self.body["Threshold"],
            "GreaterThanThreshold": value > self.body["Threshold"],
            "LessThanThreshold": value < self.body["Threshold"],
        }
        return compare[self.body["ComparisonOperator"]]


def _dimensions(each: dict[str, Any]) -> dict[str, str]:
    return {dimension["Name"]: dimension["Value"] for dimension in each["Dimensions"]}


def alarm(body: dict[str, Any]) -> Alarm:
    if "Metrics" not in body:
        of = metric(
            body["Namespace"], body["MetricName"], _dimensions(body), body["Period"], body["Statistic"]
        )
        return Alarm(body, {"value": of}, "value")
    stats = {part["Id"]: part["MetricStat"] for part in body["Metrics"] if "MetricStat" in part}
    (expression,) = (part["Expression"] for part in body["Metrics"] if "Expression" in part)
    metrics = {
        id: metric(
            stat["Metric"]["Namespace"],
            stat["Metric"]["MetricName"],
            _dimensions(stat["Metric"]),
            stat["Period"],
            stat["Stat"],
        )
        for id, stat in stats.items()
    }
    return Alarm(body, metrics, expression)


def templates(assembly: Assembly) -> tuple[Template, Template]:
    return assembly.etl1, assembly.etl2


def alarms(assembly: Assembly) -> dict[str, Alarm]:
    bodies = [body for template in templates(assembly) for body in template.all("AWS::CloudWatch::Alarm")]
    return {body["AlarmName"]: alarm(body) for body in bodies}


def resources(assembly: Assembly) -> dict[str, set[str]]:
    """Return the names, or the ARNs, of all resources that emit metrics, by namespace."""
    region, account = "us-east-1", ACCOUNT
    kinds = {
        "AWS/Lambda": ("AWS::Lambda::Function", "FunctionName"),
        "AWS/SQS": ("AWS::SQS::Queue", "QueueName"),
        "AWS/Events": ("AWS::Events::Rule", "Name"),
        "AWS/States": ("AWS::StepFunctions::StateMachine", "StateMachineName"),
    }
    found = {
        namespace: {
            body[key] for template in templates(assembly) for body in template.all(kind) if key in body
        }
        for namespace, (kind, key) in kinds.items()
    }
    arn = f"arn:aws:states:{region}:{account}:stateMachine:{{}}"
    found["AWS/States"] = {arn.format(name) for name in found["AWS/States"]}
    found["cat-normalize"] = found["AWS/Lambda"]  # its own code sends them
    return found


def graphs(assembly: Assembly) -> Iterator[Metric]:
    """Yield the metrics on the dashboard."""
    for widget in widgets(assembly, "metric"):
        for row in widget["properties"]["metrics"]:
            options = row[-1] if isinstance(row[-1], dict) else {}
            if "expression" not in options:
                namespace, name, *pairs = (each for each in row if each != options)
                dimensions = dict(zip(pairs[::2], pairs[1::2], strict=True))
                yield metric(
                    namespace, name, dimensions, options.get("period", 300), options.get("stat", "Sum")
                )


def widgets(assembly: Assembly, kind: str) -> list[dict[str, Any]]:
    body = json.loads(assembly.etl2.one("AWS::CloudWatch::Dashboard")["DashboardBody"])
    return [widget for widget in body["widgets"] if widget["type"] == kind]


@pytest.fixture(params=ENVIRONMENTS)
def assembly(request: pytest.FixtureRequest) -> Assembly:
    found: Assembly = request.getfixturevalue(request.param)
    return found


def test_every_metric_is_of_a_resource_that_is_deployed(assembly: Assembly) -> None:
    deployed = resources(assembly)
    watched = [metric for each in alarms(assembly).values() for metric in each.metrics.values()]
    shown = list(graphs(assembly))
    assert watched
    assert shown
    for each in watched + shown:
        assert each.resource in deployed[each.namespace], each


def test_every_alarm_notifies_the_topic_of_alarm_and_of_ok(assembly: Assembly) -> None:
    topic = f"arn:aws:sns:us-east-1:{ACCOUNT}:{assembly.etl1.one('AWS::SNS::Topic')['TopicName']}"
    for each in alarms(assembly).values():
        assert each.body["AlarmActions"] == each.body["OKActions"] == [topic]
        assert each.body.get("ActionsEnabled", True) is True
        assert "docs/operate.md" in each.body["AlarmDescription"]


def needed(assembly: Assembly) -> set[tuple[str, str, str]]:
    """Return namespace, metric and resource of each sign that something failed."""
    deployed = resources(assembly)
    failed = {("AWS/SQS", "ApproximateNumberOfMessagesVisible", name) for name in deployed["AWS/SQS"]}
    failed |= {
        ("AWS/States", f"Executions{end}", arn)
        for arn in deployed["AWS/States"]
        for end in ("Failed", "TimedOut", "Aborted")
    }
    for name in deployed["AWS/Lambda"] - {checker(assembly)}:  # its failure is the freshness alarm's
        failed |= {("AWS/Lambda", "Errors", name), ("cat-normalize", "RunsRefused", name)}
    return failed


def checker(assembly: Assembly) -> str:
    """Return the name of the function that sends the age of the tables."""
    return f"cat-{assembly.environment}-lambda-freshness"


def test_every_failure_has_an_alarm_that_fires_at_the_first_one(assembly: Assembly) -> None:
    without = needed(assembly)
    for each in alarms(assembly).values():
        zeros = dict.fromkeys(each.metrics, 0)
        for id, of in each.metrics.items():
            if (key := (of.namespace, of.name, of.resource)) in without:
                without.remove(key)
                assert not each.is_breached(**zeros)
                assert each.is_breached(**zeros | {id: 1})
                assert (each.body["EvaluationPeriods"], of.period) == (1, 300)
                assert of.statistic == ("Maximum" if of.namespace == "AWS/SQS" else "Sum")
    assert not without


def test_no_data_means_what_its_metric_means(assembly: Assembly) -> None:
    """Runs send their metrics when they run, so the last one counts; the age comes every hour, or is bad."""
    for name, each in alarms(assembly).items():
        (namespace,) = {of.namespace for of in each.metrics.values()}
        own = "breaching" if name.endswith("-freshness") else "ignore"
        assert each.body["TreatMissingData"] == (own if namespace == "cat-normalize" else "notBreaching")
        if namespace == "AWS/States":  # of three counts in an expression each may be missing
            assert all(f"FILL({id}, 0)" in each.expression for id in each.metrics)


@pytest.mark.parametrize("environment", ["prod", "test"])
def test_more_than_one_percent_of_rejects_fires(request: pytest.FixtureRequest, environment: str) -> None:
    found = alarms(request.getfixturevalue(environment))[f"cat-{environment}-normalize-rejected-share"]
    assert {id: of.name for id, of in found.metrics.items()} == {
        "read": "ItemsRead",
        "rejected": "ItemsRejected",
    }
    assert {(of.period, of.statistic) for of in found.metrics.values()} == {(3600, "Sum")}  # one run
    assert found.is_breached(read=1000, rejected=11)
    assert not found.is_breached(read=1000, rejected=10)
    assert not found.is_breached(read=0, rejected=0)
    assert found.body["EvaluationPeriods"] == 1


@pytest.mark.parametrize(("environment", "hours"), [("prod", 26), ("spark", 30)])
def test_the_freshness_alarm_fires_at_the_second_check_that_is_too_old_or_missing(
    request: pytest.FixtureRequest, environment: str, hours: int
) -> None:
    assembly: Assembly = request.getfixturevalue(environment)
    found = alarms(assembly)["cat-prod-freshness"]
    assert found.is_breached(value=hours + 0.5)
    assert not found.is_breached(value=hours)
    assert found.is_breached(value=freshness.NEVER)
    (of,) = found.metrics.values()
    assert (of.name, of.resource) == (layout.TABLES_AGE, checker(assembly))
    assert (of.statistic, of.period) == ("Maximum", 3600)  # one check
    assert (found.body["EvaluationPeriods"], found.body.get("DatapointsToAlarm", 2)) == (2, 2)
    assert found.body["TreatMissingData"] == "breaching"


def test_a_night_that_is_published_in_time_never_reaches_the_freshness_alarm(prod: Assembly) -> None:
    """The schedule starts ETL-1 at 23:30; an hour later the tables may still be those of the day before."""
    late = datetime.fromisoformat("2025-09-03T00:30:00-05:00")
    hours = freshness.hours_old({"users": date(2025, 9, 1)}, "America/Bogota", late)
    assert 24 < hours < alarms(prod)["cat-prod-freshness"].body["Threshold"]


def test_without_a_schedule_no_table_is_expected(test: Assembly) -> None:
    assert not [each for each in alarms(test) if "freshness" in each]


def test_the_dashboard_shows_every_alarm(assembly: Assembly) -> None:
    (status,) = widgets(assembly, "alarm")
    shown = {arn.rpartition(":")[2] for arn in status["properties"]["alarms"]}
    own = assembly.etl2.resources
    names = {own[name]["Properties"]["AlarmName"] if name in own else name for name in shown}
    assert names == set(alarms(assembly))


def test_the_dashboard_shows_runs_durations_and_queues_of_both_processes(assembly: Assembly) -> None:
    deployed, shown = resources(assembly), {(each.name, each.resource) for each in graphs(assembly)}
    for arn in deployed["AWS/States"]:
        assert {("ExecutionsStarted", arn), ("ExecutionsSucceeded", arn), ("ExecutionsFailed", arn)} <= shown
    assert (layout.TABLES_AGE, checker(assembly)) in shown
    for name in deployed["AWS/Lambda"] - {checker(assembly)}:
        assert {
            (of, name) for of in ("Invocations", "Errors", "Duration", "ItemsRead", "ItemsRejected")
        } <= shown
    for name in deployed["AWS/SQS"]:
        assert ("ApproximateNumberOfMessagesVisible", name) in shown
    assert {("TriggeredRules", name) for name in deployed["AWS/Events"]} <= shown


def test_the_operators_page_explains_every_alarm_and_no_other(prod: Assembly, spark: Assembly) -> None:
    page = (CDK.parents[1] / "docs" / "operate.md").read_text()
    explained = re.findall(r"^### `(.+)`$", page, re.MULTILINE)
    assert sorted(explained) == sorted(alarms(prod) | alarms(spark))
