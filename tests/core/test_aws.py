"""Objects on S3 are read like files on disk: the same files, bytes and errors."""

import gzip
import io
import pickle
from types import SimpleNamespace

import boto3
import pytest
from botocore.exceptions import ResponseStreamingError
from moto.server import ThreadedMotoServer

from cat_normalize.core.aws import S3Path, s3_client
from cat_normalize.core.settings import Settings
from cat_normalize.extract import item_files

PLAIN = b"".join(b'{"n":%d,"pad":"%b"}\r\n' % (n, b"x" * (n % 90)) for n in range(3000))


@pytest.fixture(scope="module")
def settings():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        yield Settings(endpoint_url=f"http://{host}:{port}")
    server.stop()


@pytest.fixture(scope="module")
def s3(settings):
    made = boto3.client("s3", endpoint_url=settings.endpoint_url, region_name="us-east-1")
    made.create_bucket(Bucket="mine")
    for name in ("b.jsonl", "a.json", "_extract.txt", ".hidden.jsonl", "notes.txt", "deeper/c.jsonl"):
        made.put_object(Bucket="mine", Key=f"raw/{name}", Body=PLAIN)
    made.put_object(Bucket="mine", Key="raw/", Body=b"")
    made.put_object(Bucket="mine", Key="raw/c.jsonl.gz", Body=gzip.compress(PLAIN))
    return made


@pytest.mark.parametrize("uri", ["s3://mine/raw", "s3://mine/raw/"])
def test_a_folder_has_its_item_files_in_order(s3, settings, uri):
    files = item_files.expand([S3Path(uri, settings)])
    assert [path.name for path in files] == ["a.json", "b.jsonl", "c.jsonl.gz"]
    assert [path.stat().st_size for path in files[:2]] == [len(PLAIN)] * 2
    assert [item_files.is_packed(path) for path in files] == [False, False, True]


@pytest.mark.parametrize("name", ["a.json", "c.jsonl.gz"])
def test_an_object_has_the_lines_of_the_file(s3, settings, name):
    path = pickle.loads(pickle.dumps(S3Path("s3://mine/raw", settings))) / name
    assert list(item_files.read_lines(path)) == PLAIN.splitlines(keepends=True)


def test_an_object_is_read_in_the_version_that_was_listed_or_not_at_all(s3, settings):
    s3.put_object(Bucket="mine", Key="changing/a.jsonl", Body=PLAIN)
    (path,) = S3Path("s3://mine/changing", settings).iterdir()
    s3.put_object(Bucket="mine", Key="changing/a.jsonl", Body=PLAIN[::-1])
    with pytest.raises(OSError, match=r"s3://mine/changing/a\.jsonl was replaced while it was read"):
        path.read_bytes()


@pytest.mark.parametrize("uri", ["s3://mine/raw/deeper/d.jsonl", "s3://mine/nowhere"])
def test_a_missing_object_is_a_missing_file(s3, settings, uri):
    path = S3Path(uri, settings)
    assert not path.exists()
    with pytest.raises(FileNotFoundError, match=uri):
        path.open()


def test_an_error_of_s3_is_an_error_of_the_disk(s3, settings):
    with pytest.raises(OSError, match=r"s3://nobodys/raw: .*NoSuchBucket"):
        S3Path("s3://nobodys/raw", settings).is_dir()


class Breaking:
    """A client whose connections break after some bytes; it keeps where each one began."""

    def __init__(self, data, after):
        self.data, self.after, self.began = data, after, []

    def head_object(self, **_):
        return {"ContentLength": len(self.data), "ETag": "1"}

    def get_object(self, **request):
        start = int(request["Range"].removeprefix("bytes=").removesuffix("-"))
        self.began.append((start, request["IfMatch"]))
        body = io.BytesIO(self.data[start : start + self.after])

        def read(size):
            if piece := body.read(size):
                return piece
            raise ResponseStreamingError(error="connection reset")

        return {"Body": SimpleNamespace(read=read, close=body.close)}


def test_a_broken_connection_is_resumed_at_the_same_byte():
    client = Breaking(b"0123456789" * 100, 400)
    assert S3Path("s3://mine/x", client).read_bytes() == client.data
    assert client.began == [(0, "1"), (400, "1"), (800, "1")]


def test_a_connection_that_breaks_again_and_again_is_an_error():
    client = Breaking(b"0123456789", 0)
    with pytest.raises(OSError, match=r"s3://mine/x: .*connection reset"):
        S3Path("s3://mine/x", client).read_bytes()
    assert len(client.began) == 3


def test_an_object_is_opened_only_to_read_bytes(s3, settings):
    path = S3Path("s3://mine/raw/a.json", settings)
    with pytest.raises(ValueError, match="read"):
        path.open("wb")
    assert path.read_bytes() == PLAIN
    assert s3_client(settings) is s3_client(settings)
