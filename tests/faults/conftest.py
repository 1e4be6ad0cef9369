from __future__ import annotations

from pathlib import Path

import pytest

from cat_lab.local import LocalAws
from faults.kit import Bench, environment


@pytest.fixture
def bench(empty_aws: LocalAws, tmp_path: Path) -> Bench:
    """A folder of its own for runs on that AWS; an empty set of notebooks is there."""
    made = Bench(tmp_path, empty_aws.child_environment(environment()))
    made.write()
    return made
