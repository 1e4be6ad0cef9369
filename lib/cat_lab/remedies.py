"""Say what to try against an error of AWS or of the system: one table for every command and run."""

from __future__ import annotations

import re

_CREDENTIALS = (
    "give boto3 credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run "
    "`aws configure`"
)
_SIGN_IN_AGAIN = "sign in again (`aws sso login`, or set the new keys)"
_CHECK_KEYS = "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
_NETWORK = "check the network, AWS_REGION and AWS_ENDPOINT_URL"
_SPACE = "free space there, or give another folder (TMPDIR for temporary files, --runs for runs)"
_REJECTS = "read the reasons in the rejects; check which table or files were read: a file has one item a line"
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
    (r"^AllRejectedError", _REJECTS),
    (r"^ShrunkError", "look at the table, at the filters, and at the manifest of the last run"),
    (r"Unable to locate credentials|NoCredentials|Partial credentials", _CREDENTIALS),
    (r"ExpiredToken|RequestExpired|TokenRefreshRequired|Token has expired", _SIGN_IN_AGAIN),
    (r"SSO.*(expired|invalid)|[Ee]rror loading SSO", _SIGN_IN_AGAIN),
    (r"UnrecognizedClient|InvalidClientTokenId|InvalidAccessKeyId|SignatureDoesNotMatch", _CHECK_KEYS),
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
        "check AWS_REGION; the bucket is in another region",
    ),
    (r"ProvisionedThroughputExceeded|Throttling|SlowDown|TooManyRequests", _WAIT),
    (r"Could not connect|[Cc]onnect timeout|Read timeout|Connection was closed", _NETWORK),
    (r"RequestTimeTooSkewed", "set the clock of this machine"),
    (r"No space left on device|Disk quota exceeded", _SPACE),
    (r"Java heap space|GC overhead limit", "give Java more memory: -p convert.memory=4g"),
    (r"kernel died|MemoryError", "use a machine with more memory, or fewer workers"),
]


def remedy(error: str) -> str | None:
    """Return what to try against an error, from its class name and text; None if the error is unknown.

    >>> remedy("An error occurred (AccessDenied) when calling the ListObjectsV2 operation: Access Denied")
    'have s3:ListBucket granted to these credentials'
    >>> remedy("ValueError: no such column")
    """
    if _DENIED.search(error):
        return f"have {_action(error)} granted to these credentials"
    return next((advice for pattern, advice in _KNOWN if re.search(pattern, error)), None)


def _action(error: str) -> str:
    """Return the action that was denied: as the error names it, else that of the operation it names."""
    if named := _ACTION.search(error):
        return named[1]
    operation = _OPERATION.search(error)
    if operation is None:  # such as an error of Hadoop
        return "s3:DeleteObject" if re.search(r"\bdelete\b", error) else "the action that the error names"
    return _ACTIONS.get(operation[1], f"the action of {operation[1]}")
