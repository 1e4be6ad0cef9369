"""The deployed jobs: `etl1` in a Lambda, `etl2` in Glue, the `events` that start ETL-2, and `freshness`.

Nothing is imported here: the Lambda must not import ETL-2.
"""
