"""The app as a whole: it needs no network, prints nothing, and its templates pass both linters."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from infra.assembly import ACCOUNT, CDK, Assembly, Tried


@pytest.mark.parametrize("environment", ["prod", "test", "spark", "everything"])
def test_synth_needs_no_credentials_and_no_network_and_prints_nothing(
    runs: dict[str, Tried], environment: str
) -> None:
    tried = runs[environment]
    assert (tried.code, tried.out, tried.err) == (0, "", "")


@pytest.mark.parametrize("environment", ["prod", "test", "spark", "everything"])
def test_nothing_is_looked_up(runs: dict[str, Tried], environment: str) -> None:
    manifest = json.loads((runs[environment].folder / "manifest.json").read_text())
    assert "missing" not in manifest


def test_the_templates_are_the_two_stacks(prod: Assembly, test: Assembly) -> None:
    for assembly in (prod, test):
        found = {path.name for path in assembly.folder.glob("*.template.json")}
        assert found == {path.name for path in assembly.files}


def test_prod_is_protected_and_the_etl2_stack_depends_on_the_etl1_stack(
    prod: Assembly, test: Assembly
) -> None:
    for assembly, protected in ((prod, True), (test, False)):
        artifacts = json.loads((assembly.folder / "manifest.json").read_text())["artifacts"]
        stacks = [artifacts[stack] for stack in assembly.stacks]
        assert [stack["properties"].get("terminationProtection") for stack in stacks] == [protected] * 2
        assert assembly.stacks[0] in stacks[1]["dependencies"]


def test_both_stacks_are_bound_to_the_account_that_is_set(prod: Assembly, everything: Assembly) -> None:
    for assembly, account in ((prod, "unknown-account"), (everything, ACCOUNT)):
        artifacts = json.loads((assembly.folder / "manifest.json").read_text())["artifacts"]
        bound = [artifacts[stack]["environment"] for stack in assembly.stacks]
        assert bound == [f"aws://{account}/us-east-1"] * 2


def test_the_pipelines_role_may_assume_the_roles_that_deploy_and_no_other(prod: Assembly) -> None:
    files = [prod.folder / "manifest.json", *prod.folder.glob("*.assets.json")]
    named = {arn for file in files for arn in re.findall(r'"assumeRoleArn": "(.+)"', file.read_text())}
    page = (CDK.parents[1] / "docs" / "deploy.md").read_text()
    policies = map(json.loads, re.findall(r"```json\n(.*?)```", page, re.DOTALL))
    (given,) = (
        each for policy in policies for each in policy["Statement"] if each["Action"] == "sts:AssumeRole"
    )
    pseudo = {"${AWS::AccountId}": "ACCOUNT", "${AWS::Partition}": "aws"}
    assert set(given["Resource"]) == {
        re.sub(r"\$\{.+?\}", lambda found: pseudo[found[0]], arn) for arn in named
    }


def test_no_name_in_test_is_of_prod(test: Assembly) -> None:
    for file in test.files:
        assert not re.findall(r"[^\"]*prod(?!uc)[^\"]*", file.read_text())


def test_cfn_lint_is_clean(prod: Assembly, test: Assembly, spark: Assembly, everything: Assembly) -> None:
    assemblies = (prod, test, spark, everything)
    files = [str(path) for assembly in assemblies for path in assembly.files]
    command = [str(Path(sys.executable).with_name("cfn-lint")), *files]
    linted = subprocess.run(command, cwd=CDK, capture_output=True, text=True, timeout=120, check=False)
    assert (linted.returncode, linted.stdout, linted.stderr) == (0, "", "")


def findings(folder: Path) -> set[tuple[str, str]]:
    """Return construct and rule of each finding of AwsSolutions."""
    reports = json.loads((folder / "validation-report.json").read_text())["pluginReports"]
    return {
        (construct["constructPath"], violation["ruleName"])
        for report in reports
        for violation in report["violations"]
        for construct in violation["violatingConstructs"]
    }


def test_cdk_nag_is_clean(runs: dict[str, Tried]) -> None:
    names = ("prod", "test", "spark", "everything")
    assert [findings(runs[name].folder) for name in names] == [set()] * 4


def test_a_finding_stops_the_synth(runs: dict[str, Tried]) -> None:
    assert runs["unacknowledged"].code != 0
    assert findings(runs["unacknowledged"].folder)


def test_exactly_the_findings_are_acknowledged(runs: dict[str, Tried], prod: Assembly) -> None:
    acknowledged = prod.acknowledged()
    found = {(path.removesuffix("/Resource"), rule) for path, rule in findings(runs["unacknowledged"].folder)}
    assert set(acknowledged) == found
    assert all(len(reason.split()) > 7 for reason in acknowledged.values())


def test_only_these_rules_other_than_prefixes_are_acknowledged(prod: Assembly) -> None:
    others = {
        (path.partition("/")[2], rule)
        for path, rule in prod.acknowledged()
        if not rule.startswith("AwsSolutions-IAM5[Resource::arn:")
    }
    assert others == {
        ("DeadLetters", "AwsSolutions-SQS3"),
        ("Normalize/Function", "AwsSolutions-L1"),
        ("Freshness/Function", "AwsSolutions-L1"),
        ("Normalize/Role", "AwsSolutions-IAM5[Resource::*]"),
        ("Custom::CDKBucketDeployment8693BB64968944B69AAFB0CC9EB8756C", "AwsSolutions-L1"),
        ("Convert/Job", "AwsSolutions-GL1"),
        ("Convert/Job", "AwsSolutions-GL3"),
        ("Start/Role", "AwsSolutions-IAM5[Resource::*]"),
    }


def test_etl1_in_spark_needs_no_other_acknowledgements_than_etl2(prod: Assembly, spark: Assembly) -> None:
    def others(assembly: Assembly) -> set[tuple[str, str]]:
        own = ("DeadLetters", "Custom::CDKBucketDeployment8693BB64968944B69AAFB0CC9EB8756C")
        return {
            (path.rpartition("/")[2] if path.partition("/")[2] not in own else "", rule)
            for path, rule in assembly.acknowledged()
            if not rule.startswith("AwsSolutions-IAM5[Resource::arn:")
        }

    assert others(spark) <= others(prod)
