"""The analysts' role: it asks the three tables, and reads nothing of what they are made of."""

from __future__ import annotations

import pytest

from infra.assembly import ACCOUNT, Assembly
from infra.grants import Call, grants, refused, roles

BUCKET = "arn:aws:s3:::reproduced-reports"
GLUE = f"arn:aws:glue:us-east-1:{ACCOUNT}"
ATHENA = f"arn:aws:athena:us-east-1:{ACCOUNT}"
TABLES = ("users", "conversations", "messages")
PREFIXES = ("reports/etl-process2/", "reports/conversations/", "reports/messages/")
QUERY = [
    Call("athena:GetWorkGroup", f"{ATHENA}:workgroup/wg-cat-prod-analytics"),
    Call("athena:StartQueryExecution", f"{ATHENA}:workgroup/wg-cat-prod-analytics"),
    Call("athena:GetQueryExecution", f"{ATHENA}:workgroup/wg-cat-prod-analytics"),
    Call("athena:GetQueryResults", f"{ATHENA}:workgroup/wg-cat-prod-analytics"),
    Call("athena:GetDataCatalog", f"{ATHENA}:datacatalog/AwsDataCatalog"),
    Call("glue:GetDatabase", f"{GLUE}:database/cat_prod_analytics_db"),
    *(Call("glue:GetTable", f"{GLUE}:table/cat_prod_analytics_db/{table}") for table in TABLES),
    Call("s3:GetBucketLocation", BUCKET),
    *(Call("s3:ListBucket", BUCKET, prefix) for prefix in PREFIXES),
    *(Call("s3:GetObject", f"{BUCKET}/{prefix}data.parquet") for prefix in PREFIXES),
    Call("s3:PutObject", f"{BUCKET}/athena/results/0163.csv"),
    Call("s3:GetObject", f"{BUCKET}/athena/results/0163.csv"),
]
"""What a query through the workgroup asks of IAM as its caller."""

UNREADABLE = [
    "reports/etl-process1/data_20250901.csv",
    "rejects/etl-process1/data_20250901.jsonl",
    "manifests/etl-process1/20250901.json",
    "manifests/etl-process2/20250901.json",
    "staging/reports/etl-process2/0163/part.parquet",
    "staging/reports/messages/0163/part.parquet",
    "exports/etl-process1/AWSDynamoDB/0163/data/0.json.gz",
    "scripts/etl-process2/glue_job_script.py",
]
READS = {"s3", "athena", "glue"}
WRITES = {f"s3:{action}" for action in ("PutObject", "AbortMultipartUpload")}


def test_a_query_is_granted(everything: Assembly) -> None:
    assert refused(QUERY, grants(roles(everything)["etl2/Analysts"])) == []


@pytest.mark.parametrize("key", UNREADABLE)
def test_what_is_not_a_table_is_neither_read_nor_listed(everything: Assembly, key: str) -> None:
    given = grants(roles(everything)["etl2/Analysts"])
    folder = key[: key.rindex("/") + 1]
    calls = [
        *(Call(f"s3:{verb}", f"{BUCKET}/{key}") for verb in ("GetObject", "GetObjectVersion", "PutObject")),
        *(Call("s3:ListBucket", BUCKET, prefix) for prefix in (folder, key, "", "reports/")),
    ]
    assert set(refused(calls, given)) == set(calls)


def test_a_table_is_not_written(everything: Assembly) -> None:
    given = grants(roles(everything)["etl2/Analysts"])
    calls = [
        Call(f"s3:{verb}", f"{BUCKET}/{prefix}data.parquet")
        for prefix in PREFIXES
        for verb in ("PutObject", "DeleteObject", "GetObjectVersion")
    ]
    assert set(refused(calls, given)) == set(calls)


def test_the_only_writes_are_of_results(everything: Assembly) -> None:
    given = grants(roles(everything)["etl2/Analysts"])
    assert {grant.action.partition(":")[0] for grant in given} == READS
    assert {each.resource for each in given if each.action in WRITES} == {f"{BUCKET}/athena/results/*"}
    others = {each.action.partition(":")[2] for each in given if each.action not in WRITES}
    assert {name for name in others if not name.startswith(("Get", "BatchGet", "List"))} == {
        "StartQueryExecution",
        "StopQueryExecution",
    }
    assert {each.action for each in given if each.resource == "*"} == {
        "athena:ListDataCatalogs",
        "athena:ListEngineVersions",
        "athena:ListWorkGroups",
    }


def test_the_role_is_assumed_by_the_principals_of_the_environment_alone(everything: Assembly) -> None:
    role = roles(everything)["etl2/Analysts"]
    assert role["RoleName"] == "cat-prod-analysts"
    statements = role["AssumeRolePolicyDocument"]["Statement"]
    assert {statement["Action"] for statement in statements} == {"sts:AssumeRole"}
    principals = [statement["Principal"]["AWS"] for statement in statements]
    flat = [arn for each in principals for arn in (each if isinstance(each, list) else [each])]
    assert sorted(flat) == [f"arn:aws:iam::{ACCOUNT}:role/analysts", "arn:aws:iam::210987654321:root"]


def test_without_analysts_there_is_no_role(prod: Assembly) -> None:
    assert "etl2/Analysts" not in roles(prod)
