"""What the bench measures with: its items are as asked for, and what it compares does the same work."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench"


def printed(*command: object) -> dict:
    done = subprocess.run([sys.executable, *map(str, command)], check=True, capture_output=True)
    return json.loads(done.stdout)


def normalized(items: Path, csv: Path) -> dict:
    words = [
        "normalize",
        "--input",
        items,
        "--output",
        csv,
        "--rejects",
        csv.with_suffix(".rejects"),
        "--json",
    ]
    return printed("-m", "cat_lab", *words)


@pytest.fixture(scope="module")
def items(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("bench") / "items.jsonl"
    printed(BENCH / "data.py", "--mb", 1, path)
    return path


@pytest.fixture(scope="module")
def ours(items) -> dict:
    return normalized(items, items.with_name("ours.csv"))


@pytest.mark.parametrize("shape", [[], ["--one-user"], ["--single"], ["--spaced"]], ids=" ".join)
def test_items_are_the_same_for_the_same_seed_and_of_the_asked_size(shape, tmp_path):
    first, again, other = (tmp_path / name for name in ("first", "again", "other"))
    written = printed(BENCH / "data.py", "--mb", 0.5, *shape, first)
    printed(BENCH / "data.py", "--mb", 0.5, *shape, again)
    printed(BENCH / "data.py", "--mb", 0.5, "--seed", 7, *shape, other)
    assert first.read_bytes() == again.read_bytes() != other.read_bytes()
    assert written == {"items": len(first.read_bytes().splitlines()), "bytes": first.stat().st_size}
    assert first.stat().st_size == pytest.approx(500_000, rel=0.02)


@pytest.mark.parametrize(
    ("shape", "users"),
    [(["--one-user"], 1), (["--single"], "items_read")],
    ids=["one user", "a user an item"],
)
def test_the_special_shapes_have_the_users_they_say(shape, users, tmp_path):
    printed(BENCH / "data.py", "--mb", 0.5, *shape, tmp_path / "items.jsonl")
    summary = normalized(tmp_path / "items.jsonl", tmp_path / "users.csv")
    assert (summary["users"], summary["rejected"]) == (summary.get(users, users), 0)


def test_items_are_the_contracts_and_mixed_as_a_table_is(ours):
    assert (ours["rejected"], ours["filtered"], ours["warnings"]) == (0, 0, {})
    assert ours["feedback"] / ours["items_read"] == pytest.approx(0.15, abs=0.04)
    assert ours["conversations"] / ours["users"] == pytest.approx(4, abs=0.5)
    assert ours["registrations"] > 0


@pytest.mark.parametrize("baseline", ["one_statement", "pandas_rows"])
def test_what_normalize_is_compared_with_writes_the_same_rows(baseline, items, ours):
    csv = items.with_name(f"{baseline}.csv")
    counted = printed(BENCH / "baselines" / f"{baseline}.py", items, csv)
    assert (counted["users"], counted["conversations"]) == (ours["users"], ours["conversations"])
    assert csv.read_bytes() == items.with_name("ours.csv").read_bytes()


@pytest.mark.parametrize("baseline", ["json_loads", "typed_decode"])
def test_what_only_reads_reads_every_item(baseline, items, ours):
    assert printed(BENCH / "baselines" / f"{baseline}.py", items)["items"] == ours["items_read"]
