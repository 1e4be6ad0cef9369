"""A line too long for an item stops normalize with file and line, in bounded memory, also with gzip."""

import gzip
import os
import subprocess
import sys

import pytest

from tables.collection import line, one_item, talk

MB = 1 << 20
LONG = 300 * MB


def plain(path, size):
    """Write an item, a sparse line of `size` bytes, and an item."""
    with path.open("wb") as stream:
        stream.write(line(one_item().items[0]) + b"\n")
        stream.seek(size, os.SEEK_CUR)
        stream.write(b"\n" + line(talk("8", "2025-08-18", "hola")) + b"\n")


def compressed(path, size):
    """Write the same with gzip, one member per megabyte."""
    first, last = (line(each) for each in (one_item().items[0], talk("8", "2025-08-18", "hola")))
    member = gzip.compress(b"x" * MB, 1)
    path.write_bytes(
        gzip.compress(first + b"\n") + member * (size // MB) + gzip.compress(b"\n" + last + b"\n")
    )


# A child starts with the memory of its parent, so a small process, not pytest, starts the command.
MEASURED = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
sys.exit(code)
"""


def normalize(folder, workers):
    """Run the command; return exit code, stderr, and the peak MB of the command or of one worker."""
    words = ["--input", "raw", "--workers", str(workers), "--output", "users.csv", "--rejects", "r.jsonl"]
    command = [sys.executable, "-c", MEASURED, sys.executable, "-m", "cat_lab", "normalize", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr, float(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("write", [plain, compressed])
def test_a_line_too_long_stops_with_file_and_line(write, workers, tmp_path):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "a.jsonl").write_bytes(line(one_item().items[0]) + b"\n")
    write(tmp_path / "raw" / "b.jsonl", LONG)
    code, err, megabytes = normalize(tmp_path, workers)
    assert code == 1
    assert "b.jsonl, line 2: " in err
    assert "400 KB" in err
    assert "Traceback" not in err
    assert megabytes < 250
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


@pytest.mark.parametrize("write", [plain, compressed])
def test_a_long_line_below_the_limit_is_a_reject(write, tmp_path):
    (tmp_path / "raw").mkdir()
    write(tmp_path / "raw" / "b.jsonl", 15 * MB)
    code, err, _ = normalize(tmp_path, 1)
    assert code == 0, err
    assert (tmp_path / "users.csv").read_bytes().count(b"\n") == 3
    assert (tmp_path / "r.jsonl").read_bytes().count(b"\n") == 1
