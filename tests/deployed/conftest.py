"""The artefacts, built of the tree as it stands and without the network, and places to run them in."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BOTO3 = ("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six", "urllib3")
"""What Lambda's Python brings along, and Glue's too."""


def build(folder: Path) -> Path:
    command = [sys.executable, str(ROOT / "infra" / "package.py"), "--offline", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stderr}\nfill uv's cache with: make package"
    return folder


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="session")
def unpacked(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("task")
    with zipfile.ZipFile(dist / "lambda-x86_64.zip") as archive:
        archive.extractall(folder)
    return folder


def installed(folder: Path, *names: str) -> Path:
    """Make a folder that holds those packages of this interpreter's, and nothing else."""
    folder.mkdir(exist_ok=True)
    for name in names:
        origin = Path(find_spec(name).origin)
        origin = origin.parent if origin.name == "__init__.py" else origin
        (folder / origin.name).symlink_to(origin)
    return folder


@pytest.fixture(scope="session")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return installed(tmp_path_factory.mktemp("runtime"), *BOTO3)
