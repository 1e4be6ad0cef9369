from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cat_lab.local import LocalAws, running
from cat_normalize.core.settings import Settings


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    """One seeded local AWS for the tests that leave it as it is."""
    with running(Settings(), Path(tmp_path_factory.mktemp("local"))) as aws:
        yield aws
