"""The two distributions as wheels: what each carries, what the lab requires, and the command it brings."""

import os
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", params=["lib", "."], ids=["library", "lab"])
def wheel(request, tmp_path_factory):
    """Build a wheel; return its names and its metadata files."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1580601600"}
    subprocess.run(command, check=True, cwd=ROOT / request.param, env=environment, capture_output=True)
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        texts = {
            name.rpartition("/")[2]: archive.read(name).decode() for name in names if "dist-info" in name
        }
    return path.name, names, texts


def test_a_wheel_carries_one_package_whole_and_its_license(wheel):
    file, names, texts = wheel
    package = "cat_lab" if "_lab-" in file else "cat_normalize"
    there = [path for path in (ROOT / "lib" / package).rglob("*") if path.is_file()]
    expected = {str(path.relative_to(ROOT / "lib")) for path in there if "__pycache__" not in path.parts}
    if package == "cat_lab":
        run = [*(ROOT / "notebooks").glob("*.ipynb"), ROOT / "glue" / "etl-process2" / "glue_job_script.py"]
        expected |= {f"cat_lab/project/{path.relative_to(ROOT)}" for path in run}
    found = {name for name in names if ".dist-info/" not in name and ".data/" not in name}
    assert found == expected
    kernels = [name.partition(".data/data/")[2] for name in names if ".data/" in name]
    assert kernels == (["share/jupyter/kernels/cat-normalize/kernel.json"] if package == "cat_lab" else [])
    assert texts["LICENSE"] == (ROOT / "LICENSE").read_text()


def test_the_lab_requires_the_library_in_its_own_version_and_brings_the_command(wheel):
    file, _, texts = wheel
    metadata = Parser().parsestr(texts["METADATA"])
    required = [each for each in metadata.get_all("Requires-Dist") if "extra ==" not in each]
    assert any("cat-normalize==" in each for each in required) == ("_lab-" in file)
    if "_lab-" in file:
        assert f"cat-normalize=={metadata['Version']}" in required
        assert "cat-normalize = cat_lab.cli:main" in texts["entry_points.txt"]
    else:
        assert "entry_points.txt" not in texts
