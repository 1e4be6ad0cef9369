"""Pieces become one object: in order, whole or not at all, copied on the server where they can be."""

import hashlib
from random import Random

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from cat_normalize.scale import compose

MIB = 1 << 20
LEAST = 5 * MIB


@pytest.fixture
def s3(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        made = boto3.client("s3", region_name="us-east-1")
        made.create_bucket(Bucket="mine")
        yield made


@given(st.lists(st.integers(0, 60), max_size=12), st.integers(1, 12), st.integers(0, 30))
def test_a_plan_takes_every_byte_once_and_in_order(sizes, least, more):
    most = least + more
    parts = compose.plan(sizes, least, most)
    taken = [(each.piece, at) for part in parts for each in part for at in range(each.start, each.stop)]
    assert taken == [(piece, at) for piece, size in enumerate(sizes) for at in range(size)]
    lengths = [sum(each.stop - each.start for each in part) for part in parts]
    assert all(length >= least for length in lengths[:-1])
    assert all(length < 2 * least or len(part) == 1 for part, length in zip(parts, lengths, strict=True))
    assert all(0 < length <= max(most, 2 * least) for length in lengths)


@pytest.mark.parametrize("sizes", [[], [0], [7], [0, 5, 0, 3], [6 * MIB, 3, 11 * MIB, 0, MIB], [12 * MIB]])
def test_pieces_become_one_object_and_one_file(s3, tmp_path, sizes):
    data = [Random(n).randbytes(size) for n, size in enumerate(sizes)]
    for n, each in enumerate(data):
        s3.put_object(Bucket="mine", Key=f"staging/{n}", Body=each)
        (tmp_path / str(n)).write_bytes(each)
    whole = b"".join(data)
    told = {"bytes": len(whole), "sha256": hashlib.sha256(whole).hexdigest()}
    pieces = [f"s3://mine/staging/{n}" for n in range(len(sizes))]
    assert compose.compose(pieces, "s3://mine/out/x", s3, LEAST, LEAST + MIB) == {
        "uri": "s3://mine/out/x",
        **told,
    }
    assert s3.get_object(Bucket="mine", Key="out/x")["Body"].read() == whole
    target = str(tmp_path / "out" / "x")
    assert compose.compose([str(tmp_path / str(n)) for n in range(len(sizes))], target) == {
        "uri": target,
        **told,
    }
    assert (tmp_path / "out" / "x").read_bytes() == whole


def test_large_pieces_are_copied_on_the_server(s3):
    for n in range(3):
        s3.put_object(Bucket="mine", Key=f"staging/{n}", Body=Random(n).randbytes(2 * LEAST))
    s3.put_object(Bucket="mine", Key="staging/header", Body=b"header\n")
    calls = []
    s3.meta.events.register("before-call.s3", lambda model, **_: calls.append(model.name))
    pieces = ["s3://mine/staging/header", *(f"s3://mine/staging/{n}" for n in range(3))]
    compose.compose(pieces, "s3://mine/x", s3, LEAST)
    assert (calls.count("UploadPart"), calls.count("UploadPartCopy")) == (1, 3)


def test_by_default_no_part_is_smaller_than_s3_allows(s3):
    data = [Random(n).randbytes(3 * MIB) for n in range(5)]
    for n, each in enumerate(data):
        s3.put_object(Bucket="mine", Key=f"staging/{n}", Body=each)
    compose.compose([f"s3://mine/staging/{n}" for n in range(5)], "s3://mine/x", s3)
    assert s3.get_object(Bucket="mine", Key="x")["Body"].read() == b"".join(data)
    sizes = [s3.head_object(Bucket="mine", Key="x", PartNumber=n)["ContentLength"] for n in (1, 2)]
    assert sizes == [8 * MIB, 7 * MIB]


@pytest.mark.parametrize("failing", ["UploadPart", "UploadPartCopy", "CompleteMultipartUpload"])
def test_what_fails_leaves_the_older_object_and_no_upload(s3, failing):
    s3.put_object(Bucket="mine", Key="x", Body=b"older")
    s3.put_object(Bucket="mine", Key="staging/0", Body=bytes(2 * LEAST))
    s3.put_object(Bucket="mine", Key="staging/1", Body=b"tail")

    def fail(**_):
        raise OSError("the network is down")

    s3.meta.events.register(f"before-call.s3.{failing}", fail)
    with pytest.raises(OSError, match="network"):
        compose.compose(["s3://mine/staging/0", "s3://mine/staging/1"], "s3://mine/x", s3, LEAST)
    assert s3.get_object(Bucket="mine", Key="x")["Body"].read() == b"older"
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="mine")
