"""The artefacts, built of the tree as it stands and without the network, and environments to run them in."""

from __future__ import annotations

import platform
import subprocess
import sys
import venv
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

from infra.conftest import artefacts, prod, runs, spark  # noqa: F401  # fixtures
from infra.synth import Synth
from once import once

ROOT = Path(__file__).parents[2]
ARROW = ("numpy", "pandas", "pyarrow")
"""What Spark's Python tasks use; Glue has them."""
RECORD_MODULES = """
import atexit, os, sys
def record():
    if sys.argv[0].endswith(("daemon.py", "worker.py")) or "pyspark.daemon" in sys.argv:
        return  # Spark's workers
    files = {name: getattr(module, "__file__", None) or "" for name, module in sys.modules.items()}
    with open(os.environ["MODULES_FILE"], "w") as stream:
        stream.writelines(f"{name} {file}\\n" for name, file in files.items() if "." not in name)
if "MODULES_FILE" in os.environ:
    atexit.register(record)
"""


def build(folder: Path) -> Path:
    command = [sys.executable, str(ROOT / "infra" / "package.py"), "--offline", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stderr}\nfill uv's cache and build/wheels with: make package"
    return folder


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return once(tmp_path_factory, "dist", build)


@pytest.fixture(scope="session")
def synthesised(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the cloud assembly of prod, made of the real artefacts."""

    def synth(folder: Path) -> None:
        tried = Synth("prod", dist, folder).tried()
        assert tried.code == 0, tried.err

    return once(tmp_path_factory, "synthesised", synth) / "out"


@pytest.fixture(scope="session")
def unpacked(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the Lambda's zip of this machine's platform, unpacked."""
    folder = tmp_path_factory.mktemp("task")
    architecture = "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64"
    with zipfile.ZipFile(dist / f"lambda-{architecture}.zip") as archive:
        archive.extractall(folder)
    return folder


def apart(name: str) -> Path:
    """Return the folder of the packages of tests/apart/NAME.in."""
    folder = ROOT / "build" / "apart" / name
    assert (folder / ".ready").exists(), f"run: make build/apart/{name}/.ready"
    return folder


def installed(folder: Path, *names: str) -> Path:
    """Make a folder that holds those packages of this interpreter's, and nothing else."""
    folder.mkdir(exist_ok=True)
    for name in names:
        origin = Path(find_spec(name).origin)
        origin = origin.parent if origin.name == "__init__.py" else origin
        (folder / origin.name).symlink_to(origin)
        if (libraries := origin.with_name(f"{name}.libs")).is_dir():
            (folder / libraries.name).symlink_to(libraries)
    return folder


@pytest.fixture(scope="session")
def glue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make Glue's Python: one of its own with Spark, boto3, awsglue and Arrow, and nothing of the job's."""
    folder = tmp_path_factory.mktemp("glue")
    venv.create(folder / "python", symlinks=True)
    modules = installed(folder / "modules", *ARROW, "awsglue", "py4j", "pyspark")
    for each in apart("glue-boto3").iterdir():
        (modules / each.name).symlink_to(each)
    (modules / "sitecustomize.py").write_text(RECORD_MODULES)
    return folder


@pytest.fixture(scope="session")
def additional(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder into which pip installs what ``--additional-python-modules`` names, as Glue does."""
    folder = tmp_path_factory.mktemp("additional")
    (wheels,) = dist.glob("*.gluewheels.zip")
    with zipfile.ZipFile(wheels) as archive:
        archive.extractall(folder)
    command = [
        sys.executable,
        "-m",
        "pip",
        "--isolated",
        "install",
        "--quiet",
        "--target",
        folder / "modules",
    ]
    command += ["--no-index", "--find-links", "wheels", "-r", "wheels/requirements.txt"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return folder / "modules"


def glues_python(glue: Path) -> dict[str, str]:
    """Return the variables that select Glue's Python."""
    executable = str(glue / "python" / "bin" / "python")
    return {"PYSPARK_PYTHON": executable, "PYTHONPATH": str(glue / "modules")}
