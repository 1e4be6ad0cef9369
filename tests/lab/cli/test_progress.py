"""What a run writes to stderr while it works: on a terminal, elsewhere, and as JSON lines."""

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import termios

import pytest

from cat_lab.cli.progress import fit
from faults.kit import COMMAND, PARAMETERS, Project, environment, notebook
from lab.runs.past import write_run

COLUMNS = 40
NAMES = ("extract", "normalize", "convert", "query")
LONG = "# 長い見出し of a cell that says far more than a narrow terminal can show"
STRAY = """
import os, subprocess, sys
os.write(2, b"from the kernel\\n")
subprocess.run(["sh", "-c", "echo from a child >&2"], check=True)
print("from a cell", file=sys.stderr)
"""


@pytest.fixture
def project(empty_aws, tmp_path):
    """A folder for runs on that AWS, with four notebooks that do almost nothing."""
    made = Project(tmp_path, empty_aws.child_environment(environment()))
    made.write()
    return made


def read_all(terminal):
    found = b""
    while True:
        try:
            read = os.read(terminal, 4096)
        except OSError:  # Linux: the other end is closed
            read = b""
        if not read:
            return found.decode()
        found += read


def on_a_terminal(project, *words):
    """Run with stderr on a terminal of 40 columns; return exit code and what came there."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
    process = subprocess.Popen(
        [*COMMAND, "run", *words],
        cwd=project.folder,
        env={name: value for name, value in project.env.items() if name != "COLUMNS"},
        stdout=subprocess.DEVNULL,
        stderr=slave,
    )
    os.close(slave)
    shown = read_all(master)
    os.close(master)
    return process.wait(60), shown


def rows(shown):
    """What stands on each line of the terminal in the end, and all that a line was changed to before."""
    return [re.split(r"\r(?:\x1b\[K)?", line.replace("\x1b[K", "")) for line in shown.split("\r\n")]


def test_a_terminal_of_40_columns_has_one_line_per_stage_and_it_never_wraps(project):
    source = json.loads(notebook("1 + 1"))
    source["cells"][0]["source"] = LONG
    project.write(normalize=json.dumps(source))
    write_run(project.runs, "earlier", local=False)
    code, shown = on_a_terminal(project, "--run-id", "r")
    assert code == 0
    lines = rows(shown)
    assert [line[-1].partition(":")[0] for line in lines[1:-1]] == list(NAMES)
    for stage, line in zip(NAMES, lines[1:-1], strict=True):
        *before, last = (each for each in line if each)
        assert all(each.startswith(stage) and fit(each, COLUMNS - 1) == each for each in before)
        assert re.fullmatch(rf"{stage}: 3 cells in \d+ s, expected \d+ s", last)
    assert re.search(r"\rnormalize 1/3  \d+ s of about 2 s  長い見?\x1b\[K", shown)
    assert lines[-1] == [""]


def test_a_failure_starts_on_a_line_of_its_own(project):
    project.write(extract=notebook("1 / 0"))
    code, shown = on_a_terminal(project, "--run-id", "r")
    assert code == 1
    lines = [line[-1] for line in rows(shown)]
    assert re.fullmatch(r"extract: stopped at cell 3 of 3 after \d+ s", lines[1])
    assert lines[2].startswith("cat-normalize: run r failed in extract")


def events(done):
    """The events on stderr: every line is one."""
    found = [json.loads(line) for line in done.stderr.splitlines()]
    assert all({"time", "event"} <= set(each) for each in found)
    return found


def named(found, name):
    return [each for each in found if each["event"] == name]


def test_json_lines_say_when_stages_start_and_end_and_nothing_else_is_on_stderr(project):
    project.write(normalize=notebook(STRAY))
    write_run(project.runs, "earlier", local=False)
    done = project.run("--run-id", "r", "--log-format", "json", "--json")
    found = events(done)
    assert (done.returncode, json.loads(done.stdout)["status"]) == (0, "done")
    main = [each["event"] for each in found if each["event"] != "message"]
    assert main == ["start", *["stage_start", "stage_end"] * 4, "end"]
    assert (found[0]["run_id"], found[0]["where"], found[0]["stages"]) == ("r", "AWS", list(NAMES))
    assert [each["stage"] for each in named(found, "stage_end")] == list(NAMES)
    assert all(each["done"] and each["seconds"] > 0 for each in named(found, "stage_end"))
    assert [each["expected_seconds"] for each in named(found, "stage_start")] == [4, 2, 30, 9]
    assert (found[-1]["event"], found[-1]["exit_code"]) == ("end", 0)


def test_a_failure_is_one_event_with_what_to_try_and_how_to_resume(project):
    secret = PARAMETERS + "api_token: str = ''\n"
    project.write(extract=notebook("raise PermissionError('403 Forbidden')", parameters=secret))
    project.env["CAT_LOG_FORMAT"] = "json"
    done = project.run("--run-id", "r", "-p", "extract.api_token=hush")
    found = events(done)
    (failure,) = named(found, "failure")
    assert (failure["stage"], failure["error"], failure["cell"]) == ("extract", "PermissionError", 3)
    assert failure["status"] == "failed"
    assert failure["try"].startswith("have the action")
    assert failure["resume"].endswith("run --run-id r --from extract -p 'extract.api_token=********'")
    assert [each["done"] for each in named(found, "stage_end")] == [False]
    assert (done.returncode, found[-1]["exit_code"]) == (1, 1)
    assert named(found, "message") == []
    assert "hush" not in done.stderr


DEFECT = """
import sys
from cat_lab import project
from cat_lab.cli import main
project.find_notebooks = lambda: 1 / 0
main(["run", "--local", "--log-format", "json"])
"""


def test_problems_and_a_defect_are_messages_and_the_end_has_the_exit_code(project):
    done = project.run("--log-format", "json", "--run-date", "2999-01-01")
    *messages, end = events(done)
    assert (done.returncode, end["event"], end["exit_code"]) == (2, "end", 2)
    assert messages[0]["text"] == "cat-normalize: a problem; nothing was started"
    assert messages[1]["text"].startswith("dates: run date 2999-01-01 is after today")
    done = subprocess.run(
        [COMMAND[0], "-c", DEFECT], env=environment(), capture_output=True, text=True, check=False
    )
    *messages, end = events(done)
    assert messages[-1]["text"] == "ZeroDivisionError: division by zero"
    assert (done.returncode, end["event"], end["exit_code"]) == (1, "end", 1)


def test_another_form_is_refused(call):
    code, out, err = call("run", "--log-format", "xml")
    assert (code, out) == (2, "")
    assert "--log-format 'xml': no such form; the forms are text, json" in err
