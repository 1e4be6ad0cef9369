"""How a client for one AWS service is made: region and endpoint from the settings, patient or quick."""

from __future__ import annotations

from typing import Any

from cat_normalize.core.settings import Settings


def client(settings: Settings, service: str) -> Any:
    """Return a boto3 client; credentials come from boto3's own chain.

    ``standard`` retries back off on throttling and go on, up to ten tries a request.
    """
    import boto3

    return _client(boto3, settings, service, retries={"mode": "standard", "max_attempts": 10})


def quick_client(settings: Settings, service: str, session: Any = None) -> Any:
    """Return a boto3 client that tries once and waits little: for what only wants to know.

    Args:
        settings: region and endpoint.
        service: such as ``s3``.
        session: boto3's; the default one if None.
    """
    import boto3

    retries = {"mode": "standard", "max_attempts": 1}
    return _client(
        session or boto3, settings, service, retries=retries, connect_timeout=1.5, read_timeout=1.5
    )


def _client(session: Any, settings: Settings, service: str, **options: Any) -> Any:
    from botocore.config import Config

    return session.client(
        service,
        region_name=settings.region,
        endpoint_url=settings.endpoint_url,
        config=Config(max_pool_connections=32, **options),
    )
