"""Entry point of ETL-1 on AWS (contract §7); its logs hold counts and keys, never an item or the event."""

import os
import tempfile
import time
from pathlib import Path
from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer, single_metric
from aws_lambda_powertools.utilities.typing import LambdaContext

from cat_normalize.core import layout
from cat_normalize.core.errors import GuardError
from cat_normalize.core.settings import Settings
from cat_normalize.extract.capacity import Scan
from cat_normalize.jobs import etl1

SERVICE = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", layout.LAMBDA)
logger = Logger(service=SERVICE)
metrics = Metrics(namespace=layout.METRICS, service=SERVICE)


class _XRay:  # imports its SDK with the first call: outside of Lambda it would import botocore
    def in_subsegment(self, name: str) -> Any:
        from aws_xray_sdk.core import xray_recorder

        return xray_recorder.in_subsegment(name)


tracer = Tracer(service=SERVICE, auto_patch=False, provider=_XRay())  # one segment per step, not per page


def _log_scan(scan: Scan, warning: str) -> None:
    logger.info("scanning", scan=str(scan), **scan.as_dict())
    if warning:
        logger.warning(warning)


@logger.inject_lambda_context(log_event=False)
@tracer.capture_lambda_handler(capture_response=False)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Run ETL-1 once and return its summary; raise any failure, so that Lambda counts it and retries."""
    started = time.monotonic()
    settings = Settings.from_environment(os.environ)
    run_date = etl1.run_date_of(event, settings.rules.time_zone)
    allow = {name: etl1.is_allowed(event, name) for name in ("allow_shrink", "allow_future")}
    logger.info("started", run_date=run_date.isoformat(), table=settings.table_name)
    scratch, step = Path(tempfile.gettempdir()), tracer.provider.in_subsegment
    try:
        manifest = etl1.run(
            settings,
            run_date,
            scratch,
            lambda: context.get_remaining_time_in_millis() / 1000,
            step,
            **allow,
            scanning=_log_scan,
        )
    except GuardError:
        metrics.add_metric(layout.RUNS_REFUSED, "Count", 1)
        metrics.flush_metrics()
        raise
    for name, unit, value in etl1.metrics(manifest, time.monotonic() - started):
        metrics.add_metric(name, unit, value)
    metrics.flush_metrics()
    own = {"namespace": layout.METRICS, "default_dimensions": {"service": SERVICE}}
    for reason, count in manifest.summary.rejected_by_reason.items():
        with single_metric(layout.ITEMS_REJECTED, "Count", count, **own) as rejected:
            rejected.add_dimension("reason", reason)
    done = etl1.answer(manifest)
    logger.info("published", **done)
    return done
