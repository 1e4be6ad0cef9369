"""Slow fixtures that all tests share, and the marker of slow tests.

Each pytest worker starts at most one local AWS and one Spark session, when the first test needs it. The
files of a worker run one after the other, so each file gets the local AWS in a defined state.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from cat_lab.local import LocalAws

TESTS = Path(__file__).parent
SLOW_FOLDERS = ("browser", "deployed", "faults", "infra", "lab/notebooks", "tables")
SLOW_FILES = (
    "lab/cli/test_aws.py",
    "lab/cli/test_commands.py",
    "lab/cli/test_ending.py",
    "lab/local/test_running.py",
    "lab/local/test_server.py",
    "lab/local/test_worker.py",
    "lab/test_spark.py",
    "project/test_bench.py",
    "project/test_installed.py",
    "project/test_snippets.py",
)
SLOW_FIXTURES = {"shared_aws", "spark_session"}


@pytest.hookimpl(tryfirst=True)  # before -m selects
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what starts processes, by folder, file or fixture; slow files run first."""
    slow = [TESTS / each for each in (*SLOW_FOLDERS, *SLOW_FILES)]
    slow_files = {item.path for item in items if any(item.path.is_relative_to(each) for each in slow)}
    for item in items:
        if item.path in slow_files or SLOW_FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: item.path not in slow_files)


@pytest.fixture(scope="session")
def aws_recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file to which the local AWS writes requests while its recorder is on."""
    return tmp_path_factory.mktemp("recording") / "requests"


@pytest.fixture(scope="session")
def shared_aws(tmp_path_factory: pytest.TempPathFactory, aws_recording: Path) -> Iterator[LocalAws]:
    """The local AWS of this worker; tests use `empty_aws` or `seeded_aws`."""
    from cat_lab.local import running
    from cat_normalize.core.settings import Settings

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOTO_RECORDER_FILEPATH", str(aws_recording))
        with running(Settings(), tmp_path_factory.mktemp("aws"), seed=False) as aws:
            yield aws


@pytest.fixture(scope="module")
def empty_aws(shared_aws: LocalAws) -> LocalAws:
    """The local AWS with the pipeline's resources and an empty table."""
    from local_aws import reset

    reset(shared_aws)
    return shared_aws


@pytest.fixture(scope="module")
def seeded_aws(empty_aws: LocalAws) -> LocalAws:
    """The local AWS with the sample in its table."""
    from cat_lab import sample

    sample.put(empty_aws.client("dynamodb"), empty_aws.settings.table_name, sample.items())
    return empty_aws


@pytest.fixture(scope="session")
def spark_session() -> object:
    """The Spark session of this worker: its Java has credentials; `spark.session` sets its endpoint."""
    from cat_lab import spark
    from cat_normalize.core.settings import Settings

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        return spark.session(Settings())
