"""Publishing to a location: whole or not at all, and never an older run over a later one."""

import hashlib
import io
import os
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

from cat_normalize.core import storage, uploads
from cat_normalize.core.aws import S3Path, client
from cat_normalize.core.errors import FutureParquetError, PipelineError, StaleInputError, UsageError
from cat_normalize.core.settings import Settings
from cat_normalize.core.storage import RUN_DATE, SHA256, Origin, Published, locate

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


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def origin(run_date: date | None, csv: str = "a CSV") -> Origin:
    return Origin(run_date, {"csv-sha256": csv})


def publish(s3: Any, ours: Origin, data: bytes | None = b"new", today: date | None = None) -> Published:
    """Stage bytes and publish them as the object ``data``; without bytes nothing is staged."""
    if data is not None:
        s3.put_object(Bucket=BUCKET, Key="staged", Body=data, Metadata={"other": "x"})
    return storage.publish(S3Path("s3://bucket/staged", s3), S3Path("s3://bucket/data", s3), ours, today)


def error_response(request: Any, code: str, status: int) -> AWSResponse:
    text = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
    return AWSResponse(request.url, status, {}, SimpleNamespace(stream=lambda: iter([text])))


def refused(request: Any, **_: Any) -> AWSResponse:
    return error_response(request, "AccessDenied", 403)


# Locations


def test_an_s3_address_needs_a_client() -> None:
    with pytest.raises(UsageError, match="s3://bucket/k: an S3 address needs an S3 client"):
        locate("s3://bucket/k")


def test_two_names_of_a_file_are_the_same(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    (tmp_path / "link").symlink_to("x")
    assert storage.is_same(tmp_path / "x", tmp_path / "link")
    assert storage.is_same(tmp_path / "new", tmp_path / "new")
    assert not storage.is_same(tmp_path / "x", tmp_path / "new")
    assert storage.is_same(locate("s3://b/k", Settings()), locate("s3://b/k", Settings()))
    assert not storage.is_same(locate("s3://b/k", Settings()), tmp_path / "x")


def test_a_stream_is_written_to_disk(tmp_path: Path) -> None:
    data = os.urandom(3 << 20)
    storage.write_stream(tmp_path / "deep" / "copy", io.BytesIO(data), len(data))
    assert (tmp_path / "deep" / "copy").read_bytes() == data


@pytest.mark.parametrize("size", [0, 5, 9 << 20])
def test_a_stream_is_uploaded(s3: Any, size: int) -> None:
    data = os.urandom(size)
    storage.write_stream(locate("s3://bucket/deep/k", s3), io.BytesIO(data), size)
    assert body(s3, "deep/k") == data


@pytest.mark.parametrize(
    "write",
    [
        lambda target: storage.write_bytes(target, b"x"),
        lambda target: storage.write_stream(target, io.BytesIO(b"x"), 1),
    ],
)
def test_an_object_that_cannot_be_written_is_named(s3: Any, write: Callable[[Any], None]) -> None:
    s3.meta.events.register("before-send.s3.PutObject", refused)
    with pytest.raises(PipelineError, match=r"^s3://bucket/deep/k: .*AccessDenied"):
        write(locate("s3://bucket/deep/k", s3))


@pytest.mark.parametrize("size", [0, 8 << 20, 80 << 30, 5 << 40])
def test_the_parts_of_an_upload_are_few_enough_and_large_enough_for_s3(size: int) -> None:
    part = storage.part_bytes(size)
    assert 5 << 20 <= part <= 5 << 30
    assert -(-size // part) <= 10_000


def test_bytes_replace_an_object(s3: Any) -> None:
    for data in (b"one", b"two"):
        storage.write_bytes(locate("s3://bucket/k", s3), data)
        assert body(s3, "k") == data


# Replacing the published object


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
        dated = {RUN_DATE: there.isoformat()} if isinstance(there, date) else {}
        s3.put_object(Bucket=BUCKET, Key="data", Body=b"old", Metadata=dated)
    replaced = publish(s3, origin(ours))
    found = s3.head_object(Bucket=BUCKET, Key="data")
    assert body(s3, "data") == b"new"
    dated = {RUN_DATE: ours.isoformat()} if ours else {}
    assert found["Metadata"] == dated | {SHA256: sha256(b"new"), "csv-sha256": "a CSV"}
    assert replaced == Published(3, sha256(b"new"), found["ETag"])


def versions(s3: Any) -> list[str]:
    listed = s3.list_object_versions(Bucket=BUCKET, Prefix="data").get("Versions", [])
    return [each["VersionId"] for each in listed]


@pytest.fixture
def versioned(s3: Any) -> Iterator[Any]:
    """A bucket that keeps every version, with one published object."""
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    publish(s3, origin(AUGUST))
    yield s3
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Suspended"})


def test_the_same_origin_again_changes_nothing(versioned: Any) -> None:
    before, first = versions(versioned), versioned.head_object(Bucket=BUCKET, Key="data")
    expected = Published(3, sha256(b"new"), first["ETag"])
    assert storage.find_published(locate("s3://bucket/data", versioned), origin(AUGUST)) == expected
    kept = publish(versioned, origin(AUGUST), b"other bytes of the same rows")
    again = versioned.head_object(Bucket=BUCKET, Key="data")
    assert versions(versioned) == before
    assert kept == expected
    assert again["ETag"] == first["ETag"]
    assert (again["VersionId"], again["LastModified"]) == (first["VersionId"], first["LastModified"])


@pytest.mark.parametrize(
    ("ours", "csv"),
    [(SEPTEMBER, "a CSV"), (AUGUST, "another CSV")],
    ids=["a later day", "another CSV"],
)
def test_another_day_or_origin_replaces(versioned: Any, ours: date, csv: str) -> None:
    before = versions(versioned)
    assert storage.find_published(locate("s3://bucket/data", versioned), origin(ours, csv)) is None
    publish(versioned, origin(ours, csv))
    assert len(versions(versioned)) == len(before) + 1
    kept = versioned.head_object(Bucket=BUCKET, Key="data")["Metadata"]
    assert kept == {RUN_DATE: ours.isoformat(), SHA256: sha256(b"new"), "csv-sha256": csv}


@pytest.mark.parametrize("metadata", [{}, {"csv-sha256": "a CSV"}])
def test_an_object_put_by_hand_is_replaced(versioned: Any, metadata: dict[str, str]) -> None:
    by_hand = {RUN_DATE: "2025-08-31", **metadata}
    versioned.put_object(Bucket=BUCKET, Key="data", Body=b"new", Metadata=by_hand)
    before = versions(versioned)
    publish(versioned, origin(AUGUST))
    assert len(versions(versioned)) == len(before) + 1


@pytest.mark.parametrize("ours", [AUGUST, None])
def test_an_object_of_a_later_date_stays(s3: Any, ours: date | None) -> None:
    s3.put_object(Bucket=BUCKET, Key="data", Body=b"old", Metadata={RUN_DATE: "2025-09-01"})
    with pytest.raises(StaleInputError, match=r"s3://bucket/data is of 2025-09-01 already"):
        storage.find_published(locate("s3://bucket/data", s3), origin(ours))
    with pytest.raises(StaleInputError, match=r"s3://bucket/data is of 2025-09-01 already"):
        publish(s3, origin(ours))
    assert body(s3, "data") == b"old"


def test_a_large_object_is_copied_in_parts(s3: Any) -> None:
    data = os.urandom((11 << 20) + 1)
    s3.put_object(Bucket=BUCKET, Key="staged", Body=data)
    staged, target = S3Path("s3://bucket/staged", s3), S3Path("s3://bucket/data", s3)
    for options, parts in (({"part_bytes": 5 << 20}, 3), ({}, 1)):
        etag = uploads.copy_object(staged, target, {}, {}, **options)
        assert body(s3, "data") == data
        assert etag.endswith(f'-{parts}"')


def test_a_failed_copy_leaves_the_older_object_and_no_upload(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="data", Body=b"old")

    def fail(**_: Any) -> None:
        raise ConnectionError("cable pulled")

    s3.meta.events.register("before-call.s3.CompleteMultipartUpload", fail)
    with pytest.raises(ConnectionError):
        publish(s3, origin(AUGUST))
    assert body(s3, "data") == b"old"
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=BUCKET)


REFUSED = [("PreconditionFailed", 412), ("ConditionalRequestConflict", 409)]


def as_s3_would(
    s3: Any, endpoint: str, meanwhile: list[tuple[bytes, str]], code: str = REFUSED[0][0], status: int = 412
) -> None:
    """Let others publish just before each completion, and enforce its condition: moto ignores If-Match."""
    others = client(Settings(endpoint_url=endpoint), "s3")

    def complete(request: Any, **_: Any) -> AWSResponse | None:
        if meanwhile:
            data, dated = meanwhile.pop(0)
            others.put_object(Bucket=BUCKET, Key="data", Body=data, Metadata={RUN_DATE: dated})
        sent = {name: value.decode() for name, value in request.headers.items() if name.startswith("If-")}
        try:
            etag = others.head_object(Bucket=BUCKET, Key="data")["ETag"]
        except ClientError:
            etag = None
        assert list(sent) in (["If-Match"], ["If-None-Match"])
        if sent in ({"If-Match": etag}, {"If-None-Match": "*"} if etag is None else None):
            return None
        return error_response(request, code, status)

    s3.meta.events.register("before-send.s3.CompleteMultipartUpload", complete)


@pytest.mark.parametrize(("code", "status"), REFUSED)
@pytest.mark.parametrize("first", [b"old", None])
def test_of_two_runs_at_once_the_later_date_wins(
    s3: Any, endpoint: str, first: bytes | None, code: str, status: int
) -> None:
    if first:
        s3.put_object(Bucket=BUCKET, Key="data", Body=first)
    as_s3_would(s3, endpoint, [(b"september", "2025-09-01")], code, status)
    with pytest.raises(StaleInputError):
        publish(s3, origin(AUGUST), b"august")
    assert body(s3, "data") == b"september"
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=BUCKET)


@pytest.mark.parametrize(("code", "status"), REFUSED)
def test_of_two_runs_at_once_the_earlier_date_is_replaced(
    s3: Any, endpoint: str, code: str, status: int
) -> None:
    as_s3_would(s3, endpoint, [(b"august", "2025-08-31"), (b"august again", "2025-08-31")], code, status)
    publish(s3, origin(SEPTEMBER), b"september")
    assert body(s3, "data") == b"september"
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=BUCKET)


@pytest.mark.parametrize("call", ["UploadPartCopy", "CompleteMultipartUpload"])
def test_an_upload_that_another_run_swept_is_begun_again(s3: Any, call: str) -> None:
    calls = []

    def swept(request: Any, **_: Any) -> AWSResponse | None:
        calls.append(call)
        return error_response(request, "NoSuchUpload", 404) if len(calls) == 1 else None

    s3.meta.events.register(f"before-send.s3.{call}", swept)
    publish(s3, origin(AUGUST))
    assert (body(s3, "data"), len(calls)) == (b"new", 2)


def test_an_object_deleted_meanwhile_is_published_anew(s3: Any, endpoint: str) -> None:
    """S3 answers If-Match on a missing key with 404 NoSuchKey."""
    s3.put_object(Bucket=BUCKET, Key="data", Body=b"old")
    others = client(Settings(endpoint_url=endpoint), "s3")

    def complete(request: Any, **_: Any) -> AWSResponse | None:
        if "If-Match" not in request.headers:
            return None
        others.delete_object(Bucket=BUCKET, Key="data")
        return error_response(request, "NoSuchKey", 404)

    s3.meta.events.register("before-send.s3.CompleteMultipartUpload", complete)
    publish(s3, origin(AUGUST))
    assert body(s3, "data") == b"new"


def test_endless_races_end(s3: Any, endpoint: str) -> None:
    as_s3_would(s3, endpoint, [(bytes([n]), "2025-08-31") for n in range(99)])
    with pytest.raises(PipelineError, match="run again"):
        publish(s3, origin(AUGUST), b"ours")
    assert body(s3, "data") == bytes([4])


@pytest.mark.parametrize("call", ["HeadObject", "UploadPartCopy", "CompleteMultipartUpload"])
def test_another_s3_error_is_not_a_race(s3: Any, call: str) -> None:
    calls = []

    def refuse(request: Any, **_: Any) -> AWSResponse | None:
        calls.append(request)
        return refused(request) if call != "HeadObject" or request.url.endswith("/data") else None

    s3.meta.events.register(f"before-send.s3.{call}", refuse)
    with pytest.raises(PipelineError, match=r"^s3://bucket/data: .*(AccessDenied|403)"):
        publish(s3, origin(AUGUST))
    assert len([each for each in calls if "/data" in each.url]) == 1


# What killed runs left


def unfinished(s3: Any) -> list[str]:
    return [each["Key"] for each in s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])]


def begun_now(parsed: dict[str, Any], **_: Any) -> None:
    """Moto says of every upload that it was begun in 2010."""
    for each in parsed.get("Uploads", []):
        each["Initiated"] = datetime.now(UTC)


@pytest.fixture
def unfinished_uploads(s3: Any) -> Iterator[list[str]]:
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


def test_stale_uploads_of_a_key_of_any_day_are_aborted_and_no_others(
    s3: Any, unfinished_uploads: list[str]
) -> None:
    uploads.abort_stale_uploads(s3, BUCKET, "r/data_20250901.csv")
    assert sorted(unfinished(s3)) == sorted(unfinished_uploads)  # they may be of a run that is alive
    uploads.abort_stale_uploads(s3, BUCKET, "r/data_20250901.csv", timedelta(seconds=-5))
    assert sorted(unfinished(s3)) == sorted(unfinished_uploads[2:])


def copy_that_raises(s3: Any, error: BaseException) -> None:
    """Copy an object; its first part raises an error."""

    def fail(**_: Any) -> None:
        raise error

    s3.put_object(Bucket=BUCKET, Key="staged", Body=b"new")
    s3.meta.events.register("before-call.s3.UploadPartCopy", fail)
    uploads.copy_object(S3Path("s3://bucket/staged", s3), S3Path("s3://bucket/interrupted", s3), {}, {})


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_copy_that_raises_is_aborted(s3: Any, error: type[BaseException]) -> None:
    with pytest.raises(error):
        copy_that_raises(s3, error())
    assert "interrupted" not in unfinished(s3)


@pytest.mark.parametrize("call", ["ListMultipartUploads", "AbortMultipartUpload"])
def test_a_warning_says_that_uploads_may_not_be_aborted_and_the_first_error_is_raised(
    s3: Any, call: str, caplog: pytest.LogCaptureFixture
) -> None:
    s3.meta.events.register(f"before-send.s3.{call}", refused)
    with pytest.raises(ZeroDivisionError):
        copy_that_raises(s3, ZeroDivisionError())
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
def test_a_published_date_after_today_is_an_error_of_its_own(
    s3: Any, there: str, ours: date | None, kind: type[Exception]
) -> None:
    s3.put_object(Bucket=BUCKET, Key="data", Body=b"old", Metadata={RUN_DATE: there})
    with pytest.raises(kind, match=f"s3://bucket/data is of {there}") as caught:
        publish(s3, origin(ours), today=TODAY)
    assert body(s3, "data") == b"old"
    assert (StaleInputError.__name__ in str(caught.value)) is False  # the state machine looks for it


@pytest.mark.parametrize("there", ["soon", "9", "99999999", "2035-13-01", "2035-09-01T00:00:00Z"])
@pytest.mark.parametrize("ours", [AUGUST, None])
def test_a_published_date_that_cannot_be_read_refuses_nothing(s3: Any, there: str, ours: date | None) -> None:
    s3.put_object(Bucket=BUCKET, Key="data", Body=b"old", Metadata={RUN_DATE: there})
    publish(s3, origin(ours), today=TODAY)
    assert body(s3, "data") == b"new"
