"""Entry point of the check that tells CloudWatch how old the published tables are (contract §7)."""

import os
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.utilities.typing import LambdaContext

from cat_normalize.core import aws, layout
from cat_normalize.core.settings import Settings
from cat_normalize.jobs import freshness

SERVICE = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", layout.FRESHNESS)
logger = Logger(service=SERVICE)
metrics = Metrics(namespace=layout.METRICS, service=SERVICE)


@logger.inject_lambda_context(log_event=False)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Send the age of the oldest table; raise any failure, for without a metric the alarm fires."""
    settings = Settings.from_environment(os.environ)
    dates = freshness.run_dates(settings, aws.client(settings, "s3", tries=3, timeout=5))
    hours = freshness.hours_old(dates, settings.rules.time_zone)
    metrics.add_metric(layout.TABLES_AGE, "None", hours)
    metrics.flush_metrics()
    done = {"hours": round(hours, 2), "run_dates": {table: day and str(day) for table, day in dates.items()}}
    logger.info("checked", **done)
    return done
