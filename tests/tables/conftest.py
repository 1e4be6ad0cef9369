from __future__ import annotations

from collections.abc import Callable

import boto3
import pytest
from msgspec.structs import replace

from cat_lab import cli, sample, spark
from cat_lab.local import LocalAws, provision
from cat_normalize.core.settings import ENVIRONMENT, Settings
from tables.checks import for_boto
from tables.collection import TABLES


@pytest.fixture(scope="module")
def aws(empty_aws: LocalAws) -> LocalAws:
    return empty_aws


@pytest.fixture(scope="module")
def create(aws: LocalAws) -> Callable[[str], Settings]:
    """Create a table of the collection on the local AWS, with a bucket of its own; return its settings."""
    made: dict[str, Settings] = {}

    def create(name: str) -> Settings:
        if name not in made:
            own = replace(aws.settings, table_name=name, bucket=f"bucket-{name.replace('_', '-')}")
            provision.create_bucket(own)
            provision.create_table(own)
            items = [for_boto(each) for each in TABLES[name]().items]
            sample.put(aws.client("dynamodb"), own.table_name, items)
            made[name] = own
        return made[name]

    return create


@pytest.fixture
def session(aws: LocalAws, spark_session: object) -> object:
    """The Spark session, with the endpoint of the local AWS."""
    return spark.session(aws.settings)


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., object]:
    """Call the command in this process without settings; return exit code, stdout and stderr."""
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)

    def run(*words: object) -> tuple[object, str, str]:
        with pytest.raises(SystemExit) as ended:
            cli.main([str(word) for word in words])
        out, err = capsys.readouterr()
        return ended.value.code or 0, out, err

    return run
