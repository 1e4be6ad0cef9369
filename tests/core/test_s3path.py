"""What reads item files on disk reads them on S3: the same files, lines and errors."""

import gzip

import boto3
import pytest
from cat_normalize.core.s3path import S3Path
from moto.server import ThreadedMotoServer

from cat_normalize.core import s3path
from cat_normalize.core.errors import InputError
from cat_normalize.core.settings import Settings
from cat_normalize.extract import partitions

PLAIN = b"".join(b'{"n":%d,"pad":"%b"}\r\n' % (n, b"x" * (n % 90)) for n in range(30_000))


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
def test_a_folder_holds_its_item_files_in_order(s3, settings, uri):
    files = partitions.expand([S3Path(uri, settings)])
    assert [path.name for path in files] == ["a.json", "b.jsonl", "c.jsonl.gz"]
    assert [path.stat().st_size for path in files[:2]] == [len(PLAIN)] * 2
    assert [partitions.is_packed(path) for path in files] == [False, False, True]


@pytest.mark.parametrize("name", ["a.json", "c.jsonl.gz"])
def test_lines_are_those_of_the_file(s3, settings, name):
    assert list(partitions.read_lines(S3Path(f"s3://mine/raw/{name}", settings))) == PLAIN.splitlines(
        keepends=True
    )


def test_a_packed_object_cut_short_is_named(s3, settings):
    packed = gzip.compress(PLAIN)
    s3.put_object(Bucket="mine", Key="short/a.jsonl.gz", Body=packed[: len(packed) // 2])
    s3.put_object(Bucket="mine", Key="short/b.jsonl", Body=b"")
    short, empty = partitions.expand([S3Path("s3://mine/short", settings)])
    with pytest.raises(InputError, match=r"s3://mine/short/a\.jsonl\.gz cannot be read to its end"):
        list(partitions.read_lines(short))
    assert list(partitions.read_lines(empty)) == []


def test_an_object_is_read_as_it_was_looked_at_or_not_at_all(s3, settings):
    s3.put_object(Bucket="mine", Key="changing/a.jsonl", Body=PLAIN)
    (path,) = partitions.expand([S3Path("s3://mine/changing", settings)])
    s3.put_object(Bucket="mine", Key="changing/a.jsonl", Body=PLAIN[::-1])
    with pytest.raises(InputError, match=r"s3://mine/changing/a\.jsonl cannot be read to its end"):
        list(partitions.read_lines(path))


def test_what_is_not_there_is_named(s3, settings):
    for uri in ("s3://mine/nowhere", "s3://mine/raw/deeper/d.jsonl"):
        with pytest.raises(InputError, match=f"{uri} does not exist"):
            partitions.expand([S3Path(uri, settings)])


def test_seeking_and_modes(s3, settings):
    path = S3Path("s3://mine/raw/a.json", settings)
    with path.open() as stream:
        stream.seek(-3, 2)
        assert (stream.tell(), stream.read()) == (len(PLAIN) - 3, PLAIN[-3:])
        stream.seek(5)
        assert stream.read(4) == PLAIN[5:9]
    with pytest.raises(ValueError, match="read"):
        path.open("wb")
    assert path.read_bytes() == PLAIN
    assert s3path.client(settings) is s3path.client(settings)
