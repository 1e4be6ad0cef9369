import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

from cat_normalize.core import publish, scratch
from cat_normalize.core.aws import client
from cat_normalize.core.errors import FutureParquetError, PipelineError, StaleInputError, UsageError
from cat_normalize.core.settings import Settings

BUCKET = "bucket"
AUGUST, SEPTEMBER = date(2025, 8, 31), date(2025, 9, 1)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    made = client(Settings(endpoint_url=endpoint), "s3")
    made.create_bucket(Bucket=BUCKET)
    for found in made.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        made.delete_object(Bucket=BUCKET, Key=found["Key"])
    return made


def body(s3: Any, key: str) -> bytes:
    return bytes(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# On disk


def test_a_disk_that_fails_meanwhile_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = threading.Event()

    def fail(_: int) -> None:
        failed.set()
        raise OSError("the disk is gone")

    monkeypatch.setattr(publish, "_SYNCED_EVERY", 0.001)
    monkeypatch.setattr(os, "fsync", fail)
    with (
        pytest.raises(OSError, match="the disk is gone"),
        (tmp_path / "x").open("wb") as file,
        publish.synced_meanwhile(file),
    ):
        assert failed.wait(10)


def test_an_error_within_is_told_rather_than_the_disks(tmp_path: Path) -> None:
    with (
        pytest.raises(ZeroDivisionError),
        (tmp_path / "x").open("wb") as file,
        publish.synced_meanwhile(file),
    ):
        raise ZeroDivisionError


def test_a_file_appears_whole_in_a_new_folder(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b" / "x.bin"
    with publish.writing(target) as file:
        file.write(b"one")
        assert not target.exists()
    assert target.read_bytes() == b"one"
    assert names(target.parent) == ["x.bin"]


def test_a_new_file_is_its_users_alone_and_a_replaced_one_keeps_its_permissions(tmp_path: Path) -> None:
    target = tmp_path / "ours"
    publish.put_bytes(b"", str(target))
    assert target.stat().st_mode & 0o777 == 0o600
    target.chmod(0o644)
    publish.put_bytes(b"again", str(target))
    assert target.stat().st_mode & 0o777 == 0o644
    with publish.writing_folder(tmp_path / "folder") as folder:
        (folder / "x").touch()
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o700


def test_an_earlier_folder_is_replaced_whole(tmp_path: Path) -> None:
    for name in ("older", "newer"):
        with publish.writing_folder(tmp_path / "raw") as folder:
            (folder / name).touch()
    assert names(tmp_path / "raw") == ["newer"]
    assert names(tmp_path) == ["raw"]


def test_an_earlier_folder_comes_back_where_the_new_one_cannot_take_its_place(tmp_path: Path) -> None:
    with publish.writing_folder(tmp_path / "raw") as folder:
        (folder / "older").touch()
    with pytest.raises(FileNotFoundError), publish.writing_folder(tmp_path / "raw") as folder:
        folder.rmdir()
    assert names(tmp_path / "raw") == ["older"]
    assert names(tmp_path) == ["raw"]


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    link = tmp_path / "link"
    link.symlink_to("disk/x.bin")
    for data in (b"new", b"again"):
        publish.put_bytes(data, str(link))
        assert (tmp_path / "disk" / "x.bin").read_bytes() == data
        assert link.is_symlink()
    assert names(tmp_path / "disk") == ["x.bin"]


def test_a_link_to_a_folder_is_followed(tmp_path: Path) -> None:
    (tmp_path / "disk" / "raw").mkdir(parents=True)
    link = tmp_path / "link"
    link.symlink_to("disk/raw")
    with publish.writing_folder(link) as folder:
        (folder / "x").touch()
    assert link.is_symlink()
    assert names(link) == ["x"]
    assert names(tmp_path / "disk") == ["raw"]


def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE) as reader:
        publish.put_bytes(b"all of it", str(pipe))
        assert reader.communicate(timeout=60)[0] == b"all of it"
    assert pipe.is_fifo()
    assert names(tmp_path) == ["pipe"]


def test_what_a_shell_reads_from_us_is_written_to() -> None:
    reading, writing = os.pipe()
    publish.put_bytes(b"all of it", f"/dev/fd/{writing}")
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        assert stream.read() == b"all of it"


@pytest.mark.parametrize("path", ["/dev/stdout", "/dev/../dev/fd/1", "/dev/stderr"])
def test_a_stream_of_this_process_is_refused(path: str) -> None:
    with pytest.raises(UsageError, match="is a stream"):
        publish.put_bytes(b"", path)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_failure_leaves_the_older_file_and_nothing_else(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "x.bin"
    target.write_bytes(b"older")

    def half() -> None:
        with publish.writing(target) as file:
            file.write(b"half")
            file.flush()
            raise error

    with pytest.raises(error):
        half()
    assert target.read_bytes() == b"older"
    assert names(tmp_path) == ["x.bin"]


def test_a_name_taken_by_a_folder_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "x.bin").mkdir()
    with pytest.raises(UsageError, match="is a folder"), publish.writing(tmp_path / "x.bin") as file:
        file.write(b"new")
    assert names(tmp_path) == ["x.bin"]


def test_a_killed_writer_leaves_the_older_file_whole(tmp_path: Path) -> None:
    target = tmp_path / "x.bin"
    target.write_bytes(b"older")
    script = f"""
import time
from pathlib import Path
from cat_normalize.core.publish import writing
with writing(Path({str(target)!r})) as file:
    file.write(b"half"); file.flush()
    print("half", flush=True)
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"half\n"
        assert len(names(tmp_path)) == 2
        publish.put_bytes(b"newer", str(tmp_path / "y.bin"))  # the writer is alive: what it makes is let be
        assert len(names(tmp_path)) == 3
        os.kill(child.pid, signal.SIGKILL)
    assert target.read_bytes() == b"older"
    publish.put_bytes(b"newest", str(tmp_path / "y.bin"))
    assert names(tmp_path) == ["x.bin", "y.bin"]


def test_an_earlier_folder_comes_back_where_its_writer_was_killed_between_two_renames(tmp_path: Path) -> None:
    left = tmp_path / f"{scratch.PREFIX}killed"
    (left / scratch.EARLIER / "raw").mkdir(parents=True)
    (left / scratch.EARLIER / "raw" / "part").write_bytes(b"older")
    (left / "made").mkdir()
    (left / "lock").touch()
    scratch.sweep(tmp_path)
    assert names(tmp_path) == ["raw"]
    assert (tmp_path / "raw" / "part").read_bytes() == b"older"


def test_the_folders_of_other_users_and_what_only_looks_like_one_stay(tmp_path: Path) -> None:
    other, file = tmp_path / f"{scratch.PREFIX}other", tmp_path / f"{scratch.PREFIX}file"
    other.mkdir()
    file.touch()
    (tmp_path / f"{scratch.PREFIX}link").symlink_to(tmp_path)
    if os.getuid() == 0:
        os.chown(other, 12345, 12345)
    scratch.sweep(tmp_path)
    assert file.exists()
    assert other.exists() == (os.getuid() == 0)
    assert (tmp_path / f"{scratch.PREFIX}link").is_symlink()


def test_what_somebody_keeps_under_such_a_name_stays_and_an_empty_folder_goes(tmp_path: Path) -> None:
    (tmp_path / f"{scratch.PREFIX}backup").mkdir()
    (tmp_path / f"{scratch.PREFIX}backup" / "mine").touch()
    (tmp_path / f"{scratch.PREFIX}killed").mkdir()
    scratch.sweep(tmp_path)
    assert names(tmp_path) == [f"{scratch.PREFIX}backup"]


def test_put_file_copies(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(os.urandom(3 << 20))
    publish.put_file(source, str(tmp_path / "deep" / "copy"))
    assert (tmp_path / "deep" / "copy").read_bytes() == source.read_bytes()


# On S3


def test_an_s3_address_needs_a_client(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    with pytest.raises(UsageError, match="s3://bucket/k"):
        publish.put_bytes(b"", "s3://bucket/k")
    with pytest.raises(UsageError, match="s3://bucket/k"):
        publish.put_file(tmp_path / "x", "s3://bucket/k")


@pytest.mark.parametrize("size", [0, 5, 9 << 20])
def test_put_file_on_s3(s3: Any, tmp_path: Path, size: int) -> None:
    source = tmp_path / "source"
    source.write_bytes(os.urandom(size))
    publish.put_file(source, "s3://bucket/deep/k", s3, {"who": "us"})
    assert body(s3, "deep/k") == source.read_bytes()
    assert s3.head_object(Bucket=BUCKET, Key="deep/k")["Metadata"] == {"who": "us"}


def test_put_bytes_on_s3(s3: Any) -> None:
    publish.put_bytes(b"one", "s3://bucket/k", s3, {"who": "us"})
    publish.put_bytes(b"two", "s3://bucket/k", s3)
    assert body(s3, "k") == b"two"
    assert s3.head_object(Bucket=BUCKET, Key="k")["Metadata"] == {}


# Replacing the Parquet


@pytest.mark.parametrize(
    ("there", "ours"),
    [
        ("nothing", AUGUST),
        ("nothing", None),
        (None, AUGUST),
        (None, None),
        (AUGUST, AUGUST),
        (AUGUST, SEPTEMBER),
        (date(1, 1, 1), date(9999, 12, 31)),
    ],
)
def test_an_older_or_equal_object_is_replaced(s3: Any, there: date | str | None, ours: date | None) -> None:
    if there != "nothing":
        dated = {publish.RUN_DATE: there.isoformat()} if isinstance(there, date) else {}
        s3.put_object(Bucket=BUCKET, Key="data", Body=b"old", Metadata=dated)
    s3.put_object(Bucket=BUCKET, Key="staged", Body=b"new", Metadata={"other": "x"})
    replaced = publish.replace_object(s3, BUCKET, "staged", "data", ours, "new's", "new")
    found = s3.head_object(Bucket=BUCKET, Key="data")
    assert body(s3, "data") == b"new"
    dated = {publish.RUN_DATE: ours.isoformat()} if ours else {}
    assert found["Metadata"] == dated | {publish.SHA256: "new's", publish.CONTENT: "new"}
    assert replaced == (found["ETag"], "new's")


def versions(s3: Any) -> list[str]:
    listed = s3.list_object_versions(Bucket=BUCKET, Prefix="data").get("Versions", [])
    return [each["VersionId"] for each in listed]


@pytest.fixture
def versioned(s3: Any) -> Iterator[Any]:
    """A staged object, published once; the bucket keeps every version."""
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=BUCKET, Key="staged", Body=b"new")
    publish.replace_object(s3, BUCKET, "staged", "data", AUGUST, "new's", "new")
    yield s3
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Suspended"})


def test_the_same_content_of_the_same_day_again_changes_nothing(versioned: Any) -> None:
    before, first = versions(versioned), versioned.head_object(Bucket=BUCKET, Key="data")
    kept = publish.replace_object(versioned, BUCKET, "staged", "data", AUGUST, "another's", "new")
    again = versioned.head_object(Bucket=BUCKET, Key="data")
    assert versions(versioned) == before
    assert kept == (first["ETag"], "new's")
    assert again["ETag"] == first["ETag"]
    assert (again["VersionId"], again["LastModified"]) == (first["VersionId"], first["LastModified"])


@pytest.mark.parametrize(
    ("ours", "content"),
    [(SEPTEMBER, "new"), (AUGUST, "other")],
    ids=["a later day", "other content"],
)
def test_what_differs_in_day_or_content_is_replaced(versioned: Any, ours: date, content: str) -> None:
    before = versions(versioned)
    publish.replace_object(versioned, BUCKET, "staged", "data", ours, "its", content)
    assert len(versions(versioned)) == len(before) + 1
    kept = versioned.head_object(Bucket=BUCKET, Key="data")["Metadata"]
    assert kept == {publish.RUN_DATE: ours.isoformat(), publish.SHA256: "its", publish.CONTENT: content}


def test_an_object_put_by_hand_is_replaced_whatever_its_content(versioned: Any) -> None:
    versioned.put_object(Bucket=BUCKET, Key="data", Body=b"new", Metadata={publish.RUN_DATE: "2025-08-31"})
    before = versions(versioned)
    publish.replace_object(versioned, BUCKET, "staged", "data", AUGUST, "new's", "new")
    assert len(versions(versioned)) == len(before) + 1


@pytest.mark.parametrize("ours", [AUGUST, None])
def test_a_newer_object_stays(s3: Any, ours: date | None) -> None:
    s3.put_object(Bucket=BUCKET, Key="data", Body=b"old", Metadata={publish.RUN_DATE: "2025-09-01"})
    s3.put_object(Bucket=BUCKET, Key="staged", Body=b"new")
    with pytest.raises(StaleInputError, match=r"s3://bucket/data is of 2025-09-01 already"):
        publish.replace_object(s3, BUCKET, "staged", "data", ours, "new's", "new")
    assert body(s3, "data") == b"old"


def test_a_large_object_is_copied_in_parts(s3: Any) -> None:
    data = os.urandom((11 << 20) + 1)
    s3.put_object(Bucket=BUCKET, Key="staged", Body=data)
    etag, _ = publish.replace_object(s3, BUCKET, "staged", "data", AUGUST, "its", "it", part_bytes=5 << 20)
    assert body(s3, "data") == data
    assert etag.endswith('-3"')


def test_a_failed_copy_leaves_the_older_object_and_no_upload(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="data", Body=b"old")
    s3.put_object(Bucket=BUCKET, Key="staged", Body=b"new")

    def fail(**_: Any) -> None:
        raise ConnectionError("cable pulled")

    s3.meta.events.register("before-call.s3.CompleteMultipartUpload", fail)
    with pytest.raises(ConnectionError):
        publish.replace_object(s3, BUCKET, "staged", "data", AUGUST, "its", "it")
    assert body(s3, "data") == b"old"
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=BUCKET)


def as_s3_would(s3: Any, endpoint: str, meanwhile: list[tuple[bytes, str]]) -> None:
    """Let others publish just before each completion, and keep its condition: moto ignores If-Match."""
    others = client(Settings(endpoint_url=endpoint), "s3")

    def complete(request: Any, **_: Any) -> AWSResponse | None:
        if meanwhile:
            data, dated = meanwhile.pop(0)
            others.put_object(Bucket=BUCKET, Key="data", Body=data, Metadata={publish.RUN_DATE: dated})
        sent = {name: value.decode() for name, value in request.headers.items() if name.startswith("If-")}
        try:
            etag = others.head_object(Bucket=BUCKET, Key="data")["ETag"]
        except ClientError:
            etag = None
        assert list(sent) in (["If-Match"], ["If-None-Match"])
        if sent in ({"If-Match": etag}, {"If-None-Match": "*"} if etag is None else None):
            return None
        text = b"<Error><Code>PreconditionFailed</Code><Message>no</Message></Error>"
        raw = SimpleNamespace(stream=lambda: iter([text]))
        return AWSResponse(request.url, 412, {}, raw)

    s3.meta.events.register("before-send.s3.CompleteMultipartUpload", complete)


@pytest.mark.parametrize("first", [b"old", None])
def test_of_two_runs_at_once_the_newer_wins(s3: Any, endpoint: str, first: bytes | None) -> None:
    if first:
        s3.put_object(Bucket=BUCKET, Key="data", Body=first)
    s3.put_object(Bucket=BUCKET, Key="staged", Body=b"august")
    as_s3_would(s3, endpoint, [(b"september", "2025-09-01")])
    with pytest.raises(StaleInputError):
        publish.replace_object(s3, BUCKET, "staged", "data", AUGUST, "its", "it")
    assert body(s3, "data") == b"september"
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=BUCKET)


def test_of_two_runs_at_once_the_older_gives_way(s3: Any, endpoint: str) -> None:
    s3.put_object(Bucket=BUCKET, Key="staged", Body=b"september")
    as_s3_would(s3, endpoint, [(b"august", "2025-08-31"), (b"august again", "2025-08-31")])
    publish.replace_object(s3, BUCKET, "staged", "data", SEPTEMBER, "its", "it")
    assert body(s3, "data") == b"september"


def test_endless_races_end(s3: Any, endpoint: str) -> None:
    s3.put_object(Bucket=BUCKET, Key="staged", Body=b"ours")
    as_s3_would(s3, endpoint, [(bytes([n]), "2025-08-31") for n in range(99)])
    with pytest.raises(PipelineError, match="run again"):
        publish.replace_object(s3, BUCKET, "staged", "data", AUGUST, "its", "it")
    assert body(s3, "data") == bytes([4])


def test_another_s3_error_is_not_a_race(s3: Any) -> None:
    with pytest.raises(ClientError, match="404"):
        publish.replace_object(s3, BUCKET, "not staged", "data", AUGUST, "its", "it")


# What killed runs left


def unfinished(s3: Any) -> list[str]:
    return [each["Key"] for each in s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])]


def begun_now(parsed: dict[str, Any], **_: Any) -> None:
    """Moto says of every upload that it was begun in 2010."""
    for each in parsed.get("Uploads", []):
        each["Initiated"] = datetime.now(UTC)


@pytest.fixture
def uploads(s3: Any) -> Iterator[list[str]]:
    """Uploads that nobody finishes: of a key, of the same key of another day, and of other keys."""
    made = [
        "r/data_20250901.csv",
        "r/data_20250831.csv",
        "r/data_20250901.csv.bak",
        "r/x",
        "data_20250901.csv",
    ]
    s3.meta.events.register("after-call.s3.ListMultipartUploads", begun_now)
    for key in made:
        s3.create_multipart_upload(Bucket=BUCKET, Key=key)
    yield made
    for each in s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []):
        s3.abort_multipart_upload(Bucket=BUCKET, Key=each["Key"], UploadId=each["UploadId"])


def test_stale_uploads_of_a_key_of_any_day_are_dropped_and_no_others(s3: Any, uploads: list[str]) -> None:
    publish.abort_stale_uploads(s3, BUCKET, "r/data_20250901.csv")
    assert sorted(unfinished(s3)) == sorted(uploads)  # they may be of a run that is alive
    publish.abort_stale_uploads(s3, BUCKET, "r/data_20250901.csv", timedelta(seconds=-5))
    assert sorted(unfinished(s3)) == sorted(uploads[2:])


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_upload_that_does_not_end_well_is_dropped(s3: Any, error: type[BaseException]) -> None:
    with pytest.raises(error), publish.uploading(s3, BUCKET, "interrupted"):
        raise error
    assert "interrupted" not in unfinished(s3)


def refused(request: Any, **_: Any) -> AWSResponse:
    text = b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>"
    return AWSResponse(request.url, 403, {}, SimpleNamespace(stream=lambda: iter([text])))


@pytest.mark.parametrize("call", ["ListMultipartUploads", "AbortMultipartUpload"])
def test_where_uploads_may_not_be_dropped_a_warning_says_so_and_the_first_error_counts(
    s3: Any, call: str, caplog: pytest.LogCaptureFixture
) -> None:
    s3.meta.events.register(f"before-send.s3.{call}", refused)
    with pytest.raises(ZeroDivisionError), publish.uploading(s3, BUCKET, "r/data_20250901.csv"):
        raise ZeroDivisionError
    assert "AccessDenied" in caplog.text


TODAY = date(2025, 9, 1)


@pytest.mark.parametrize(
    ("there", "ours", "kind"),
    [
        ("2025-09-02", AUGUST, FutureParquetError),
        ("2025-09-02", TODAY, FutureParquetError),
        ("9999-12-31", None, FutureParquetError),
        ("2025-09-01", AUGUST, StaleInputError),
        ("2025-09-01", None, StaleInputError),
    ],
)
def test_a_day_that_has_not_come_yet_is_another_failure(
    s3: Any, there: str, ours: date | None, kind: type[Exception]
) -> None:
    s3.put_object(Bucket=BUCKET, Key="data", Body=b"old", Metadata={publish.RUN_DATE: there})
    s3.put_object(Bucket=BUCKET, Key="staged", Body=b"new")
    with pytest.raises(kind, match=f"s3://bucket/data is of {there}") as caught:
        publish.replace_object(s3, BUCKET, "staged", "data", ours, "new's", "new", today=TODAY)
    assert body(s3, "data") == b"old"
    assert (StaleInputError.__name__ in str(caught.value)) is False  # the state machine looks for it


@pytest.mark.parametrize("there", ["soon", "9", "99999999", "2035-13-01", "2035-09-01T00:00:00Z"])
@pytest.mark.parametrize("ours", [AUGUST, None])
def test_a_day_that_cannot_be_read_keeps_nothing_out(s3: Any, there: str, ours: date | None) -> None:
    s3.put_object(Bucket=BUCKET, Key="data", Body=b"old", Metadata={publish.RUN_DATE: there})
    s3.put_object(Bucket=BUCKET, Key="staged", Body=b"new")
    publish.replace_object(s3, BUCKET, "staged", "data", ours, "new's", "new", today=TODAY)
    assert body(s3, "data") == b"new"
