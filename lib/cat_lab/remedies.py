"""What to try when something outside fails, by what its error says: one table for every command and run."""

from __future__ import annotations

import re

_CREDENTIALS = (
    "give boto3 credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run "
    "`aws configure`"
)
_AGAIN = "sign in again (`aws sso login`, or set the new keys)"
_SIGNED_WRONG = "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
_NETWORK = "check the network, AWS_REGION and AWS_ENDPOINT_URL"
_SPACE = "free space there, or name another place (TMPDIR for scratch files, --runs for runs)"
_WAIT = "wait and run again, with fewer segments or with --max-rcu"

_DENIED = re.compile(r"AccessDenied|UnauthorizedOperation|NotAuthorized|not authorized|403 Forbidden|\(403\)")
_ACTION = re.compile(r"not authorized to perform: ([\w-]+:\w+)")
_OPERATION = re.compile(r"when calling the (\w+) operation")
_ACTIONS = {
    "CompleteMultipartUpload": "s3:PutObject",
    "CopyObject": "s3:PutObject and s3:GetObject",
    "CreateMultipartUpload": "s3:PutObject",
    "DeleteObject": "s3:DeleteObject",
    "DeleteObjects": "s3:DeleteObject",
    "DescribeTable": "dynamodb:DescribeTable",
    "GetObject": "s3:GetObject",
    "GetQueryExecution": "athena:GetQueryExecution",
    "GetQueryResults": "athena:GetQueryResults",
    "GetWorkGroup": "athena:GetWorkGroup",
    "HeadBucket": "s3:ListBucket",
    "HeadObject": "s3:GetObject",
    "ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "ListObjectsV2": "s3:ListBucket",
    "PutObject": "s3:PutObject",
    "Scan": "dynamodb:Scan",
    "StartQueryExecution": "athena:StartQueryExecution",
    "UploadPart": "s3:PutObject",
}
_KNOWN = [
    (r"^AllRejectedError", "read the reasons in the rejects, and check which table or files were read"),
    (r"^ShrunkError", "look at the table, at the filters, and at the manifest of the last run"),
    (r"Unable to locate credentials|NoCredentials|Partial credentials", _CREDENTIALS),
    (r"ExpiredToken|RequestExpired|TokenRefreshRequired|Token has expired", _AGAIN),
    (r"SSO.*(expired|invalid)|[Ee]rror loading SSO", _AGAIN),
    (r"UnrecognizedClient|InvalidClientTokenId|InvalidAccessKeyId|SignatureDoesNotMatch", _SIGNED_WRONG),
    (r"config profile .* could not be found", "check AWS_PROFILE (`aws configure list-profiles`)"),
    (r"NoSuchBucket|HeadBucket operation: Not Found", "check S3_BUCKET_NAME, and which account this is"),
    (
        r"ResourceNotFoundException.*(Scan|DescribeTable)",
        "check DYNAMODB_TABLE_NAME, AWS_REGION, and which account this is",
    ),
    (
        r"InvalidRequestException.*GetWorkGroup|WorkGroup .*not found",
        "deploy the stack of ETL-2, or check AWS_REGION",
    ),
    (
        r"PermanentRedirect|301.*Moved|AuthorizationHeaderMalformed",
        "check AWS_REGION, the bucket's is another",
    ),
    (r"ProvisionedThroughputExceeded|Throttling|SlowDown|TooManyRequests", _WAIT),
    (r"Could not connect|[Cc]onnect timeout|Read timeout|Connection was closed", _NETWORK),
    (r"RequestTimeTooSkewed", "set this machine's clock"),
    (r"No space left on device|Disk quota exceeded", _SPACE),
    (r"Java heap space|GC overhead limit", "give the Java machine more: -p convert.memory=4g"),
    (r"kernel died|MemoryError", "give the machine more memory, or run with fewer workers"),
]


def remedy(said: str) -> str | None:
    """Return what to try against an error, from its text; None where the text is of nothing known.

    >>> remedy("An error occurred (AccessDenied) when calling the ListObjectsV2 operation: Access Denied")
    'have s3:ListBucket granted to these credentials'
    >>> remedy("no fish")
    """
    if _DENIED.search(said):
        return f"have {_action(said)} granted to these credentials"
    return next((what for pattern, what in _KNOWN if re.search(pattern, said)), None)


def _action(said: str) -> str:
    """Name the action that was denied: as AWS names it, else by the operation that was called."""
    if named := _ACTION.search(said):
        return named[1]
    operation = _OPERATION.search(said)
    if operation is None:  # such as Hadoop's words
        return "s3:DeleteObject" if re.search(r"\bdelete\b", said) else "the action that the error names"
    return _ACTIONS.get(operation[1], f"the action of {operation[1]}")
