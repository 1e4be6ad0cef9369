"""The bucket of contract §6 and the bucket of its access log."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_s3 as s3
from constructs import Construct

import names
from cat_normalize.core.storage import STAGING
from environments import Environment
from parts.watch import removal

DAYS = cdk.Duration.days


class Storage(Construct):
    """A private, encrypted, versioned bucket that sends an event to EventBridge for each new object."""

    def __init__(self, scope: Construct, id: str, env: Environment) -> None:
        super().__init__(scope, id)
        name = f"{env.bucket}-access-logs" if env.bucket else env.named(names.ACCESS_LOGS_BUCKET)
        logs = _bucket(self, "AccessLogs", env, name, [_expire("old", "", DAYS(365))])
        self.bucket = _bucket(
            self, "Reports", env, env.settings.bucket, lifecycle(env), server_access_logs_bucket=logs
        )
        # The Bucket's own event_bridge_enabled would need a custom resource with a Lambda.
        bucket = self.bucket.node.default_child
        assert isinstance(bucket, s3.CfnBucket)
        bucket.notification_configuration = s3.CfnBucket.NotificationConfigurationProperty(
            event_bridge_configuration=s3.CfnBucket.EventBridgeConfigurationProperty(
                event_bridge_enabled=True
            )
        )


def lifecycle(env: Environment) -> list[s3.LifecycleRule]:
    """Return the rules that delete what is old: versions, uploads, staging, rejects, results and CSVs."""
    settings = env.settings
    rules = [
        s3.LifecycleRule(
            id="old-versions",
            noncurrent_version_expiration=DAYS(env.old_version_days),
            expired_object_delete_marker=True,
            abort_incomplete_multipart_upload_after=DAYS(1),
        ),
        # Of every table, and of ETL-1 in Spark. A job deletes what it staged, which in a versioned bucket
        # leaves a noncurrent version of every row.
        s3.LifecycleRule(
            id="staging",
            prefix=STAGING,
            expiration=DAYS(1),
            noncurrent_version_expiration=DAYS(1),
            abort_incomplete_multipart_upload_after=DAYS(1),
        ),
        _expire("rejects", settings.rejects_prefix, DAYS(env.rejects_days)),
        # Copies of what people wrote, and of the whole table: nobody goes back to an old one. Exports also go
        # where ETL-1 is no longer in Spark.
        _expire("athena-results", settings.athena_prefix, DAYS(7), DAYS(1)),
        _expire("exports", names.EXPORTS_PREFIX, DAYS(env.export_days), DAYS(1)),
    ]
    if env.csv_days is not None:
        rules.append(_expire("csvs", settings.csv_prefix, DAYS(env.csv_days)))
    return rules


def _expire(id: str, prefix: str, after: cdk.Duration, old: cdk.Duration | None = None) -> s3.LifecycleRule:
    return s3.LifecycleRule(id=id, prefix=prefix or None, expiration=after, noncurrent_version_expiration=old)


def _bucket(
    scope: Construct,
    id: str,
    env: Environment,
    name: str,
    rules: list[s3.LifecycleRule],
    server_access_logs_bucket: s3.IBucket | None = None,
) -> s3.Bucket:
    return s3.Bucket(
        scope,
        id,
        bucket_name=name,
        block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
        object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
        encryption=s3.BucketEncryption.S3_MANAGED,
        enforce_ssl=True,
        minimum_tls_version=1.2,
        versioned=server_access_logs_bucket is not None,
        lifecycle_rules=rules,
        server_access_logs_bucket=server_access_logs_bucket,
        removal_policy=removal(env),
    )
