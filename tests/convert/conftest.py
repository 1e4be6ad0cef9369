"""A bucket on a local AWS, and a Spark that reads and writes it."""

from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from cat_lab.local import LocalAws
from cat_lab.spark import session
from cat_normalize.core.aws import client
from cat_normalize.core.settings import Settings
from convert.published import BUCKET, keys


@pytest.fixture(scope="module")
def aws(empty_aws: LocalAws) -> Iterator[Settings]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        yield replace(empty_aws.settings, bucket=BUCKET)


@pytest.fixture(scope="module")
def spark(aws: Settings, spark_session: object) -> Any:
    return session(aws)


@pytest.fixture
def s3(aws: Settings) -> Any:
    made = client(aws, "s3")
    made.create_bucket(Bucket=BUCKET)
    for key in keys(made):
        made.delete_object(Bucket=BUCKET, Key=key)
    return made
