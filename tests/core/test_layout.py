"""The bucket's keys and the names on AWS, letter by letter (contract §6, §7)."""

from datetime import date

import pytest

from cat_normalize.core import layout
from cat_normalize.core.errors import SettingsError
from cat_normalize.core.settings import Settings

DAY = date(2025, 9, 1)


def test_the_keys_are_the_contracts():
    made = Settings()
    assert [
        layout.csv_key(made, DAY),
        layout.parquet_key(made),
        layout.rejects_key(made, DAY),
        layout.manifest_key(made, 1, DAY),
        layout.manifest_key(made, 2, DAY),
        made.scripts_prefix,
        made.athena_prefix,
    ] == [
        "reports/etl-process1/data_20250901.csv",
        "reports/etl-process2/data.parquet",
        "rejects/etl-process1/data_20250901.jsonl",
        "manifests/etl-process1/20250901.json",
        "manifests/etl-process2/20250901.json",
        "scripts/etl-process2/",
        "athena/results/",
    ]


def test_the_names_are_the_contracts():
    assert (layout.STACK_ETL1, layout.STACK_ETL2) == ("cat-prod-normalize-stack", "cat-prod-etl2-stack")
    assert (layout.LAMBDA, layout.GLUE_JOB) == ("cat-prod-lambda-normalize", "cat-prod-etl2-parquet")
    assert layout.DATABASE == "cat_prod_analytics_db"
    assert layout.WORKGROUP == "wg-cat-prod-analytics"


def test_prefixes_are_settings():
    made = Settings(csv_prefix="a/", rejects_prefix="b/", manifests_prefix="c/", parquet_prefix="d/")
    assert layout.csv_key(made, DAY) == "a/data_20250901.csv"
    assert layout.rejects_key(made, DAY) == "b/data_20250901.jsonl"
    assert layout.manifest_key(made, 2, DAY) == "c/etl-process2/20250901.json"
    assert layout.parquet_key(made) == "d/data.parquet"


@pytest.mark.parametrize(
    ("key", "day"),
    [
        ("reports/etl-process1/data_20250901.csv", DAY),
        ("data_20250901.csv", DAY),
        ("s3://b/x/data_20250901.csv", DAY),
        ("x/mydata_20250901.csv", None),
        ("data_20250901.csv.gz", None),
        ("data_20250901.csv/part-0", None),
        ("data_2025091.csv", None),
        ("data_20250931.csv", None),
        ("data_00000101.csv", None),
        ("data.csv", None),
    ],
)
def test_the_run_date_is_read_from_a_csvs_name(key, day):
    assert layout.run_date_of(key) == day


def test_a_day_is_read_back_from_its_keys():
    for day in (date(2025, 1, 1), date(2024, 2, 29), date(1999, 12, 31), date(987, 6, 5), date(1, 1, 1)):
        assert layout.run_date_of(layout.csv_key(Settings(), day)) == day
        assert layout.manifest_day(layout.manifest_key(Settings(), 1, day)) == day


def test_a_day_has_eight_digits_in_any_century():
    day = date(33, 4, 3)
    assert layout.csv_key(Settings(), day) == "reports/etl-process1/data_00330403.csv"
    assert layout.rejects_key(Settings(), day) == "rejects/etl-process1/data_00330403.jsonl"
    assert layout.manifest_key(Settings(), 2, day) == "manifests/etl-process2/00330403.json"


@pytest.mark.parametrize(
    "key", ["20250901.json", "x/20250931.json", "x/2025-09-01.json", "x/20250901.json.gz"]
)
def test_other_keys_are_not_manifests(key):
    assert layout.manifest_day(key) is None


@pytest.mark.parametrize(
    ("uri", "parts"),
    [("s3://b/k/x", ("b", "k/x")), ("s3://b/", ("b", "")), ("s3://b//k?#", ("b", "/k?#"))],
)
def test_an_address_is_split_and_joined(uri, parts):
    assert layout.split_s3(uri) == parts
    assert layout.s3_uri(*parts) == uri
    assert layout.is_s3(uri)


@pytest.mark.parametrize("path", ["b/k", "s3a://b/k", "s3://b", "s3:///k", "S3://b/k", ""])
def test_what_is_not_an_s3_address_is_an_error(path):
    with pytest.raises(SettingsError, match="write s3://bucket/key"):
        layout.split_s3(path)
