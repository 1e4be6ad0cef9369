"""Every stage killed at many moments: the outputs stay whole, nothing is left, nobody lives on."""

import json
import os
import signal
import subprocess
import time

import psutil
import pytest

from cat_normalize.core.csvfile import HEADER
from faults.kit import COMMAND, alive, environment, soon

KILLS = 6


@pytest.fixture
def place(tmp_path):
    """A folder for outputs, and one for temporary files."""
    for name in ("out", "tmp"):
        (tmp_path / name).mkdir()
    return tmp_path


def start(place, *words, **more):
    return subprocess.Popen(
        [*COMMAND, *map(str, words)],
        cwd=place / "out",
        env=environment(TMPDIR=str(place / "tmp"), **more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process):
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, out + err
    return out


def killed(process, seconds, number=signal.SIGKILL):
    """Kill a process after so many seconds; return whether it was still at work, and its family ended."""
    family = []
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        try:
            family = psutil.Process(process.pid).children(recursive=True) or family
        except psutil.NoSuchProcess:
            break
        time.sleep(0.02)
    process.send_signal(number)
    process.communicate(timeout=60)  # ends with the last that holds its pipes
    assert soon(lambda: not alive(family), 20), alive(family)
    return process.returncode == -number


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def took(place, *words, **more):
    """Run a command; return how long it took."""
    begun = time.monotonic()
    finish(start(place, *words, **more))
    return time.monotonic() - begun


@pytest.fixture
def items(place):
    """A file of 30,000 items, each of ten messages."""
    item = b'{"PK":{"S":"USER#%d"},"SK":{"S":"CONVERSATION#2025-08-18"},"Conversation":{"L":[%s]}}\n'
    message = b'{"M":{"from":{"S":"user"},"text":{"S":"hola"}}}'
    path = place / "items.jsonl"
    path.write_bytes(b"".join(item % (n % 9000, b",".join([message] * 10)) for n in range(30_000)))
    return path


@pytest.mark.parametrize("workers", [1, 2])
def test_normalize(place, items, workers):
    words = ("normalize", "--input", items, "--output", "u.csv", "--rejects", "r.jsonl", "--workers", workers)
    seconds = took(place, *words)
    whole = (place / "out" / "u.csv").read_bytes()
    (place / "out" / "u.csv").write_bytes(b"earlier")
    hit = [killed(start(place, *words), seconds * (n + 1) / (KILLS + 1)) for n in range(KILLS)]
    assert sum(hit) >= KILLS // 2
    assert (place / "out" / "u.csv").read_bytes() in (b"earlier", whole)
    finish(start(place, *words))
    assert (place / "out" / "u.csv").read_bytes() == whole
    assert names(place / "out") == ["r.jsonl", "u.csv"]
    assert names(place / "tmp") == []


def test_workers_end_when_one_of_them_and_their_parent_are_killed(place, items):
    words = ("normalize", "--input", items, "--output", "u.csv", "--rejects", "r.jsonl", "--workers", 3)
    process = start(place, *words)
    parent = psutil.Process(process.pid)
    assert soon(lambda: len(parent.children()) == 3)
    workers = parent.children()
    for each in workers:
        each.suspend()  # so that none is done before the kills
    workers[0].kill()
    parent.kill()
    for each in workers[1:]:
        each.resume()
    process.communicate(timeout=60)
    assert soon(lambda: not alive(workers), 20)


def test_extract(place, aws):
    client, table = aws.client("dynamodb"), aws.settings.table_name
    for start_at in range(0, 500, 25):
        puts = [
            {"PutRequest": {"Item": {"PK": {"S": f"USER#{n}"}, "SK": {"S": "REGISTER"}}}}
            for n in range(start_at, start_at + 25)
        ]
        client.batch_write_item(RequestItems={table: puts})
    words, given = ("extract", "--output", "raw", "--segments", 2), aws.child_environment({})
    seconds = took(place, *words, **given)
    whole = {path.name: path.read_bytes() for path in (place / "out" / "raw").iterdir()}
    for n in range(KILLS):
        killed(start(place, *words, **given), seconds * (n + 1) / (KILLS + 1))
        assert {path.name: path.read_bytes() for path in (place / "out" / "raw").iterdir()} == whole
    finish(start(place, *words, **given))
    assert names(place / "out") == ["raw"]
    assert names(place / "tmp") == []


def test_convert(place):
    cells = ["7", "Ana", "", "Cali", "01/09/2025", "1", "[]", "", "0", "x" * 500, "like", ""]
    (place / "u.csv").write_bytes(HEADER + (",".join(cells) + "\n").encode() * 2_000)
    words = ("convert", "--input", place / "u.csv", "--output", "u.parquet", "--json")
    begun = time.monotonic()
    rows = json.loads(finish(start(place, *words)))["rows"]
    seconds = time.monotonic() - begun
    before = (place / "out" / "u.parquet").read_bytes()
    for n in range(3):
        killed(start(place, *words), seconds * (n + 1) / 4)
        assert (place / "out" / "u.parquet").stat().st_size == len(before)
    assert json.loads(finish(start(place, *words)))["rows"] == rows
    assert names(place / "out") == ["u.parquet"]
    assert names(place / "tmp") == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_convert_told_to_end_at_any_moment_says_so_in_a_line(place, number, code):
    cells = ["7", "Ana", "", "Cali", "01/09/2025", "1", "[]", "", "0", "x" * 500, "like", ""]
    (place / "u.csv").write_bytes(HEADER + (",".join(cells) + "\n").encode() * 40_000)
    words = ("convert", "--input", place / "u.csv", "--output", "u.parquet")
    seconds, ended = took(place, *words), []
    for n in range(4):
        process = start(place, *words)
        time.sleep(seconds * (n + 1) / 5)
        family = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(number)
        ended.append((process.communicate(timeout=60), process.returncode))
        assert soon(lambda family=family: not alive(family), 20), alive(family)
    interrupted = [(out, err, returned) for (out, err), returned in ended if returned != 0]
    assert len(interrupted) > 1
    for out, err, returned in interrupted:
        assert (returned, out, len(err.splitlines())) == (code, "", 1), err
    assert names(place / "tmp") == []


def test_what_a_living_process_makes_is_let_be(place, items):
    words = ("normalize", "--output", "u.csv", "--rejects", "r.jsonl")
    pipe = place / "pipe"
    os.mkfifo(pipe)
    first = start(place, *words, "--input", pipe)  # waits for what comes through the pipe
    with pipe.open("wb") as stream:
        assert soon(lambda: names(place / "tmp"))
        (its_own,) = names(place / "tmp")
        finish(start(place, "normalize", "--input", items, "--output", "v.csv", "--rejects", "s.jsonl"))
        assert names(place / "tmp") == [its_own]
        stream.write(items.read_bytes())
    finish(first)
    assert (place / "out" / "u.csv").read_bytes() == (place / "out" / "v.csv").read_bytes()
    assert names(place / "tmp") == []
