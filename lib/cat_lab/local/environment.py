"""The environment in which every AWS client meets the local AWS, and no real credentials."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from cat_normalize.core.settings import ENVIRONMENT, Settings

KEY_ID = "local"
SECRET = "local-secret"  # a dummy: moto accepts any
_HOSTS = ("127.0.0.1", "localhost")


def variables(settings: Settings, base: Mapping[str, str]) -> dict[str, str]:
    """Return what has to be set: the settings, dummy credentials, no files of the user, no proxy.

    Args:
        settings: with the endpoint of the local AWS.
        base: the environment it is added to; its exceptions from the proxy are kept.

    >>> made = variables(Settings(endpoint_url="http://127.0.0.1:1"), {"NO_PROXY": "intranet"})
    >>> made["AWS_ENDPOINT_URL"], made["NO_PROXY"]
    ('http://127.0.0.1:1', 'intranet,127.0.0.1,localhost')
    """
    no_proxy = base.get("no_proxy") or base.get("NO_PROXY") or ""
    direct = ",".join([*filter(None, [no_proxy]), *(h for h in _HOSTS if h not in no_proxy.split(","))])
    return settings.to_environment() | {
        "AWS_ACCESS_KEY_ID": KEY_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": settings.region,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "NO_PROXY": direct,
        "no_proxy": direct,
    }


def cleared(base: Mapping[str, str]) -> dict[str, str]:
    """Return `base` without any ``AWS_`` variable and without the contract's own (§7).

    >>> cleared({"AWS_PROFILE": "mine", "CAT_SINCE": "2025-08-01", "HOME": "/home/me"})
    {'HOME': '/home/me'}
    """
    return {
        name: value for name, value in base.items() if not name.startswith("AWS_") and name not in ENVIRONMENT
    }


@contextmanager
def activated(settings: Settings) -> Iterator[None]:
    """Give this process that environment and a fresh default boto3 session, and put the old ones back.

    Both are the process's own, shared by its threads. A client made inside goes on meeting the local AWS.
    """
    import boto3

    before, session = dict(os.environ), boto3.DEFAULT_SESSION
    _replace(cleared(before) | variables(settings, before))
    boto3.DEFAULT_SESSION = None
    try:
        yield
    finally:
        boto3.DEFAULT_SESSION = session
        _replace(before)


def _replace(wanted: Mapping[str, str]) -> None:
    for name in set(os.environ) - set(wanted):
        del os.environ[name]
    os.environ.update(wanted)
