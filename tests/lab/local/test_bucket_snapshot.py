"""A saved bucket is loaded with every key and its metadata, and is replaced as a whole or not at all."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cat_lab.local import LocalAws, load_bucket, save_bucket
from cat_normalize.core.errors import InputError
from cat_normalize.core.files import EARLIER, PREFIX

NUMBERS = itertools.count()
KEYS = (
    "reports/etl-process1/data_20250901.csv",
    "reports/etl-process2/data.parquet",
    "reports/etl-process2/",
    "a",
    "a/b",
    "A",
    "../x",
    "/b//c",
    "ñandú/😀 +%20.csv",
    "_metadata.json",
    "_objects/0",
    "a//b",
    "a\0b",
    "x" * 900,
)
KILLED = """
import os, sys
from pathlib import Path
from cat_normalize.core.aws import client
from cat_lab.local import save_bucket
from cat_normalize.core.files import EARLIER, PREFIX
from cat_normalize.core.settings import Settings

class KilledAtSecondObject:
    def __init__(self, s3):
        self.s3, self.objects = s3, 0
    def get_object(self, **given):
        self.objects += 1
        if self.objects == 2:
            os.kill(os.getpid(), 9)
        return self.s3.get_object(**given)
    def __getattr__(self, name):
        return getattr(self.s3, name)

settings = Settings.from_environment(os.environ)
save_bucket(KilledAtSecondObject(client(settings, "s3")), sys.argv[1], Path(sys.argv[2]))
"""


@pytest.fixture
def s3(aws: LocalAws) -> Any:
    return aws.client("s3")


@pytest.fixture
def bucket(s3: Any) -> str:
    return new_bucket(s3)


def new_bucket(s3: Any) -> str:
    name = f"snapshot-{next(NUMBERS)}"
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


def contents(s3: Any, bucket: str) -> dict[str, tuple[bytes, dict[str, str], str]]:
    listed = s3.list_objects_v2(Bucket=bucket).get("Contents", [])
    got = {each["Key"]: s3.get_object(Bucket=bucket, Key=each["Key"]) for each in listed}
    return {key: (each["Body"].read(), each["Metadata"], each["ContentType"]) for key, each in got.items()}


def test_every_current_object_is_loaded_with_its_metadata(s3: Any, bucket: str, tmp_path: Path) -> None:
    for number, key in enumerate(KEYS):
        s3.put_object(Bucket=bucket, Key=key, Body=b"older", Metadata={"run-date": "20250831"})
        body = bytes(range(256)) * (20_000 if number == 1 else number)
        metadata = {"run-date": "20250901", "sha256": str(number)} if number < 4 else {}
        s3.put_object(Bucket=bucket, Key=key, Body=body, Metadata=metadata, ContentType=f"text/x-{number}")
    s3.put_object(Bucket=bucket, Key="deleted", Body=b"x")
    s3.delete_object(Bucket=bucket, Key="deleted")
    assert save_bucket(s3, bucket, tmp_path / "bucket") == len(KEYS)
    assert (tmp_path / "bucket" / KEYS[1]).stat().st_size == 20_000 * 256
    fresh = new_bucket(s3)
    assert load_bucket(s3, fresh, tmp_path / "bucket") == len(KEYS)
    assert contents(s3, fresh) == contents(s3, bucket)
    assert set(contents(s3, fresh)) == set(KEYS)


def test_saving_again_replaces_the_folder(s3: Any, bucket: str, tmp_path: Path) -> None:
    s3.put_object(Bucket=bucket, Key="one", Body=b"1")
    save_bucket(s3, bucket, tmp_path / "bucket")
    s3.delete_object(Bucket=bucket, Key="one")
    s3.put_object(Bucket=bucket, Key="two", Body=b"2")
    save_bucket(s3, bucket, tmp_path / "bucket")
    assert sorted(path.name for path in (tmp_path / "bucket").iterdir()) == [
        "_metadata.json",
        "_objects",
        "two",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["bucket"]


def test_an_empty_bucket_can_be_saved_and_loaded(s3: Any, bucket: str, tmp_path: Path) -> None:
    assert save_bucket(s3, bucket, tmp_path / "bucket") == 0
    assert load_bucket(s3, bucket, tmp_path / "bucket") == 0


def test_a_save_killed_halfway_leaves_the_old_objects(
    aws: LocalAws, s3: Any, bucket: str, tmp_path: Path
) -> None:
    folder = tmp_path / "bucket"
    for key in ("one", "two"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"old")
    save_bucket(s3, bucket, folder)
    for key in ("one", "two"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"new")
    done = subprocess.run(
        [sys.executable, "-c", KILLED, bucket, str(folder)], env=aws.child_environment(), check=False
    )
    assert done.returncode == -9
    assert [(folder / key).read_bytes() for key in ("one", "two")] == [b"old", b"old"]
    save_bucket(s3, bucket, folder)
    assert [(folder / key).read_bytes() for key in ("one", "two")] == [b"new", b"new"]
    assert [path.name for path in tmp_path.iterdir()] == ["bucket"]


def test_a_save_killed_between_its_two_renames_is_repaired(s3: Any, bucket: str, tmp_path: Path) -> None:
    s3.put_object(Bucket=bucket, Key="one", Body=b"1")
    save_bucket(s3, bucket, tmp_path / "bucket")
    left = tmp_path / f"{PREFIX}killed" / EARLIER
    left.mkdir(parents=True)
    (left.parent / "lock").touch()
    (tmp_path / "bucket").rename(left / "bucket")
    fresh = new_bucket(s3)
    assert load_bucket(s3, fresh, tmp_path / "bucket") == 1
    assert contents(s3, fresh) == contents(s3, bucket)


@pytest.mark.parametrize("what", ["no folder", "no list", "no object", "an unreadable list"])
def test_a_missing_or_incomplete_folder_is_an_error(what: str, s3: Any, bucket: str, tmp_path: Path) -> None:
    folder = tmp_path / "bucket"
    if what != "no folder":
        s3.put_object(Bucket=bucket, Key="one", Body=b"1")
        save_bucket(s3, bucket, folder)
    match what:
        case "no list":
            (folder / "_metadata.json").unlink()
        case "an unreadable list":
            (folder / "_metadata.json").write_text("{")
        case "no object":
            (folder / "one").unlink()
    with pytest.raises(InputError, match="has no saved bucket, or an incomplete one"):
        load_bucket(s3, bucket, folder)
