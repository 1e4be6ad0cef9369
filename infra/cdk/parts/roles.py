"""Roles that grant what is written here and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct, IConstruct


@dataclass(frozen=True, slots=True)
class Grant:
    """Actions on resources; ``wildcard`` says why a ``*`` in a resource is needed, if there is one."""

    actions: Sequence[str]
    resources: Sequence[str]
    conditions: dict[str, Any] = field(default_factory=dict)
    wildcard: str = ""

    @property
    def statement(self) -> iam.PolicyStatement:
        """Return the policy statement."""
        return iam.PolicyStatement(
            actions=list(self.actions), resources=list(self.resources), conditions=self.conditions
        )


def acknowledge(scope: IConstruct, reason: str, *findings: str) -> None:
    """Accept findings of AwsSolutions on a construct, for a reason."""
    cdk.Validations.of(scope).acknowledge(
        *(cdk.Acknowledgment(id=f"AwsSolutions-{finding}", reason=reason) for finding in findings)
    )


def role(
    scope: Construct, id: str, service: str, grants: Sequence[Grant], own_account: bool = False
) -> iam.IRole:
    """Make a role for a service; what CDK's constructs would add to it on their own is dropped.

    Args:
        scope: where it belongs.
        id: its construct's id.
        service: who assumes it, such as ``lambda``.
        grants: all that it may do.
        own_account: the service must act for this account (the services that say for whom they act).
    """
    stack = cdk.Stack.of(scope)
    own = {"StringEquals": {"aws:SourceAccount": stack.account}}
    principal = iam.ServicePrincipal(f"{service}.amazonaws.com", conditions=own if own_account else None)
    policy = iam.PolicyDocument(statements=[grant.statement for grant in grants])
    made = iam.Role(scope, id, assumed_by=principal, inline_policies={"calls": policy})
    for grant in grants:
        for resource in grant.resources:
            if "*" in resource and grant.wildcard:
                flat = resource.replace(stack.account, "<AWS::AccountId>")
                acknowledge(made, grant.wildcard, f"IAM5[Resource::{flat}]")
    return made.without_policy_updates()


def objects(bucket: str, *prefixes: str) -> list[str]:
    """Return the ARNs of all keys under prefixes of a bucket."""
    return [f"arn:aws:s3:::{bucket}/{prefix}*" for prefix in prefixes]


def listing(bucket: str, *prefixes: str) -> Grant:
    """Let the keys under prefixes be listed, and a missing key there be told as missing.

    S3 answers a GET or HEAD of a key that is not there with 404 only if the caller may list, and holds
    the key itself against ``s3:prefix``; else it answers 403.
    """
    condition = {"StringLike": {"s3:prefix": [f"{prefix}*" for prefix in prefixes]}}
    return Grant(["s3:ListBucket"], [f"arn:aws:s3:::{bucket}"], condition)


def list_uploads(bucket: str) -> Grant:
    """Let unfinished uploads be listed; IAM knows no condition on their keys, so it is the whole bucket's."""
    return Grant(["s3:ListBucketMultipartUploads"], [f"arn:aws:s3:::{bucket}"])


def look_up(bucket: str, prefix: str) -> list[Grant]:
    """Let a folder and those above it be looked for, as a key and as a prefix, and be told as missing.

    S3A does so before it makes a folder there, up to the first that it finds (Hadoop's ``MkdirOperation``).
    Refused, Hadoop 3.3 fails; 3.4 goes on unchecked. No object ever has one of these keys.
    """
    parts = prefix.strip("/").split("/")
    folders = ["/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]
    asked = sorted([*folders, *(f"{folder}/" for folder in folders[:-1])])
    return [
        Grant(["s3:GetObject"], [f"arn:aws:s3:::{bucket}/{folder}" for folder in folders]),
        Grant(["s3:ListBucket"], [f"arn:aws:s3:::{bucket}"], {"StringEquals": {"s3:prefix": asked}}),
    ]


def write_logs(scope: Construct, *names: str, create: bool = False) -> Grant:
    """Let streams of log groups be made and written.

    The groups exist. ``create`` is for Glue, whose documentation asks for it all the same.
    """
    stack = cdk.Stack.of(scope)
    groups = [f"arn:aws:logs:{stack.region}:{stack.account}:log-group:{name}:*" for name in names]
    reason = "A log stream's name is made up by the service at run time; the group is this one alone."
    actions = ["logs:CreateLogStream", "logs:PutLogEvents"]
    return Grant(["logs:CreateLogGroup", *actions] if create else actions, groups, wildcard=reason)


PREFIX = (
    "The keys under this prefix carry the run's date or a name of Spark's own; no other prefix is granted."
)
NO_RESOURCE = "These actions take no resource: IAM knows only * for them."
XRAY = Grant(["xray:PutTraceSegments", "xray:PutTelemetryRecords"], ["*"], wildcard=NO_RESOURCE)
