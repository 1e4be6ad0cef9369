"""Names on AWS that only the stacks use, in their form of prod; those of contract §7 are in `core.layout`."""

from cat_normalize.core import layout

ACCESS_LOGS_BUCKET = "cat-prod-normalize-access-logs"
SCHEDULE = "cat-prod-normalize-daily"
DEAD_LETTERS_ETL1 = "cat-prod-normalize-dead-letters"
DEAD_LETTERS_ETL2 = "cat-prod-etl2-dead-letters"
TOPIC = "cat-prod-alarms"
DASHBOARD = "cat-prod-normalize"
SPARK_JOB = "cat-prod-etl1-normalize"
SPARK_STATES = "cat-prod-etl1-normalize"
EXPORTS_PREFIX = "exports/etl-process1/"
ETL1_SCRIPTS_PREFIX = "scripts/etl-process1/"

ALARM_LAMBDA_ERRORS = "cat-prod-normalize-lambda-errors"
ALARM_SPARK_FAILED = "cat-prod-normalize-spark-failed"
ALARM_REJECTED_SHARE = "cat-prod-normalize-rejected-share"
ALARM_REFUSED = "cat-prod-normalize-refused"
ALARM_DEAD_LETTERS_ETL1 = "cat-prod-normalize-dead-letters"
ALARM_CSV_AGE = "cat-prod-etl2-csv-age"
ALARM_GLUE_FAILED = "cat-prod-etl2-glue-failed"
ALARM_DEAD_LETTERS_ETL2 = "cat-prod-etl2-dead-letters"

LOGS_LAMBDA = f"/aws/lambda/{layout.LAMBDA}"
LOGS_STATES = f"/aws/vendedlogs/states/{layout.STATE_MACHINE}"
LOGS_SPARK_STATES = f"/aws/vendedlogs/states/{SPARK_STATES}"
LOGS_SCRIPTS_ETL1 = "/aws/lambda/cat-prod-etl1-scripts"
LOGS_SCRIPTS_ETL2 = "/aws/lambda/cat-prod-etl2-scripts"
