"""Names, sizes and limits of the resources."""

from __future__ import annotations

import importlib.util
import re
from typing import Any

import pytest

from cat_normalize.core import layout, schema
from cat_normalize.core.settings import FALLBACK_PATTERNS, Rules, Settings
from cat_normalize.core.storage import staging_prefix
from infra.assembly import ACCOUNT, CDK, Assembly, Template

PATTERNS = ",".join(FALLBACK_PATTERNS)
NAMES = [
    ("etl1", "AWS::S3::Bucket", "BucketName", ["cat-{}-normalize-access-logs", "cat-{}-normalize-reports"]),
    ("etl1", "AWS::Lambda::Function", "FunctionName", ["cat-{}-lambda-normalize"]),
    ("etl1", "AWS::Scheduler::Schedule", "Name", ["cat-{}-normalize-daily"]),
    ("etl1", "AWS::SQS::Queue", "QueueName", ["cat-{}-normalize-dead-letters"]),
    ("etl1", "AWS::SNS::Topic", "TopicName", ["cat-{}-alarms"]),
    ("etl1", "AWS::Logs::LogGroup", "LogGroupName", ["/aws/lambda/cat-{}-lambda-normalize"]),
    ("etl2", "AWS::Events::Rule", "Name", ["cat-{}-etl2-csv-created"]),
    ("etl2", "AWS::StepFunctions::StateMachine", "StateMachineName", ["cat-{}-etl2-start"]),
    ("etl2", "AWS::SQS::Queue", "QueueName", ["cat-{}-etl2-dead-letters"]),
    ("etl2", "AWS::Glue::Job", "Name", ["cat-{}-etl2-parquet"]),
    ("etl2", "AWS::Scheduler::Schedule", "Name", ["cat-{}-freshness-hourly"]),
    ("etl2", "AWS::Athena::WorkGroup", "Name", ["wg-cat-{}-analytics"]),
    ("etl2", "AWS::CloudWatch::Dashboard", "DashboardName", ["cat-{}-normalize"]),
    (
        "etl2",
        "AWS::Logs::LogGroup",
        "LogGroupName",
        [
            "/aws-glue/jobs/cat-{}-etl2-parquet/error",
            "/aws-glue/jobs/cat-{}-etl2-parquet/output",
            "/aws/lambda/cat-{}-etl2-scripts",
            "/aws/lambda/cat-{}-lambda-freshness",
            "/aws/vendedlogs/states/cat-{}-etl2-start",
        ],
    ),
]


@pytest.mark.parametrize("environment", ["prod", "test"])
@pytest.mark.parametrize(("process", "kind", "key", "names"), NAMES)
def test_names(
    request: pytest.FixtureRequest, environment: str, process: str, kind: str, key: str, names: list[str]
) -> None:
    assembly: Assembly = request.getfixturevalue(environment)
    found = sorted(each[key] for each in getattr(assembly, process).all(kind))
    assert found == [name.format(environment) for name in names]


def test_the_contracts_names_are_the_librarys(prod: Assembly) -> None:
    assert prod.stacks == [layout.STACK_ETL1, layout.STACK_ETL2]
    prod.etl1.one("AWS::S3::Bucket", BucketName=Settings().bucket)
    prod.etl1.one("AWS::Lambda::Function", FunctionName=layout.LAMBDA)
    prod.etl2.one("AWS::Glue::Job", Name=layout.GLUE_JOB)
    prod.etl2.one("AWS::Athena::WorkGroup", Name=layout.WORKGROUP)
    assert prod.etl2.one("AWS::Glue::Database")["DatabaseInput"]["Name"] == layout.DATABASE


def reports(assembly: Assembly) -> dict[str, Any]:
    (found,) = (each for each in assembly.etl1.all("AWS::S3::Bucket") if "LoggingConfiguration" in each)
    return found


def test_an_environment_may_name_its_bucket_and_then_nothing_names_the_contracts(
    everything: Assembly,
) -> None:
    names = sorted(each["BucketName"] for each in everything.etl1.all("AWS::S3::Bucket"))
    assert names == ["reproduced-reports", "reproduced-reports-access-logs"]
    for file in everything.files:
        assert "cat-prod-normalize-reports" not in file.read_text()


def test_buckets_are_private_and_encrypted(prod: Assembly) -> None:
    for bucket in prod.etl1.all("AWS::S3::Bucket"):
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
        assert len(bucket["PublicAccessBlockConfiguration"]) == 4
        assert bucket["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
        (encryption,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert encryption["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}


def test_the_bucket_is_versioned_logged_and_sends_events(prod: Assembly) -> None:
    bucket = reports(prod)
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert bucket["LoggingConfiguration"]["DestinationBucketName"] == "cat-prod-normalize-access-logs"
    assert bucket["NotificationConfiguration"] == {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}
    assert not prod.etl1.all("Custom::S3BucketNotifications")


@pytest.mark.parametrize(("environment", "old", "rejects"), [("prod", 30, 90), ("test", 1, 7)])
def test_lifecycle_rules(request: pytest.FixtureRequest, environment: str, old: int, rejects: int) -> None:
    rules = reports(request.getfixturevalue(environment))["LifecycleConfiguration"]["Rules"]
    assert {rule["Status"] for rule in rules} == {"Enabled"}
    plain = {"Id", "Status"}
    assert {rule["Id"]: {key: rule[key] for key in rule.keys() - plain} for rule in rules} == {
        "old-versions": {
            "NoncurrentVersionExpiration": {"NoncurrentDays": old},
            "ExpiredObjectDeleteMarker": True,
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
        },
        "staging": {
            "Prefix": "staging/",
            "ExpirationInDays": 1,
            "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
        },
        "rejects": {"Prefix": "rejects/etl-process1/", "ExpirationInDays": rejects},
        "athena-results": {
            "Prefix": "athena/results/",
            "ExpirationInDays": 7,
            "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
        },
        "exports": {  # copies of the table; also where ETL-1 was in Spark until yesterday
            "Prefix": "exports/etl-process1/",
            "ExpirationInDays": 2,
            "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
        },
    }


def test_csvs_expire_only_where_the_environment_says_so(prod: Assembly, everything: Assembly) -> None:
    rules = [reports(each)["LifecycleConfiguration"]["Rules"] for each in (prod, everything)]
    assert [rule for rule in rules[1] if rule not in rules[0]] == [
        {"Id": "csvs", "Status": "Enabled", "Prefix": "reports/etl-process1/", "ExpirationInDays": 400}
    ]
    assert [rule for rule in rules[0] if rule not in rules[1]] == []


def test_whatever_is_staged_is_under_the_prefix_that_expires(prod: Assembly) -> None:
    (rule,) = [it for it in reports(prod)["LifecycleConfiguration"]["Rules"] if it["Id"] == "staging"]
    keys = [layout.parquet_key(Settings(), table) for table in schema.TABLES]
    staged = [staging_prefix(key) for key in (*keys, Settings().csv_prefix)]
    assert len(set(staged)) == 4
    assert [prefix for prefix in staged if not prefix.startswith(rule["Prefix"])] == []


KEPT = {"AWS::S3::Bucket", "AWS::Logs::LogGroup", "AWS::Glue::Database", "AWS::Glue::Table"} | {
    "AWS::Athena::WorkGroup"
}


@pytest.mark.parametrize(("environment", "policy"), [("prod", "RetainExceptOnCreate"), ("test", "Delete")])
def test_data_outlives_its_stack_only_in_prod_and_never_a_creation_that_failed(
    request: pytest.FixtureRequest, environment: str, policy: str
) -> None:
    assembly: Assembly = request.getfixturevalue(environment)
    bodies = [*assembly.etl1.resources.values(), *assembly.etl2.resources.values()]
    kept = [body for body in bodies if body["Type"] in KEPT]
    assert {body["Type"] for body in kept} == KEPT
    assert {body["DeletionPolicy"] for body in kept} == {policy}
    assert {body.get("UpdateReplacePolicy") for body in kept} == {policy.removesuffix("ExceptOnCreate")}
    retained = {body["Type"] for body in bodies if body.get("DeletionPolicy", "").startswith("Retain")}
    assert retained == (KEPT if environment == "prod" else set())


@pytest.mark.parametrize(("environment", "days"), [("prod", 90), ("test", 7)])
def test_every_log_group_forgets(request: pytest.FixtureRequest, environment: str, days: int) -> None:
    assembly: Assembly = request.getfixturevalue(environment)
    groups = assembly.etl1.all("AWS::Logs::LogGroup") + assembly.etl2.all("AWS::Logs::LogGroup")
    assert [group["RetentionInDays"] for group in groups] == [days] * 6


def test_the_lambda(prod: Assembly) -> None:
    function = prod.etl1.one("AWS::Lambda::Function")
    expected = {
        "Runtime": "python3.11",
        "Architectures": ["arm64"],
        "MemorySize": 1024,
        "EphemeralStorage": {"Size": 10240},
        "Timeout": 900,
        "ReservedConcurrentExecutions": 1,
        "TracingConfig": {"Mode": "Active"},
        "LoggingConfig": {"LogGroup": "/aws/lambda/cat-prod-lambda-normalize", "LogFormat": "JSON"},
    }
    assert {key: function[key] for key in expected} == expected


@pytest.mark.parametrize("environment", ["prod", "test"])
def test_the_lambda_reads_the_settings_of_its_environment(
    request: pytest.FixtureRequest, environment: str
) -> None:
    assembly: Assembly = request.getfixturevalue(environment)
    variables = assembly.etl1.one("AWS::Lambda::Function")["Environment"]["Variables"]
    assert variables == {
        "DYNAMODB_TABLE_NAME": f"cat-{environment}-catia-conversations-table",
        "S3_BUCKET_NAME": f"cat-{environment}-normalize-reports",
        "CAT_TIME_ZONE": "America/Bogota",
        "CAT_FALLBACK_PATTERNS": PATTERNS,
        "CAT_MIN_USERS_PERCENT": "50",
    }
    made = Settings.from_environment({**variables, "AWS_REGION": "us-east-1"})
    assert (made.table_name, made.bucket) == tuple(variables.values())[:2]
    assert made.rules == Rules()


def test_the_check_of_the_tables_age(prod: Assembly) -> None:
    function = prod.etl2.one("AWS::Lambda::Function", FunctionName=layout.FRESHNESS)
    expected = {
        "Handler": "freshness_function.lambda_handler",
        "Runtime": "python3.11",
        "Architectures": ["arm64"],
        "LoggingConfig": {"LogGroup": "/aws/lambda/cat-prod-lambda-freshness", "LogFormat": "JSON"},
        "Environment": {
            "Variables": {
                "S3_BUCKET_NAME": "cat-prod-normalize-reports",
                "CAT_TIME_ZONE": "America/Bogota",
            }
        },
    }
    assert {key: function[key] for key in expected} == expected
    assert "ReservedConcurrentExecutions" not in function
    zip = prod.etl1.one("AWS::Lambda::Function", FunctionName=layout.LAMBDA)["Code"]
    assert function["Code"] == zip


def test_the_check_is_the_same_wherever_etl1_runs(prod: Assembly, spark: Assembly) -> None:
    named = {"FunctionName": layout.FRESHNESS}
    assert prod.etl2.one("AWS::Lambda::Function", **named) == spark.etl2.one("AWS::Lambda::Function", **named)
    assert prod.etl2.all("AWS::Scheduler::Schedule") == spark.etl2.all("AWS::Scheduler::Schedule")


def test_no_dynamodb_table_is_created(prod: Assembly) -> None:
    kinds = {body["Type"] for body in [*prod.etl1.resources.values(), *prod.etl2.resources.values()]}
    assert not any(kind.startswith("AWS::DynamoDB::") for kind in kinds)


def scripts(template: Template, process: int) -> str:
    """Return the address of the folder that this deployment of script and wheels has for itself."""
    prefix = template.one("Custom::CDKBucketDeployment")["DestinationBucketKeyPrefix"]
    assert re.fullmatch(f"scripts/etl-process{process}/[0-9a-f]{{16}}/", prefix)
    return f"s3://cat-prod-normalize-reports/{prefix}"


def test_the_glue_job(prod: Assembly) -> None:
    job = prod.etl2.one("AWS::Glue::Job")
    expected = {
        "GlueVersion": "5.1",
        "WorkerType": "G.1X",
        "NumberOfWorkers": 2,
        "Timeout": 60,
        "Command": {
            "Name": "glueetl",
            "PythonVersion": "3",
            "ScriptLocation": f"{scripts(prod.etl2, 2)}glue_job_script.py",
        },
    }
    assert {key: job[key] for key in expected} == expected


def test_the_arguments_of_the_glue_job(prod: Assembly) -> None:
    arguments = dict(prod.etl2.one("AWS::Glue::Job")["DefaultArguments"])
    assert arguments == {
        "--additional-python-modules": f"{scripts(prod.etl2, 2)}cat_normalize-1.2.3.gluewheels.zip",
        "--python-modules-installer-option": "--no-index",
        "--input_bucket": "cat-prod-normalize-reports",
        "--input_prefix": "reports/etl-process1/",
        "--output_bucket": "cat-prod-normalize-reports",
        "--output_prefix": "reports/etl-process2/",
        "--time_zone": "America/Bogota",
        "--fallback_patterns": PATTERNS,
        "--job-language": "python",
        "--job-bookmark-option": "job-bookmark-disable",
        "--custom-logGroup-prefix": "/aws-glue/jobs/cat-prod-etl2-parquet",
    }


def test_no_glue_job_sends_metrics_that_nobody_reads(spark: Assembly) -> None:
    for template in (spark.etl1, spark.etl2):
        arguments = template.one("AWS::Glue::Job")["DefaultArguments"]
        assert not [name for name in arguments if "metrics" in name]


def test_only_script_and_wheels_go_to_their_prefix_and_nothing_is_deleted(prod: Assembly) -> None:
    deployment = prod.etl2.one("Custom::CDKBucketDeployment")
    assert deployment["DestinationBucketName"] == "cat-prod-normalize-reports"
    assert deployment["Prune"] is False
    assert deployment.get("RetainOnDelete", True) is True  # also at an update to another prefix
    (asset,) = deployment["SourceObjectKeys"]
    folder = prod.folder / f"asset.{asset.removesuffix('.zip')}"
    found = sorted(path.name for path in folder.iterdir())
    assert found == ["cat_normalize-1.2.3.gluewheels.zip", "glue_job_script.py"]


def test_the_job_depends_on_its_script_and_log_groups(prod: Assembly) -> None:
    (job,) = [body for body in prod.etl2.resources.values() if body["Type"] == "AWS::Glue::Job"]
    kinds = {prod.etl2.resources[name]["Type"] for name in job["DependsOn"]}
    assert {"Custom::CDKBucketDeployment", "AWS::Logs::LogGroup"} <= kinds


@pytest.mark.parametrize(
    ("declared", "prefix"),
    [
        (schema.USERS, "reports/etl-process2/"),
        (schema.CONVERSATIONS, "reports/conversations/"),
        (schema.MESSAGES, "reports/messages/"),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_a_table_has_the_declared_columns(prod: Assembly, declared: schema.Table, prefix: str) -> None:
    tables = {table["TableInput"]["Name"]: table for table in prod.etl2.all("AWS::Glue::Table")}
    assert tables.keys() == {"users", "conversations", "messages"}
    table = tables[declared.name]
    assert (table["DatabaseName"], table["CatalogId"]) == ("cat_prod_analytics_db", ACCOUNT)
    made = table["TableInput"]
    assert (made["TableType"], made["Description"]) == ("EXTERNAL_TABLE", declared.comment)
    assert made["Parameters"]["classification"] == "parquet"
    assert "PartitionKeys" not in made
    storage = made["StorageDescriptor"]
    assert storage["Columns"] == declared.glue_columns()
    assert storage["Location"] == f"s3://cat-prod-normalize-reports/{prefix}"
    assert storage["InputFormat"].endswith(".MapredParquetInputFormat")
    assert storage["OutputFormat"].endswith(".MapredParquetOutputFormat")
    assert storage["SerdeInfo"]["SerializationLibrary"].endswith(".ParquetHiveSerDe")
    assert not prod.etl2.all("AWS::Glue::Crawler")


@pytest.mark.parametrize(("environment", "limit"), [("prod", 10 << 30), ("test", 1 << 30)])
def test_the_workgroup(request: pytest.FixtureRequest, environment: str, limit: int) -> None:
    assembly: Assembly = request.getfixturevalue(environment)
    assert assembly.etl2.one("AWS::Athena::WorkGroup")["WorkGroupConfiguration"] == {
        "EnforceWorkGroupConfiguration": True,
        "PublishCloudWatchMetricsEnabled": True,
        "BytesScannedCutoffPerQuery": limit,
        "EngineVersion": {"SelectedEngineVersion": "Athena engine version 3"},
        "ResultConfiguration": {
            "OutputLocation": f"s3://cat-{environment}-normalize-reports/athena/results/",
            "EncryptionConfiguration": {"EncryptionOption": "SSE_S3"},
        },
    }


def test_queues_are_encrypted(prod: Assembly) -> None:
    for queue in prod.etl1.all("AWS::SQS::Queue") + prod.etl2.all("AWS::SQS::Queue"):
        assert queue["SqsManagedSseEnabled"] is True
        assert queue["MessageRetentionPeriod"] == 14 * 24 * 3600


@pytest.mark.parametrize(("process", "value"), [("etl1", "etl-process1"), ("etl2", "etl-process2")])
def test_resources_are_tagged_for_cost_allocation(prod: Assembly, process: str, value: str) -> None:
    tagged, expected = 0, {"project": "cat-normalize", "environment": "prod", "process": value}
    for body in getattr(prod, process).resources.values():
        tags = body.get("Properties", {}).get("Tags")
        if isinstance(tags, list):
            tags = {tag["Key"]: tag["Value"] for tag in tags}
        if tags is not None:
            tagged += 1
            assert tags.items() >= expected.items()
    assert tagged >= 8


def test_the_glue_job_of_etl1(spark: Assembly) -> None:
    job = spark.etl1.one("AWS::Glue::Job")
    folder = scripts(spark.etl1, 1)
    expected = {
        "Name": "cat-prod-etl1-normalize",
        "GlueVersion": "5.1",
        "WorkerType": "G.1X",
        "NumberOfWorkers": 40,
        "Timeout": 90,
        "MaxRetries": 0,
        "ExecutionProperty": {"MaxConcurrentRuns": 1},
        "Command": {
            "Name": "glueetl",
            "PythonVersion": "3",
            "ScriptLocation": f"{folder}glue_etl1_script.py",
        },
    }
    assert {key: job[key] for key in expected} == expected
    wheels = job["DefaultArguments"]["--additional-python-modules"]
    assert wheels == f"{folder}cat_normalize-1.2.3.gluewheels.zip"  # on every worker
    assert job["DefaultArguments"]["--python-modules-installer-option"] == "--no-index"
    assert not [name for name in job["DefaultArguments"] if "allow" in name or name == "--run_date"]


def test_the_arguments_of_the_glue_job_of_etl1_are_the_lambdas_settings(
    prod: Assembly, spark: Assembly
) -> None:
    spec = importlib.util.spec_from_file_location(
        "etl1_script", CDK.parents[1] / "glue/etl-process1/glue_job_script.py"
    )
    assert spec
    assert spec.loader
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    arguments = spark.etl1.one("AWS::Glue::Job")["DefaultArguments"]
    words = [word for pair in {**arguments, "--input": "s3://b/e/"}.items() for word in pair]
    given = script.read_arguments(["job", *words])
    variables = prod.etl1.one("AWS::Lambda::Function")["Environment"]["Variables"]
    assert given.pop("input") == "s3://b/e/"
    assert given.pop("output_bucket") == variables["S3_BUCKET_NAME"]
    assert {f"CAT_{name.upper()}": value for name, value in given.items()} == {
        name: value for name, value in variables.items() if name.startswith("CAT_")
    }


def test_the_read_units_of_an_environment_reach_the_lambda(prod: Assembly, everything: Assembly) -> None:
    function = everything.etl1.one("AWS::Lambda::Function", FunctionName=layout.LAMBDA)
    assert function["Environment"]["Variables"]["CAT_MAX_RCU"] == "50"
    function = prod.etl1.one("AWS::Lambda::Function", FunctionName=layout.LAMBDA)
    assert "CAT_MAX_RCU" not in function["Environment"]["Variables"]  # then it is a share of the table's


def test_zones_and_patterns_of_an_environment_reach_lambda_and_job(everything: Assembly) -> None:
    given = {
        "time_zone": "America/Lima",
        "naive_time_zone": "UTC",
        "fallback_patterns": r"\bno s[e\xe9],perd[o\xf3]n",
    }
    variables = everything.etl1.one("AWS::Lambda::Function")["Environment"]["Variables"]
    assert {name: variables[f"CAT_{name.upper()}"] for name in given} == given
    assert everything.etl1.one("AWS::Scheduler::Schedule")["ScheduleExpressionTimezone"] == "America/Lima"
    arguments = everything.etl2.one("AWS::Glue::Job")["DefaultArguments"]
    assert {name: arguments[f"--{name}"] for name in given} == given


def test_with_spark_there_is_no_lambda_and_the_bucket_and_etl2_are_the_same(
    prod: Assembly, spark: Assembly
) -> None:
    assert not [each for each in spark.etl1.all("AWS::Lambda::Function") if "FunctionName" in each]
    assert reports(prod) == reports(spark)
    for kind in (
        "AWS::Glue::Job",
        "AWS::StepFunctions::StateMachine",
        "AWS::Events::Rule",
        "AWS::Glue::Table",
    ):
        assert spark.etl2.all(kind) == prod.etl2.all(kind)


def test_script_and_wheels_of_etl1_go_to_their_prefix(spark: Assembly) -> None:
    deployment = spark.etl1.one("Custom::CDKBucketDeployment")
    (asset,) = deployment["SourceObjectKeys"]
    found = sorted(path.name for path in (spark.folder / f"asset.{asset.removesuffix('.zip')}").iterdir())
    assert found == ["cat_normalize-1.2.3.gluewheels.zip", "glue_etl1_script.py"]
    (job,) = [body for body in spark.etl1.resources.values() if body["Type"] == "AWS::Glue::Job"]
    kinds = {spark.etl1.resources[name]["Type"] for name in job["DependsOn"]}
    assert {"Custom::CDKBucketDeployment", "AWS::Logs::LogGroup", "AWS::S3::Bucket"} <= kinds
