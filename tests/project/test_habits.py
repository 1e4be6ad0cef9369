"""What contributors run: the hooks before a commit are those of `make lint`."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()


def recipe(target):
    return (
        re.search(rf"^{target}:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)[1].replace("\t", "").splitlines()
    )


def test_the_hooks_before_a_commit_are_those_of_make_lint():
    (repo,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert {hook["language"] for hook in repo["hooks"]} == {"system"}
    assert [hook["entry"] for hook in repo["hooks"]] == [
        line.replace("$(BIN)", ".venv/bin") for line in recipe("lint")
    ]


def test_contributing_names_targets_that_there_are():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    assert set(re.findall(r"make ([a-z]+)", text)) <= set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))
