"""The app is run once an environment, as `npx cdk synth` runs it, with nothing to call and nowhere to go."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from infra.assembly import CDK, Assembly, Tried

UNACKNOWLEDGED = """
import sys
sys.path.insert(0, ".")
from parts import roles
roles.acknowledge = lambda *_: None
import app
app.main()
"""
"""The app with every acknowledgement left out."""

OFFLINE = {
    "sitecustomize.py": """
import socket
def refuse(_, address): raise OSError(f"offline: {address}")
socket.socket.connect = socket.socket.connect_ex = refuse
""",
    "offline.cjs": """
require("net").Socket.prototype.connect = (...to) => { throw new Error("offline: " + JSON.stringify(to)) };
""",
}
"""What Python and node load first, so that neither connects a socket."""

SILENT = {f"JSII_SILENCE_WARNING_{kind}_NODE_VERSION": "1" for kind in ("DEPRECATED", "UNTESTED")} | {
    "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "18,20,22"
}
RUNS = {
    "prod": (["app.py"], "prod"),
    "test": (["app.py"], "test"),
    "unacknowledged": (["-c", UNACKNOWLEDGED], "prod"),
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
    started = {}
    for name, (arguments, environment) in RUNS.items():
        folder = tmp_path_factory.mktemp(name)
        context = f'{{"env": "{environment}", "artefacts": "{artefacts}"}}'
        started[name] = (
            folder,
            subprocess.Popen(
                [sys.executable, *arguments],
                cwd=CDK,
                env=bare(folder) | {"CDK_OUTDIR": str(folder / "out"), "CDK_CONTEXT_JSON": context},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            ),
        )
    tried = {}
    for name, (folder, process) in started.items():
        out, err = process.communicate(timeout=200)
        tried[name] = Tried(process.returncode, out, err, folder / "out")
    return tried


def bare(home: Path) -> dict[str, str]:
    """Return an environment without credentials or profile, in which no socket can be connected."""
    for name, text in OFFLINE.items():
        (home / name).write_text(text)
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return SILENT | {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PYTHONPATH": str(home),
        "PYTHONDONTWRITEBYTECODE": "1",
        "NODE_OPTIONS": f"--require={home / 'offline.cjs'}",
        "JSII_RUNTIME_PACKAGE_CACHE_ROOT": str(caches / "aws" / "jsii" / "package-cache"),
    }


@pytest.fixture(scope="session")
def prod(runs: dict[str, Tried]) -> Assembly:
    assert runs["prod"].code == 0, runs["prod"].err
    return Assembly(runs["prod"].folder, "prod")


@pytest.fixture(scope="session")
def test(runs: dict[str, Tried]) -> Assembly:
    assert runs["test"].code == 0, runs["test"].err
    return Assembly(runs["test"].folder, "test")
