"""The local AWS that the tests of one pytest worker share."""

from __future__ import annotations

import urllib.request

from cat_lab.local import LocalAws, provision


def reset(aws: LocalAws) -> None:
    """Delete everything on a local AWS, and create the empty resources again."""
    request = urllib.request.Request(f"{aws.endpoint}/moto-api/reset", method="POST")
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request):
        provision.create_all(aws.settings)
