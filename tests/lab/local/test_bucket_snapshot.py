"""The bucket on disk and back, whole or not at all."""

from __future__ import annotations

import itertools
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from cat_lab.local import LocalAws
from cat_lab.local import bucket_snapshot as mirror
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
    "_objects/x",
    "x" * 900,
)
KILLED = """
import os, sys
from pathlib import Path
from cat_normalize.core.aws import client
from cat_lab.local import bucket_snapshot as mirror
from cat_normalize.core.files import EARLIER, PREFIX
from cat_normalize.core.settings import Settings

class Deadly:
    def __init__(self, s3):
        self.s3, self.left = s3, 1
    def get_object(self, **given):
        self.left -= 1
        if self.left < 0:
            os.kill(os.getpid(), 9)
        return self.s3.get_object(**given)
    def __getattr__(self, name):
        return getattr(self.s3, name)

settings = Settings.from_environment(os.environ)
mirror.save(Deadly(client(settings, "s3")), sys.argv[1], Path(sys.argv[2]))
"""


@pytest.fixture
def s3(aws: LocalAws) -> Any:
    return aws.client("s3")


@pytest.fixture
def bucket(s3: Any) -> str:
    return new_bucket(s3)


def new_bucket(s3: Any) -> str:
    name = f"mirror-{next(NUMBERS)}"
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


def contents(s3: Any, bucket: str) -> dict[str, tuple[bytes, dict[str, str], str]]:
    listed = s3.list_objects_v2(Bucket=bucket).get("Contents", [])
    got = {each["Key"]: s3.get_object(Bucket=bucket, Key=each["Key"]) for each in listed}
    return {key: (each["Body"].read(), each["Metadata"], each["ContentType"]) for key, each in got.items()}


def test_a_bucket_comes_back_as_it_was(s3: Any, bucket: str, tmp_path: Path) -> None:
    for number, key in enumerate(KEYS):
        s3.put_object(Bucket=bucket, Key=key, Body=b"older", Metadata={"run-date": "20250831"})
        body = bytes(range(256)) * (20_000 if number == 1 else number)
        about = {"run-date": "20250901", "sha256": str(number)} if number < 4 else {}
        s3.put_object(Bucket=bucket, Key=key, Body=body, Metadata=about, ContentType=f"text/x-{number}")
    s3.put_object(Bucket=bucket, Key="deleted", Body=b"x")
    s3.delete_object(Bucket=bucket, Key="deleted")
    assert mirror.save(s3, bucket, tmp_path / "bucket") == len(KEYS)
    assert (tmp_path / "bucket" / KEYS[1]).stat().st_size == 20_000 * 256
    fresh = new_bucket(s3)
    assert mirror.load(s3, fresh, tmp_path / "bucket") == len(KEYS)
    assert contents(s3, fresh) == contents(s3, bucket)
    assert set(contents(s3, fresh)) == set(KEYS)


def test_saving_again_replaces_the_whole_folder(s3: Any, bucket: str, tmp_path: Path) -> None:
    s3.put_object(Bucket=bucket, Key="one", Body=b"1")
    mirror.save(s3, bucket, tmp_path / "bucket")
    s3.delete_object(Bucket=bucket, Key="one")
    s3.put_object(Bucket=bucket, Key="two", Body=b"2")
    mirror.save(s3, bucket, tmp_path / "bucket")
    assert sorted(path.name for path in (tmp_path / "bucket").iterdir()) == ["_metadata.json", "two"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [".bucket.lock", "bucket"]


def test_an_empty_bucket_is_something_too(s3: Any, bucket: str, tmp_path: Path) -> None:
    assert mirror.save(s3, bucket, tmp_path / "bucket") == 0
    assert mirror.load(s3, bucket, tmp_path / "bucket") == 0


def test_a_save_killed_half_way_leaves_the_old_state(
    aws: LocalAws, s3: Any, bucket: str, tmp_path: Path
) -> None:
    folder = tmp_path / "bucket"
    for key in ("one", "two"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"old")
    mirror.save(s3, bucket, folder)
    for key in ("one", "two"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"new")
    done = subprocess.run(
        [sys.executable, "-c", KILLED, bucket, str(folder)], env=aws.child_environment(), check=False
    )
    assert done.returncode == -9
    assert [(folder / key).read_bytes() for key in ("one", "two")] == [b"old", b"old"]
    mirror.save(s3, bucket, folder)
    assert [(folder / key).read_bytes() for key in ("one", "two")] == [b"new", b"new"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [".bucket.lock", "bucket"]


def test_one_killed_between_the_two_renames_is_mended(s3: Any, bucket: str, tmp_path: Path) -> None:
    s3.put_object(Bucket=bucket, Key="one", Body=b"1")
    mirror.save(s3, bucket, tmp_path / "bucket")
    left = tmp_path / f"{PREFIX}killed" / EARLIER
    left.mkdir(parents=True)
    (left.parent / "lock").touch()
    (tmp_path / "bucket").rename(left / "bucket")
    fresh = new_bucket(s3)
    assert mirror.load(s3, fresh, tmp_path / "bucket") == 1
    assert contents(s3, fresh) == contents(s3, bucket)


def test_many_at_once_leave_a_whole_one(s3: Any, bucket: str, tmp_path: Path) -> None:
    for key in ("one", "two", "three"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"1")
    with ThreadPoolExecutor(4) as pool:
        saved = list(pool.map(lambda _: mirror.save(s3, bucket, tmp_path / "bucket"), range(8)))
    assert saved == [3] * 8
    assert mirror.load(s3, new_bucket(s3), tmp_path / "bucket") == 3


@pytest.mark.parametrize("what", ["nothing", "no sidecar", "a file gone", "a broken sidecar"])
def test_what_is_not_there_whole_is_an_error(what: str, s3: Any, bucket: str, tmp_path: Path) -> None:
    folder = tmp_path / "bucket"
    if what != "nothing":
        s3.put_object(Bucket=bucket, Key="one", Body=b"1")
        mirror.save(s3, bucket, folder)
    match what:
        case "no sidecar":
            (folder / "_metadata.json").unlink()
        case "a broken sidecar":
            (folder / "_metadata.json").write_text("{")
        case "a file gone":
            (folder / "one").unlink()
    with pytest.raises(InputError, match="holds no saved bucket, or not a whole one"):
        mirror.load(s3, bucket, folder)
