"""Ranges of users: what belongs to one, and that none takes much memory whatever the sample said."""

import gzip
import json
from pathlib import Path

import pytest

from cat_normalize.core.settings import Rules
from cat_normalize.normalize import files as etl1
from cat_normalize.normalize import parts
from cat_normalize.normalize.dealing import Dealt
from cat_normalize.normalize.lineup import Lineup
from cat_normalize.normalize.parts import Part, together

SMALL = 4000


def item(user, n):
    message = {"M": {"from": {"S": "user"}, "text": {"S": f"hola {n}"}}}
    keys = {"PK": {"S": f"USER#{user}"}, "SK": {"S": f"CONVERSATION#2025-08-01T{n}"}}
    return json.dumps({**keys, "Conversation": {"L": [message]}}).encode()


@pytest.mark.parametrize(
    ("begin", "end", "keys", "held"),
    [
        (b"", None, [], True),
        (b"b", b"c", [], True),
        (b"", None, ["a", "z"], True),
        (b"b", None, ["b", "z"], True),
        (b"b", None, ["a", "z"], False),
        (b"b", b"d", ["b", "c"], True),
        (b"b", b"d", ["b", "d"], False),
        (b"", "é".encode(), ["z"], True),
        (b"", "é".encode(), ["z", "\U0001f600"], False),
    ],
)
def test_users_of_a_range(begin, end, keys, held):
    assert Part((), begin, end).holds(keys) is held


def test_what_chunks_were_dealt_into_comes_together_range_by_range():
    one, two = ([Dealt(Path(name), size, 0, 0, 0) for size in (1, 2)] for name in "ab")
    made = together([one, two], [b"m"], b"d", b"x")
    assert [(part.begin, part.end, part.size) for part in made] == [(b"d", b"m", 2), (b"m", b"x", 4)]
    assert made[1].dealt == (one[1], two[1])


@pytest.mark.parametrize(
    ("lines", "held_apart"),
    [
        ([item(f"{n:05}", n) for n in range(1500)], 0),
        ([item("5" if n % 50 else f"{n:05}", n) for n in range(1500)], 1),
        ([item("5", n) for n in range(1500)], 1),
    ],
    ids=["packed in the users' order", "a user of nearly all", "one user"],
)
def test_no_part_is_large_but_a_users_and_that_waits_in_a_file(tmp_path, monkeypatch, lines, held_apart):
    taken = []

    def spied(lines, rules, source, keep):
        lines = list(lines)
        taken.append((sum(len(line) for _, line in lines), keep))
        return normalize(lines, rules, source, keep)

    normalize = parts.normalize
    monkeypatch.setattr(parts, "normalize", spied)
    (tmp_path / "in.jsonl.gz").write_bytes(gzip.compress(b"\n".join(lines)))
    etl1.normalize_files([tmp_path / "in.jsonl.gz"], tmp_path / "csv", tmp_path / "bad", Rules(), 1, SMALL)
    assert sum(size for size, _ in taken) == sum(len(line) + 1 for line in lines)
    assert max((size for size, keep in taken if keep is bytes), default=0) <= 5 * SMALL
    assert len([keep for _, keep in taken if keep is not bytes]) == held_apart


def test_a_part_has_one_run_of_rejects_however_often_it_was_cut(tmp_path, monkeypatch):
    runs, counts = [], []
    merged, create = parts.merged, Lineup.create
    monkeypatch.setattr(parts, "merged", lambda given: runs.append(len(given)) or merged(given))
    monkeypatch.setattr(Lineup, "create", lambda path, count: counts.append(count) or create(path, count))
    lines = [item(f"{n:05}", n)[:-1] for n in range(1500)]
    (tmp_path / "in.jsonl.gz").write_bytes(gzip.compress(b"\n".join(lines)))
    bad = tmp_path / "bad"
    etl1.normalize_files([tmp_path / "in.jsonl.gz"], tmp_path / "csv", bad, Rules(), 1, SMALL)
    assert len(runs) > 1
    assert runs[-1] == counts[0]
    assert [json.loads(line)["source"] for line in bad.read_bytes().splitlines()] == [
        f"in.jsonl.gz:{n}" for n in range(1, 1501)
    ]
