from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cat_lab.local import LocalAws, running
from cat_normalize.core.settings import Settings
from faults.kit import Project, environment


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    """A local AWS without a sample, for the throw-away runs."""
    with running(Settings(), Path(tmp_path_factory.mktemp("aws")), seed=False) as aws:
        yield aws


@pytest.fixture
def project(aws: LocalAws, tmp_path: Path) -> Project:
    """A folder for runs on that AWS, with four notebooks that do almost nothing."""
    made = Project(tmp_path, aws.child_environment(environment()))
    made.write()
    return made
