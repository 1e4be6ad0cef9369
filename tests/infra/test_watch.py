"""Alarms and dashboard: when each rings, whom it tells, and that a person sees it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from infra.assembly import ACCOUNT, CDK, Assembly

MACHINE = f"arn:aws:states:us-east-1:{ACCOUNT}:stateMachine:cat-prod-etl2-start"
ERRORS = ("AWS/Lambda", "Errors", {"FunctionName": "cat-prod-lambda-normalize"}, "Sum", 300)
LETTERS = ("AWS/SQS", "ApproximateNumberOfMessagesVisible")
ITEMS = ({"service": "cat-prod-lambda-normalize"}, "Sum", 3600)
ENDS = ({"StateMachineArn": MACHINE}, "Sum", 300)
AT_LEAST, MORE, LESS = "GreaterThanOrEqualToThreshold", "GreaterThanThreshold", "LessThanThreshold"
ALARMS = {
    "cat-prod-normalize-lambda-errors": (AT_LEAST, 1, 1, "notBreaching", "", {"": ERRORS}),
    "cat-prod-normalize-rejected-share": (
        MORE,
        1,
        1,
        "ignore",
        "IF(read > 0, 100 * rejected / read, 0)",
        {
            "read": ("cat-normalize", "ItemsRead", *ITEMS),
            "rejected": ("cat-normalize", "ItemsRejected", *ITEMS),
        },
    ),
    "cat-prod-normalize-refused": (
        AT_LEAST,
        1,
        1,
        "ignore",
        "",
        {"": ("cat-normalize", "RunsRefused", {"service": "cat-prod-lambda-normalize"}, "Sum", 300)},
    ),
    "cat-prod-normalize-dead-letters": (
        AT_LEAST,
        1,
        1,
        "notBreaching",
        "",
        {"": (*LETTERS, {"QueueName": "cat-prod-normalize-dead-letters"}, "Maximum", 300)},
    ),
    "cat-prod-etl2-csv-age": (
        LESS,
        1,
        26,
        "breaching",
        "",
        {"": ("AWS/Events", "TriggeredRules", {"RuleName": "cat-prod-etl2-csv-created"}, "Sum", 3600)},
    ),
    "cat-prod-etl2-glue-failed": (
        AT_LEAST,
        1,
        1,
        "notBreaching",
        "FILL(failed, 0) + FILL(timedout, 0) + FILL(aborted, 0)",
        {
            "failed": ("AWS/States", "ExecutionsFailed", *ENDS),
            "timedout": ("AWS/States", "ExecutionsTimedOut", *ENDS),
            "aborted": ("AWS/States", "ExecutionsAborted", *ENDS),
        },
    ),
    "cat-prod-etl2-dead-letters": (
        AT_LEAST,
        1,
        1,
        "notBreaching",
        "",
        {"": (*LETTERS, {"QueueName": "cat-prod-etl2-dead-letters"}, "Maximum", 300)},
    ),
}
"""Comparison, threshold, periods, what no data means, expression, and the metrics by their id."""


def all_alarms(assembly: Assembly) -> dict[str, dict[str, Any]]:
    both = assembly.etl1.all("AWS::CloudWatch::Alarm") + assembly.etl2.all("AWS::CloudWatch::Alarm")
    return {alarm["AlarmName"]: alarm for alarm in both}


def figure(metric: dict[str, Any], stat: dict[str, Any]) -> tuple[Any, ...]:
    dimensions = {each["Name"]: each["Value"] for each in metric["Dimensions"]}
    statistic = stat.get("Statistic") or stat["Stat"]
    return metric["Namespace"], metric["MetricName"], dimensions, statistic, stat["Period"]


def test_there_are_these_alarms(prod: Assembly, test: Assembly) -> None:
    assert set(all_alarms(prod)) == set(ALARMS)
    without_schedule = {name.replace("prod", "test") for name in ALARMS} - {"cat-test-etl2-csv-age"}
    assert set(all_alarms(test)) == without_schedule


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_rings_when_it_should_and_tells_the_topic(prod: Assembly, name: str) -> None:
    alarm = all_alarms(prod)[name]
    topic = f"arn:aws:sns:us-east-1:{ACCOUNT}:cat-prod-alarms"
    assert alarm["AlarmActions"] == alarm["OKActions"] == [topic]
    assert "docs/operate.md" in alarm["AlarmDescription"]
    parts = alarm.get("Metrics", [])
    expression = "".join(part.get("Expression", "") for part in parts)
    metrics = {
        part["Id"]: figure(part["MetricStat"]["Metric"], part["MetricStat"])
        for part in parts
        if "MetricStat" in part
    } or {"": figure(alarm, alarm)}
    assert (
        alarm["ComparisonOperator"],
        alarm["Threshold"],
        alarm["EvaluationPeriods"],
        alarm["TreatMissingData"],
        expression,
        metrics,
    ) == ALARMS[name]


def test_the_age_alarm_fits_what_cloudwatch_evaluates(prod: Assembly) -> None:
    alarm = all_alarms(prod)["cat-prod-etl2-csv-age"]
    assert alarm["Period"] * alarm["EvaluationPeriods"] == 26 * 3600 <= 7 * 86400  # with periods of an hour


def test_the_dashboard_shows_every_alarm_and_both_processes(prod: Assembly) -> None:
    widgets = json.loads(prod.etl2.one("AWS::CloudWatch::Dashboard")["DashboardBody"])["widgets"]
    (status,) = [widget for widget in widgets if widget["type"] == "alarm"]
    names = {arn.rpartition(":")[2] for arn in status["properties"]["alarms"]}
    own = {name for name in names if name in prod.etl2.resources}
    assert names - own == {name for name in ALARMS if "normalize" in name}
    assert {prod.etl2.resources[name]["Properties"]["AlarmName"] for name in own} == {
        name for name in ALARMS if "etl2" in name
    }
    titles = [widget["properties"]["title"] for widget in widgets if widget["type"] == "metric"]
    assert len(titles) == 7
    assert any("ETL-1" in title for title in titles)
    assert any("ETL-2" in title for title in titles)


def test_the_page_explains_every_alarm_and_no_other() -> None:
    page = (CDK.parents[1] / "docs" / "operate.md").read_text()
    explained = re.findall(r"^### `(.+)`$", page, re.MULTILINE)
    assert sorted(explained) == sorted(ALARMS)
