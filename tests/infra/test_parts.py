"""Environments and artefacts, without a synth."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from cat_normalize.core import layout
from cat_normalize.core.errors import SettingsError
from cat_normalize.jobs import etl1
from infra.assembly import CDK


def loaded(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, CDK / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def cdk() -> Iterator[dict[str, ModuleType]]:
    """Import the app's modules that are plain Python."""
    names = ("names", "environments", "artefacts")
    yield {name: loaded(name) for name in names}
    for name in names:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("prod", "test"),
    [
        (layout.STACK_ETL1, "cat-test-normalize-stack"),
        (layout.DATABASE, "cat_test_analytics_db"),
        (layout.WORKGROUP, "wg-cat-test-analytics"),
    ],
)
def test_names_of_test_derive_from_prods(cdk: dict[str, ModuleType], prod: str, test: str) -> None:
    environments = cdk["environments"].ENVIRONMENTS
    assert (environments["prod"].named(prod), environments["test"].named(prod)) == (prod, test)


def test_a_bucket_that_an_environment_names_is_taken_as_it_is(cdk: dict[str, ModuleType]) -> None:
    made = replace(cdk["environments"].ENVIRONMENTS["test"], bucket="reproduced-reports")
    assert made.settings.bucket == "reproduced-reports"


def test_an_unknown_environment_is_named(cdk: dict[str, ModuleType]) -> None:
    with pytest.raises(SettingsError, match="no environment 'stage'; give -c env=prod or test"):
        cdk["environments"].environment("stage")


@pytest.mark.parametrize("account", ["", "12345", "1234-5678-9012"])
def test_an_account_that_cannot_be_is_refused(cdk: dict[str, ModuleType], account: str) -> None:
    prod = cdk["environments"].ENVIRONMENTS["prod"]
    with pytest.raises(SettingsError, match=r"environment prod: account .* write its 12 digits as text"):
        replace(prod, account=account)


@pytest.mark.parametrize("analyst", ["*", "", "arn:aws:iam::123456789012:role/*", "s3.amazonaws.com"])
def test_an_analyst_who_is_nobody_or_everybody_is_refused(cdk: dict[str, ModuleType], analyst: str) -> None:
    prod = cdk["environments"].ENVIRONMENTS["prod"]
    with pytest.raises(SettingsError, match=r"environment prod: analyst .* is nobody's ARN; write that of"):
        replace(prod, analysts=(analyst,))


@pytest.mark.parametrize("key", ["", "0163", "arn:aws:kms:us-east-1:123456789012:alias/conversations"])
def test_a_key_that_iam_cannot_name_is_refused(cdk: dict[str, ModuleType], key: str) -> None:
    prod = cdk["environments"].ENVIRONMENTS["prod"]
    with pytest.raises(SettingsError, match=r"environment prod: table_key .*KMSMasterKeyArn"):
        replace(prod, table_key=key)


@pytest.mark.parametrize(
    ("patterns", "told"),
    [
        ((), r" .* as \\x2c"),
        (("no .{1,9}se",), r" .* as \\x2c"),
        (("x", "no sé"), r": 'no sé' .*; write no s\\xe9"),
    ],
)
def test_patterns_that_cannot_be_deployed_are_refused(
    cdk: dict[str, ModuleType], patterns: tuple[str, ...], told: str
) -> None:
    prod = cdk["environments"].ENVIRONMENTS["prod"]
    with pytest.raises(SettingsError, match=f"environment prod: fallback_patterns{told}"):
        _ = replace(prod, fallback_patterns=patterns).settings


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        (
            "cat_normalize-1.2.3.gluewheels.zip",
            "0 files cat_normalize-….gluewheels.zip, not one; run: make package",
        ),
        ("lambda-arm64.zip", "lambda-arm64.zip is missing; run: make package"),
        ("glue_job_script.py", "glue_job_script.py is missing; run: make package"),
        ("glue_etl1_script.py", "glue_etl1_script.py is missing; run: make package"),
    ],
)
def test_a_missing_artefact_is_named(
    cdk: dict[str, ModuleType], tmp_path: Path, missing: str, message: str
) -> None:
    scripts = ("glue_job_script.py", "glue_etl1_script.py")
    for name in ("cat_normalize-1.2.3.gluewheels.zip", "lambda-arm64.zip", *scripts):
        if name != missing:
            (tmp_path / name).touch()
    with pytest.raises(SettingsError, match=message):
        cdk["artefacts"].Artefacts.found_in(tmp_path, "arm64")


def test_two_zips_of_wheels_are_one_too_many(cdk: dict[str, ModuleType], tmp_path: Path) -> None:
    for version in ("1.2.3", "1.2.4"):
        (tmp_path / f"cat_normalize-{version}.gluewheels.zip").touch()
    with pytest.raises(SettingsError, match="2 files"):
        cdk["artefacts"].Artefacts.found_in(tmp_path, "arm64")


def test_another_script_or_wheel_is_another_prefix(cdk: dict[str, ModuleType], tmp_path: Path) -> None:
    artefacts = cdk["artefacts"]

    def prefixes(script: bytes, wheels: bytes) -> list[str]:
        files = {"glue_job_script.py": script, "glue_etl1_script.py": b"s", "lambda-arm64.zip": b"z"}
        for name, data in (files | {"cat_normalize-1.2.3.gluewheels.zip": wheels}).items():
            (tmp_path / name).write_bytes(data)
        found = artefacts.Artefacts.found_in(tmp_path, "arm64")
        return [found.prefix(each) for each in (artefacts.ETL1_SCRIPT, artefacts.ETL2_SCRIPT)]

    first, again, wheels, script = (
        prefixes(b"s", b"w"), prefixes(b"s", b"w"), prefixes(b"s", b"x"), prefixes(b"t", b"w"),
    )  # fmt: skip
    assert first == again
    assert len({first[1], wheels[1], script[1]}) == 3
    assert first[0] == script[0] != wheels[0]
    assert first[0].removeprefix("scripts/etl-process1/") == first[1].removeprefix("scripts/etl-process2/")


def test_scale_and_costs_take_the_time_that_the_lambda_computes_for_1_gb() -> None:
    scale, deploy = ((CDK.parents[1] / "docs" / page).read_text() for page in ("scale.md", "deploy.md"))
    (row,) = re.findall(r"^\| 1 GB .*$", scale, re.MULTILINE)
    scan, work, whole = (int(seconds) for seconds in re.findall(r"(\d+) s\b", row))
    assert work == etl1.seconds_needed(1e9, 1e9)
    assert whole == scan + work
    costs = re.findall(r"^\| Lambda, .*?(\d+) s × 30", deploy, re.MULTILINE)
    assert costs == [str(whole)] * 2
