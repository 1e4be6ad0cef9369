"""A cell that fails, a kernel that dies: the run fails, says where, and keeps what there is."""

import pytest

from faults.kit import errors, notebook, soon


def last_but_one_cell_failed(bench, name="01_extract.ipynb"):
    """Check that the run stopped at the cell before the last; return its one error output."""
    *_, failed, never = bench.cells(name)
    assert failed["metadata"]["papermill"]["status"] == "failed"
    assert failed["metadata"]["papermill"]["exception"] is True
    assert never["metadata"]["papermill"]["status"] == "pending"
    assert never["outputs"] == []
    (error,) = errors(failed)
    return error


def test_a_failing_cell_ends_the_run_and_says_where(bench):
    bench.write(normalize=notebook("what = 'fish'", "raise ValueError('no ' + what)", "print('never')"))
    done = bench.run("--run-id", "r")
    assert done.returncode == 1
    place = "code cell 4 of 5, under 'Heading', in runs/r/02_normalize.ipynb:"
    said = f"{place} ValueError: no fish"
    assert f"cat-normalize: run r failed in normalize, {place}\nValueError: no fish\n" in done.stderr
    assert done.stderr.endswith("To go on:     cat-normalize run --run-id r --from normalize\n")
    assert bench.statuses() == ["done", "failed", "pending", "pending"]
    assert bench.record()["status"] == "failed"
    assert bench.record()["stages"]["normalize"]["error"] == said
    error = last_but_one_cell_failed(bench, "02_normalize.ipynb")
    assert (error["ename"], error["evalue"]) == ("ValueError", "no fish")
    assert "raise" in "\n".join(error["traceback"])
    assert not (bench.runs / "r" / "03_convert.ipynb").exists()
    report = (bench.runs / "r" / "report.html").read_text()
    assert "ValueError: no fish" in report
    assert "failed" in report


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "DeadKernelError"),
        ("import sys\nsys.exit()", "SystemExit"),
        (
            "import resource\n"
            "resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))\n"
            "held = bytearray(8 << 30)",
            "MemoryError",
        ),
    ],
    ids=["killed as the system kills for want of memory", "exit", "out of memory"],
)
def test_a_kernel_that_ends_is_recorded_as_what_it_is(bench, cell, name):
    bench.write(extract=notebook(cell, "print('never')"))
    done = bench.run("--run-id", "r")
    assert done.returncode == 1
    assert f"\n{name}: " in done.stderr
    assert last_but_one_cell_failed(bench)["ename"] == name
    assert bench.statuses() == ["failed", "pending", "pending", "pending"]
    assert bench.record()["status"] == "failed"
    if name == "DeadKernelError":
        assert "the kernel died; killed by the system for want of memory" in done.stderr


def test_a_notebook_that_ends_itself_in_its_last_cell_has_failed_too(bench):
    bench.write(extract=notebook("import sys", "sys.exit(0)"))
    done = bench.run("--run-id", "r")
    assert (done.returncode, bench.statuses()[0]) == (1, "failed")
    assert "code cell 4 of 4" in done.stderr
    assert "SystemExit: the notebook ended itself" in done.stderr


def test_a_missing_kernel_is_named(bench):
    bench.write(extract=notebook("1", kernel="fortran77"))
    done = bench.run("--run-id", "r")
    assert done.returncode == 1
    assert "01_extract.ipynb:\nNoSuchKernel: no kernel named 'fortran77' is installed here" in done.stderr
    assert "Traceback" not in done.stderr
    assert bench.statuses() == ["failed", "pending", "pending", "pending"]


def test_a_run_does_not_write_to_its_sources(bench):
    bench.write(extract=notebook("print('x')", "1 / 0"))
    sources = {path: path.read_bytes() for path in (bench.folder / "notebooks").iterdir()}
    assert bench.run("--run-id", "r").returncode == 1
    assert {path: path.read_bytes() for path in (bench.folder / "notebooks").iterdir()} == sources


def statuses_of(cells):
    return [cell["metadata"]["papermill"]["status"] for cell in cells]


def test_the_copy_on_disk_follows_the_run(bench):
    wait = "import pathlib, time\nwhile not pathlib.Path(work_dir, 'go').exists():\n    time.sleep(0.05)"
    bench.write(extract=notebook("print('first')", wait, "1 / 0"))
    process = bench.start("--run-id", "r")
    copy = bench.runs / "r" / "01_extract.ipynb"
    try:
        assert soon(
            lambda: copy.exists() and statuses_of(bench.cells(copy.name))[-2:] == ["running", "pending"]
        )
        assert "first" in str(bench.cells(copy.name)[2]["outputs"])
        assert bench.record()["status"] == "running"
        assert bench.statuses() == ["running", "pending", "pending", "pending"]
    finally:
        (bench.runs / "r" / "go").touch()
        process.communicate(timeout=60)
    assert process.returncode == 1
