"""The keys of the bucket and the names on AWS (contract §6, §7)."""

from __future__ import annotations

import hashlib
import re
from datetime import date

from cat_normalize.core.errors import SettingsError
from cat_normalize.core.schema import CONVERSATIONS, MESSAGES, TABLES, USERS, Table
from cat_normalize.core.settings import Settings, parse_day

STACK_ETL1 = "cat-prod-normalize-stack"
STACK_ETL2 = "cat-prod-etl2-stack"
LAMBDA = "cat-prod-lambda-normalize"
FRESHNESS = "cat-prod-lambda-freshness"
GLUE_JOB = "cat-prod-etl2-parquet"
DATABASE = "cat_prod_analytics_db"
WORKGROUP = "wg-cat-prod-analytics"
STATE_MACHINE = "cat-prod-etl2-start"
RULE = "cat-prod-etl2-csv-created"

METRICS = "cat-normalize"
"""The CloudWatch namespace of the product's own metrics; their dimension ``service`` is a Lambda's name."""
ITEMS_READ = "ItemsRead"
ITEMS_REJECTED = "ItemsRejected"
RUNS_REFUSED = "RunsRefused"
TABLES_AGE = "TablesAgeHours"

PARQUET_NAME = "data.parquet"
_DATED_CSV = re.compile(r"(?:^|/)data_(\d{8})\.csv$")
_MANIFEST = re.compile(r"/(\d{8})\.json$")


def csv_key(settings: Settings, run_date: date) -> str:
    """Return the key of ETL-1's CSV of that day.

    >>> csv_key(Settings(), date(2025, 9, 1))
    'reports/etl-process1/data_20250901.csv'
    """
    return f"{settings.csv_prefix}data_{_digits(run_date)}.csv"


def rejects_key(settings: Settings, run_date: date) -> str:
    """Return the key of that day's rejects."""
    return f"{settings.rejects_prefix}data_{_digits(run_date)}.jsonl"


def manifest_key(settings: Settings, process: int, run_date: date) -> str:
    """Return the key of the manifest of ETL-``process`` (1 or 2) of that day.

    >>> manifest_key(Settings(), 2, date(2025, 9, 1))
    'manifests/etl-process2/20250901.json'
    """
    return f"{manifests_prefix(settings, process)}{_digits(run_date)}.json"


def manifests_prefix(settings: Settings, process: int) -> str:
    """Return the prefix of the keys of the manifests of ETL-``process``."""
    return f"{settings.manifests_prefix}etl-process{process}/"


def table_prefix(settings: Settings, table: Table) -> str:
    """Return the prefix of a table's one Parquet object.

    >>> table_prefix(Settings(), MESSAGES)
    'reports/messages/'
    """
    prefixes = {
        USERS.name: settings.parquet_prefix,
        CONVERSATIONS.name: settings.conversations_prefix,
        MESSAGES.name: settings.messages_prefix,
    }
    return prefixes[table.name]


def parquet_key(settings: Settings, table: Table = USERS) -> str:
    """Return the key of a table's one Parquet object.

    >>> parquet_key(Settings())
    'reports/etl-process2/data.parquet'
    """
    return table_prefix(settings, table) + PARQUET_NAME


def table_uris(settings: Settings) -> dict[str, str]:
    """Return the addresses of all tables' objects by name, in the order in which they are replaced (§6).

    >>> table_uris(Settings())["users"]
    's3://cat-prod-normalize-reports/reports/etl-process2/data.parquet'
    """
    return {each.name: s3_uri(settings.bucket, parquet_key(settings, each)) for each in TABLES}


def run_date_of(key: str) -> date | None:
    """Return the run date in a CSV's key or path, or None if its name is not the contract's.

    >>> run_date_of("reports/etl-process1/data_20250901.csv"), run_date_of("copy.csv")
    (datetime.date(2025, 9, 1), None)
    """
    return _day(_DATED_CSV.search(key))


def manifest_day(key: str) -> date | None:
    """Return the run date in a manifest's key, or None if its name is not the contract's.

    >>> manifest_day("manifests/etl-process1/20250901.json"), manifest_day("manifests/etl-process1/x.json")
    (datetime.date(2025, 9, 1), None)
    """
    return _day(_MANIFEST.search(key))


def _day(found: re.Match[str] | None) -> date | None:
    try:
        return parse_day("key", found[1]) if found else None
    except SettingsError:  # eight digits that are not a day
        return None


def _digits(day: date) -> str:
    """Write a day as ``YYYYMMDD``; ``%Y`` writes fewer digits before the year 1000."""
    return day.isoformat().replace("-", "")


def scripts_prefix(prefix: str, *contents: bytes) -> str:
    """Return the prefix of scripts and wheels of these contents: others never replace them (contract §6).

    >>> scripts_prefix("scripts/etl-process2/", b"script", b"wheels")
    'scripts/etl-process2/61ab4162edaffb9d/'
    """
    digests = b"".join(hashlib.sha256(content).digest() for content in contents)
    return f"{prefix}{hashlib.sha256(digests).hexdigest()[:16]}/"


def s3_uri(bucket: str, key: str) -> str:
    """Join bucket and key."""
    return f"s3://{bucket}/{key}"


def split_s3(uri: str) -> tuple[str, str]:
    """Split an ``s3://bucket/key`` address.

    Raises:
        SettingsError: it is not such an address.

    >>> split_s3("s3://b/k/x")
    ('b', 'k/x')
    """
    found = re.fullmatch(r"s3://([^/]+)/(.*)", uri)
    if found is None:
        raise SettingsError(f"{uri!r} is not an S3 address; write s3://bucket/key")
    return found[1], found[2]


def is_s3(path: str) -> bool:
    """Return whether this is an S3 address, not a path on disk."""
    return path.startswith("s3://")
