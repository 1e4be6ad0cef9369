from __future__ import annotations

from pathlib import Path

import pytest

from cat_lab.local import LocalAws
from faults.kit import Project, environment


@pytest.fixture
def project(empty_aws: LocalAws, tmp_path: Path) -> Project:
    """A folder for runs on that AWS, with four notebooks that do almost nothing."""
    made = Project(tmp_path, empty_aws.child_environment(environment()))
    made.write()
    return made


@pytest.fixture
def aws(empty_aws: LocalAws) -> LocalAws:
    """The local AWS of those runs, without a sample."""
    return empty_aws
