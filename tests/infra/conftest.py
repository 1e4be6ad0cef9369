"""The app is run once an environment."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from infra.assembly import Assembly, Tried
from infra.synth import Synth

UNACKNOWLEDGED = """
import sys
sys.path.insert(0, ".")
from parts import roles
roles.acknowledge = lambda *_: None
import app
app.main()
"""
"""The app with every acknowledgement left out."""

RUNS = {
    "prod": (("app.py",), "prod"),
    "test": (("app.py",), "test"),
    "unacknowledged": (("-c", UNACKNOWLEDGED), "prod"),
}


@pytest.fixture(scope="session")
def artefacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like ``dist/``, its files next to empty."""
    folder = tmp_path_factory.mktemp("dist")
    for architecture in ("arm64", "x86_64"):
        with zipfile.ZipFile(folder / f"lambda-{architecture}.zip", "w") as package:
            package.writestr("lambda_function.py", "")
    (folder / "cat_normalize-1.2.3-py3-none-any.whl").write_bytes(b"wheel")
    (folder / "glue_job_script.py").write_text("")
    return folder


@pytest.fixture(scope="session")
def runs(artefacts: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tried]:
    """Each run of the app: its exit code, what it printed, and the folder of what it made."""
    started = {
        name: Synth(environment, artefacts, tmp_path_factory.mktemp(name), arguments)
        for name, (arguments, environment) in RUNS.items()
    }
    return {name: synth.tried() for name, synth in started.items()}


@pytest.fixture(scope="session")
def prod(runs: dict[str, Tried]) -> Assembly:
    assert runs["prod"].code == 0, runs["prod"].err
    return Assembly(runs["prod"].folder, "prod")


@pytest.fixture(scope="session")
def test(runs: dict[str, Tried]) -> Assembly:
    assert runs["test"].code == 0, runs["test"].err
    return Assembly(runs["test"].folder, "test")
