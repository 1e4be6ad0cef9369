"""IAM roles that grant exactly what is written here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct, IConstruct


@dataclass(frozen=True, slots=True)
class Grant:
    """Actions on resources; ``wildcard`` is the reason for a ``*`` in a resource."""

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
    """Accept findings of AwsSolutions on a construct, with the reason."""
    cdk.Validations.of(scope).acknowledge(
        *(cdk.Acknowledgment(id=f"AwsSolutions-{finding}", reason=reason) for finding in findings)
    )


def role(
    scope: Construct, id: str, service: str, grants: Sequence[Grant], own_account: bool = False
) -> iam.IRole:
    """Make a role for a service; grants that the CDK's constructs would add are dropped.

    Args:
        scope: where it belongs.
        id: its construct's id.
        service: who assumes it, such as ``lambda``.
        grants: everything that it may do.
        own_account: require that the service acts for this account (for services that send the account).
    """
    stack = cdk.Stack.of(scope)
    own = {"StringEquals": {"aws:SourceAccount": stack.account}}
    principal = iam.ServicePrincipal(f"{service}.amazonaws.com", conditions=own if own_account else None)
    return assumed_by(scope, id, principal, grants).without_policy_updates()


def assumed_by(
    scope: Construct, id: str, principal: iam.IPrincipal, grants: Sequence[Grant], name: str | None = None
) -> iam.Role:
    """Make a role for a principal, and accept the wildcards of its grants; the CDK names it by default."""
    stack = cdk.Stack.of(scope)
    policy = iam.PolicyDocument(statements=[grant.statement for grant in grants])
    made = iam.Role(scope, id, assumed_by=principal, inline_policies={"calls": policy}, role_name=name)
    for grant in grants:
        for resource in grant.resources:
            if "*" in resource and grant.wildcard:
                # cdk-nag writes an account that only the deployment knows in this way.
                unknown = cdk.Token.is_unresolved(stack.account)
                flat = resource.replace(stack.account, "<AWS::AccountId>") if unknown else resource
                acknowledge(made, grant.wildcard, f"IAM5[Resource::{flat}]")
    return made


def objects(bucket: str, *prefixes: str) -> list[str]:
    """Return the ARNs of all keys under prefixes of a bucket."""
    return [f"arn:aws:s3:::{bucket}/{prefix}*" for prefix in prefixes]


def listing(bucket: str, *prefixes: str) -> Grant:
    """Let a role list the keys under prefixes, and get 404 for a missing key there.

    S3 answers a GET or HEAD of a missing key with 404 only if the caller may list, where it compares the
    key with ``s3:prefix``; otherwise it answers 403.
    """
    condition = {"StringLike": {"s3:prefix": [f"{prefix}*" for prefix in prefixes]}}
    return Grant(["s3:ListBucket"], [f"arn:aws:s3:::{bucket}"], condition)


def list_uploads(bucket: str) -> Grant:
    """Let a role list unfinished uploads, of the whole bucket: IAM has no condition on their keys."""
    return Grant(["s3:ListBucketMultipartUploads"], [f"arn:aws:s3:::{bucket}"])


def look_up(bucket: str, *prefixes: str) -> list[Grant]:
    """Let a role look up folders and their parents, as keys and as prefixes, and get 404 for them.

    S3A does so before it makes a folder (Hadoop's ``MkdirOperation``). Without these permissions Hadoop 3.3
    fails and 3.4 continues unchecked. No object ever has one of these keys.
    """
    leaves = {prefix.strip("/") for prefix in prefixes}
    parents = {leaf[:at] for leaf in leaves for at, letter in enumerate(leaf) if letter == "/"}
    folders = sorted(leaves | parents)
    asked = sorted([*folders, *(f"{parent}/" for parent in parents)])
    return [
        Grant(["s3:GetObject"], [f"arn:aws:s3:::{bucket}/{folder}" for folder in folders]),
        Grant(["s3:ListBucket"], [f"arn:aws:s3:::{bucket}"], {"StringEquals": {"s3:prefix": asked}}),
    ]


def read_encrypted(table_key: str | None, region: str) -> list[Grant]:
    """Let a role read a table that is encrypted with a customer's key, and use the key for nothing else.

    DynamoDB decrypts as whoever calls it; with a key of its own or of AWS's nobody needs a permission.
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html
    """
    through = {"StringEquals": {"kms:ViaService": f"dynamodb.{region}.amazonaws.com"}}
    return [Grant(["kms:Decrypt", "kms:DescribeKey"], [table_key], through)] if table_key else []


def write_logs(scope: Construct, *names: str, create: bool = False) -> Grant:
    """Let a role create and write the streams of log groups, which exist already.

    ``create`` is for Glue, whose documentation requires CreateLogGroup nevertheless.
    """
    stack = cdk.Stack.of(scope)
    groups = [f"arn:aws:logs:{stack.region}:{stack.account}:log-group:{name}:*" for name in names]
    reason = "The service names a log stream at run time; only this one log group is granted."
    actions = ["logs:CreateLogStream", "logs:PutLogEvents"]
    return Grant(["logs:CreateLogGroup", *actions] if create else actions, groups, wildcard=reason)


PREFIX = (
    "The keys under this prefix carry the run's date or a name of Spark's own; no other prefix is granted."
)
NO_RESOURCE = "These actions have no resource in IAM: only * is possible."
XRAY = Grant(["xray:PutTraceSegments", "xray:PutTelemetryRecords"], ["*"], wildcard=NO_RESOURCE)
