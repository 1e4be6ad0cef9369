"""Entry point of ETL-2 on AWS: a Glue 5.1 job that converts a CSV to the tables' Parquet objects (§7)."""

import json
import os
import sys

from awsglue.utils import getResolvedOptions

from cat_normalize.core.manifest import plain
from cat_normalize.jobs import etl2


def read_arguments(argv: list[str]) -> dict[str, str]:
    """Return the job's arguments by name.

    Raises:
        GlueArgumentError: a required one is missing.
    """
    given = {each.partition("=")[0] for each in argv}
    names = [*etl2.REQUIRED, *(name for name in etl2.OPTIONAL if f"--{name}" in given)]
    found = getResolvedOptions(argv, names)
    return {name: found[name] for name in names}


def main(argv: list[str]) -> None:
    """Run ETL-2 and print its manifest as one line of JSON."""
    manifest = etl2.run(read_arguments(argv), os.environ)
    sys.stdout.write(json.dumps(plain(manifest), ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(sys.argv)
