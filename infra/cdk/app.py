"""The CDK app: the two stacks of one environment.

``npx cdk deploy --all -c env=test``; the default is prod. ``-c artefacts=FOLDER`` takes what is deployed
from elsewhere than ``dist/``.
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
"""The CDK's feature flags; here, so that the templates are the same whoever runs this."""


def build(app: cdk.App, env: Environment, artefacts: Artefacts) -> None:
    """Put both stacks of an environment into an app, with AwsSolutions' rules to hold them to."""
    common = {"env": cdk.Environment(region=env.region), "termination_protection": env.keep}
    etl1 = Etl1Stack(app, env.named(layout.STACK_ETL1), env, artefacts, **common)
    etl2 = Etl2Stack(app, env.named(layout.STACK_ETL2), env, artefacts, **common)
    etl2.add_stack_dependency(etl1, "ETL-2 puts its script into ETL-1's bucket")
    for process, stack in (("etl-process1", etl1), ("etl-process2", etl2)):
        cdk.Tags.of(stack).add("project", "cat-normalize")
        cdk.Tags.of(stack).add("environment", env.name)
        cdk.Tags.of(stack).add("process", process)
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))


def main() -> None:
    """Synthesise the environment that the context names."""
    app = cdk.App(context=FLAGS, analytics_reporting=False)
    env = environment(app.node.try_get_context("env") or "prod")
    folder = Path(app.node.try_get_context("artefacts") or ROOT / "dist")
    build(app, env, Artefacts.found_in(folder, env.architecture))
    app.synth()


if __name__ == "__main__":
    main()
