"""A line that no item can have stops normalize with file and line, in bounded memory, packed or not."""

import gzip
import os
import subprocess
import sys

import pytest

from tables.collection import line, one_item, talk

MB = 1 << 20
LONG = 300 * MB


def plain(path, size):
    """Write an item, a sparse line of so many bytes, and an item."""
    with path.open("wb") as stream:
        stream.write(line(one_item().items[0]) + b"\n")
        stream.seek(size, os.SEEK_CUR)
        stream.write(b"\n" + line(talk("8", "2025-08-18", "hola")) + b"\n")


def packed(path, size):
    """Write the same packed, in as many members as it has megabytes."""
    first, last = (line(each) for each in (one_item().items[0], talk("8", "2025-08-18", "hola")))
    member = gzip.compress(b"x" * MB, 1)
    path.write_bytes(
        gzip.compress(first + b"\n") + member * (size // MB) + gzip.compress(b"\n" + last + b"\n")
    )


def normalize(folder, workers):
    """Run the command; return its exit code, what it says, and the MB that it or a worker of it took."""
    command = [
        sys.executable,
        "-m",
        "cat_normalize",
        "normalize",
        "--input",
        "raw",
        "--workers",
        str(workers),
    ]
    outputs = ["--output", "users.csv", "--rejects", "rejects.jsonl"]
    with subprocess.Popen([*command, *outputs], cwd=folder, stderr=subprocess.PIPE, text=True) as process:
        said = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, said, usage.ru_maxrss / 1024


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("write", [plain, packed])
def test_it_stops_with_file_and_line(write, workers, tmp_path):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "a.jsonl").write_bytes(line(one_item().items[0]) + b"\n")
    write(tmp_path / "raw" / "b.jsonl", LONG)
    code, said, megabytes = normalize(tmp_path, workers)
    assert code == 1
    assert "b.jsonl, line 2: " in said
    assert "400 KB" in said
    assert "Traceback" not in said
    assert megabytes < 250
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


@pytest.mark.parametrize("write", [plain, packed])
def test_a_line_below_the_bound_is_a_reject(write, tmp_path):
    (tmp_path / "raw").mkdir()
    write(tmp_path / "raw" / "b.jsonl", 15 * MB)
    code, said, _ = normalize(tmp_path, 1)
    assert code == 0, said
    assert (tmp_path / "users.csv").read_bytes().count(b"\n") == 3
    assert (tmp_path / "rejects.jsonl").read_bytes().count(b"\n") == 1
