"""What can be configured, and the errors of invalid values (contract §7)."""

import re
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from cat_normalize.core.errors import FutureDateError, SettingsError
from cat_normalize.core.settings import (
    ENVIRONMENT,
    Rules,
    Settings,
    parse_day,
    parse_flag,
    parse_list,
    refuse_future,
    refuse_future_days,
    today,
)

EVERY = {
    "DYNAMODB_TABLE_NAME": ("talks", "table_name", "talks"),
    "S3_BUCKET_NAME": ("mine", "bucket", "mine"),
    "AWS_REGION": ("sa-east-1", "region", "sa-east-1"),
    "AWS_ENDPOINT_URL": ("http://127.0.0.1:1", "endpoint_url", "http://127.0.0.1:1"),
    "CAT_TIME_ZONE": ("Asia/Tokyo", "rules.time_zone", "Asia/Tokyo"),
    "CAT_NAIVE_TIME_ZONE": ("UTC", "rules.naive_time_zone", "UTC"),
    "CAT_FALLBACK_PATTERNS": ("^Perd[oó]n, reformul", "rules.fallback_patterns", ("^Perd[oó]n", "reformul")),
    "CAT_EXCLUDE_CITIES": (" ^Prueba,QA$ ", "rules.exclude_cities", ("^Prueba", "QA$")),
    "CAT_SINCE": ("2025-08-01", "rules.since", date(2025, 8, 1)),
    "CAT_UNTIL": ("20250831", "rules.until", date(2025, 8, 31)),
    "CAT_MIN_USERS_PERCENT": ("80", "min_users_percent", 80),
    "CAT_MAX_RCU": (" 250 ", "max_rcu", 250),
}


def value(settings, path):
    for name in path.split("."):
        settings = getattr(settings, name)
    return settings


def test_the_environments_names_are_the_contracts():
    assert set(ENVIRONMENT) == set(EVERY)


def test_the_defaults_are_the_contracts():
    made = Settings.from_environment({})
    assert made == Settings()
    assert (made.table_name, made.bucket) == (
        "cat-prod-catia-conversations-table",
        "cat-prod-normalize-reports",
    )
    assert made.rules == Rules("America/Bogota", (), None, None)
    assert made.endpoint_url is None


@pytest.mark.parametrize("name", EVERY)
def test_a_variable_sets_what_it_names_and_nothing_else(name):
    text, path, expected = EVERY[name]
    made = Settings.from_environment({name: text, "OTHER": "x"})
    assert value(made, path) == expected
    changed = {each for _, each, _ in EVERY.values() if value(made, each) != value(Settings(), each)}
    assert changed == {path}


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("blank", ["", " \t"])
def test_an_empty_variable_counts_as_not_set(name, blank):
    assert Settings.from_environment({name: blank}) == Settings()


@pytest.mark.parametrize("name", EVERY)
def test_a_keyword_argument_wins_unless_it_is_none(name):
    text, path, expected = EVERY[name]
    field = path.rpartition(".")[2]
    others = {
        "endpoint_url": "http://other",
        "time_zone": "UTC",
        "naive_time_zone": "Asia/Tokyo",
        "exclude_cities": ("x",),
        "since": date(2025, 7, 1),
        "min_users_percent": 0,
        "max_rcu": 7,
    }
    other = others.get(field, date(2025, 9, 1) if field == "until" else "other")
    assert value(Settings.from_environment({name: text}, **{field: other}), path) == other
    assert value(Settings.from_environment({name: text}, **{field: None}), path) == expected


@pytest.mark.parametrize(
    ("environment", "given", "message"),
    [
        ({"CAT_SINCE": "yesterday"}, {}, "CAT_SINCE: 'yesterday' is not a day; write it as 2025-08-18 or"),
        ({"CAT_UNTIL": "31/08/2025"}, {}, "CAT_UNTIL: '31/08/2025' is not a day"),
        ({"CAT_TIME_ZONE": "Bogota"}, {}, "time zone 'Bogota' is unknown; .* such as America/Bogota"),
        ({"CAT_TIME_ZONE": "../etc"}, {}, "time zone '../etc' is unknown"),
        ({}, {"time_zone": ""}, "time zone '' is unknown"),
        ({}, {"time_zone": "America"}, "time zone 'America' is unknown"),
        ({"CAT_EXCLUDE_CITIES": "ok,("}, {}, r"exclude_cities: '\(' is not a regular expression"),
        ({"CAT_EXCLUDE_CITIES": "a{99999999999}"}, {}, r"'a\{9+\}' is not a regular expression: .* large"),
        ({}, {"fallback_patterns": ("(" * 5000,)}, r"fallback_patterns: '\(+' is not a regular .*rec"),
        (
            {"CAT_SINCE": "2025-09-01", "CAT_UNTIL": "2025-08-01"},
            {},
            "since 2025-09-01 is after until 2025-08",
        ),
        ({}, {"buckett": "x"}, "no setting named buckett; known are .*bucket.*time_zone"),
        ({}, {"rules": Rules()}, "no setting named rules"),
        ({}, {"zone": "x"}, "no setting named zone"),
        (
            {"CAT_MIN_USERS_PERCENT": "half"},
            {},
            "CAT_MIN_USERS_PERCENT: 'half' is not a whole number from 0",
        ),
        ({"CAT_MIN_USERS_PERCENT": "-1"}, {}, "CAT_MIN_USERS_PERCENT: '-1' is not a whole number"),
        ({"CAT_MIN_USERS_PERCENT": "101"}, {}, "CAT_MIN_USERS_PERCENT: '101' is not a whole number"),
        ({"CAT_MIN_USERS_PERCENT": "12.5"}, {}, "CAT_MIN_USERS_PERCENT: '12.5' is not a whole number"),
        ({"CAT_MIN_USERS_PERCENT": "٥٠"}, {}, "CAT_MIN_USERS_PERCENT: '٥٠' is not a whole number"),
        ({"CAT_MIN_USERS_PERCENT": "9" * 5000}, {}, "CAT_MIN_USERS_PERCENT: '9+' is not a whole number"),
        ({}, {"min_users_percent": 101}, "min_users_percent: 101 is not a whole number from 0 to 100"),
        ({}, {"min_users_percent": -1}, "min_users_percent: -1 is not a whole number"),
        ({}, {"min_users_percent": "50"}, "min_users_percent: '50' is not a whole number"),
        ({}, {"min_users_percent": 50.0}, "min_users_percent: 50.0 is not a whole number"),
        ({}, {"min_users_percent": True}, "min_users_percent: True is not a whole number"),
        (
            {"CAT_MAX_RCU": "0"},
            {},
            "CAT_MAX_RCU: '0' is not a whole number from 1; write 100, or leave it out",
        ),
        ({"CAT_MAX_RCU": "12.5"}, {}, "CAT_MAX_RCU: '12.5' is not a whole number"),
        ({"CAT_MAX_RCU": "9" * 5000}, {}, "CAT_MAX_RCU: '9+' is not a whole number"),
        ({}, {"max_rcu": 0}, "max_rcu: 0 is not a whole number from 1"),
        ({}, {"max_rcu": "9"}, "max_rcu: '9' is not a whole number from 1"),
        ({}, {"max_rcu": True}, "max_rcu: True is not a whole number from 1"),
    ],
)
def test_an_invalid_setting_is_named(environment, given, message):
    with pytest.raises(SettingsError, match=message):
        Settings.from_environment(environment, **given)


DAYS = st.none() | st.dates(date(2000, 1, 1), date(2050, 1, 1))
WORD = st.from_regex(r"[a-z0-9.-]{1,12}", fullmatch=True)


@given(
    st.builds(
        lambda first, second, **named: Settings(
            rules=Rules(
                named.pop("time_zone"),
                named.pop("exclude_cities"),
                *sorted([first, second]) if first and second else (first, second),
            ),
            **named,
        ),
        DAYS,
        DAYS,
        time_zone=st.sampled_from(["America/Bogota", "UTC", "Asia/Tokyo"]),
        exclude_cities=st.lists(WORD, max_size=3).map(tuple),
        table_name=WORD,
        bucket=st.from_regex(r"[a-z0-9][a-z0-9.-]{1,12}[a-z0-9]", fullmatch=True),
        region=st.from_regex(r"[a-z0-9-]{1,12}", fullmatch=True),
        endpoint_url=st.none() | WORD.map("http://{}".format),
        min_users_percent=st.integers(0, 100),
        max_rcu=st.none() | st.integers(1, 10**9 - 1),
    )
)
def test_to_environment_gives_the_same_settings_again(made):
    handed = made.to_environment()
    assert set(handed) <= set(EVERY)
    assert all(handed.values())
    assert Settings.from_environment(handed) == made


@pytest.mark.parametrize(
    ("rules", "day", "kept"),
    [
        ({}, date(2025, 8, 1), True),
        ({"since": date(2025, 8, 1)}, date(2025, 8, 1), True),
        ({"since": date(2025, 8, 1)}, date(2025, 7, 31), False),
        ({"until": date(2025, 8, 1)}, date(2025, 8, 1), True),
        ({"until": date(2025, 8, 1)}, date(2025, 8, 2), False),
        ({"since": date(2025, 8, 1), "until": date(2025, 8, 1)}, None, True),
    ],
)
def test_both_ends_of_a_period_are_kept(rules, day, kept):
    assert Rules(**rules).keeps(day) is kept


@pytest.mark.parametrize(
    ("cities", "city", "dropped"),
    [
        ((), "Cali", False),
        (("ali",), "Cali", True),
        (("^ali",), "Cali", False),
        (("x", "(?i)CALI"), "Cali", True),
        ((".*",), None, False),
    ],
)
def test_a_city_that_matches_an_expression_is_dropped(cities, city, dropped):
    assert Rules(exclude_cities=cities).excludes(city) is dropped


def test_settings_are_compared_and_shown_by_their_fields():
    assert Rules(exclude_cities=("a",)) == Rules(exclude_cities=("a",))
    assert replace(Settings(), bucket="mine") == Settings(bucket="mine")
    assert "Pattern" not in repr(Settings())
    assert not re.search("zone=zone", repr(Rules()))


@pytest.mark.parametrize("text", ["2025-08-18", "20250818", " 2025-08-18\n"])
def test_a_day_is_parsed_in_either_form(text):
    assert parse_day("--since", text) == date(2025, 8, 18)


@pytest.mark.parametrize("text", ["", "2025-8-18", "2025-02-30", "18/08/2025", "2025-08-18T00:00:00"])
def test_what_is_not_a_day_is_an_error(text):
    with pytest.raises(SettingsError, match=r"^--since: "):
        parse_day("--since", text)


@pytest.mark.parametrize(
    ("text", "parts"),
    [("a", ("a",)), (" a , b ,, ", ("a", "b")), (r"a\x2cb", (r"a\x2cb",)), (",", ())],
)
def test_a_list(text, parts):
    assert parse_list("X", text) == parts


@pytest.mark.parametrize("text", ["yes", "True", "1", "true ", "tru"])
def test_a_flag_is_true_false_or_empty(text):
    assert [parse_flag("--x", each) for each in ("true", "false", "")] == [True, False, False]
    with pytest.raises(SettingsError, match=r"^--x: .* is neither true nor false"):
        parse_flag("--x", text)


def test_a_day_after_today_is_refused():
    day = date(2025, 9, 1)
    refuse_future(day, day)
    refuse_future(date(1, 1, 1), day)
    for late in (date(2025, 9, 2), date(9999, 12, 31)):
        with pytest.raises(FutureDateError, match=f"run date {late} is after today, 2025-09-01"):
            refuse_future(late, day)


def test_the_day_changes_at_midnight_in_the_zone():
    assert today("America/Bogota", datetime(2025, 9, 1, 4, 59, tzinfo=UTC)) == date(2025, 8, 31)
    assert today("America/Bogota", datetime(2025, 9, 1, 5, 0, tzinfo=UTC)) == date(2025, 9, 1)


@pytest.mark.parametrize(
    ("name", "value", "example"),
    [
        ("AWS_ENDPOINT_URL", "localhost:4566", "http://127.0.0.1:5000"),
        ("AWS_REGION", "us east 1", "us-east-1"),
        ("S3_BUCKET_NAME", "Bad_Bucket!!", "cat-prod-normalize-reports"),
        ("DYNAMODB_TABLE_NAME", "a table", "cat-prod-catia-conversations-table"),
    ],
)
def test_an_invalid_name_is_an_error_with_an_example(name, value, example):
    with pytest.raises(SettingsError, match=rf"{example} \({name}\)"):
        Settings.from_environment({name: value})


def test_a_since_after_today_is_refused():
    settings = Settings.from_environment({"CAT_SINCE": "2025-09-02"})
    with pytest.raises(FutureDateError, match="since 2025-09-02 is after today"):
        refuse_future_days(settings, date(2025, 9, 1), date(2025, 9, 1))
    refuse_future_days(settings, date(2025, 9, 1), date(2025, 9, 2))
