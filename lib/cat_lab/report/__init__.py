"""Show what a run produced: facts, tables, charts and the report page."""
