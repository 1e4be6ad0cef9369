"""The CDK app: the two stacks of one environment.

``npx cdk deploy --all -c env=test``; the default is prod. ``-c artefacts=FOLDER`` deploys the artefacts of
another folder than ``dist/``.
"""

from __future__ import annotations

from pathlib import Path

import aws_cdk as cdk
from cdk_nag import AwsSolutionsChecks

from artefacts import ROOT, Artefacts
from cat_normalize.core import layout
from environments import Environment, environment
from stacks.etl1 import Etl1Stack
from stacks.etl2 import Etl2Stack

FLAGS = {
    "@aws-cdk/core:enablePartitionLiterals": True,
    "@aws-cdk/aws-s3:serverAccessLogsUseBucketPolicy": True,
    "@aws-cdk/aws-s3:createDefaultLoggingPolicy": True,
    "@aws-cdk/aws-lambda:useCdkManagedLogGroup": False,
}
"""The CDK's feature flags; set here, so that every caller gets the same templates."""


def build(app: cdk.App, env: Environment, artefacts: Artefacts) -> None:
    """Add both stacks of an environment to an app, and check them against AwsSolutions' rules."""
    place = cdk.Environment(account=env.account, region=env.region)
    common = {"env": place, "termination_protection": env.keep}
    etl1 = Etl1Stack(app, env.named(layout.STACK_ETL1), env, artefacts, **common)
    etl2 = Etl2Stack(app, env.named(layout.STACK_ETL2), env, artefacts, **common)
    etl2.add_stack_dependency(etl1, "ETL-2's script goes to ETL-1's bucket")
    for process, stack in (("etl-process1", etl1), ("etl-process2", etl2)):
        cdk.Tags.of(stack).add("project", "cat-normalize")
        cdk.Tags.of(stack).add("environment", env.name)
        cdk.Tags.of(stack).add("process", process)
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))


def main() -> None:
    """Synthesize the environment that the context names."""
    app = cdk.App(context=FLAGS, analytics_reporting=False)
    env = environment(app.node.try_get_context("env") or "prod")
    folder = Path(app.node.try_get_context("artefacts") or ROOT / "dist")
    build(app, env, Artefacts.found_in(folder, env.architecture))
    app.synth()


if __name__ == "__main__":
    main()
