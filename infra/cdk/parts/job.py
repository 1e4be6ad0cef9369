"""ETL-2 on AWS: the Glue job, and the script and wheel it runs."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_glue as glue
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_s3_assets as assets
from aws_cdk import aws_s3_deployment as deployment
from constructs import Construct

import names
from artefacts import Artefacts
from cat_normalize.core import layout
from cat_normalize.core.storage import staging_prefix
from cat_normalize.jobs import events as arrival
from environments import Environment
from parts import roles
from parts.roles import Grant, acknowledge


class Scripts(Construct):
    """Script and wheel under contract §6's key.

    CloudFormation has no resource that puts an object into a bucket. So this is the CDK's
    BucketDeployment, a Lambda that runs only while a stack is deployed; its role is written by hand and
    reads one asset and writes one prefix. Nothing is pruned: a run under way keeps its wheel.
    """

    def __init__(
        self, scope: Construct, id: str, env: Environment, artefacts: Artefacts, log_group: logs.ILogGroup
    ) -> None:
        super().__init__(scope, id)
        wanted = (artefacts.glue_script, artefacts.wheel)
        asset = assets.Asset(
            self,
            "Files",
            path=str(artefacts.glue_script.parent),
            exclude=["*", *(f"!{path.name}" for path in wanted)],
            ignore_mode=cdk.IgnoreMode.GIT,
        )
        settings = env.settings
        calls = [
            Grant(["s3:GetObject"], [asset.bucket.arn_for_objects(asset.s3_object_key)]),
            roles.listing(settings.bucket, settings.scripts_prefix),
            Grant(
                ["s3:PutObject"],
                roles.objects(settings.bucket, settings.scripts_prefix),
                wildcard=roles.PREFIX,
            ),
            roles.write_logs(self, env.named(names.LOGS_SCRIPTS)),
        ]
        self.deployment = deployment.BucketDeployment(
            self,
            "Deployment",
            sources=[deployment.Source.bucket(asset.bucket, asset.s3_object_key)],
            destination_bucket=s3.Bucket.from_bucket_name(self, "Bucket", settings.bucket),
            destination_key_prefix=settings.scripts_prefix,
            prune=False,
            role=roles.role(self, "Role", "lambda", calls),
            log_group=log_group,
        )
        for child in cdk.Stack.of(self).node.children:
            if child.node.id.startswith("Custom::CDKBucketDeployment"):
                acknowledge(child, "The CDK's own function; its runtime moves on with aws-cdk-lib.", "L1")


class Job(Construct):
    """The Glue job: one run at a time, so never two of the same key."""

    def __init__(self, scope: Construct, id: str, env: Environment, artefacts: Artefacts) -> None:
        super().__init__(scope, id)
        role = roles.role(self, "Role", "glue", _calls(self, env))
        script = env.settings.scripts_prefix + artefacts.glue_script.name
        self.job = glue.CfnJob(
            self,
            "Job",
            name=env.named(layout.GLUE_JOB),
            description="ETL-2: one CSV to one Parquet object (cat-normalize)",
            role=role.role_arn,
            command=glue.CfnJob.JobCommandProperty(
                name="glueetl", python_version="3", script_location=layout.s3_uri(env.settings.bucket, script)
            ),
            glue_version="5.1",
            worker_type="G.1X",
            number_of_workers=env.glue_workers,
            timeout=env.glue_minutes,
            max_retries=0,
            execution_property=glue.CfnJob.ExecutionPropertyProperty(max_concurrent_runs=1),
            default_arguments=arguments(env, artefacts),
        )
        acknowledge(
            self.job,
            "The job logs keys and counts, no conversation and no name; CloudWatch encrypts logs at rest "
            "with its own keys, and a security configuration would want a KMS key to pay and look after.",
            "GL1",
        )
        acknowledge(self.job, "Job bookmarks are off: the key to read comes with every run.", "GL3")


def arguments(env: Environment, artefacts: Artefacts) -> dict[str, str]:
    """Return the job's default arguments: contract §7's, and those that Glue itself reads."""
    settings = env.settings
    return {
        **arrival.job_arguments(settings),
        # Spark's --py-files: a wheel reaches the driver alone, which is enough, for no task runs Python.
        "--extra-py-files": layout.s3_uri(settings.bucket, settings.scripts_prefix + artefacts.wheel.name),
        "--additional-python-modules": ",".join(artefacts.glue_modules),
        "--job-language": "python",
        "--job-bookmark-option": "job-bookmark-disable",
        "--enable-metrics": "true",
        "--custom-logGroup-prefix": env.named(names.LOGS_GLUE),
    }


def _calls(scope: Construct, env: Environment) -> list[Grant]:
    settings = env.settings
    shelf = staging_prefix(layout.parquet_key(settings))
    read = (settings.csv_prefix, settings.scripts_prefix, settings.parquet_prefix, shelf)
    bucket = settings.bucket
    return [
        roles.listing(bucket, settings.csv_prefix, settings.parquet_prefix, shelf),
        *roles.look_up(bucket, shelf),
        roles.list_uploads(bucket),
        Grant(["s3:GetObject"], roles.objects(bucket, *read), wildcard=roles.PREFIX),
        Grant(
            ["s3:PutObject", "s3:AbortMultipartUpload"],
            roles.objects(bucket, settings.parquet_prefix, shelf),
            wildcard=roles.PREFIX,
        ),
        Grant(["s3:DeleteObject"], roles.objects(bucket, shelf), wildcard=roles.PREFIX),
        Grant(
            ["s3:PutObject"],
            roles.objects(bucket, layout.manifests_prefix(settings, 2)),
            wildcard=roles.PREFIX,
        ),
        roles.write_logs(scope, *glue_logs(env), create=True),
        Grant(
            ["cloudwatch:PutMetricData"],
            ["*"],
            {"StringEquals": {"cloudwatch:namespace": "Glue"}},
            wildcard=roles.NO_RESOURCE,
        ),
    ]


def glue_logs(env: Environment) -> list[str]:
    """Return the two log groups that Glue makes of its prefix: the system's, and stdout with stderr."""
    return [f"{env.named(names.LOGS_GLUE)}/{kind}" for kind in ("error", "output")]
