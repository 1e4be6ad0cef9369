"""How a client for one AWS service is made: region and endpoint from the settings, patient retries."""

from __future__ import annotations

from typing import Any

from cat_normalize.settings import Settings


def client(settings: Settings, service: str) -> Any:
    """Return a boto3 client; credentials come from boto3's own chain.

    ``standard`` retries back off on throttling and go on, up to ten tries a request.
    """
    import boto3
    from botocore.config import Config

    return boto3.client(
        service,
        region_name=settings.region,
        endpoint_url=settings.endpoint_url,
        config=Config(retries={"mode": "standard", "max_attempts": 10}, max_pool_connections=32),
    )
