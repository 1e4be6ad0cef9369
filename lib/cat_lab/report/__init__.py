"""Show what a run produced.

``display``, ``facts``, ``trace`` and ``controls`` serve the notebooks: they show values, count what is shown,
follow a user or a reject, and let a period be chosen. ``charts`` and ``tables`` draw what notebooks and
report share. ``write_page`` writes the report of a run; ``same_rows`` compares a Parquet file with its CSV.
"""

from cat_lab.report import charts, controls, display, facts, tables, trace
from cat_lab.report.compare import same_rows
from cat_lab.report.page import write_page
from cat_lab.report.words import Words

__all__ = [
    "Words",
    "charts",
    "controls",
    "display",
    "facts",
    "same_rows",
    "tables",
    "trace",
    "write_page",
]
