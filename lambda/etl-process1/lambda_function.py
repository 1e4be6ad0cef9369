"""ETL-1's door on AWS: the scheduler's event in, one run of the library, its counts out.

The event may name a ``run_date`` to run a day again, and with ``allow_shrink`` or ``allow_future``, true, let
pass what is refused otherwise (contract, section 6). Logs hold counts and keys, never an item or the event.
"""

import os
import tempfile
import time
from pathlib import Path
from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer, single_metric
from aws_lambda_powertools.utilities.typing import LambdaContext

from cat_normalize.core import layout
from cat_normalize.core.errors import GuardError
from cat_normalize.core.manifest import plain
from cat_normalize.core.settings import Settings
from cat_normalize.jobs import etl1 as nightly

SERVICE = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", layout.LAMBDA)
logger = Logger(service=SERVICE)
metrics = Metrics(namespace=layout.METRICS, service=SERVICE)


class _XRay:  # its SDK is imported by the first call: outside of Lambda it would bring botocore along
    def in_subsegment(self, name: str) -> Any:
        from aws_xray_sdk.core import xray_recorder

        return xray_recorder.in_subsegment(name)


tracer = Tracer(service=SERVICE, auto_patch=False, provider=_XRay())  # a segment a step, not one a page


@logger.inject_lambda_context(log_event=False)
@tracer.capture_lambda_handler(capture_response=False)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Run one night and return its summary; any failure is raised, for Lambda to see and try again."""
    started = time.monotonic()
    settings = Settings.from_environment(os.environ)
    run_date = nightly.run_date_of(event, settings.rules.time_zone)
    allow = {name: nightly.allowed(event, name) for name in ("allow_shrink", "allow_future")}
    logger.info("started", run_date=run_date.isoformat(), table=settings.table_name)
    scratch, step = Path(tempfile.gettempdir()), tracer.provider.in_subsegment
    try:
        manifest = nightly.run(
            settings, run_date, scratch, lambda: context.get_remaining_time_in_millis() / 1000, step, **allow
        )
    except GuardError:
        metrics.add_metric(layout.RUNS_REFUSED, nightly.METRICS[layout.RUNS_REFUSED], 1)
        metrics.flush_metrics()
        raise
    made = plain(manifest)
    done = {"run_date": made["run_date"], **made["summary"], "outputs": made["outputs"]}
    _measure(nightly.measures(manifest), done["rejected_by_reason"], time.monotonic() - started)
    logger.info("published", **done)
    return done


def _measure(counts: dict[str, int], reasons: dict[str, int], seconds: float) -> None:
    for name, value in {**counts, "Seconds": seconds}.items():
        metrics.add_metric(name, nightly.METRICS[name], value)
    metrics.flush_metrics()
    name = layout.ITEMS_REJECTED
    for reason, count in reasons.items():
        with single_metric(name, nightly.METRICS[name], count, namespace=layout.METRICS) as rejected:
            rejected.add_dimension("service", SERVICE)
            rejected.add_dimension("reason", reason)
