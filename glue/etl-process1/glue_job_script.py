"""Entry point of ETL-1 in Spark on AWS: a Glue 5.1 job that normalizes one export of the table (§7)."""

import json
import os
import sys

from awsglue.utils import getResolvedOptions

from cat_normalize.core.manifest import plain
from cat_normalize.scale import spark


def read_arguments(argv: list[str]) -> dict[str, str]:
    """Return the job's arguments by name.

    Raises:
        GlueArgumentError: a required one is missing.
    """
    given = {each.partition("=")[0] for each in argv}
    names = [*spark.REQUIRED, *(name for name in spark.OPTIONAL if f"--{name}" in given)]
    found = getResolvedOptions(argv, names)
    return {name: found[name] for name in names}


def main(argv: list[str]) -> None:
    """Run ETL-1 and print its manifest as one line of JSON."""
    manifest = spark.run(read_arguments(argv), os.environ)
    sys.stdout.write(json.dumps(plain(manifest), ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(sys.argv)
