"""The one page where a person sees whether last night went well."""

from __future__ import annotations

from collections.abc import Sequence

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
    """Make the dashboard: the alarms on top, then ETL-1 and ETL-2 from left to right."""
    read, rejected = (metrics.items(env, name) for name in (layout.ITEMS_READ, layout.ITEMS_REJECTED))
    queues = [env.named(name) for name in (names.DEAD_LETTERS_ETL1, names.DEAD_LETTERS_ETL2)]
    ends = ("Started", "Succeeded", "Failed", "TimedOut", "Aborted")
    made = cw.Dashboard(scope, id, dashboard_name=env.named(names.DASHBOARD))
    made.add_widgets(cw.AlarmStatusWidget(title="Alarms", alarms=list(alarms), width=24, height=3))
    made.add_widgets(
        _graph(
            "ETL-1: runs",
            metrics.of_lambda(env, "Invocations"),
            metrics.of_lambda(env, "Errors"),
            metrics.runs_refused(env),
        ),
        _graph("ETL-1: duration, ms", metrics.of_lambda(env, "Duration", "Maximum")),
        _graph("ETL-1: items", read, rejected),
        _graph("ETL-1: rejected, %", metrics.rejected_share(env)),
    )
    made.add_widgets(
        _graph("CSVs arrived", metrics.csv_arrived(env)),
        _graph("ETL-2: runs", *(metrics.executions(machine_arn, end) for end in ends)),
        _graph("Dead letters", *(queue_depth(queue) for queue in queues)),
    )
    return made


def _graph(title: str, *series: cw.IMetric) -> cw.GraphWidget:
    return cw.GraphWidget(title=title, left=list(series), width=6, height=6, left_y_axis=cw.YAxisProps(min=0))
