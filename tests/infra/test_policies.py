"""Each role's exact grants: a missing one and an additional one both fail."""

from __future__ import annotations

import json
from typing import Any

import pytest

from infra.assembly import ACCOUNT, Assembly, Template
from infra.grants import Grant, grants, roles

BUCKET = "arn:aws:s3:::cat-{env}-normalize-reports"
LOGS = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:"
ASSETS = f"arn:aws:s3:::cdk-hnb659fds-assets-{ACCOUNT}-us-east-1/"


def each(actions: str, *resources: str, conditions: tuple[str, ...] = ("",)) -> set[Grant]:
    """Return every action on every resource under each of the conditions."""
    return {
        Grant(action, resource, condition)
        for action in actions.split()
        for resource in resources
        for condition in conditions
    }


def listed(*prefixes: str, operator: str = "StringLike") -> set[Grant]:
    return each("s3:ListBucket", BUCKET, conditions=tuple(f"{operator} s3:prefix {it}" for it in prefixes))


STREAMS = "logs:CreateLogStream logs:PutLogEvents"
DELIVERY = (
    "logs:CreateLogDelivery logs:GetLogDelivery logs:UpdateLogDelivery logs:DeleteLogDelivery "
    "logs:ListLogDeliveries logs:PutResourcePolicy logs:DescribeResourcePolicies logs:DescribeLogGroups"
)
TRACES = "xray:PutTraceSegments xray:PutTelemetryRecords"
TABLES = ("reports/etl-process2", "reports/conversations", "reports/messages")
STAGED = tuple(f"staging/{table}" for table in TABLES)
LOOKED_UP = STAGED[:2]
"""Spark makes folders for users and conversations; the messages' file is put whole into its own."""
ROLES: dict[str, tuple[str, str, set[Grant]]] = {
    "Lambda": (
        "etl1/NormalizeRole",
        "lambda",
        each(
            "dynamodb:DescribeTable dynamodb:Scan",
            f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/cat-{{env}}-catia-conversations-table",
        )
        | each(
            "s3:PutObject s3:AbortMultipartUpload",
            f"{BUCKET}/reports/etl-process1/*",
            f"{BUCKET}/rejects/etl-process1/*",
        )
        | each("s3:GetObject s3:PutObject", f"{BUCKET}/manifests/etl-process1/*")
        | listed("manifests/etl-process1/*")
        | each("s3:ListBucketMultipartUploads", BUCKET)
        | each("sqs:SendMessage", f"arn:aws:sqs:us-east-1:{ACCOUNT}:cat-{{env}}-normalize-dead-letters")
        | each(STREAMS, f"{LOGS}/aws/lambda/cat-{{env}}-lambda-normalize:*")
        | each(TRACES, "*"),
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
    "check": (
        "etl2/FreshnessRole",
        "lambda",
        each("s3:GetObject", *(f"{BUCKET}/{table}/data.parquet" for table in TABLES))
        | listed(*(f"{table}/data.parquet" for table in TABLES), operator="StringEquals")
        | each(STREAMS, f"{LOGS}/aws/lambda/cat-{{env}}-lambda-freshness:*"),
    ),
    "schedule of the check": (
        "etl2/FreshnessHourlyRole",
        "scheduler",
        each(
            "lambda:InvokeFunction",
            f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:cat-{{env}}-lambda-freshness",
        ),
    ),
    "scripts": (
        "etl2/ScriptsRole",
        "lambda",
        each("s3:GetObject", f"{ASSETS}{{asset}}")
        | listed("scripts/etl-process2/*")
        | each("s3:PutObject", f"{BUCKET}/scripts/etl-process2/*")
        | each(STREAMS, f"{LOGS}/aws/lambda/cat-{{env}}-etl2-scripts:*"),
    ),
    "Glue job": (
        "etl2/ConvertRole",
        "glue",
        each("s3:ListBucketMultipartUploads", BUCKET)
        | listed("reports/etl-process1/*", *(f"{it}/*" for it in (*TABLES, *STAGED)))
        | listed(
            "staging", "staging/", "staging/reports", "staging/reports/", *LOOKED_UP, operator="StringEquals"
        )
        | each("s3:GetObject", *(f"{BUCKET}/{it}" for it in ("staging", "staging/reports", *LOOKED_UP)))
        | each("s3:GetObject", f"{BUCKET}/reports/etl-process1/*", f"{BUCKET}/scripts/etl-process2/*")
        | each(
            "s3:GetObject s3:PutObject s3:AbortMultipartUpload",
            *(f"{BUCKET}/{it}/*" for it in (*TABLES, *STAGED)),
        )
        | each("s3:DeleteObject", *(f"{BUCKET}/{it}/*" for it in STAGED))
        | each("s3:PutObject", f"{BUCKET}/manifests/etl-process2/*")
        | each(
            f"logs:CreateLogGroup {STREAMS}",
            f"{LOGS}/aws-glue/jobs/cat-{{env}}-etl2-parquet/error:*",
            f"{LOGS}/aws-glue/jobs/cat-{{env}}-etl2-parquet/output:*",
        ),
    ),
    "state machine": (
        "etl2/StartRole",
        "states",
        each(
            "glue:StartJobRun glue:GetJobRun glue:GetJobRuns glue:BatchStopJobRun",
            f"arn:aws:glue:us-east-1:{ACCOUNT}:job/cat-{{env}}-etl2-parquet",
        )
        | each(DELIVERY, "*")
        | each(f"{TRACES} xray:GetSamplingRules xray:GetSamplingTargets", "*"),
    ),
    "rule": (
        "etl2/CsvCreatedRole",
        "events",
        each(
            "states:StartExecution", f"arn:aws:states:us-east-1:{ACCOUNT}:stateMachine:cat-{{env}}-etl2-start"
        ),
    ),
}


TABLE_KEY = each(
    "kms:Decrypt kms:DescribeKey",
    f"arn:aws:kms:us-east-1:{ACCOUNT}:key/0163",
    conditions=("StringEquals kms:ViaService dynamodb.us-east-1.amazonaws.com",),
)
EXPORTS = f"{BUCKET}/exports/etl-process1/*"
STAGING = f"{BUCKET}/staging/reports/etl-process1"
SPARK_ROLES: dict[str, tuple[str, str, set[Grant]]] = {
    "Glue job of ETL-1": (
        "etl1/NormalizeRole",
        "glue",
        each("s3:ListBucketMultipartUploads", BUCKET)
        | listed("exports/etl-process1/*", "manifests/etl-process1/*", "staging/reports/etl-process1/*")
        | listed(
            "staging",
            "staging/",
            "staging/reports",
            "staging/reports/",
            "staging/reports/etl-process1",
            operator="StringEquals",
        )
        | each("s3:GetObject", f"{BUCKET}/staging", f"{BUCKET}/staging/reports", STAGING)
        | each("s3:GetObject", EXPORTS, f"{BUCKET}/scripts/etl-process1/*")
        | each("s3:GetObject s3:PutObject s3:AbortMultipartUpload s3:DeleteObject", f"{STAGING}/*")
        | each(
            "s3:PutObject s3:AbortMultipartUpload",
            f"{BUCKET}/reports/etl-process1/*",
            f"{BUCKET}/rejects/etl-process1/*",
        )
        | each("s3:GetObject s3:PutObject", f"{BUCKET}/manifests/etl-process1/*")
        | each(
            f"logs:CreateLogGroup {STREAMS}",
            f"{LOGS}/aws-glue/jobs/cat-{{env}}-etl1-normalize/error:*",
            f"{LOGS}/aws-glue/jobs/cat-{{env}}-etl1-normalize/output:*",
        ),
    ),
    "scripts of ETL-1": (
        "etl1/ScriptsRole",
        "lambda",
        each("s3:GetObject", f"{ASSETS}{{asset}}")
        | listed("scripts/etl-process1/*")
        | each("s3:PutObject", f"{BUCKET}/scripts/etl-process1/*")
        | each(STREAMS, f"{LOGS}/aws/lambda/cat-{{env}}-etl1-scripts:*"),
    ),
    "state machine of ETL-1": (
        "etl1/ExportRole",
        "states",
        each(
            "glue:StartJobRun glue:GetJobRun glue:GetJobRuns glue:BatchStopJobRun",
            f"arn:aws:glue:us-east-1:{ACCOUNT}:job/cat-{{env}}-etl1-normalize",
        )
        | each(
            "dynamodb:ExportTableToPointInTime",
            f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/cat-{{env}}-catia-conversations-table",
        )
        | each(
            "dynamodb:DescribeExport",
            f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/cat-{{env}}-catia-conversations-table/export/*",
        )
        | each("s3:PutObject s3:PutObjectAcl s3:AbortMultipartUpload", EXPORTS)
        | TABLE_KEY
        | each(DELIVERY, "*")
        | each(f"{TRACES} xray:GetSamplingRules xray:GetSamplingTargets", "*"),
    ),
    "schedule": (
        "etl1/NightlyRole",
        "scheduler",
        each(
            "states:StartExecution",
            f"arn:aws:states:us-east-1:{ACCOUNT}:stateMachine:cat-{{env}}-etl1-normalize",
        )
        | each("sqs:SendMessage", f"arn:aws:sqs:us-east-1:{ACCOUNT}:cat-{{env}}-normalize-dead-letters"),
    ),
}
"""The roles of ETL-1 in Spark; those of ETL-2 are the same as with the Lambda."""


@pytest.mark.parametrize("name", SPARK_ROLES)
def test_a_role_of_etl1_in_spark_grants_this_and_nothing_else(spark: Assembly, name: str) -> None:
    id, service, expected = SPARK_ROLES[name]
    (asset,) = spark.etl1.one("Custom::CDKBucketDeployment")["SourceObjectKeys"]
    filled = {grant._replace(resource=grant.resource.format(env="prod", asset=asset)) for grant in expected}
    role = roles(spark)[id]
    assert grants(role) == filled
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": f"{service}.amazonaws.com"}


def test_etl1_in_spark_has_no_other_roles_and_those_of_etl2_are_the_same(
    prod: Assembly, spark: Assembly
) -> None:
    of_etl2 = {id: role for id, role in roles(prod).items() if id.startswith("etl2/")}
    assert set(roles(spark)) == {id for id, _, _ in SPARK_ROLES.values()} | of_etl2.keys()
    assert all(
        grants(roles(spark)[id]) == grants(role) for id, role in of_etl2.items() if id != "etl2/ScriptsRole"
    )
    for template in (spark.etl1, spark.etl2):
        assert not template.all("AWS::IAM::Policy") + template.all("AWS::IAM::ManagedPolicy")


@pytest.mark.parametrize("name", ROLES)
@pytest.mark.parametrize("environment", ["prod", "test"])
def test_a_role_grants_this_and_nothing_else(
    request: pytest.FixtureRequest, environment: str, name: str
) -> None:
    assembly: Assembly = request.getfixturevalue(environment)
    id, _, expected = ROLES[name]
    (asset,) = assembly.etl2.one("Custom::CDKBucketDeployment")["SourceObjectKeys"]
    filled = {
        grant._replace(resource=grant.resource.format(env=environment, asset=asset)) for grant in expected
    }
    assert grants(roles(assembly)[id]) == filled


def test_the_lambda_reads_a_table_that_has_a_key_of_its_own(prod: Assembly, everything: Assembly) -> None:
    with_key, without = (grants(roles(each)["etl1/NormalizeRole"]) for each in (everything, prod))
    own = [{grant for grant in each if grant.action.startswith("kms:")} for each in (with_key, without)]
    assert own == [TABLE_KEY, set()]


INTEGRATIONS = {
    "arn:aws:states:::glue:startJobRun.sync": "glue:StartJobRun glue:GetJobRun glue:GetJobRuns "
    "glue:BatchStopJobRun"
}
"""The permissions that a task of a state machine needs: https://docs.aws.amazon.com/step-functions/latest/dg/connect-glue.html."""


def required(assembly: Assembly) -> dict[str, set[Grant]]:
    """Return the permissions that the templates require of the roles that only services assume."""
    target = assembly.etl1.one("AWS::Scheduler::Schedule")["Target"]
    (started,) = assembly.etl2.one("AWS::Events::Rule")["Targets"]
    copied = assembly.etl2.one("Custom::CDKBucketDeployment")
    bucket, prefix = (copied[f"DestinationBucket{name}"] for name in ("Name", "KeyPrefix"))
    sources = zip(copied["SourceBucketNames"], copied["SourceObjectKeys"], strict=True)
    (copier,) = (each for each in assembly.etl2.all("AWS::Lambda::Function") if "FunctionName" not in each)
    assert (copied["Prune"], prefix[-1]) == (
        False,
        "/",
    )  # otherwise it would need to delete, or list other prefixes
    # The role is for all folders of deployments: IAM may tell S3 of a changed one only after the copy.
    prefix = prefix.rstrip("/").rpartition("/")[0] + "/"
    return {
        "schedule": each("lambda:InvokeFunction", target["Arn"])
        | each("sqs:SendMessage", target["DeadLetterConfig"]["Arn"]),
        "rule": each("states:StartExecution", started["Arn"]),
        "scripts": each("s3:GetObject", *(f"arn:aws:s3:::{place}/{key}" for place, key in sources))
        | each("s3:PutObject", f"arn:aws:s3:::{bucket}/{prefix}*")
        | each("s3:ListBucket", f"arn:aws:s3:::{bucket}", conditions=(f"StringLike s3:prefix {prefix}*",))
        | each(STREAMS, f"{LOGS}{copier['LoggingConfig']['LogGroup']}:*"),
        "state machine": of_the_machine(assembly.etl2.one("AWS::StepFunctions::StateMachine")),
    }


def of_the_machine(machine: dict[str, Any]) -> set[Grant]:
    """Return the permissions that its tasks, its log and its traces need.

    https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html
    https://docs.aws.amazon.com/step-functions/latest/dg/concepts-xray-tracing.html
    """
    assert machine["LoggingConfiguration"]["Level"] != "OFF"
    assert machine["TracingConfiguration"] == {"Enabled": True}
    found = each(DELIVERY, "*") | each(f"{TRACES} xray:GetSamplingRules xray:GetSamplingTargets", "*")
    for state in json.loads(machine["DefinitionString"])["States"].values():
        if state["Type"] == "Task":
            job = f"arn:aws:glue:us-east-1:{ACCOUNT}:job/{state['Parameters']['JobName']}"
            found |= each(INTEGRATIONS[state["Resource"]], job)
    return found


@pytest.mark.parametrize("environment", ["prod", "test"])
def test_roles_of_services_grant_what_the_templates_require(
    request: pytest.FixtureRequest, environment: str
) -> None:
    assembly: Assembly = request.getfixturevalue(environment)
    for name, expected in required(assembly).items():
        assert grants(roles(assembly)[ROLES[name][0]]) == expected, name


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
    if service in {"scheduler", "states", "events"}:  # they send the account
        expected["Condition"] = {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
    assert roles(prod)[id]["AssumeRolePolicyDocument"]["Statement"] == [expected]


def test_a_permission_on_everything_is_only_for_actions_without_a_resource(prod: Assembly) -> None:
    everything = {
        action for role in roles(prod).values() for action, resource, _ in grants(role) if resource == "*"
    }
    assert {action.partition(":")[0] for action in everything} == {"xray", "logs"}
    assert not any("*" in action for role in roles(prod).values() for action, _, _ in grants(role))


def allowed(template: Template, kind: str) -> list[tuple[str, str, str]]:
    """Return principal, action and condition of each statement that allows, in policies of a type."""
    return [
        (str(statement["Principal"]), statement["Action"], str(statement.get("Condition")))
        for policy in template.all(kind)
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow"
    ]


def test_only_its_rule_may_send_to_the_queue_of_etl2(prod: Assembly) -> None:
    rule = f"arn:aws:events:us-east-1:{ACCOUNT}:rule/cat-prod-etl2-csv-created"
    condition = {"ArnEquals": {"aws:SourceArn": rule}}
    assert allowed(prod.etl2, "AWS::SQS::QueuePolicy") == [
        ("{'Service': 'events.amazonaws.com'}", "sqs:SendMessage", str(condition))
    ]
    assert allowed(prod.etl1, "AWS::SQS::QueuePolicy") == []  # schedule and Lambda use their roles


ALARMS = {
    "StringEquals": {"aws:SourceAccount": ACCOUNT},
    "ArnLike": {"aws:SourceArn": f"arn:aws:cloudwatch:us-east-1:{ACCOUNT}:alarm:cat-prod-*"},
}


def test_only_alarms_of_this_account_may_publish_to_the_topic(prod: Assembly, everything: Assembly) -> None:
    for assembly in (prod, everything):
        assert allowed(assembly.etl1, "AWS::SNS::TopicPolicy") == [
            ("{'Service': 'cloudwatch.amazonaws.com'}", "sns:Publish", str(ALARMS))
        ]


def test_the_topic_has_a_key_where_the_environment_says_so(prod: Assembly, everything: Assembly) -> None:
    assert "KmsMasterKeyId" not in prod.etl1.one("AWS::SNS::Topic")
    assert not prod.etl1.all("AWS::KMS::Key")
    (name,) = [name for name, it in everything.etl1.resources.items() if it["Type"] == "AWS::KMS::Key"]
    assert everything.etl1.one("AWS::SNS::Topic")["KmsMasterKeyId"] == f"arn:{name}"
    assert everything.etl1.one("AWS::KMS::Key")["EnableKeyRotation"] is True


def test_the_key_lets_the_account_administer_it_and_the_alarms_use_it(everything: Assembly) -> None:
    administer, use = everything.etl1.one("AWS::KMS::Key")["KeyPolicy"]["Statement"]
    assert administer["Principal"] == {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    assert use == {
        "Sid": "Alarms",
        "Effect": "Allow",
        "Principal": {"Service": "cloudwatch.amazonaws.com"},
        "Action": ["kms:Decrypt", "kms:GenerateDataKey*"],
        "Resource": "*",
        "Condition": ALARMS,
    }


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
