"""What requests ask of IAM, case by case, and what a role's grants then say to it."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path

import pytest

from deployed.calls import Request, UnknownRequestError, read, replay, translate
from infra.assembly import ACCOUNT
from infra.grants import Call, Grant, grants, refused, superfluous, too_wide

TABLE = f"arn:aws:dynamodb:eu-west-1:{ACCOUNT}:table/t"
ARN = "arn:aws:s3:::b"
THERE = [f"{ARN}/k", f"{ARN}/a b/ñ"]
DELETE = """<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Object><Key>a/&amp;1</Key></Object>
<Object><Key>a/2</Key><VersionId>v</VersionId></Object><Quiet>true</Quiet></Delete>"""


def signed(service: str, **headers: str) -> dict[str, str]:
    scope = f"AWS4-HMAC-SHA256 Credential=k/20250901/eu-west-1/{service}/aws4_request, SignedHeaders=host"
    return {"authorization": scope} | {name.replace("_", "-"): value for name, value in headers.items()}


def s3(method: str, path: str, body: str = "", **headers: str) -> Request:
    return Request(method, f"http://127.0.0.1:1{path}", signed("s3", **headers), body.encode())


def dynamodb(target: str, **body: str) -> Request:
    headers = signed("dynamodb", x_amz_target=target)
    return Request("POST", "http://127.0.0.1:1/", headers, json.dumps(body).encode())


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (dynamodb("DynamoDB_20120810.Scan", TableName="t"), [("dynamodb:Scan", TABLE)]),
        (
            dynamodb("DynamoDB_20120810.Query", TableName="t", IndexName="i"),
            [("dynamodb:Query", f"{TABLE}/index/i")],
        ),
        (s3("GET", "/b/k"), [("s3:GetObject", f"{ARN}/k")]),
        (s3("HEAD", "/b/a%20b/%C3%B1"), [("s3:GetObject", f"{ARN}/a b/ñ")]),
        (s3("GET", "/b/k?versionId=v"), [("s3:GetObjectVersion", f"{ARN}/k")]),
        (s3("HEAD", "/b/no"), [("s3:GetObject", f"{ARN}/no"), ("s3:ListBucket", ARN, "no")]),
        (s3("GET", "/b/k/"), [("s3:GetObject", f"{ARN}/k/"), ("s3:ListBucket", ARN, "k/")]),
        (s3("PUT", "/b/no", x_amz_meta_run_date="d"), [("s3:PutObject", f"{ARN}/no")]),
        (s3("POST", "/b/no?uploads"), [("s3:PutObject", f"{ARN}/no")]),
        (s3("PUT", "/b/no?uploadId=u&partNumber=1"), [("s3:PutObject", f"{ARN}/no")]),
        (s3("POST", "/b/no?uploadId=u", if_match="e"), [("s3:PutObject", f"{ARN}/no")]),
        (s3("GET", "/b/no?uploadId=u"), [("s3:ListMultipartUploadParts", f"{ARN}/no")]),
        (s3("DELETE", "/b/no?uploadId=u"), [("s3:AbortMultipartUpload", f"{ARN}/no")]),
        (s3("DELETE", "/b/no"), [("s3:DeleteObject", f"{ARN}/no")]),
        (s3("DELETE", "/b/k?versionId=v"), [("s3:DeleteObjectVersion", f"{ARN}/k")]),
        (
            s3("PUT", "/b/to", x_amz_copy_source="/b/a%20b/%C3%B1"),
            [("s3:PutObject", f"{ARN}/to"), ("s3:GetObject", f"{ARN}/a b/ñ")],
        ),
        (
            s3("PUT", "/b/to?partNumber=1&uploadId=u", x_amz_copy_source="c/no", x_amz_copy_source_range="r"),
            [
                ("s3:PutObject", f"{ARN}/to"),
                ("s3:GetObject", "arn:aws:s3:::c/no"),
                ("s3:ListBucket", "arn:aws:s3:::c", "no"),
            ],
        ),
        (
            s3("PUT", "/b/to", x_amz_copy_source="b/k?versionId=v"),
            [("s3:PutObject", f"{ARN}/to"), ("s3:GetObjectVersion", f"{ARN}/k")],
        ),
        (s3("HEAD", "/b"), [("s3:ListBucket", ARN)]),
        (s3("GET", "/b/"), [("s3:ListBucket", ARN)]),
        (s3("GET", "/b?prefix="), [("s3:ListBucket", ARN, "")]),
        (
            s3("GET", "/b/?list-type=2&delimiter=%2F&max-keys=2&prefix=a%20b%2F&fetch-owner=false"),
            [("s3:ListBucket", ARN, "a b/")],
        ),
        (s3("GET", "/b?versions&prefix=p"), [("s3:ListBucketVersions", ARN, "p")]),
        (s3("GET", "/b?uploads"), [("s3:ListBucketMultipartUploads", ARN)]),
        (s3("GET", "/b?location"), [("s3:GetBucketLocation", ARN)]),
        (
            s3("POST", "/b/?delete", DELETE),
            [("s3:DeleteObject", f"{ARN}/a/&1"), ("s3:DeleteObjectVersion", f"{ARN}/a/2")],
        ),
    ],
    ids=str,
)
def test_what_a_request_asks(request_: Request, expected: list[tuple[str, ...]]) -> None:
    assert translate(request_, THERE) == [Call(*each) for each in expected]


@pytest.mark.parametrize(
    ("request_", "named"),
    [
        (s3("GET", "/b/k?acl"), "GET /b/k?acl"),
        (s3("PUT", "/b/k?tagging"), "PUT /b/k?tagging"),
        (s3("PUT", "/b/k", x_amz_acl="public-read"), "PUT /b/k with x-amz-acl"),
        (s3("PUT", "/b/k", x_amz_tagging="a=b"), "x-amz-tagging"),
        (s3("PUT", "/b?policy"), "PUT /b?policy"),
        (s3("GET", "/"), "GET /: 'no bucket'"),
        (
            dynamodb("DynamoDBStreams_20120810.GetRecords", TableName="t"),
            "DynamoDBStreams_20120810.GetRecords",
        ),
        (dynamodb("DynamoDB_20120810.BatchGetItem", RequestItems="r"), "BatchGetItem: 'TableName'"),
        (Request("POST", "http://127.0.0.1:1/", signed("sqs", x_amz_target="AmazonSQS.SendMessage")), "SQS"),
        (Request("GET", "http://127.0.0.1:1/b/k", {}), "GET /b/k"),
    ],
    ids=str,
)
def test_a_request_that_is_not_known_is_named(request_: Request, named: str) -> None:
    with pytest.raises(UnknownRequestError) as raised:
        translate(request_, THERE)
    assert named in str(raised.value)


def test_a_replay_knows_what_is_there_at_that_moment() -> None:
    upload = "/b/made?uploadId=u"
    run = [
        s3("HEAD", "/b/made"), s3("POST", "/b/made?uploads"), s3("PUT", f"{upload}&partNumber=1"),
        s3("HEAD", "/b/made"), s3("POST", upload), s3("HEAD", "/b/made"), s3("DELETE", "/b/made"),
        s3("HEAD", "/b/made"), s3("PUT", "/b/a/&1"), s3("HEAD", "/b/a/&1"), s3("HEAD", "/b/k"),
        s3("POST", "/b?delete", DELETE), s3("HEAD", "/b/a/&1"),
    ]  # fmt: skip
    asked = [call.prefix for call in replay(run, THERE) if call.action in ("s3:GetObject", "s3:ListBucket")]
    assert asked == [None, "made", None, "made", None, None, "made", None, None, None, "a/&1"]


def test_a_recording_is_read_though_two_entries_stand_on_one_line(tmp_path: Path) -> None:
    entries = [
        {"method": "PUT", "url": "u", "headers": {"If-Match": "e"}, "body_encoded": True,
         "body": b64encode(b"\x00").decode()},
        {"method": "GET", "url": "v", "headers": {}, "body_encoded": False, "body": ""},
    ]  # fmt: skip
    first, second = map(json.dumps, entries)
    (tmp_path / "recording").write_text(f"{first}{second}\n\n{first}\n")
    one, two, three = read(tmp_path / "recording")
    assert one == three == Request("PUT", "u", {"if-match": "e"}, b"\x00")
    assert two == Request("GET", "v", {})


@pytest.mark.parametrize(
    ("grant", "call", "allowed"),
    [
        (("s3:GetObject", f"{ARN}/k"), ("s3:GetObject", f"{ARN}/k"), True),
        (("s3:GetObject", f"{ARN}/k"), ("s3:GetObject", f"{ARN}/k/x"), False),
        (("s3:GetObject", f"{ARN}/k/*"), ("s3:GetObject", f"{ARN}/k/x/y"), True),
        (("s3:GetObject", f"{ARN}/k/*"), ("s3:GetObject", f"{ARN}/k"), False),
        (("s3:GetObject", f"{ARN}/k/*"), ("s3:GetObjectVersion", f"{ARN}/k/x"), False),
        (("s3:ListBucket", ARN), ("s3:ListBucket", ARN), True),
        (("s3:ListBucket", ARN, "StringLike s3:prefix p/*"), ("s3:ListBucket", ARN, "p/q"), True),
        (("s3:ListBucket", ARN, "StringLike s3:prefix p/*"), ("s3:ListBucket", ARN, "p"), False),
        (("s3:ListBucket", ARN, "StringLike s3:prefix p/*"), ("s3:ListBucket", ARN), False),
        (("s3:ListBucket", ARN, "StringEquals s3:prefix p"), ("s3:ListBucket", ARN, "p"), True),
        (("s3:ListBucket", ARN, "StringEquals s3:prefix p"), ("s3:ListBucket", ARN, "p/"), False),
        (("s3:ListBucket", ARN, "StringEquals aws:other p"), ("s3:ListBucket", ARN, "p"), False),
    ],
)
def test_what_a_grant_allows(grant: tuple[str, ...], call: tuple[str, ...], allowed: bool) -> None:
    assert Grant(*grant).allows(Call(*call)) is allowed
    assert refused([Call(*call)], [Grant(*grant)]) == ([] if allowed else [Call(*call)])


def test_of_two_grants_of_the_same_both_are_superfluous_and_of_a_wide_one_it_is_told() -> None:
    asked = [Call("s3:GetObject", f"{ARN}/a/b/1"), Call("s3:GetObject", f"{ARN}/a/b/2")]
    right, wide = Grant("s3:GetObject", f"{ARN}/a/b/*"), Grant("s3:GetObject", f"{ARN}/a/*")
    assert superfluous(asked, [right]) == []
    assert superfluous(asked, [right, wide]) == [wide, right]
    assert superfluous(asked, [wide]) == []
    assert (too_wide(asked, [right]), too_wide(asked, [wide])) == ([], [wide])
    assert superfluous([], [right]) == [right]


def test_a_statement_of_another_form_is_not_passed_over() -> None:
    plain = {"Effect": "Allow", "Action": "a:B", "Resource": ["r", "s"]}
    like = {"StringLike": {"k": ["v", "w"]}}

    def flat(**more: object) -> set[Grant]:
        return grants({"Policies": [{"PolicyDocument": {"Statement": [plain | more]}}]})

    assert flat() == {("a:B", "r", ""), ("a:B", "s", "")}
    assert {grant.condition for grant in flat(Condition=like)} == {"StringLike k v", "StringLike k w"}
    for other in ({"Effect": "Deny"}, {"NotAction": "a:C"}, {"Condition": like | {"Bool": {"x": "y"}}}):
        with pytest.raises((AssertionError, ValueError)):
            flat(**other)
