"""Show what a run produced.

``display`` and ``facts`` serve the notebooks: they show values, and count what is shown. ``charts`` and
``tables`` draw what notebooks and report share. ``write_page`` writes the report of a run; ``same_rows``
compares a Parquet file with its CSV.
"""

from cat_lab.report import charts, display, facts, tables
from cat_lab.report.compare import same_rows
from cat_lab.report.page import write_page
from cat_lab.report.words import Words

__all__ = ["Words", "charts", "display", "facts", "same_rows", "tables", "write_page"]
