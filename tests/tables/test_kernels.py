"""The memory of the notebooks' kernels does not grow with the table."""

import sys
import time
from pathlib import Path

import psutil
import pytest

from tables.collection import feedback, line, talk

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
MB = 1_000_000
TEXT = "¿Cómo pido vacaciones, y a quién? " * 40


def write(path, size):
    """Write conversations of many users, without repeated texts, up to `size` bytes; return the bytes."""
    written = 0
    with path.open("wb") as stream:
        while written < size:
            n = written
            items = [talk(f"u{n % 4999}", f"2025-08-18#{n}", f"{n} {TEXT}", f"{TEXT} {n}")]
            items += [feedback(f"u{n % 4999}", f"2025-08-18#{n}", comment=f"{n} gracias")]
            written += stream.write(b"".join(line(each) + b"\n" for each in items))
    return written


def peaks(folder, size):
    """Run the four notebooks on a file of `size` bytes; return the peak memory of each kernel in MB."""
    folder.mkdir()
    assert write(folder / "items.jsonl", size) >= size
    command = [sys.executable, "-m", "cat_lab", "run", "--input", "items.jsonl", "--run-id", "r"]
    command += ["--run-date", "2025-09-01", "--notebooks", str(NOTEBOOKS)]
    found = {}
    with (folder / "log").open("wb") as log:
        process = psutil.Popen(command, cwd=folder, stdout=log, stderr=log)
        while process.poll() is None:
            for child in process.children():
                if peak := _peak(child):
                    found[child.pid] = max(peak, found.get(child.pid, 0))
            time.sleep(0.05)
    assert process.returncode == 0, (folder / "log").read_text()
    return list(found.values())


def _peak(process):
    """Return the peak memory of a kernel in MB; None for another process or one that has ended."""
    try:
        if "ipykernel_launcher" not in process.cmdline():
            return None
        status = Path(f"/proc/{process.pid}/status").read_text()
    except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
        return None
    fields = dict(each.split(":", 1) for each in status.splitlines())
    return int(fields["VmHWM"].split()[0]) / 1024 if "VmHWM" in fields else None


@pytest.mark.timeout(600)  # two runs, the second of 48 MB
def test_a_table_eight_times_as_large_needs_no_more_memory(tmp_path):
    small, large = peaks(tmp_path / "small", 6 * MB), peaks(tmp_path / "large", 48 * MB)
    assert len(small) == len(large) == 4
    assert max(large) <= 400
    assert max(large) <= 1.25 * max(small)
