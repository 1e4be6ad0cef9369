"""What people install: environment.yml, pyproject's extras and the locks, as far as no network is needed."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from cat_lab.spark import JARS_INSTALL

ROOT = Path(__file__).parents[2]
JARS = "sagemaker-pyspark==1.4.5"
PROJECT, LIBRARY = (
    tomllib.loads((ROOT / name).read_text())["project"] for name in ("pyproject.toml", "lib/pyproject.toml")
)
EXTRAS = PROJECT["optional-dependencies"]
LISTED = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]


def pins(names):
    """Return what those extras ask for with all that they name, as name and version."""
    found, left = {}, [*PROJECT["dependencies"], *(line for name in names for line in EXTRAS[name])]
    while left:
        asked = Requirement(left.pop())
        if asked.name == LIBRARY["name"]:
            assert asked.specifier == f"=={LIBRARY['version']}"
            left += LIBRARY["dependencies"]
            left += [line for name in asked.extras for line in LIBRARY["optional-dependencies"][name]]
        elif asked.name == PROJECT["name"]:
            left += [line for name in asked.extras for line in EXTRAS[name]]
        else:
            assert found.setdefault(asked.name, str(asked.specifier)) == str(asked.specifier)
    return found


def test_the_environment_is_the_package_with_every_pin_of_pyproject():
    (pip,) = [each["pip"] for each in LISTED if isinstance(each, dict)]
    assert [each for each in LISTED if isinstance(each, str)] == ["python=3.11", "pip"]
    library, editable = pip
    assert library == "-e lib"
    extras = re.fullmatch(r"-e \.\[(.+)\]", editable)[1].split(",")
    assert pins(extras) == pins(EXTRAS)
    assert all(re.fullmatch(r"==[\w.]+", pin) for pin in pins(EXTRAS).values())


@pytest.mark.slow
def test_what_is_installed_is_at_the_pins_and_nothing_but_the_jars_package_asks_for_more():
    assert {name: f"=={version(name)}" for name in pins(EXTRAS)} == pins(EXTRAS)
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "check"]
    printed = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    (jars,) = printed
    assert jars.startswith(f"{JARS.replace('==', ' ')} has requirement pyspark==")


@pytest.mark.parametrize("name", ["environment.yml", "pyproject.toml", "requirements.lock"])
def test_no_list_that_pip_resolves_names_the_jars_package(name):
    assert not re.search("sagemaker.pyspark", (ROOT / name).read_text())


def test_the_jars_package_is_one_line_that_every_place_says_alike():
    assert f"pip install --no-deps {JARS}" == JARS_INSTALL
    assert f"\n$ {JARS_INSTALL}\n" in (ROOT / "docs" / "install.md").read_text()
    assert f"\nJARS := {JARS}\n" in (ROOT / "Makefile").read_text()
    locked = (ROOT / "requirements-jars.lock").read_text()
    assert re.fullmatch(rf"(#.*\n)+{re.escape(JARS)}( \\\n +--hash=sha256:[0-9a-f]{{64}})+\n", locked)


def test_the_locks_hold_every_pin_with_its_hash_and_no_index():
    locks = {name: (ROOT / name).read_text() for name in ("requirements.lock", "requirements-jars.lock")}
    for name, pin in pins(EXTRAS).items():
        assert re.search(rf"^{name}{re.escape(pin)} \\\n +--hash=", locks["requirements.lock"], re.MULTILINE)
    assert not [name for name, text in locks.items() if "://" in text or "index" in text]
