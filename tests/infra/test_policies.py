"""Each role's grants, whole: one too few and one too many both fail."""

from __future__ import annotations

from typing import Any

import pytest

from infra.assembly import ACCOUNT, Assembly, Template

Grants = set[tuple[str, str, str]]
"""Action, resource, and condition (nothing, or operator, key and values in one text)."""

BUCKET = "arn:aws:s3:::cat-{env}-normalize-reports"
LOGS = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:"
ASSETS = f"arn:aws:s3:::cdk-hnb659fds-assets-{ACCOUNT}-us-east-1/"


def each(actions: str, *resources: str, condition: str = "") -> Grants:
    """Return every action on every resource."""
    return {(action, resource, condition) for action in actions.split() for resource in resources}


def prefixed(*prefixes: str) -> str:
    return "StringLike s3:prefix " + " ".join(f"{prefix}*" for prefix in prefixes)


STREAMS = "logs:CreateLogStream logs:PutLogEvents"
ROLES: dict[str, tuple[str, str, Grants]] = {
    "Lambda": (
        "etl1/NormalizeRole",
        "lambda",
        each(
            "dynamodb:Scan",
            f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/cat-{{env}}-catia-conversations-table",
        )
        | each(
            "s3:PutObject s3:AbortMultipartUpload",
            f"{BUCKET}/reports/etl-process1/*",
            f"{BUCKET}/rejects/etl-process1/*",
        )
        | each("s3:PutObject", f"{BUCKET}/manifests/etl-process1/*")
        | each("sqs:SendMessage", f"arn:aws:sqs:us-east-1:{ACCOUNT}:cat-{{env}}-normalize-dead-letters")
        | each(STREAMS, f"{LOGS}/aws/lambda/cat-{{env}}-lambda-normalize:*")
        | each("xray:PutTraceSegments xray:PutTelemetryRecords", "*"),
    ),
    "schedule": (
        "etl1/NightlyRole",
        "scheduler",
        each(
            "lambda:InvokeFunction",
            f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:cat-{{env}}-lambda-normalize",
        )
        | each("sqs:SendMessage", f"arn:aws:sqs:us-east-1:{ACCOUNT}:cat-{{env}}-normalize-dead-letters"),
    ),
    "scripts": (
        "etl2/ScriptsRole",
        "lambda",
        each("s3:GetObject", f"{ASSETS}{{asset}}")
        | each("s3:ListBucket", BUCKET, condition=prefixed("scripts/etl-process2/"))
        | each("s3:PutObject", f"{BUCKET}/scripts/etl-process2/*")
        | each(STREAMS, f"{LOGS}/aws/lambda/cat-{{env}}-etl2-scripts:*"),
    ),
    "Glue job": (
        "etl2/ConvertRole",
        "glue",
        each(
            "s3:ListBucket",
            BUCKET,
            condition=prefixed(
                "reports/etl-process1/", "reports/etl-process2/", "staging/reports/etl-process2/"
            ),
        )
        | each(
            "s3:GetObject",
            f"{BUCKET}/reports/etl-process1/*",
            f"{BUCKET}/scripts/etl-process2/*",
            f"{BUCKET}/reports/etl-process2/*",
            f"{BUCKET}/staging/reports/etl-process2/*",
        )
        | each(
            "s3:PutObject s3:AbortMultipartUpload",
            f"{BUCKET}/reports/etl-process2/*",
            f"{BUCKET}/staging/reports/etl-process2/*",
        )
        | each("s3:DeleteObject", f"{BUCKET}/staging/reports/etl-process2/*")
        | each("s3:PutObject", f"{BUCKET}/manifests/etl-process2/*")
        | each(
            f"logs:CreateLogGroup {STREAMS}",
            f"{LOGS}/aws-glue/jobs/cat-{{env}}-etl2-parquet/error:*",
            f"{LOGS}/aws-glue/jobs/cat-{{env}}-etl2-parquet/output:*",
        )
        | each("cloudwatch:PutMetricData", "*", condition="StringEquals cloudwatch:namespace Glue"),
    ),
    "state machine": (
        "etl2/StartRole",
        "states",
        each(
            "glue:StartJobRun glue:GetJobRun glue:GetJobRuns glue:BatchStopJobRun",
            f"arn:aws:glue:us-east-1:{ACCOUNT}:job/cat-{{env}}-etl2-parquet",
        )
        | each(
            "logs:CreateLogDelivery logs:GetLogDelivery logs:UpdateLogDelivery "
            "logs:DeleteLogDelivery logs:ListLogDeliveries logs:PutResourcePolicy "
            "logs:DescribeResourcePolicies logs:DescribeLogGroups",
            "*",
        )
        | each(
            "xray:PutTraceSegments xray:PutTelemetryRecords xray:GetSamplingRules xray:GetSamplingTargets",
            "*",
        ),
    ),
    "rule": (
        "etl2/CsvCreatedRole",
        "events",
        each(
            "states:StartExecution", f"arn:aws:states:us-east-1:{ACCOUNT}:stateMachine:cat-{{env}}-etl2-start"
        ),
    ),
}


def many(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def grants(role: dict[str, Any]) -> Grants:
    """Flatten a role's inline policies; anything but a plain Allow raises."""
    found: Grants = set()
    for policy in role["Policies"]:
        for statement in policy["PolicyDocument"]["Statement"]:
            assert set(statement) <= {"Effect", "Action", "Resource", "Condition"}
            assert statement["Effect"] == "Allow"
            condition = " ".join(
                f"{operator} {key} {' '.join(many(values))}"
                for operator, keys in statement.get("Condition", {}).items()
                for key, values in keys.items()
            )
            found |= {
                (action, resource, condition)
                for action in many(statement["Action"])
                for resource in many(statement["Resource"])
            }
    return found


def roles(assembly: Assembly) -> dict[str, dict[str, Any]]:
    """Return every role by process and id, less the hash that the CDK adds."""
    return {
        f"{process}/{name[:-8]}": body["Properties"]
        for process, template in (("etl1", assembly.etl1), ("etl2", assembly.etl2))
        for name, body in template.resources.items()
        if body["Type"] == "AWS::IAM::Role"
    }


@pytest.mark.parametrize("name", ROLES)
@pytest.mark.parametrize("environment", ["prod", "test"])
def test_a_role_grants_this_and_nothing_else(
    request: pytest.FixtureRequest, environment: str, name: str
) -> None:
    assembly: Assembly = request.getfixturevalue(environment)
    id, _, expected = ROLES[name]
    (asset,) = assembly.etl2.one("Custom::CDKBucketDeployment")["SourceObjectKeys"]
    filled = {
        (action, resource.format(env=environment, asset=asset), condition)
        for action, resource, condition in expected
    }
    assert grants(roles(assembly)[id]) == filled


@pytest.mark.parametrize("environment", ["prod", "test"])
def test_there_are_no_other_roles_and_no_other_policies(
    request: pytest.FixtureRequest, environment: str
) -> None:
    assembly: Assembly = request.getfixturevalue(environment)
    assert set(roles(assembly)) == {id for id, _, _ in ROLES.values()}
    for template in (assembly.etl1, assembly.etl2):
        assert not template.all("AWS::IAM::Policy") + template.all("AWS::IAM::ManagedPolicy")
    assert not any("ManagedPolicyArns" in role for role in roles(assembly).values())


@pytest.mark.parametrize("name", ROLES)
def test_a_role_is_assumed_by_its_service_alone(prod: Assembly, name: str) -> None:
    id, service, _ = ROLES[name]
    expected: dict[str, Any] = {
        "Action": "sts:AssumeRole",
        "Effect": "Allow",
        "Principal": {"Service": f"{service}.amazonaws.com"},
    }
    if service in {"scheduler", "states", "events"}:  # they say for whom they act
        expected["Condition"] = {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
    assert roles(prod)[id]["AssumeRolePolicyDocument"]["Statement"] == [expected]


def test_no_permission_on_everything_but_where_aws_knows_no_resource(prod: Assembly) -> None:
    everything = {
        action for role in roles(prod).values() for action, resource, _ in grants(role) if resource == "*"
    }
    assert {action.partition(":")[0] for action in everything} == {"xray", "logs", "cloudwatch"}
    assert not any("*" in action for role in roles(prod).values() for action, _, _ in grants(role))


def allowed(template: Template, kind: str) -> list[tuple[str, str, str]]:
    """Return principal, action and condition of what resource policies of a type allow."""
    return [
        (str(statement["Principal"]), statement["Action"], str(statement.get("Condition")))
        for policy in template.all(kind)
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow"
    ]


def test_the_queue_of_etl2_takes_letters_from_its_rule_alone(prod: Assembly) -> None:
    rule = f"arn:aws:events:us-east-1:{ACCOUNT}:rule/cat-prod-etl2-csv-created"
    condition = {"ArnEquals": {"aws:SourceArn": rule}}
    assert allowed(prod.etl2, "AWS::SQS::QueuePolicy") == [
        ("{'Service': 'events.amazonaws.com'}", "sqs:SendMessage", str(condition))
    ]
    assert allowed(prod.etl1, "AWS::SQS::QueuePolicy") == []  # schedule and Lambda come with their roles


def test_the_topic_takes_messages_from_this_accounts_alarms_alone(prod: Assembly) -> None:
    condition = {
        "StringEquals": {"aws:SourceAccount": ACCOUNT},
        "ArnLike": {"aws:SourceArn": f"arn:aws:cloudwatch:us-east-1:{ACCOUNT}:alarm:cat-prod-*"},
    }
    assert allowed(prod.etl1, "AWS::SNS::TopicPolicy") == [
        ("{'Service': 'cloudwatch.amazonaws.com'}", "sns:Publish", str(condition))
    ]


def test_only_the_access_log_may_be_written_by_a_service(prod: Assembly) -> None:
    ((principal, action, condition),) = allowed(prod.etl1, "AWS::S3::BucketPolicy")
    assert (principal, action) == ("{'Service': 'logging.s3.amazonaws.com'}", "s3:PutObject")
    assert "arn:aws:s3:::cat-prod-normalize-reports" in condition


@pytest.mark.parametrize(
    ("process", "kind", "count"),
    [
        ("etl1", "AWS::S3::BucketPolicy", 2),
        ("etl1", "AWS::SQS::QueuePolicy", 1),
        ("etl2", "AWS::SQS::QueuePolicy", 1),
        ("etl1", "AWS::SNS::TopicPolicy", 1),
    ],
)
def test_nothing_is_reached_without_tls(prod: Assembly, process: str, kind: str, count: int) -> None:
    template: Template = getattr(prod, process)
    policies = template.all(kind)
    assert len(policies) == count
    for policy in policies:
        denied = [s for s in policy["PolicyDocument"]["Statement"] if s["Effect"] == "Deny"]
        assert {"Bool": {"aws:SecureTransport": "false"}} in [statement["Condition"] for statement in denied]
