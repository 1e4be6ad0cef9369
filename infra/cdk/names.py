"""Names on AWS used by the stacks alone, as in prod; those of contract §7 are in `core.layout`."""

from cat_normalize.core import layout

ACCESS_LOGS_BUCKET = "cat-prod-normalize-access-logs"
SCHEDULE = "cat-prod-normalize-daily"
DEAD_LETTERS_ETL1 = "cat-prod-normalize-dead-letters"
DEAD_LETTERS_ETL2 = "cat-prod-etl2-dead-letters"
TOPIC = "cat-prod-alarms"
DASHBOARD = "cat-prod-normalize"

ALARM_LAMBDA_ERRORS = "cat-prod-normalize-lambda-errors"
ALARM_REJECTED_SHARE = "cat-prod-normalize-rejected-share"
ALARM_REFUSED = "cat-prod-normalize-refused"
ALARM_DEAD_LETTERS_ETL1 = "cat-prod-normalize-dead-letters"
ALARM_CSV_AGE = "cat-prod-etl2-csv-age"
ALARM_GLUE_FAILED = "cat-prod-etl2-glue-failed"
ALARM_DEAD_LETTERS_ETL2 = "cat-prod-etl2-dead-letters"

LOGS_LAMBDA = f"/aws/lambda/{layout.LAMBDA}"
LOGS_GLUE = f"/aws-glue/jobs/{layout.GLUE_JOB}"
LOGS_STATES = f"/aws/vendedlogs/states/{layout.STATE_MACHINE}"
LOGS_SCRIPTS = "/aws/lambda/cat-prod-etl2-scripts"
