"""Stages killed at many moments: outputs stay whole, and no file and no process remains."""

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
def folders(tmp_path):
    """A folder for outputs, and one for temporary files."""
    for name in ("out", "tmp"):
        (tmp_path / name).mkdir()
    return tmp_path


def start(folders, *words, **more):
    return subprocess.Popen(
        [*COMMAND, *map(str, words)],
        cwd=folders / "out",
        env=environment(TMPDIR=str(folders / "tmp"), **more),
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


def took(folders, *words, **more):
    """Run a command; return how long it took."""
    begun = time.monotonic()
    finish(start(folders, *words, **more))
    return time.monotonic() - begun


@pytest.fixture
def items(folders):
    """A file of 30,000 items, each of ten messages."""
    item = b'{"PK":{"S":"USER#%d"},"SK":{"S":"CONVERSATION#2025-08-18"},"Conversation":{"L":[%s]}}\n'
    message = b'{"M":{"from":{"S":"user"},"text":{"S":"hola"}}}'
    path = folders / "items.jsonl"
    path.write_bytes(b"".join(item % (n % 9000, b",".join([message] * 10)) for n in range(30_000)))
    return path


@pytest.mark.parametrize("workers", [1, 2])
def test_normalize(folders, items, workers):
    words = ("normalize", "--input", items, "--output", "u.csv", "--rejects", "r.jsonl", "--workers", workers)
    seconds = took(folders, *words)
    whole = (folders / "out" / "u.csv").read_bytes()
    (folders / "out" / "u.csv").write_bytes(b"earlier")
    hit = [killed(start(folders, *words), seconds * (n + 1) / (KILLS + 1)) for n in range(KILLS)]
    assert sum(hit) >= KILLS // 2
    assert (folders / "out" / "u.csv").read_bytes() in (b"earlier", whole)
    finish(start(folders, *words))
    assert (folders / "out" / "u.csv").read_bytes() == whole
    assert names(folders / "out") == ["r.jsonl", "u.csv"]
    assert names(folders / "tmp") == []


def test_workers_end_when_one_worker_and_the_parent_are_killed(folders, items):
    words = ("normalize", "--input", items, "--output", "u.csv", "--rejects", "r.jsonl", "--workers", 3)
    process = start(folders, *words)
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


def test_extract(folders, aws):
    client, table = aws.client("dynamodb"), aws.settings.table_name
    for start_at in range(0, 500, 25):
        puts = [
            {"PutRequest": {"Item": {"PK": {"S": f"USER#{n}"}, "SK": {"S": "REGISTER"}}}}
            for n in range(start_at, start_at + 25)
        ]
        client.batch_write_item(RequestItems={table: puts})
    words, given = ("extract", "--output", "raw", "--segments", 2), aws.child_environment({})
    seconds = took(folders, *words, **given)
    whole = {path.name: path.read_bytes() for path in (folders / "out" / "raw").iterdir()}
    for n in range(KILLS):
        killed(start(folders, *words, **given), seconds * (n + 1) / (KILLS + 1))
        assert {path.name: path.read_bytes() for path in (folders / "out" / "raw").iterdir()} == whole
    finish(start(folders, *words, **given))
    assert names(folders / "out") == ["raw"]
    assert names(folders / "tmp") == []


def sizes(folder):
    return {path.name: path.stat().st_size for path in folder.iterdir() if path.is_file()}


def test_convert(folders):
    cells = ["7", "Ana", "", "Cali", "01/09/2025", "1", "[]", "", "0", "x" * 500, "like", ""]
    (folders / "u.csv").write_bytes(HEADER + (",".join(cells) + "\n").encode() * 2_000)
    words = ("convert", "--input", folders / "u.csv", "--output", "u.parquet", "--json")
    words += ("--conversations", "c.parquet", "--messages", "m.parquet")
    begun = time.monotonic()
    rows = json.loads(finish(start(folders, *words)))["rows"]
    seconds = time.monotonic() - begun
    before = sizes(folders / "out")
    for n in range(3):
        killed(start(folders, *words), seconds * (n + 1) / 4)
        assert sizes(folders / "out") == before
    assert json.loads(finish(start(folders, *words)))["rows"] == rows
    assert names(folders / "out") == ["c.parquet", "m.parquet", "u.parquet"]
    assert names(folders / "tmp") == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_convert_interrupted_at_any_moment_ends_with_one_line(folders, number, code):
    cells = ["7", "Ana", "", "Cali", "01/09/2025", "1", "[]", "", "0", "x" * 500, "like", ""]
    (folders / "u.csv").write_bytes(HEADER + (",".join(cells) + "\n").encode() * 40_000)
    words = ("convert", "--input", folders / "u.csv", "--output", "u.parquet")
    seconds, ended = took(folders, *words), []
    for n in range(4):
        process = start(folders, *words)
        time.sleep(seconds * (n + 1) / 5)
        family = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(number)
        ended.append((process.communicate(timeout=60), process.returncode))
        assert soon(lambda family=family: not alive(family), 20), alive(family)
    interrupted = [(out, err, returned) for (out, err), returned in ended if returned != 0]
    assert len(interrupted) > 1
    for out, err, returned in interrupted:
        assert (returned, out, len(err.splitlines())) == (code, "", 1), err
    assert names(folders / "tmp") == []


def test_files_of_a_running_process_are_not_swept(folders, items):
    words = ("normalize", "--output", "u.csv", "--rejects", "r.jsonl")
    pipe = folders / "pipe"
    os.mkfifo(pipe)
    first = start(folders, *words, "--input", pipe)  # waits for what comes through the pipe
    with pipe.open("wb") as stream:
        assert soon(lambda: names(folders / "tmp"))
        (own,) = names(folders / "tmp")
        finish(start(folders, "normalize", "--input", items, "--output", "v.csv", "--rejects", "s.jsonl"))
        assert names(folders / "tmp") == [own]
        stream.write(items.read_bytes())
    finish(first)
    assert (folders / "out" / "u.csv").read_bytes() == (folders / "out" / "v.csv").read_bytes()
    assert names(folders / "tmp") == []
