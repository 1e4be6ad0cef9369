from __future__ import annotations

from collections.abc import Callable, Iterator

import boto3
import pytest
from msgspec.structs import replace

from cat_lab import cli, spark
from cat_lab.local import LocalAws, provision, running
from cat_lab.sample import generator as seed
from cat_normalize.core.settings import ENVIRONMENT, Settings
from tables.collection import MADE
from tables.doors import for_boto


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    with running(Settings(), tmp_path_factory.mktemp("aws"), seed=False) as aws:
        yield aws


@pytest.fixture(scope="session")
def place(aws: LocalAws) -> Callable[[str], Settings]:
    """Put a table of the collection, by name, into a table and beside a bucket of its own."""
    made: dict[str, Settings] = {}

    def put(name: str) -> Settings:
        if name not in made:
            own = replace(aws.settings, table_name=name, bucket=f"bucket-{name.replace('_', '-')}")
            provision.bucket(aws.client("s3"), own)
            provision.dynamodb_table(aws.client("dynamodb"), own)
            seed.put(aws.client("dynamodb"), own.table_name, [for_boto(each) for each in MADE[name]().items])
            made[name] = own
        return made[name]

    return put


@pytest.fixture
def session(aws: LocalAws) -> object:
    """Start Spark, or find it started, with credentials in its environment, and point it at this AWS."""
    with aws.activate():
        return spark.session(aws.settings)


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., object]:
    """Call the command in this process, nothing of the contract set; return exit code, stdout, stderr."""
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
