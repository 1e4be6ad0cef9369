"""Item files: found, read, and written to partitions of whole users."""

import gzip
import json
import os
import socket
import zlib
from contextlib import chdir

import pytest
from hypothesis import given
from hypothesis import strategies as st

import exported
from cat_normalize.core import files
from cat_normalize.core.errors import InputError, UsageError
from cat_normalize.extract import item_files
from cat_normalize.extract.item_files import MAX_LINE
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
    assert {item_files.of_line(form.encode(), count) for form in forms} == {zlib.crc32(pk.encode()) % count}


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
def test_a_line_without_a_readable_key_is_in_a_partition_too(line):
    assert item_files.of_line(line, 7) == zlib.crc32(line) % 7


def test_lines_without_a_readable_key_are_spread():
    assert len({item_files.of_line(b"?%d" % n, 16) for n in range(500)}) == 16


def test_a_folder_gives_its_item_files_in_order_and_says_what_it_leaves_out(tmp_path, caplog):
    kept = ["a.json", "b.jsonl", "c.json.gz", "d.jsonl.gz", "Z.JSONL", "e.ndjson", "F.NDJSON.gz"]
    for name in [*kept, "_notes.json", ".a.jsonl", "a.csv", "a.gz", "jsonl"]:
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "folder.jsonl").mkdir()
    (tmp_path / "ma\udcf1ana.txt").touch()
    assert [path.name for path in item_files.expand([tmp_path])] == sorted(kept)
    (said,) = [record.getMessage() for record in caplog.records]
    assert "left out 5 that are no item files: a.csv, a.gz, folder.jsonl, jsonl, ma\\xf1ana.txt" in said


@pytest.mark.parametrize("kind", ["dangling link", "pipe", "socket"])
def test_what_is_named_as_an_item_file_and_cannot_be_read_as_one_is_refused(tmp_path, kind):
    (tmp_path / "a.jsonl").touch()
    path = tmp_path / "b.jsonl"
    if kind == "dangling link":
        path.symlink_to("nowhere")
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        with socket.socket(socket.AF_UNIX) as made, chdir(tmp_path):
            made.bind("b.jsonl")
    with pytest.raises(InputError, match=r"b\.jsonl is named as an item file"):
        item_files.expand([tmp_path])


def test_the_folder_of_an_export_is_no_folder_of_items(tmp_path):
    exported.write(tmp_path / "export", [[b"{}"]])
    with pytest.raises(InputError, match="is a DynamoDB export"):
        item_files.expand([tmp_path / "export"])


@pytest.fixture
def extract(tmp_path):
    """The folder of an extract of three items in two partitions."""
    folder = tmp_path / "raw"
    folder.mkdir()
    for number, data in enumerate((b"{}\n{}\n", b"{}\n")):
        (folder / item_files.name(number)).write_bytes(data)
    names = [item_files.name(number) for number in range(2)]
    (folder / item_files.RECORD).write_text(
        json.dumps({"files": names, "items": 3, "bytes": 9, "source": "x"})
    )
    return folder


def test_an_extracts_folder_is_read_as_it_was_left(extract):
    assert [path.name for path in item_files.expand([extract])] == ["part-00000.jsonl", "part-00001.jsonl"]


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda raw: (raw / "part-00001.jsonl").unlink(), r"part-00001\.jsonl is in _extract\.json and not"),
        (
            lambda raw: (raw / "part-00000.jsonl").write_bytes(b"{}\n"),
            r"expected 9 bytes of items .*, found 6",
        ),
        (
            lambda raw: (raw / "part-00000.jsonl").write_bytes(b"{}\n{}\n{}\n"),
            r"expected 9 bytes of items .*, found 12",
        ),
        (lambda raw: (raw / "rejects.jsonl").touch(), r"rejects\.jsonl is not of this extract"),
        (lambda raw: (raw / item_files.RECORD).write_bytes(b""), r"_extract\.json is damaged"),
        (lambda raw: (raw / item_files.RECORD).write_bytes(b"[]"), r"_extract\.json is damaged"),
    ],
    ids=["deleted", "cut at a line's end", "a line more", "one more", "empty record", "another record"],
)
def test_an_extracts_folder_that_was_changed_is_refused(extract, spoil, says):
    spoil(extract)
    with pytest.raises(InputError, match=says):
        item_files.expand([extract])


def test_an_extract_killed_between_its_two_renames_is_found(extract):
    left = extract.with_name(f"{files.PREFIX}killed") / files.EARLIER
    left.mkdir(parents=True)
    (left.parent / "lock").touch()
    extract.rename(left / "raw")
    assert len(item_files.expand([extract])) == 2
    assert [path.name for path in extract.parent.iterdir()] == ["raw"]


def test_files_are_taken_as_they_are_and_in_the_order_given(tmp_path):
    paths = [tmp_path / "b.txt", tmp_path / "_a"]
    for path in paths:
        path.write_bytes(b"")
    assert item_files.expand(paths) == paths


@pytest.mark.parametrize("name", ["a.jsonl", "hard", "link", "."])
def test_a_file_named_twice_by_whatever_names_is_refused(tmp_path, name):
    (tmp_path / "raw").mkdir()
    path = tmp_path / "raw" / "a.jsonl"
    path.touch()
    (tmp_path / "raw" / "hard").hardlink_to(path)
    (tmp_path / "raw" / "link").symlink_to(path)
    with pytest.raises(UsageError, match="is the same file as"):
        item_files.expand([path, tmp_path / "raw" / name])


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.jsonl does not exist"):
        item_files.expand([tmp_path / "none.jsonl"])
    with pytest.raises(InputError, match="holds no item file"):
        item_files.expand([tmp_path])


LINES = b"one\n\ntwo\r\nlast"


@pytest.mark.parametrize("packed", [False, True])
def test_a_line_no_item_can_have_is_named_before_it_is_read(tmp_path, packed):
    data = b"{}\n\n" + b"x" * (MAX_LINE + 2) + b"\n{}\n"
    (tmp_path / "a.jsonl").write_bytes(gzip.compress(data, 1) if packed else data)
    lines = item_files.read_lines(tmp_path / "a.jsonl")
    assert [next(lines), next(lines)] == [b"{}\n", b"\n"]
    with pytest.raises(InputError, match=r"a\.jsonl, line 3: longer than 16 MB, .* 400 KB"):
        next(lines)


@pytest.mark.parametrize(
    "data",
    [LINES, gzip.compress(LINES), gzip.compress(LINES[:5]) + gzip.compress(LINES[5:])],
    ids=["plain", "gzip", "two gzip members"],
)
@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a"])
def test_gzip_is_told_by_its_bytes_not_its_name(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    assert list(item_files.read_lines(tmp_path / name)) == [b"one\n", b"\n", b"two\r\n", b"last"]


@pytest.mark.parametrize("name", ["empty", "empty.gz"])
def test_an_empty_file_has_no_lines(tmp_path, name):
    (tmp_path / name).write_bytes(gzip.compress(b"") if name.endswith("gz") else b"")
    assert list(item_files.read_lines(tmp_path / name)) == []


PACKED = gzip.compress(b"".join(b"line %d\n" % n for n in range(20_000)))


@pytest.mark.parametrize(
    "data",
    [
        PACKED[:-9],
        PACKED[:200],
        PACKED[:-8] + b"\0" * 8,
        PACKED[:5000] + b"\0\0\0" + PACKED[5003:],
        PACKED + b"rubbish",
        PACKED[:10] + b"\xff" * 100,
    ],
    ids=["no checksum", "cut short", "wrong checksum", "damaged", "something behind it", "no deflate"],
)
def test_damaged_gzip_is_an_error_not_a_shorter_file(tmp_path, data):
    (tmp_path / "a.jsonl.gz").write_bytes(data)
    with pytest.raises(InputError, match=r"a\.jsonl\.gz cannot be read to its end"):
        list(item_files.read_lines(tmp_path / "a.jsonl.gz"))


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        list(item_files.read_lines(tmp_path))


def test_a_writer_deals_lines_to_named_files(tmp_path):
    with item_files.Writer(tmp_path, 3) as writer:
        for number in (2, 0, 2):
            writer.write(number, b"%d\n" % number)
    assert [path.name for path in writer.paths] == [
        "part-00000.jsonl",
        "part-00001.jsonl",
        "part-00002.jsonl",
    ]
    assert [path.read_bytes() for path in writer.paths] == [b"0\n", b"", b"2\n2\n"]
