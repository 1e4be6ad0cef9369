"""The cron line and the unit of docs/schedule.md, as they stand, in the environment of a scheduler."""

import fcntl
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from cat_lab.cli.app import INTERRUPTED, TOO_MANY_REJECTS
from cat_lab.errors import Terminated
from cat_normalize.core import errors
from faults.kit import notebook, write_notebooks

PAGE = (Path(__file__).parents[3] / "docs" / "schedule.md").read_text()
PLACE = "/srv/cat-normalize"


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def night(empty_aws, tmp_path):
    """A set-up folder as the page has it, and a function that runs a line in it with a bare environment."""
    (tmp_path / ".venv").symlink_to(sys.prefix)
    write_notebooks(tmp_path / "notebooks")
    (script,) = (block for block in blocks("sh") if block.startswith("#!/bin/sh"))
    (tmp_path / "night.sh").write_text(script)
    (tmp_path / "night.sh").chmod(0o700)
    settings = empty_aws.environment.items()
    (tmp_path / "night.env").write_text("".join(f"{name}={shlex.quote(value)}\n" for name, value in settings))

    def run(line, cwd, **more):
        bare = {"HOME": str(tmp_path), "SHELL": "/bin/sh", "PATH": "/usr/bin:/bin"}
        return subprocess.run(
            ["/bin/sh", "-c", line.replace(PLACE, str(tmp_path))],
            cwd=cwd,
            env=bare | more,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def by_cron(night):
    """Run the crontab's command, in a home folder, as cron does."""
    (crontab,) = blocks("crontab")
    (line,) = (line for line in crontab.splitlines() if PLACE in line)
    assert "%" not in line  # cron would end the line there
    return night(re.fullmatch(r"(?:\S+ ){5}(.+)", line)[1], "/")


def records(folder):
    return [json.loads(path.read_text()) for path in folder.glob("runs/*/manifest.json")]


def test_a_night_by_cron_prints_nothing_if_all_is_well(night, tmp_path):
    done = by_cron(night)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert [each["status"] for each in records(tmp_path)] == ["done"]
    log = (tmp_path / "night.log").read_text()
    assert re.search(r"^query: 3 cells in \d+ s$", log, re.MULTILINE)
    assert log.endswith("0 runs removed, 0 bytes\n")


def test_a_night_by_cron_that_fails_prints_why_and_how_to_resume(night, tmp_path):
    write_notebooks(tmp_path / "notebooks", extract=notebook("1 / 0"))
    done = by_cron(night)
    assert (done.returncode, done.stderr) == (1, "")
    assert "\nZeroDivisionError: division by zero\n" in done.stdout
    assert "\nTo resume:    cat-normalize run --run-id " in done.stdout
    assert done.stdout.endswith("exit code 1\n")


def test_nights_do_not_overlap(night, tmp_path):
    (tmp_path / "night.log").write_text("of the night before")
    with (tmp_path / "night.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = by_cron(night)
    assert (done.returncode, done.stderr) == (75, "")
    assert done.stdout == "the night before is still working; nothing was started\n"
    assert (tmp_path / "night.log").read_text() == "of the night before"
    assert not (tmp_path / "runs").exists()


def unit(name):
    """The entries of the service, each once."""
    (service,) = (block for block in blocks("ini") if "WorkingDirectory" in block)
    return dict(re.findall(r"^(\w+)=(.*)$", service, re.MULTILINE))[name]


def test_a_night_by_systemd_writes_json_lines(night, tmp_path):
    given = dict(word.split("=", 1) for word in shlex.split(unit("Environment")))
    assert unit("EnvironmentFile") == f"{PLACE}/night.env"
    for line in (tmp_path / "night.env").read_text().splitlines():
        given |= dict([shlex.split(line)[0].split("=", 1)])
    done = night(unit("ExecStart"), unit("WorkingDirectory").replace(PLACE, str(tmp_path)), **given)
    assert done.returncode == 0, done.stderr
    events = [json.loads(line)["event"] for line in done.stderr.splitlines()]
    assert (events[0], events[-1]) == ("start", "end")
    assert [each["status"] for each in records(tmp_path)] == ["done"]
    after = night(unit("ExecStopPost"), tmp_path, **given)
    assert (after.returncode, after.stdout) == (0, "0 runs removed, 0 bytes\n")


def test_the_page_has_every_exit_code():
    codes = {each.exit_code for each in vars(errors).values() if hasattr(each, "exit_code")}
    codes |= {0, TOO_MANY_REJECTS, INTERRUPTED, Terminated.exit_code, os.EX_TEMPFAIL}
    rows = re.findall(r"^\| (\d+(?:, \d+)*) \|", PAGE, re.MULTILINE)
    assert {int(code) for row in rows for code in row.split(", ")} == codes
