from __future__ import annotations

import pytest

from cat_lab.local import LocalAws


@pytest.fixture(scope="module")
def aws(seeded_aws: LocalAws) -> LocalAws:
    return seeded_aws
