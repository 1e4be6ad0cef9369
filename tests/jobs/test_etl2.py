"""ETL-2 in Glue: the settings that its arguments and its environment give."""

from __future__ import annotations

import json

import pytest

from cat_normalize.core.errors import InputError, SettingsError
from cat_normalize.core.settings import Rules, Settings
from cat_normalize.jobs import etl2, events

ARGUMENTS = {name.removeprefix("--"): value for name, value in events.job_arguments(Settings()).items()}


def test_the_arguments_of_the_stack_give_the_contracts_settings() -> None:
    assert set(etl2.REQUIRED) <= set(ARGUMENTS) <= {*etl2.REQUIRED, *etl2.OPTIONAL}
    assert {name.removeprefix("--") for name in events.RUN_ARGUMENTS} <= set(etl2.OPTIONAL)
    assert etl2.settings_of(ARGUMENTS, {}) == Settings()
    patterns = (r"\bno s[eé]", "perdón")
    rules = Rules(time_zone="America/Lima", naive_time_zone="UTC", fallback_patterns=patterns)
    made = Settings(rules=rules)
    given = {name.removeprefix("--"): value for name, value in events.job_arguments(made).items()}
    assert etl2.settings_of(given, {"CAT_TIME_ZONE": "Asia/Tokyo"}) == made
    assert "" not in [*ARGUMENTS.values(), *given.values()]  # Glue refuses an argument without a value


@pytest.mark.parametrize(
    ("given", "prefix"), [("a/b", "a/b/"), ("a/b/", "a/b/"), ("/a/", "a/"), ("/", ""), ("", "")]
)
def test_a_prefix_ends_in_one_slash(given: str, prefix: str) -> None:
    settings = etl2.settings_of(ARGUMENTS | {"input_prefix": given, "output_prefix": given}, {})
    assert (settings.csv_prefix, settings.parquet_prefix) == (prefix, prefix)


@pytest.mark.parametrize(
    ("environment", "region"),
    [
        ({}, Settings().region),
        ({"AWS_DEFAULT_REGION": "sa-east-1"}, "sa-east-1"),
        ({"AWS_DEFAULT_REGION": "sa-east-1", "AWS_REGION": "eu-west-1"}, "eu-west-1"),
    ],
)
def test_the_region_is_the_jobs(environment: dict[str, str], region: str) -> None:
    assert etl2.settings_of(ARGUMENTS, environment).region == region


def test_an_argument_wins_over_the_environment_and_an_empty_one_is_not_given() -> None:
    environment = {"S3_BUCKET_NAME": "other", "CAT_TIME_ZONE": "Asia/Tokyo"}
    assert etl2.settings_of(ARGUMENTS, environment) == Settings()
    without = ARGUMENTS | {"time_zone": ""}
    assert etl2.settings_of(without, environment).rules.time_zone == "Asia/Tokyo"
    given = ARGUMENTS | {"naive_time_zone": "UTC", "fallback_patterns": "a,b"}
    rules = etl2.settings_of(given, {"CAT_NAIVE_TIME_ZONE": "Asia/Tokyo", "CAT_FALLBACK_PATTERNS": "c"}).rules
    assert (rules.naive_time_zone, rules.fallback_patterns) == ("UTC", ("a", "b"))
    rules = etl2.settings_of(ARGUMENTS | {"naive_time_zone": ""}, {"CAT_NAIVE_TIME_ZONE": "UTC"}).rules
    assert rules.naive_time_zone == "UTC"
    with pytest.raises(SettingsError, match="time zone 'Bogota' is unknown"):
        etl2.settings_of(ARGUMENTS | {"time_zone": "Bogota"}, {})


@pytest.mark.parametrize(
    "event", ["", "{", "[]", "null", "7", json.dumps({"detail": {}}), json.dumps({"detail": {"object": "k"}})]
)
def test_what_is_not_an_event_of_s3_is_an_input_error(event: str) -> None:
    with pytest.raises(InputError, match=r"^not an event of S3: "):
        events.run_arguments(event)
