"""The role of who asks the tables: it reads no CSV, no reject, no manifest and nothing staged."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

import names
from cat_normalize.core import layout, schema
from environments import Environment
from parts import roles
from parts.roles import Grant

_QUERIES = [
    *(f"athena:{verb}QueryExecution" for verb in ("Start", "Stop", "Get", "BatchGet")),
    "athena:GetQueryResults",
    "athena:GetQueryResultsStream",
    "athena:ListQueryExecutions",
    "athena:GetWorkGroup",
]
_CATALOGUE = [
    "athena:GetDataCatalog",
    *(f"athena:{verb}" for verb in ("GetDatabase", "ListDatabases", "GetTableMetadata", "ListTableMetadata")),
]
_CONSOLE = ["athena:ListDataCatalogs", "athena:ListEngineVersions", "athena:ListWorkGroups"]


def analysts(scope: Construct, id: str, env: Environment) -> iam.Role:
    """Make the role, for the environment's analysts; Athena reads tables and writes results as the caller."""
    who = iam.CompositePrincipal(*map(iam.ArnPrincipal, env.analysts))
    grants = [*_objects(env), *_tables(scope, env), *_workgroup(scope, env)]
    return roles.assumed_by(scope, id, who, grants, env.named(names.ANALYSTS))


def _objects(env: Environment) -> list[Grant]:
    """Let the role read the tables' objects, and read and write results.

    https://docs.aws.amazon.com/athena/latest/ug/s3-permissions.html
    """
    settings = env.settings
    bucket, results = settings.bucket, settings.athena_prefix
    tables = [layout.table_prefix(settings, table) for table in schema.TABLES]
    reason = (
        "Athena names a result at run time, and reads whatever a table's prefix holds; no other is granted."
    )
    return [
        Grant(["s3:GetBucketLocation"], [f"arn:aws:s3:::{bucket}"]),
        roles.listing(bucket, *tables, results),
        roles.list_uploads(bucket),
        Grant(["s3:GetObject"], roles.objects(bucket, *tables, results), wildcard=reason),
        Grant(
            ["s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"],
            roles.objects(bucket, results),
            wildcard=reason,
        ),
    ]


def _tables(scope: Construct, env: Environment) -> list[Grant]:
    """Let the role read the database; Athena asks for the account's ``default`` one too.

    https://docs.aws.amazon.com/athena/latest/ug/fine-grained-access-to-glue-resources.html
    """
    stack = cdk.Stack.of(scope)
    glue, database = f"arn:aws:glue:{stack.region}:{stack.account}", env.named(layout.DATABASE)
    catalogue = f"{glue}:catalog"
    return [
        Grant(
            ["glue:GetDatabase", "glue:GetDatabases"],
            [catalogue, f"{glue}:database/default", f"{glue}:database/{database}"],
        ),
        Grant(
            ["glue:GetTable", "glue:GetTables"],
            [
                catalogue,
                f"{glue}:database/{database}",
                *(f"{glue}:table/{database}/{table.name}" for table in schema.TABLES),
            ],
        ),
    ]


def _workgroup(scope: Construct, env: Environment) -> list[Grant]:
    """Let the role ask in the workgroup, which limits a query; the console lists before it shows anything."""
    stack = cdk.Stack.of(scope)
    athena = f"arn:aws:athena:{stack.region}:{stack.account}"
    return [
        Grant(_QUERIES, [f"{athena}:workgroup/{env.named(layout.WORKGROUP)}"]),
        Grant(_CATALOGUE, [f"{athena}:datacatalog/AwsDataCatalog"]),
        Grant(_CONSOLE, ["*"], wildcard=roles.NO_RESOURCE),
    ]
