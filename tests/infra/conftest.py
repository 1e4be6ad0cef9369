"""Run the app once per environment."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from infra.assembly import Assembly, Tried
from infra.synth import Synth
from once import once

SPARK = """
import sys
sys.path.insert(0, ".")
from dataclasses import replace
import environments
changed = {"etl1": "spark", "spark_workers": 40, "spark_minutes": 90, "stale_hours": 30}
changed |= {"table_key": "arn:aws:kms:us-east-1:123456789012:key/0163"}
environments.ENVIRONMENTS["prod"] = replace(environments.PROD, **changed)
import app
app.main()
"""
"""The app with ETL-1 in Spark, and some sizes other than the default."""

EVERYTHING = """
import sys
sys.path.insert(0, ".")
from dataclasses import replace
import environments
patterns = (r"\\bno s[e\\xe9]", r"perd[o\\xf3]n")
changed = {"time_zone": "America/Lima", "naive_time_zone": "UTC", "fallback_patterns": patterns}
changed |= {"account": "123456789012", "alarm_key": True}
changed |= {"csv_days": 400, "max_rcu": 50, "table_key": "arn:aws:kms:us-east-1:123456789012:key/0163"}
changed |= {"bucket": "reproduced-reports"}
changed |= {"analysts": ("arn:aws:iam::123456789012:role/analysts", "arn:aws:iam::210987654321:root")}
environments.ENVIRONMENTS["prod"] = replace(environments.PROD, **changed)
import app
app.main()
"""
"""The app with other rules than the default, and with all that is off by default."""

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
    "spark": (("-c", SPARK), "prod"),
    "everything": (("-c", EVERYTHING), "prod"),
    "unacknowledged": (("-c", UNACKNOWLEDGED), "prod"),
}


@pytest.fixture(scope="session")
def artefacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder like ``dist/`` with almost empty files."""
    folder = tmp_path_factory.mktemp("dist")
    for architecture in ("arm64", "x86_64"):
        with zipfile.ZipFile(folder / f"lambda-{architecture}.zip", "w") as package:
            for name in ("lambda_function.py", "freshness_function.py"):
                package.writestr(name, "")
    (folder / "cat_normalize-1.2.3.gluewheels.zip").write_bytes(b"wheels")
    for name in ("glue_job_script.py", "glue_etl1_script.py"):
        (folder / name).write_text("")
    return folder


@pytest.fixture(scope="session")
def runs(artefacts: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tried]:
    """Return each run of the app: its exit code, its output and its cloud assembly."""

    def run_all(folder: Path) -> None:
        started = {}
        for name, (arguments, environment) in RUNS.items():
            (folder / name).mkdir()
            started[name] = Synth(environment, artefacts, folder / name, arguments)
        for name, synth in started.items():
            done = synth.tried()
            (folder / f"{name}.json").write_text(json.dumps([done.code, done.out, done.err]))

    folder = once(tmp_path_factory, "assemblies", run_all)
    return {
        name: Tried(*json.loads((folder / f"{name}.json").read_text()), folder / name / "out")
        for name in RUNS
    }


@pytest.fixture(scope="session")
def prod(runs: dict[str, Tried]) -> Assembly:
    assert runs["prod"].code == 0, runs["prod"].err
    return Assembly(runs["prod"].folder, "prod")


@pytest.fixture(scope="session")
def test(runs: dict[str, Tried]) -> Assembly:
    assert runs["test"].code == 0, runs["test"].err
    return Assembly(runs["test"].folder, "test")


@pytest.fixture(scope="session")
def spark(runs: dict[str, Tried]) -> Assembly:
    """Return prod with ETL-1 in Spark."""
    assert runs["spark"].code == 0, runs["spark"].err
    return Assembly(runs["spark"].folder, "prod")


@pytest.fixture(scope="session")
def everything(runs: dict[str, Tried]) -> Assembly:
    """Return prod with other rules, and with all that is off by default."""
    assert runs["everything"].code == 0, runs["everything"].err
    return Assembly(runs["everything"].folder, "prod")
