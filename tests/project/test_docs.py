"""The pages cannot lie: tests and files they name exist, commands they show are there."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

from cat_lab.cli import app

ROOT = Path(__file__).parents[2]
OWN = ROOT / "lib" / "cat_lab" / "project" / "README.md"  # of a project that `init` lays out
PAGES = [ROOT / "README.md", OWN, *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_page_links_to_is_there(page):
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_the_contract_names_tests_that_there_are():
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", (ROOT / "docs" / "contract.md").read_text())
    assert len(named) > 30
    for file, test in named:
        assert f"def {test}(" in (ROOT / file).read_text(), f"{file}::{test}"


def test_commands_that_pages_show_are_there():
    text = "\n".join(page.read_text() for page in PAGES)
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:^|`|\$ )make ([a-z]+)", text, re.MULTILINE)) <= targets
    commands = get_command(app).commands
    for name, rest in re.findall(r"\$ (?:\.venv/bin/)?cat-normalize ([a-z]+)(.*)", text):
        options = {word for each in commands[name].params for word in each.opts}
        assert set(re.findall(r"(?<!\S)--?[a-z][\w-]*", rest)) <= options, (name, rest)


def test_the_contract_names_every_command():
    text = (ROOT / "docs" / "contract.md").read_text()
    assert all(f"`{name}`" in text for name in get_command(app).commands)
