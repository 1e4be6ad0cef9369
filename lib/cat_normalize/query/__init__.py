"""Stage 4: named queries on the published tables, in the SQL of Athena."""

from cat_normalize.query.athena import run_athena
from cat_normalize.query.period import Period, with_period
from cat_normalize.query.queries import Parameter, Query, literal, load, names

__all__ = ["Parameter", "Period", "Query", "literal", "load", "names", "run_athena", "with_period"]
