"""environment.yml and pyproject.toml name the same pins, under conda-forge's names and PyPI's."""

import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
ON_CONDA_FORGE = {
    "duckdb": "python-duckdb",
    "moto[server]": "moto",
    "aws-lambda-powertools[tracer]": "aws-lambda-powertools",
}


def test_both_files_name_the_same_pins():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    pins = {pin for group in groups for pin in group if not pin.startswith("cat-normalize")}
    declared = dict(pin.split("==") for pin in pins)

    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    (by_pip,) = [each["pip"] for each in listed if isinstance(each, dict)]
    by_conda = [each for each in listed if isinstance(each, str) and each not in ("pip", "python=3.11")]
    found = dict(pin.split("==") for pin in by_pip) | dict(pin.split("=") for pin in by_conda)

    assert found == {ON_CONDA_FORGE.get(name, name): version for name, version in declared.items()}
