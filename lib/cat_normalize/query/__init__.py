"""Stage 4: named queries on the published tables, in the SQL of Athena."""

from cat_normalize.query.athena import run_athena
from cat_normalize.query.queries import Parameter, Query, load, names

__all__ = ["Parameter", "Query", "load", "names", "run_athena"]
