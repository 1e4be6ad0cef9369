"""A cell that fails or a kernel that dies: the run fails, names the cell, and keeps the executed copies."""

import pytest

from faults.kit import errors, notebook, soon


def last_but_one_cell_failed(project, name="01_extract.ipynb"):
    """Check that the run stopped at the cell before the last; return its one error output."""
    *_, failed, never = project.cells(name)
    assert failed["metadata"]["papermill"]["status"] == "failed"
    assert failed["metadata"]["papermill"]["exception"] is True
    assert never["metadata"]["papermill"]["status"] == "pending"
    assert never["outputs"] == []
    (error,) = errors(failed)
    return error


def test_a_failing_cell_ends_the_run_and_is_named(project):
    project.write(
        normalize=notebook("what = 'such column'", "raise ValueError('no ' + what)", "print('never')")
    )
    done = project.run("--run-id", "r")
    assert done.returncode == 1
    where = "code cell 4 of 5, under 'Heading', in runs/r/02_normalize.ipynb:"
    message = f"{where} ValueError: no such column"
    assert f"cat-normalize: run r failed in normalize, {where}\nValueError: no such column\n" in done.stderr
    assert done.stderr.endswith("To resume:    cat-normalize run --run-id r --from normalize\n")
    assert project.statuses() == ["done", "failed", "pending", "pending"]
    assert project.record()["status"] == "failed"
    assert project.record()["stages"]["normalize"]["error"] == message
    error = last_but_one_cell_failed(project, "02_normalize.ipynb")
    assert (error["ename"], error["evalue"]) == ("ValueError", "no such column")
    assert "raise" in "\n".join(error["traceback"])
    assert not (project.runs / "r" / "03_convert.ipynb").exists()
    report = (project.runs / "r" / "report.html").read_text()
    assert "ValueError: no such column" in report
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
    ids=["killed as when memory runs out", "exit", "out of memory"],
)
def test_a_kernel_that_ends_is_recorded_as_a_failure(project, cell, name):
    project.write(extract=notebook(cell, "print('never')"))
    done = project.run("--run-id", "r")
    assert done.returncode == 1
    assert f"\n{name}: " in done.stderr
    assert last_but_one_cell_failed(project)["ename"] == name
    assert project.statuses() == ["failed", "pending", "pending", "pending"]
    assert project.record()["status"] == "failed"
    if name == "DeadKernelError":
        assert "the kernel died; most likely the system killed it because memory ran out" in done.stderr


def test_a_notebook_that_exits_in_its_last_cell_has_failed(project):
    project.write(extract=notebook("import sys", "sys.exit(0)"))
    done = project.run("--run-id", "r")
    assert (done.returncode, project.statuses()[0]) == (1, "failed")
    assert "code cell 4 of 4" in done.stderr
    assert "SystemExit: the notebook ended itself" in done.stderr


def test_a_missing_kernel_is_named(project):
    project.write(extract=notebook("1", kernel="fortran77"))
    done = project.run("--run-id", "r")
    assert done.returncode == 1
    assert "01_extract.ipynb:\nNoSuchKernel: no kernel named 'fortran77' is installed here" in done.stderr
    assert "Traceback" not in done.stderr
    assert project.statuses() == ["failed", "pending", "pending", "pending"]


def test_a_run_does_not_write_to_its_sources(project):
    project.write(extract=notebook("print('x')", "1 / 0"))
    sources = {path: path.read_bytes() for path in (project.folder / "notebooks").iterdir()}
    assert project.run("--run-id", "r").returncode == 1
    assert {path: path.read_bytes() for path in (project.folder / "notebooks").iterdir()} == sources


def statuses_of(cells):
    return [cell["metadata"]["papermill"]["status"] for cell in cells]


def test_the_copy_on_disk_follows_the_run(project):
    wait = "import pathlib, time\nwhile not pathlib.Path(work_dir, 'go').exists():\n    time.sleep(0.05)"
    project.write(extract=notebook("print('first')", wait, "1 / 0"))
    process = project.start("--run-id", "r")
    copy = project.runs / "r" / "01_extract.ipynb"
    try:
        assert soon(
            lambda: copy.exists() and statuses_of(project.cells(copy.name))[-2:] == ["running", "pending"]
        )
        assert "first" in str(project.cells(copy.name)[2]["outputs"])
        assert project.record()["status"] == "running"
        assert project.statuses() == ["running", "pending", "pending", "pending"]
    finally:
        (project.runs / "r" / "go").touch()
        process.communicate(timeout=60)
    assert process.returncode == 1
