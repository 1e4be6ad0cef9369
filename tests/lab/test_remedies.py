"""What to try, from the texts that AWS, Java and the system give."""

import pytest
from botocore import exceptions as aws

from cat_lab.remedies import remedy


def client_error(code, operation, message="m"):
    return str(aws.ClientError({"Error": {"Code": code, "Message": message}}, operation))


@pytest.mark.parametrize(
    ("said", "part"),
    [
        (client_error("AccessDeniedException", "Scan"), "dynamodb:Scan granted"),
        (client_error("AccessDenied", "ListObjectsV2"), "s3:ListBucket granted"),
        (client_error("403", "HeadObject", "Forbidden"), "s3:GetObject granted"),
        (client_error("AccessDenied", "PutObject"), "s3:PutObject granted"),
        (
            client_error("AccessDenied", "X", "u is not authorized to perform: kms:Decrypt on resource: k"),
            "kms:Decrypt granted",
        ),
        (client_error("ExpiredTokenException", "Scan"), "sign in again"),
        (client_error("ExpiredToken", "HeadBucket"), "sign in again"),
        (client_error("UnrecognizedClientException", "Scan"), "AWS_ACCESS_KEY_ID"),
        (client_error("InvalidAccessKeyId", "PutObject"), "AWS_ACCESS_KEY_ID"),
        (client_error("ResourceNotFoundException", "Scan"), "DYNAMODB_TABLE_NAME"),
        (client_error("ResourceNotFoundException", "DescribeTable"), "DYNAMODB_TABLE_NAME"),
        (client_error("NoSuchBucket", "PutObject"), "S3_BUCKET_NAME"),
        (client_error("404", "HeadBucket", "Not Found"), "S3_BUCKET_NAME"),
        (client_error("301", "HeadBucket", "Moved Permanently"), "AWS_REGION"),
        (client_error("InvalidRequestException", "GetWorkGroup", "WorkGroup is not found"), "ETL-2"),
        (client_error("ProvisionedThroughputExceededException", "Scan"), "--max-rcu"),
        (str(aws.NoCredentialsError()), "set AWS_PROFILE"),
        (str(aws.PartialCredentialsError(provider="p", cred_var="v")), "set AWS_PROFILE"),
        (str(aws.ProfileNotFound(profile="p")), "check AWS_PROFILE"),
        (str(aws.UnauthorizedSSOTokenError()), "sign in again"),
        (str(aws.SSOTokenLoadError(error_msg="none")), "sign in again"),
        (str(aws.EndpointConnectionError(endpoint_url="http://x")), "AWS_ENDPOINT_URL"),
        (str(aws.ConnectTimeoutError(endpoint_url="http://x")), "AWS_ENDPOINT_URL"),
        (str(aws.ReadTimeoutError(endpoint_url="http://x")), "AWS_ENDPOINT_URL"),
        (str(OSError(28, "No space left on device", "/tmp/x")), "free space"),
        ("Py4JJavaError: java.lang.OutOfMemoryError: Java heap space", "convert.memory"),
    ],
)
def test_what_to_try(said, part):
    assert part in remedy(said)


@pytest.mark.parametrize("said", ["ValueError: no fish", "KeyError: 'PK'", ""])
def test_an_unknown_error_has_no_remedy(said):
    assert remedy(said) is None
