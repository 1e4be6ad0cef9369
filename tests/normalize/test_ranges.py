"""Ranges of users: cut so that each holds somebody, and every item has one."""

import gzip
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cat_normalize.core.errors import InputError
from cat_normalize.extract import partitions
from cat_normalize.extract.lines import MAX_LINE
from cat_normalize.normalize import ranges

KEYS = st.lists(st.binary(max_size=3), max_size=60)


def line(user):
    return json.dumps({"PK": {"S": f"USER#{user}"}, "SK": {"S": "REGISTER"}}).encode() + b"\n"


@given(KEYS, st.integers(1, 70))
def test_every_range_holds_a_sampled_user(keys, count):
    begins = ranges.cuts(keys, count)
    assert len(begins) < max(2, count)
    assert begins == sorted(set(begins))
    dealt = [sum(begin <= key for begin in begins) for key in keys]
    assert set(dealt) == (set(range(len(begins) + 1)) if keys else set())


@given(st.lists(st.text("aé#0", max_size=3), max_size=20), KEYS, st.sampled_from(["likely_pk", "pk"]))
def test_ranges_follow_each_other_as_users_do(users, begins, pk_of):
    begins = sorted(begins)
    users.sort()
    dealt = [ranges.of_line(line(user), begins, getattr(partitions, pk_of)) for user in users]
    assert dealt == sorted(dealt)
    assert all(0 <= part <= len(begins) for part in dealt)


def test_lines_without_a_key_are_spread():
    begins = [b"USER#%d" % n for n in range(9)]
    assert len({ranges.of_line(b"? %d" % n, begins, partitions.pk) for n in range(200)}) == 10


def test_a_sample_is_of_the_whole_file_and_a_heavy_user_has_more_of_it(tmp_path):
    users = sorted(f"{n:04}" for n in range(3000))
    (tmp_path / "a").write_bytes(b"".join(map(line, users)))
    (tmp_path / "b").write_bytes(line("heavy") * 3000)
    (tmp_path / "c").write_bytes(b"")
    keys = ranges.sample([tmp_path / name for name in "abc"], 10)
    assert 75 < len(keys) < 85
    assert 35 < keys.count(b"USER#heavy") < 45
    assert len({key[:7] for key in keys if key != b"USER#heavy"}) == 30  # of every hundred users
    assert [key[:6] for key in ranges.cuts(keys, 10)] == [
        b"USER#0",
        b"USER#1",
        b"USER#1",
        b"USER#2",
        b"USER#h",
    ]


def test_of_a_packed_file_the_first_lines_are_the_sample(tmp_path):
    packed = gzip.compress(b"".join(line(n) for n in range(100)))
    (tmp_path / "a.jsonl.gz").write_bytes(packed)
    assert ranges.sample([tmp_path / "a.jsonl.gz"], 2) == [b"USER#%d" % n for n in range(16)]
    (tmp_path / "a.jsonl.gz").write_bytes(packed[:20])
    with pytest.raises(InputError, match=r"a\.jsonl\.gz cannot be read to its end"):
        ranges.sample([tmp_path / "a.jsonl.gz"], 2)


class Counting(io.FileIO):
    """A file that counts what is read of it."""

    def __init__(self, path, counts):
        super().__init__(path)
        self.counts = counts

    def readinto(self, buffer):
        read = super().readinto(buffer)
        self.counts.append(read)
        return read


def test_long_lines_are_not_read_over_and_over_for_a_sample(tmp_path):
    path, counts = tmp_path / "in", []
    path.write_bytes(b"".join(line(n).rstrip() + b" " * (1 << 20) + b"\n" for n in range(8)))

    class Path(type(path)):
        def open(self, mode, buffering=1 << 13):
            return io.BufferedReader(Counting(self, counts), buffering)

    assert ranges.sample([Path(path)], 400)
    assert sum(counts) <= 2 * path.stat().st_size


def test_a_line_no_item_can_have_ends_the_sample(tmp_path):
    path = tmp_path / "in"
    path.write_bytes(b"{}\n" + b" " * (MAX_LINE + (4 << 20)) + b"\n")
    with pytest.raises(InputError, match="in, line 2: longer than 16 MB"):
        ranges.sample([path], 400)
