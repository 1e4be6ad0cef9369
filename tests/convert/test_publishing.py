"""Three objects on S3: replaced in order, each whole, completed by the same CSV again (contract §6)."""

from typing import Any

import pytest

from cat_normalize.convert import Converted, convert_csv, publish_manifest
from cat_normalize.core import csvfile, layout
from cat_normalize.core.errors import StaleInputError
from cat_normalize.core.schema import TABLES
from cat_normalize.core.settings import Rules, Settings
from cat_normalize.core.storage import RUN_DATE
from convert.published import BUCKET, keys
from hostile_tables import hostile_rows

pytestmark = pytest.mark.slow
CSV = "reports/etl-process1/data_20250901.csv"
ROWS = hostile_rows(21, 60)


@pytest.fixture(autouse=True)
def csv(s3: Any) -> None:
    records = (csvfile.line(list(row.values())) for row in ROWS)
    s3.put_object(Bucket=BUCKET, Key=CSV, Body=b"".join([csvfile.HEADER, *records]))


def convert(spark: Any, aws: Settings, s3: Any, **given: Any) -> Converted:
    return convert_csv(spark, layout.s3_uri(aws.bucket, CSV), layout.table_uris(aws), s3, **given)


def dates(s3: Any) -> list[Any]:
    """Return when the three objects were made, in the order of the tables."""
    heads = [s3.head_object(Bucket=BUCKET, Key=layout.parquet_key(Settings(), each)) for each in TABLES]
    return [head["LastModified"] for head in heads]


def test_three_objects_and_nothing_else_in_their_order(spark: Any, aws: Settings, s3: Any) -> None:
    done = convert(spark, aws, s3)
    objects = [layout.parquet_key(aws, each) for each in TABLES]
    assert keys(s3) == sorted([CSV, *objects])
    assert dates(s3) == sorted(dates(s3))
    made = publish_manifest(aws, done.run_date, done, s3)  # type: ignore[arg-type]
    assert [layout.split_s3(each.uri)[1] for each in made.outputs] == objects
    summary = made.summary
    assert summary.conversations == sum(row["numero_conversaciones"] for row in ROWS)
    assert summary.feedback_unmatched == done.feedback_unmatched
    assert [done.tables[name].rows for name in done.tables] == [
        summary.rows,
        summary.conversations,
        summary.messages,
    ]


def test_the_same_csv_again_runs_no_spark_and_tells_the_same_counts(
    spark: Any, aws: Settings, s3: Any
) -> None:
    done = convert(spark, aws, s3)
    nothing: Any = None
    assert convert(nothing, aws, s3) == done


@pytest.mark.parametrize("missing", TABLES, ids=lambda table: table.name)
def test_the_same_csv_again_completes_what_is_missing(
    spark: Any, aws: Settings, s3: Any, missing: Any
) -> None:
    done = convert(spark, aws, s3)
    before = dict(zip((each.name for each in TABLES), dates(s3), strict=True))
    s3.delete_object(Bucket=aws.bucket, Key=layout.parquet_key(aws, missing))
    assert convert(spark, aws, s3) == done
    after = dict(zip((each.name for each in TABLES), dates(s3), strict=True))
    del before[missing.name], after[missing.name]
    assert before == after


@pytest.mark.parametrize("newer", TABLES, ids=lambda table: table.name)
def test_one_object_of_a_later_day_keeps_all_as_they_are(aws: Settings, s3: Any, newer: Any) -> None:
    key = layout.parquet_key(aws, newer)
    s3.put_object(Bucket=aws.bucket, Key=key, Body=b"later", Metadata={RUN_DATE: "2025-09-02"})
    nothing: Any = None
    with pytest.raises(StaleInputError, match=key):
        convert(nothing, aws, s3)
    assert keys(s3) == sorted([CSV, key])


@pytest.mark.parametrize(
    "rules",
    [
        Rules(time_zone="Asia/Tokyo"),
        Rules(naive_time_zone="UTC"),
        Rules(fallback_patterns=("otra",)),
    ],
    ids=["zone", "naive", "patterns"],
)
def test_other_rules_convert_again(spark: Any, aws: Settings, s3: Any, rules: Rules) -> None:
    convert(spark, aws, s3)
    before = dates(s3)
    convert(spark, aws, s3, rules=rules)
    assert all(one < other for one, other in zip(before, dates(s3), strict=True))
