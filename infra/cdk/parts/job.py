"""A Glue job on AWS, and the script and wheels that it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import aws_cdk as cdk
from aws_cdk import aws_glue as glue
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_s3_assets as assets
from aws_cdk import aws_s3_deployment as deployment
from constructs import Construct

from artefacts import Artefacts, GlueScript
from cat_normalize.core import layout
from cat_normalize.core.storage import staging_prefix
from environments import Environment
from parts import roles, watch
from parts.roles import Grant, acknowledge


class Scripts(Construct):
    """Copy a script and the wheels to the bucket, under a prefix of their contents (contract §6).

    CloudFormation has no resource for an object in a bucket, so this uses the CDK's BucketDeployment: a
    Lambda that runs only during a deployment. Its role is written here: it reads one asset and writes one
    prefix. Nothing is replaced or deleted there: the job changes to the new files at once, and goes back to
    the old ones with its definition.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        env: Environment,
        artefacts: Artefacts,
        script: GlueScript,
        log_group: logs.LogGroup,
    ) -> None:
        super().__init__(scope, id)
        files = (script.path(artefacts.folder), artefacts.glue_wheels)
        asset = assets.Asset(
            self,
            "Files",
            path=str(artefacts.folder),
            exclude=["*", *(f"!{path.name}" for path in files)],
            ignore_mode=cdk.IgnoreMode.GIT,
        )
        bucket = env.settings.bucket
        grants = [
            Grant(["s3:GetObject"], [asset.bucket.arn_for_objects(asset.s3_object_key)]),
            roles.listing(bucket, script.prefix),
            Grant(["s3:PutObject"], roles.objects(bucket, script.prefix), wildcard=roles.PREFIX),
            roles.write_logs(self, env.named(script.copy_log)),
        ]
        self.deployment = deployment.BucketDeployment(
            self,
            "Deployment",
            sources=[deployment.Source.bucket(asset.bucket, asset.s3_object_key)],
            destination_bucket=s3.Bucket.from_bucket_name(self, "Bucket", bucket),
            destination_key_prefix=artefacts.prefix(script),
            prune=False,
            retain_on_delete=True,  # otherwise an update deletes the prefix of the deployment before
            role=roles.role(self, "Role", "lambda", grants),
            log_group=log_group,
        )
        for child in cdk.Stack.of(self).node.children:
            if child.node.id.startswith("Custom::CDKBucketDeployment"):
                acknowledge(child, "The CDK's own function; its runtime is updated with aws-cdk-lib.", "L1")


class Job(Construct):
    """A Glue 5.1 job, one run at a time, created after its script and its log groups."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        env: Environment,
        artefacts: Artefacts,
        script: GlueScript,
        *,
        name: str,
        description: str,
        workers: int,
        minutes: int,
        arguments: Mapping[str, str],
        grants: Sequence[Grant],
    ) -> None:
        super().__init__(scope, id)
        groups = [f"/aws-glue/jobs/{env.named(name)}/{kind}" for kind in ("error", "output")]
        bucket = env.settings.bucket
        common = [
            Grant(["s3:GetObject"], roles.objects(bucket, script.prefix), wildcard=roles.PREFIX),
            roles.list_uploads(bucket),
            roles.write_logs(self, *groups, create=True),
        ]
        self.job = glue.CfnJob(
            self,
            "Job",
            name=env.named(name),
            description=description,
            role=roles.role(self, "Role", "glue", [*grants, *common]).role_arn,
            command=glue.CfnJob.JobCommandProperty(
                name="glueetl",
                python_version="3",
                script_location=layout.s3_uri(bucket, artefacts.prefix(script) + script.name),
            ),
            glue_version="5.1",
            worker_type="G.1X",
            number_of_workers=workers,
            timeout=minutes,
            max_retries=0,
            execution_property=glue.CfnJob.ExecutionPropertyProperty(max_concurrent_runs=1),
            default_arguments={
                **arguments,
                **artefacts.python_modules(bucket, script),
                "--job-language": "python",
                "--job-bookmark-option": "job-bookmark-disable",
                "--custom-logGroup-prefix": f"/aws-glue/jobs/{env.named(name)}",
            },
        )
        acknowledge(
            self.job,
            "The job logs keys and counts, but no conversation and no name; CloudWatch encrypts logs at rest "
            "with its own keys, and a security configuration would need a KMS key to pay for and maintain.",
            "GL1",
        )
        acknowledge(self.job, "Job bookmarks are off: each run is given the input to read.", "GL3")
        copied = Scripts(
            scope,
            "Scripts",
            env,
            artefacts,
            script,
            watch.log_group(scope, "ScriptsLog", env, script.copy_log),
        )
        self.node.add_dependency(copied.deployment)
        for group in groups:
            kind = group.rpartition("/")[2].title()
            self.node.add_dependency(watch.log_group(scope, f"GlueLog{kind}", env, group))


def staged(bucket: str, *keys: str, whole: Sequence[str] = ()) -> list[Grant]:
    """Let Spark write, and the job read and clean up, the staging folders of keys (`staging`).

    In the folders of the keys ``whole`` it makes no folder of its own, and looks for none.
    """
    prefixes = [staging_prefix(key) for key in (*keys, *whole)]
    return [
        roles.listing(bucket, *prefixes),
        *roles.look_up(bucket, *map(staging_prefix, keys)),
        Grant(
            ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload", "s3:DeleteObject"],
            roles.objects(bucket, *prefixes),
            wildcard=roles.PREFIX,
        ),
    ]
