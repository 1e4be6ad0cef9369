"""The bucket that the tests of published objects share."""

from typing import Any

BUCKET = "bucket"


def keys(s3: Any) -> list[str]:
    return [found["Key"] for found in s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]
