"""Requests to AWS as moto's recorder keeps them, and what each of them asks of IAM.

S3's permissions a request: https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree

from infra.assembly import ACCOUNT
from infra.grants import Call

OBJECT = {
    ("GET", ""): "GetObject",
    ("GET", "uploadId"): "ListMultipartUploadParts",
    ("GET", "versionId"): "GetObjectVersion",
    ("HEAD", ""): "GetObject",
    ("HEAD", "versionId"): "GetObjectVersion",
    ("PUT", ""): "PutObject",
    ("PUT", "partNumber uploadId"): "PutObject",
    ("POST", "uploads"): "PutObject",
    ("POST", "uploadId"): "PutObject",
    ("DELETE", ""): "DeleteObject",
    ("DELETE", "uploadId"): "AbortMultipartUpload",
    ("DELETE", "versionId"): "DeleteObjectVersion",
}
"""By method and what the query names."""
BUCKET = {
    ("GET", ""): "ListBucket",
    ("HEAD", ""): "ListBucket",
    ("GET", "location"): "GetBucketLocation",
    ("GET", "uploads"): "ListBucketMultipartUploads",
    ("GET", "versions"): "ListBucketVersions",
}
LISTING = {
    "continuation-token", "delimiter", "encoding-type", "fetch-owner", "list-type", "max-keys", "prefix",
    "start-after",
}  # fmt: skip
"""What shapes a listing and asks for no permission more."""
HARMLESS = re.compile(
    "x-amz-(checksum-.*|content-sha256|copy-source(-(if-.*|range))?|date|decoded-content-length|meta-.*"
    "|metadata-directive|sdk-checksum-algorithm|security-token|storage-class|target|trailer|user-agent)|x-amzn-trace-id"
)
"""Headers that ask for no permission more; others (ACLs, tags, keys, locks) would."""
SCOPE = re.compile(
    r"^AWS4-HMAC-SHA256 Credential=[^/]+/\d+/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request"
)


@dataclass(frozen=True, slots=True)
class Request:
    """A request, its headers' names in lower case."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes = b""

    def __str__(self) -> str:
        where = urlsplit(self.url)._replace(scheme="", netloc="").geturl()
        return f"{self.method} {where} {self.target}".strip()

    @property
    def target(self) -> str:
        return self.headers.get("x-amz-target", "")


class UnknownRequestError(Exception):
    """A request of which this module does not know what it asks of IAM: look it up, and say it here."""


def read(recording: Path) -> Iterator[Request]:
    """Yield a recording's requests. Two at the same time may share one line."""
    text, at, decoder = recording.read_text(), 0, json.JSONDecoder()
    while at < len(text):
        entry, at = decoder.raw_decode(text, at)
        while text[at : at + 1] == "\n":
            at += 1
        body = b64decode(entry["body"]) if entry["body_encoded"] else entry["body"].encode()
        headers = {name.lower(): value for name, value in entry["headers"].items()}
        yield Request(entry["method"], entry["url"], headers, body)


def replay(requests: Iterable[Request], there: Iterable[str]) -> Iterator[Call]:
    """Yield what a run's requests asked of IAM.

    Args:
        requests: in their order.
        there: ARNs of the objects there were before.
    """
    objects = set(there)
    for request in requests:
        asked = translate(request, objects)
        yield from asked
        _happen(request, asked, objects)


def translate(request: Request, there: Iterable[str] = ()) -> list[Call]:
    """Return what a request asks of IAM, while those objects are there.

    Raises:
        UnknownRequestError: it is unknown.
    """
    scope = SCOPE.match(request.headers.get("authorization", ""))
    for name in request.headers:
        if name.startswith("x-amz") and not HARMLESS.fullmatch(name):
            raise UnknownRequestError(f"{request} with {name}")
    try:
        if scope and scope["service"] == "dynamodb":
            return [_dynamodb(request, scope["region"])]
        if scope and scope["service"] == "s3":
            return list(_s3(request, set(there)))
    except KeyError as error:
        raise UnknownRequestError(f"{request}: {error}") from error
    raise UnknownRequestError(str(request))


def _dynamodb(request: Request, region: str) -> Call:
    version, _, action = request.target.partition(".")
    if version != "DynamoDB_20120810":
        raise KeyError(version)
    asked = json.loads(request.body)
    index = f"/index/{asked['IndexName']}" if "IndexName" in asked else ""
    table = f"arn:aws:dynamodb:{region}:{ACCOUNT}:table/{asked['TableName']}"
    return Call(f"dynamodb:{action}", table + index)


def _s3(request: Request, there: set[str]) -> Iterator[Call]:
    bucket, key, query = _address(request)
    arn = f"arn:aws:s3:::{bucket}"
    if not bucket:
        raise KeyError("no bucket")
    if not key:
        yield from _of_bucket(request, arn, query)
        return
    action = OBJECT[request.method, " ".join(sorted(query))]
    yield Call(f"s3:{action}", f"{arn}/{key}")
    yield from _missing(action, f"{arn}/{key}", there)
    if source := request.headers.get("x-amz-copy-source"):
        name, _, version = source.lstrip("/").partition("?versionId=")
        action = "GetObjectVersion" if version else "GetObject"
        yield Call(f"s3:{action}", f"arn:aws:s3:::{unquote(name)}")
        yield from _missing(action, f"arn:aws:s3:::{unquote(name)}", there)


def _missing(action: str, arn: str, there: set[str]) -> Iterator[Call]:
    """Ask for what lets S3 answer 404 for an object that is not there; it answers 403 otherwise.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
    """
    if action == "GetObject" and arn not in there:
        bucket, _, key = arn.partition("/")
        yield Call("s3:ListBucket", bucket, key)


def _of_bucket(request: Request, arn: str, query: Mapping[str, str]) -> Iterator[Call]:
    if (request.method, *query) == ("POST", "delete"):
        for each in ElementTree.fromstring(request.body).iterfind("{*}Object"):
            version = "" if each.find("{*}VersionId") is None else "Version"
            yield Call(f"s3:DeleteObject{version}", f"{arn}/{each.findtext('{*}Key')}")
        return
    action = BUCKET[request.method, " ".join(sorted(query.keys() - LISTING))]
    yield Call(f"s3:{action}", arn, query.get("prefix") if action.startswith("List") else None)


def _address(request: Request) -> tuple[str, str, dict[str, str]]:
    parts = urlsplit(request.url)
    bucket, _, key = parts.path.lstrip("/").partition("/")
    query = parse_qs(parts.query, keep_blank_values=True)
    return unquote(bucket), unquote(key), {name: values[-1] for name, values in query.items()}


def _happen(request: Request, asked: list[Call], objects: set[str]) -> None:
    """Make or delete the objects that the request does."""
    objects -= {call.resource for call in asked if call.action == "s3:DeleteObject"}
    if asked[0].action == "s3:PutObject" and not {"uploads", "partNumber"} & _address(request)[2].keys():
        objects.add(asked[0].resource)
