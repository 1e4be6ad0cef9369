"""Plan, check and execute runs of the four notebooks, and read their records (contract §8).

A run is ``make_plan``, then ``check_plan``, which returns what keeps it from starting, then ``execute_plan``,
which returns its record.
"""

from cat_lab.runs.checks import Problem, check_plan
from cat_lab.runs.plan import Plan, make_plan
from cat_lab.runs.records import Failure, RunRecord, StageRecord, read_record
from cat_lab.runs.runner import execute_plan

__all__ = [
    "Failure",
    "Plan",
    "Problem",
    "RunRecord",
    "StageRecord",
    "check_plan",
    "execute_plan",
    "make_plan",
    "read_record",
]
