"""Every command and snippet of the pages runs, in order, and prints what the page shows.

The pages share one desk: a folder in which the repository's files are links. The tour comes first; what it
makes is there for the pages after it, and a command that two pages name runs once. What is shown is compared
by the rule in ``console.shows``.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from faults.kit import environment
from project.console import Desk, blocks, commands, shows

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "docs" / "tour.md",
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md")),
    *(page for page in sorted((ROOT / "docs").rglob("*.md")) if page.name != "tour.md"),
]
NAMES = {str(page.relative_to(ROOT)): page for page in PAGES}
SAMPLE = ".venv/bin/cat-normalize run --local"
# A command that is run as another one, because the run of the sample is enough once.
SAME = dict.fromkeys(("make run", "cat-normalize run --local"), f"{SAMPLE} --run-id tour")
# Commands that are not run, by how they begin, and why.
NOT_RUN = {
    "aws ": "asks an AWS account",
    "npx cdk ": "deploys; tests/infra makes the templates",
    "npm ci": "downloads",
    "cd infra/cdk": "goes with the two before",
    "for b in ": "empties buckets of an AWS account",
    "conda ": "makes an environment; tests/project/test_environment.py holds its pins",
    "pip install ": "changes an environment",
    ".venv/bin/pre-commit install": "changes the repository; tests/project/test_habits.py holds the hooks",
    ".venv/bin/uv pip compile ": "asks a package index",
    ".venv/bin/mypy": "make lint runs it, for another Python",
    "make setup": "makes the environment of the tests",
    "make package": "tests/deployed builds",
    "make check": "runs the tests",
    "make test": "runs the tests",
    ".venv/bin/cat-normalize local": "runs until Ctrl-C, as tests/lab/cli/test_aws.py has it",
    ".venv/bin/python -m cat_lab ": "asks that local AWS; as above",
    '.venv/bin/python -c "import boto3;': "asks that local AWS; as above",
    ".venv/bin/cat-normalize query totals --parquet runs/local/": "reads what that local AWS made; as above",
    ".venv/bin/cat-normalize query overview --param": "asks Athena; the next two commands ask files",
    "pip wheel ": "tests/project/test_installed.py builds and installs the wheels",
    "pip uninstall ": "changes an environment",
    "python3.11 -m venv ": "makes an environment",
    "python -m ipykernel install ": "changes the user's home",
    "cat-normalize --version": "needs the command on the path; tests/project/test_installed.py has it",
    "cat-normalize init ": "as above",
    "cat-normalize convert ": "shows what a missing package prints; as above",
    "set -a; . ./night.env": "sets variables of the shell that calls it; tests/lab/cli/test_schedule.py",
    ".venv/bin/cat-normalize doctor": "asks an AWS account",
    ".venv/bin/cat-normalize runs show 2": "names a run; tests/lab/cli has it",
    ".venv/bin/cat-normalize runs diff": "compares two runs; tests/lab/cli has it",
    "sudo systemctl ": "changes the machine",
    "systemctl ": "asks the machine",
    ".venv/bin/cat-normalize extract --export s3:": "reads an AWS account",
    ".venv/bin/cat-normalize normalize --input raw": "reads what the command before it made",
    ".venv/bin/cat-normalize run --input": "four kernels more; tests/lab/notebooks/test_any_table.py runs it",
}
FRAGMENTS = {
    "docs/deploy.md": "lines of a module, for an environment",
    "docs/explore.md": "lines of a notebook, after its workspace",
}


def not_run(line):
    return next((start for start in NOT_RUN if line.startswith(start)), None)


def lines(page):
    return [each.line for block in blocks(page) if block.language == "console" for each in commands(block)]


def run(name, desk):
    """Run what a page has, in order; yield each command and what it printed."""
    for block in blocks(NAMES[name]):
        if block.title:
            (desk.folder / block.title).write_text(block.text)
        if block.language == "python" and name not in FRAGMENTS:
            subprocess.run([sys.executable, "-c", block.text], cwd=desk.folder, check=True)
        for each in commands(block) if block.language == "console" else ():
            if each.line in SAME:
                yield each, desk.run(SAME[each.line]).replace("tour", "20260101T000000Z")
            elif not not_run(each.line):
                yield each, desk.run(each.line)


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    folder = tmp_path_factory.mktemp("desk")
    for path in ROOT.iterdir():
        if path.name not in ("runs", "build", "dist", ".git"):
            (folder / path.name).symlink_to(path)
    desk = Desk(folder, environment())
    assert list(run("docs/tour.md", desk))
    return desk


@pytest.mark.parametrize("name", NAMES)
def test_a_page_shows_what_its_commands_print(name, desk):
    for command, printed in run(name, desk):
        if command.shown:
            shown = "\n".join(map(str.rstrip, command.shown))
            assert shows(shown, printed), f"$ {command.line}\n{printed}"


@pytest.mark.parametrize("name", NAMES)
def test_whatever_looks_like_a_command_is_in_a_console_block(name):
    for block in blocks(NAMES[name]):
        if block.language != "console":
            assert not re.search(r"^(\$ |make \w|\.venv/bin/)", block.text, re.MULTILINE), block.text


def test_the_run_of_the_sample_is_what_make_run_runs():
    recipe = re.search(r"^run: setup\n\t(.*)\n", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]
    assert recipe.replace("$(BIN)", ".venv/bin") == SAMPLE


def test_every_exception_is_of_a_command_that_a_page_shows():
    used = {not_run(line) for page in PAGES for line in lines(page)}
    assert set(NOT_RUN) - used == set()


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("rows 2", "rows 2", True),
        ("rows 2", "rows 3", False),
        ("rows 2", "rows 2\nmore", False),
        ("sha ab…", "sha abcd", True),
        ("sha ab…", "sha abcd\nmore", False),
        ("a\n…\nz", "a\nb\nc\nz", True),
        ("a\n…\nz", "a\nb", False),
        ("a\n…", "a\nb\nc", True),
        ("run 20250101T000000Z", "run 20261127T010203Z", True),
        ("day    2026-11-27", "day    2030-01-01", True),
        ("last day 2026-11-27", "last day 2030-01-01", False),
    ],
)
def test_what_a_page_shows_is_compared_by_a_rule(shown, printed, same):
    assert shows(shown, printed) == same
