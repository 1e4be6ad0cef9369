"""Plan, check and execute runs of the four notebooks, and read their records (contract §8).

A run is ``make_plan``, then ``check_plan``, whose problems keep it from starting, then ``execute_plan``,
which returns its record.
"""

from cat_lab.runs.checks import check_plan, problems_of
from cat_lab.runs.history import expected_seconds
from cat_lab.runs.plan import Plan, make_plan
from cat_lab.runs.problems import Check, Problem
from cat_lab.runs.records import Failure, RunRecord, StageRecord, read_record
from cat_lab.runs.runner import Watcher, execute_plan

__all__ = [
    "Check",
    "Failure",
    "Plan",
    "Problem",
    "RunRecord",
    "StageRecord",
    "Watcher",
    "check_plan",
    "execute_plan",
    "expected_seconds",
    "make_plan",
    "problems_of",
    "read_record",
]
