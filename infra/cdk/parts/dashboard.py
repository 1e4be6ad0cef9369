"""The CloudWatch dashboard of both processes."""

from __future__ import annotations

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cw
from constructs import Construct

import names
from cat_normalize.core import layout
from environments import Environment
from parts import metrics
from parts.watch import queue_depth


def dashboard(
    scope: Construct, id: str, env: Environment, machine_arn: str, alarms: Sequence[cw.IAlarm]
) -> cw.Dashboard:
    """Make the dashboard: the alarms on top, then one row of graphs for ETL-1 and one for ETL-2."""
    queues = [env.named(name) for name in (names.DEAD_LETTERS_ETL1, names.DEAD_LETTERS_ETL2)]
    made = cw.Dashboard(scope, id, dashboard_name=env.named(names.DASHBOARD))
    made.add_widgets(cw.AlarmStatusWidget(title="Alarms", alarms=list(alarms), width=24, height=3))
    made.add_widgets(*_etl1(scope, env))
    made.add_widgets(
        _graph("Age of the tables, hours", metrics.tables_age(env)),
        _graph("CSVs arrived", metrics.csv_arrived(env)),
        _graph("ETL-2: runs", *metrics.all_executions(machine_arn)),
        _graph("Dead letters", *(queue_depth(queue) for queue in queues)),
    )
    return made


def _etl1(scope: Construct, env: Environment) -> list[cw.GraphWidget]:
    if env.etl1 == "spark":
        machine = cdk.Stack.of(scope).format_arn(
            service="states",
            resource="stateMachine",
            resource_name=env.named(names.SPARK_STATES),
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )
        return [
            _graph("ETL-1: runs", *metrics.all_executions(machine)),
            _graph("ETL-1: duration, ms", metrics.of_machine(machine, "ExecutionTime", "Maximum")),
        ]
    read, rejected = (metrics.items(env, name) for name in (layout.ITEMS_READ, layout.ITEMS_REJECTED))
    calls = [metrics.of_lambda(env, name) for name in ("Invocations", "Errors")]
    return [
        _graph("ETL-1: runs", *calls, metrics.runs_refused(env)),
        _graph("ETL-1: duration, ms", metrics.of_lambda(env, "Duration", "Maximum")),
        _graph("ETL-1: items", read, rejected),
        _graph("ETL-1: rejected, %", metrics.rejected_share(env)),
    ]


def _graph(title: str, *series: cw.IMetric) -> cw.GraphWidget:
    return cw.GraphWidget(title=title, left=list(series), width=6, height=6, left_y_axis=cw.YAxisProps(min=0))
