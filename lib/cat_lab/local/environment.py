"""Connect AWS clients to the local AWS only: without the user's credentials, configuration files or proxy."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from cat_normalize.core.settings import ENVIRONMENT, Settings

_KEY_ID, _SECRET = "local", "local-secret"  # moto accepts any
_HOSTS = ("127.0.0.1", "localhost")


def client(settings: Settings, service: str) -> Any:
    """Return a boto3 client of the local AWS that ignores the environment."""
    import boto3
    import botocore.session
    from botocore.config import Config

    no_files = {
        "profile": (None, None, None, None),
        "config_file": (None, None, os.devnull, None),
        "credentials_file": (None, None, os.devnull, None),
    }
    session = boto3.session.Session(
        aws_access_key_id=_KEY_ID,
        aws_secret_access_key=_SECRET,
        region_name=settings.region,
        botocore_session=botocore.session.Session(session_vars=no_files),
    )
    config = Config(proxies={}, use_fips_endpoint=False, use_dualstack_endpoint=False)
    return session.client(service, endpoint_url=settings.endpoint_url, config=config)


def variables(settings: Settings, base: Mapping[str, str]) -> dict[str, str]:
    """Return the variables to set: the settings, dummy credentials, no configuration files, no proxy.

    Args:
        settings: with the endpoint of the local AWS.
        base: the environment they are added to; its own exceptions from the proxy stay.

    >>> made = variables(Settings(endpoint_url="http://127.0.0.1:1"), {"NO_PROXY": "intranet"})
    >>> made["AWS_ENDPOINT_URL"], made["NO_PROXY"]
    ('http://127.0.0.1:1', 'intranet,127.0.0.1,localhost')
    """
    given = (base.get("no_proxy") or base.get("NO_PROXY") or "").split(",")
    no_proxy = ",".join(dict.fromkeys([*filter(None, given), *_HOSTS]))
    return settings.to_environment() | {
        "AWS_ACCESS_KEY_ID": _KEY_ID,
        "AWS_SECRET_ACCESS_KEY": _SECRET,
        "AWS_DEFAULT_REGION": settings.region,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "NO_PROXY": no_proxy,
        "no_proxy": no_proxy,
    }


def without_aws(base: Mapping[str, str]) -> dict[str, str]:
    """Return `base` without ``AWS_`` variables and without the pipeline's own (contract §7).

    >>> without_aws({"AWS_PROFILE": "mine", "CAT_SINCE": "2025-08-01", "HOME": "/home/me"})
    {'HOME': '/home/me'}
    """
    return {
        name: value for name, value in base.items() if not name.startswith("AWS_") and name not in ENVIRONMENT
    }


@contextmanager
def activated(settings: Settings) -> Iterator[None]:
    """Connect this process and boto3's default session to the local AWS until the end of the block.

    Both belong to the whole process, its threads included. A client created in the block keeps its endpoint.
    """
    import boto3

    before, session = dict(os.environ), boto3.DEFAULT_SESSION
    _replace(without_aws(before) | variables(settings, before))
    boto3.DEFAULT_SESSION = None
    try:
        yield
    finally:
        boto3.DEFAULT_SESSION = session
        _replace(before)


def _replace(environment: Mapping[str, str]) -> None:
    for name in set(os.environ) - set(environment):
        del os.environ[name]
    os.environ.update(environment)
