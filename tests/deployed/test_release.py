"""`make release`: the same tree gives the same bytes, wherever it lies; what is not ready is refused."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from hashlib import sha256

import pytest

from deployed.conftest import ROOT

FOLDERS = ("lib", "lambda", "glue", "infra", "build/wheels")
FILES = ("pyproject.toml", "README.md", "LICENSE")
LEFT_OUT = shutil.ignore_patterns("node_modules", "cdk.out", "__pycache__", "cdk")
VERSION = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)[1]
HEADING = f"## {VERSION} - 2026-12-01"
CHANGELOG = f"# Changelog\n\n## Unreleased\n\n- Later.\n\n{HEADING}\n\n- Now.\n\n## 0.0.1\n\n- Before.\n"


def tree(folder):
    """Copy what a release is made of, with a changelog that has a section of the version."""
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name, ignore=LEFT_OUT)
    for name in FILES:
        shutil.copyfile(ROOT / name, folder / name)
    (folder / "CHANGELOG.md").write_text(CHANGELOG)
    return folder


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def release(project, **more):
    command = [sys.executable, str(project / "infra" / "release.py"), "--offline"]
    return subprocess.run(command, env=os.environ | more, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    project = tree(tmp_path_factory.mktemp("project"))
    done = release(project)
    assert done.returncode == 0, f"{done.stderr}\nfill uv's cache and build/wheels with: make package"
    return project / "dist" / "release"


def test_two_releases_of_a_tree_are_the_same_bytes(released, tmp_path):
    project = tree(tmp_path / "elsewhere")
    for path in project.rglob("*.py"):
        os.utime(path, (0, 0))
        path.chmod(0o600)
    done = release(project, TZ="Asia/Tokyo", PYTHONHASHSEED="7")
    assert done.returncode == 0, done.stderr
    again = (project / "dist" / "release" / "SHA256SUMS").read_text()
    assert again == (released / "SHA256SUMS").read_text()


def test_the_sums_are_those_of_all_files(released):
    lines = (released / "SHA256SUMS").read_text().splitlines()
    named = dict(reversed(line.split("  ")) for line in lines)
    assert named == {
        path.name: sha256(path.read_bytes()).hexdigest()
        for path in released.iterdir()
        if path.name != "SHA256SUMS"
    }
    wheels = {f"{name}-{VERSION}-py3-none-any.whl" for name in ("cat_normalize", "cat_normalize_lab")}
    zips = {"lambda-arm64.zip", "lambda-x86_64.zip"}
    zips.add(f"cat_normalize-{VERSION}.gluewheels.zip")
    assert set(named) == wheels | zips | {"CHANGELOG.md", "glue_etl1_script.py", "glue_job_script.py"}


def test_a_release_has_the_bytes_that_package_deploys(released, dist):
    for path in dist.iterdir():
        assert (released / path.name).read_bytes() == path.read_bytes(), path.name


def test_its_changelog_is_the_section_of_the_version_alone(released):
    assert (released / "CHANGELOG.md").read_text() == f"{HEADING}\n\n- Now.\n"


def test_its_wheels_hold_no_path_of_the_machine(released):
    for wheel in released.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            assert not [name for name in archive.namelist() if str(released).encode() in archive.read(name)]


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("CHANGELOG.md", HEADING, "## 0.0.2", f"CHANGELOG.md has no section ## {VERSION}"),
        ("CHANGELOG.md", HEADING, f"{HEADING}\n\n## 0.0.1", "CHANGELOG.md says nothing in its section"),
        ("lib/pyproject.toml", f'"{VERSION}"', '"9.9.9"', "lib/pyproject.toml 9.9.9"),
        ("pyproject.toml", f"cat-normalize=={VERSION}", "cat-normalize", f"require cat-normalize=={VERSION}"),
    ],
)
def test_what_is_not_ready_is_refused_in_one_line(file, old, new, says, tmp_path):
    project = tree(tmp_path / "project")
    edit(project / file, old, new)
    done = release(project)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("release: ")
    assert says in done.stderr
    assert not (project / "dist").exists()


def test_a_folder_that_is_there_is_not_replaced(tmp_path):
    project = tree(tmp_path / "project")
    (project / "dist" / "release").mkdir(parents=True)
    done = release(project)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "is there already" in done.stderr
