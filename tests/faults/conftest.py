from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cat_lab.local import LocalAws, running
from cat_normalize.core.settings import Settings
from faults.kit import Bench, environment


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    """A local AWS without a sample: what the throw-away runs ask for their outputs."""
    with running(Settings(), Path(tmp_path_factory.mktemp("aws")), seed=False) as aws:
        yield aws


@pytest.fixture
def bench(aws: LocalAws, tmp_path: Path) -> Bench:
    """A folder of its own for runs on that AWS; an empty set of notebooks is there."""
    made = Bench(tmp_path, aws.child_environment(environment()))
    made.write()
    return made
