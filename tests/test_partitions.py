"""Item files: found, read, and dealt into partitions of whole users."""

import gzip
import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cat_normalize import partitions
from cat_normalize.errors import InputError
from hostile import TEXT


def item(pk, **attributes):
    return {"PK": {"S": pk}, "SK": {"S": "REGISTER"}, **attributes}


@given(TEXT, st.integers(1, 512), st.dictionaries(TEXT.filter(lambda name: name not in ("PK", "Item")), TEXT))
def test_a_users_items_share_a_partition_however_they_are_written(pk, count, others):
    forms = [
        json.dumps(item(pk)),
        json.dumps(item(pk), ensure_ascii=False),
        json.dumps({"Item": item(pk)}),
        json.dumps({**others, **item(pk), "extra": {"M": {"PK": {"S": "other"}}}}, indent=None),
        f"  {json.dumps(item(pk))}\r\n",
    ]
    forms += [json.dumps(item(pk), separators=(",", ":"), ensure_ascii=False)]
    assert {partitions.of_line(form.encode(), count) for form in forms} == {zlib.crc32(pk.encode()) % count}
    for pk_of in (partitions.pk, partitions.likely_pk):
        assert {pk_of(form.encode()) for form in forms} == {pk.encode()}


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"?",
        b"[]",
        b'"PK"',
        b"{}",
        b'{"PK":5}',
        b'{"PK":{"S":"USER#\xff"}}',
        b'{"PK":{"N":"1"}}',
        b'{"PK":{"S":5}}',
        b'{"PK":{"S":"a"}',
        b'{"Item":{}}',
        b'{"Item":5}',
        b"[" * 100_000,
    ],
    ids=lambda line: repr(line[:20]),
)
def test_what_has_no_readable_key_goes_to_the_first(line):
    assert partitions.of_line(line, 7) == 0
    assert partitions.pk(line) is None


def test_a_folder_gives_its_item_files_in_order(tmp_path):
    kept = ["a.json", "b.jsonl", "c.json.gz", "d.jsonl.gz", "Z.jsonl"]
    for name in [*kept, "_extract.json", ".a.jsonl", "a.csv", "a.gz", "jsonl"]:
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "folder.jsonl").mkdir()
    assert [path.name for path in partitions.expand([tmp_path])] == sorted(kept)


def test_files_are_taken_as_they_are_and_in_the_order_given(tmp_path):
    paths = [tmp_path / "b.txt", tmp_path / "_a"]
    for path in paths:
        path.write_bytes(b"")
    assert partitions.expand([*paths, paths[0]]) == [*paths, paths[0]]


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.jsonl does not exist"):
        partitions.expand([tmp_path / "none.jsonl"])
    with pytest.raises(InputError, match="holds no item file"):
        partitions.expand([tmp_path])


LINES = b"one\n\ntwo\r\nlast"


@pytest.mark.parametrize(
    "data",
    [LINES, gzip.compress(LINES), gzip.compress(LINES[:5]) + gzip.compress(LINES[5:])],
    ids=["plain", "gzip", "two gzip members"],
)
@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a"])
def test_gzip_is_told_by_its_bytes_not_its_name(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    assert list(partitions.read_lines(tmp_path / name)) == [b"one\n", b"\n", b"two\r\n", b"last"]


@pytest.mark.parametrize("name", ["empty", "empty.gz"])
def test_an_empty_file_has_no_lines(tmp_path, name):
    (tmp_path / name).write_bytes(gzip.compress(b"") if name.endswith("gz") else b"")
    assert list(partitions.read_lines(tmp_path / name)) == []


PACKED = gzip.compress(b"".join(b"line %d\n" % n for n in range(20_000)))


@pytest.mark.parametrize(
    "data",
    [
        PACKED[:-9],
        PACKED[:200],
        PACKED[:-8] + b"\0" * 8,
        PACKED[:5000] + b"\0\0\0" + PACKED[5003:],
        PACKED + b"rubbish",
    ],
    ids=["no checksum", "cut short", "wrong checksum", "damaged", "something behind it"],
)
def test_damaged_gzip_is_an_error_not_a_shorter_file(tmp_path, data):
    (tmp_path / "a.jsonl.gz").write_bytes(data)
    with pytest.raises(InputError, match=r"a\.jsonl\.gz cannot be read to its end"):
        list(partitions.read_lines(tmp_path / "a.jsonl.gz"))


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        list(partitions.read_lines(tmp_path))


def test_a_writer_deals_lines_to_named_files(tmp_path):
    with partitions.Writer(tmp_path, 3) as writer:
        for number in (2, 0, 2):
            writer.write(number, b"%d\n" % number)
    assert [path.name for path in writer.paths] == [
        "part-00000.jsonl",
        "part-00001.jsonl",
        "part-00002.jsonl",
    ]
    assert [path.read_bytes() for path in writer.paths] == [b"0\n", b"", b"2\n2\n"]
