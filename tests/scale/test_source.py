"""Item files on S3, cut for many machines: the same files, lines and errors as on disk."""

import gzip
import pickle

import boto3
import pytest
from moto.server import ThreadedMotoServer

from cat_normalize.core.errors import InputError
from cat_normalize.core.settings import Settings
from cat_normalize.normalize.dealing import MIN_CHUNK
from cat_normalize.scale import source

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


@pytest.mark.parametrize("name", ["a.json", "c.jsonl.gz"])
def test_lines_are_those_of_the_file(s3, settings, name):
    (chunk,) = source.find(f"s3://mine/raw/{name}", settings, 1).chunks
    assert list(chunk.raw_lines()) == PLAIN.splitlines(keepends=True)


def test_stretches_of_an_object_hold_each_line_once(s3, settings):
    s3.put_object(Bucket="mine", Key="large/a.jsonl", Body=PLAIN * 9)
    found = source.find("s3://mine/large", settings, 8)
    chunks = pickle.loads(pickle.dumps(found.chunks))
    assert [each.start for each in chunks] == list(range(0, 9 * len(PLAIN), MIN_CHUNK))
    held = [list(each.raw_lines()) for each in chunks]
    assert [line for each in held for line in each] == (PLAIN * 9).splitlines(keepends=True)
    assert 0 <= sum(map(len, held[0])) - MIN_CHUNK < 200


def test_a_packed_object_cut_short_is_named(s3, settings):
    packed = gzip.compress(PLAIN)
    s3.put_object(Bucket="mine", Key="short/a.jsonl.gz", Body=packed[: len(packed) // 2])
    s3.put_object(Bucket="mine", Key="short/b.jsonl", Body=b"")
    short, empty = source.find("s3://mine/short", settings, 1).chunks
    with pytest.raises(InputError, match=r"s3://mine/short/a\.jsonl\.gz cannot be read to its end"):
        list(short.raw_lines())
    assert list(empty.raw_lines()) == []


def test_an_object_is_read_as_it_was_looked_at_or_not_at_all(s3, settings):
    s3.put_object(Bucket="mine", Key="changing/a.jsonl", Body=PLAIN)
    (chunk,) = source.find("s3://mine/changing", settings, 2).chunks
    s3.put_object(Bucket="mine", Key="changing/a.jsonl", Body=PLAIN[::-1])
    with pytest.raises(InputError, match=r"s3://mine/changing/a\.jsonl cannot be read to its end"):
        list(chunk.raw_lines())


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("s3://mine/nowhere", "s3://mine/nowhere does not exist"),
        ("s3://mine/raw/deeper/d.jsonl", "does not exist"),
        ("s3://nobodys/raw", "s3://nobodys/raw cannot be read"),
    ],
)
def test_what_is_not_there_is_named(s3, settings, uri, says):
    with pytest.raises(InputError, match=says):
        source.find(uri, settings, 2)
