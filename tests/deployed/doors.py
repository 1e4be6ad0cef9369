"""Use every door to AWS that the deployed library has: ``doors.py FOLDER…``, the folders of its packages.

Prints as JSON what came of each.
"""

import json
import os
import sys
from datetime import date
from pathlib import Path

if __name__ == "__main__":
    sys.path += sys.argv[1:]

import botocore

from cat_normalize.convert import newest_csv
from cat_normalize.core import aws, csvfile, layout, storage
from cat_normalize.core.errors import CatNormalizeError
from cat_normalize.core.settings import Settings
from cat_normalize.jobs import etl1

DAYS = date(2025, 9, 1), date(2025, 9, 2)


def extract_and_publish(settings, day):
    """Run ETL-1: describe and scan the table, compare with the last run, upload."""
    return etl1.run(settings, day, Path.cwd(), lambda: 900.0, allow_shrink=True).summary.users


def read_the_newest_csv(settings, s3):
    """Read as ETL-2 does: list, look at, read in one version."""
    key = newest_csv(s3, settings)
    csv = aws.S3Path(layout.s3_uri(settings.bucket, key), settings).with_stat()
    with csv.open() as stream:
        return [key, csvfile.check(stream, str(csv))]


def replace(settings, s3, day, content):
    """Publish as ETL-2 does: stage, copy under a condition, sweep."""
    target = aws.S3Path(layout.s3_uri(settings.bucket, "reports/doors/data.parquet"), s3)
    with storage.staging(target) as folder:
        storage.write_bytes(folder / "data.parquet", content)
        origin = storage.Origin(day, {"csv": content.hex()})
        return storage.publish(folder / "data.parquet", target, origin).etag


def tried(door, *given):
    try:
        return door(*given)
    except CatNormalizeError as error:
        return f"{type(error).__name__}: {error}"


def main():
    settings, conditions = Settings.from_environment(os.environ), []

    def keep_condition(request, **_):
        given = {name: request.headers.get(name) for name in ("If-None-Match", "If-Match")}
        conditions.append({name: value.decode() for name, value in given.items() if value})

    s3 = aws.client(settings, "s3")
    s3.meta.events.register("before-send.s3.CompleteMultipartUpload", keep_condition)
    runs = (DAYS[0], b"1"), (DAYS[1], b"2"), (DAYS[1], b"2"), (DAYS[0], b"3")
    done = {
        "botocore": botocore.__version__,
        "extracted": [tried(extract_and_publish, settings, day) for day in DAYS],
        "read": tried(read_the_newest_csv, settings, s3),
        "replaced": [tried(replace, settings, s3, day, content) for day, content in runs],
        "conditions": conditions,
    }
    print(json.dumps(done))


if __name__ == "__main__":
    main()
