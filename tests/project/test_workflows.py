"""The delivery pipeline: its steps exist, in the versions of the docs, and may do no more than they need."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".github" / "workflows"
MAKEFILE = (ROOT / "Makefile").read_text()
DELIVER, DEPLOY = (yaml.safe_load((FOLDER / name).read_text()) for name in ("deliver.yml", "deploy.yml"))
ON = True  # YAML's reading of the key `on`
CHECK, (DEPLOYMENT,) = DELIVER["jobs"]["check"], DEPLOY["jobs"].values()
STAGES = {name: job for name, job in DELIVER["jobs"].items() if "uses" in job}
STEPS = [*CHECK["steps"], *DEPLOYMENT["steps"]]


def given(action, name):
    """Return each value that an action's steps are given."""
    return {step["with"][name] for step in STEPS if step.get("uses", "").startswith(f"actions/{action}@")}


def test_every_step_that_calls_make_names_a_target_that_there_is():
    called = [step["run"].split() for step in STEPS if "run" in step]
    targets = re.search(r"^\.PHONY: (.+)", MAKEFILE, re.MULTILINE)[1].split()
    assert {words[0] for words in called} == {"make"}
    assert {words[1] for words in called} <= set(targets)
    assert [words[1:] for words in called] == [
        ["lint"], ["test"], ["package"], ["synth", "ENV=test"], ["synth", "ENV=prod"],
        ["setup"], ["deploy"], ["smoke"],
    ]  # fmt: skip


def test_python_and_node_are_those_of_the_docs():
    (python,) = given("setup-python", "python-version")
    (node,) = given("setup-node", "node-version")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"].startswith(f">={python},")
    assert f"Python {python} and make" in (ROOT / "README.md").read_text()
    assert f"Node.js {node} or later" in (ROOT / "docs" / "deploy.md").read_text()


def test_what_is_deployed_is_what_was_tested():
    (kept,) = (step["with"]["path"].split() for step in STEPS if "/upload-artifact@" in step.get("uses", ""))
    assert kept == ["dist", "build/cdk"]
    assert given("upload-artifact", "name") == given("download-artifact", "name")
    recipes = dict(re.findall(r"^(synth|deploy):.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE))
    assert "CDK_OUTDIR=$(CURDIR)/build/cdk/$(ENV)" in recipes["synth"]
    assert "--app $(CURDIR)/build/cdk/$(ENV)" in recipes["deploy"]
    assert "package" not in [step.get("run") for step in DEPLOYMENT["steps"]]


def test_what_deploys_with_credentials_is_held_to_hashes():
    recipes = dict(re.findall(r"^(infra/cdk/node_modules\S*):.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE))
    assert "npm ci " in recipes["infra/cdk/node_modules/.ready"]
    wanted, lock = (
        json.loads((ROOT / "infra" / "cdk" / name).read_text())
        for name in ("package.json", "package-lock.json")
    )
    own, *packages = lock["packages"].values()
    assert own["devDependencies"] == wanted["devDependencies"]
    assert [set(each) & {"integrity", "resolved"} for each in packages] == [{"integrity"}]


def test_a_pull_request_deploys_nothing_and_prod_follows_test():
    assert (STAGES["test"]["needs"], STAGES["prod"]["needs"]) == ("check", "test")
    assert STAGES["test"]["if"] == "github.event_name == 'push'"
    assert DELIVER[ON]["push"] == {"branches": ["main"]}
    assert "if" not in STAGES["prod"]  # an expression could let it run where `test` did not
    for name, job in STAGES.items():
        assert job["uses"] == "./.github/workflows/deploy.yml"
        assert job["with"].keys() == DEPLOY[ON]["workflow_call"]["inputs"].keys()
        assert job["with"]["environment"] == name
    assert STAGES["test"]["with"]["smoke"] is True


def test_two_deployments_to_one_environment_never_overlap_and_none_is_cut_off():
    assert DEPLOYMENT["environment"] == DEPLOYMENT["env"]["ENV"] == "${{ inputs.environment }}"
    assert DEPLOYMENT["concurrency"] == {
        "group": "deploy-${{ inputs.environment }}",
        "cancel-in-progress": False,
    }
    assert DELIVER["concurrency"]["cancel-in-progress"] == "${{ github.event_name == 'pull_request' }}"


def test_permissions_are_few_keys_none_and_time_is_limited():
    read = {"contents": "read"}
    assert DELIVER["permissions"] == DEPLOY["permissions"] == {}
    assert CHECK["permissions"] == read
    for job in (*STAGES.values(), DEPLOYMENT):
        assert job["permissions"] == read | {"id-token": "write"}
    assert not [path.name for path in FOLDER.iterdir() if "secrets" in path.read_text()]
    assert {0 < job["timeout-minutes"] <= 90 for job in (CHECK, DEPLOYMENT)} == {True}


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("deliver.yml", "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1", "actions/checkout@v7"),
        ("deploy.yml", "run: make deploy", "run: make deploy ENV=${{ inputs.environment }}"),
        ("deploy.yml", "runs-on:", "runs:"),
    ],
)
def test_the_linter_finds_a_workflow_that_was_made_worse(tmp_path, name, right, wrong):
    text = (FOLDER / name).read_text()
    assert right in text
    (tmp_path / name).write_text(text.replace(right, wrong))
    recipe = next(line for line in MAKEFILE.splitlines() if "zizmor" in line)
    words = [word for word in recipe.split()[1:] if word != ".github"]
    command = [Path(sys.executable).with_name("zizmor"), *words, tmp_path / name]
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0
