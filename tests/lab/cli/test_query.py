"""query on local files: every answer as JSON and as a table."""

import json

import pytest

from cat_normalize import query
from query_rows import sample, user, write

PERIOD = ("--param", "since=2025-08-06", "--param", "until=20250902")


@pytest.fixture
def files(tmp_path):
    """The options that give the three files."""
    tables = write(tmp_path, **sample())
    options = {"users": "--parquet", "conversations": "--conversations", "messages": "--messages"}
    return [word for name, path in tables.items() for word in (options[name], path)]


@pytest.mark.parametrize("name", query.names())
def test_every_query_answers_as_json(call, files, name):
    code, out, err = call("query", name, *files, "--json")
    assert (code, err) == (0, "")
    printed = json.loads(out)
    assert list(printed) == ["query", "rows"]
    assert printed["query"] == name
    assert all(isinstance(row, dict) for row in printed["rows"])


def test_parameters_have_the_types_that_the_query_declares(call, files):
    words = ("--param", "ciudad=O'Brien", "--param", "top=1")
    code, out, _ = call("query", "negative_comments", *files, *PERIOD, *words, "--json")
    rows = json.loads(out)["rows"]
    assert (code, [(row["ciudad"], row["usuario"]) for row in rows]) == (0, [])
    code, out, _ = call("query", "negative_comments", *files, *PERIOD, "--param", "top=1", "--json")
    assert (code, len(json.loads(out)["rows"])) == (0, 1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["hours", "--param", "since=yesterday"], "since: 'yesterday' is not a day; write it as 2025-08-18"),
        (
            ["hours", "--param", "since=2025-09-01", "--param", "until=2025-08-01"],
            "is after until 2025-08-01",
        ),
        (["heaviest_users", "--param", "top=many"], "top='many' is not a whole number"),
        (
            ["hours", "--param", "city=Cali"],
            "hours has no parameter city; it takes since (day), until (day), ",
        ),
    ],
)
def test_a_wrong_value_is_refused(call, files, words, message):
    code, out, err = call("query", *words, *files)
    assert (code, out) == (2, "")
    assert message in err


def test_a_table_that_is_not_given_is_named(call, files):
    code, out, err = call("query", "overview", *files[:4])
    assert (code, out) == (1, "")
    assert "overview reads the table messages: give its Parquet file with --messages PATH" in err


def test_a_run_date_moves_the_default_period(call, files):
    found = []
    for day in ("2025-09-02", "2025-08-09"):
        _, out, _ = call("query", "conversations_by_day", *files, "--param", f"run_date={day}", "--json")
        found.append([row["day"] for row in json.loads(out)["rows"]])
    assert found[0][-1] == "2025-09-02"
    assert found[1] == ["2025-08-05", "2025-08-06", "2025-08-09"]


def test_null_is_null_in_json(call, files):
    _, out, _ = call("query", "by_city", *files, *PERIOD, "--json")
    assert json.loads(out)["rows"][-1]["ciudad"] is None


def test_a_share_of_zero_conversations_is_null_in_json(call, tmp_path):
    tables = write(tmp_path)
    words = ("--conversations", tables["conversations"], "--messages", tables["messages"], "--json")
    _, out, _ = call("query", "overview", *words)
    [row] = json.loads(out)["rows"]
    assert (row["conversations"], row["like_share"], row["median_reply_s"]) == (0, None, None)


def test_a_table_is_printed(call, tmp_path):
    parquet = write(tmp_path, users=[user("u1", numero_conversaciones=2)])["users"]
    code, out, err = call("query", "totals", "--parquet", parquet)
    assert (code, err) == (0, "")
    header, row = (line.split() for line in out.splitlines())
    assert dict(zip(header, row, strict=True))["conversation_count"] == "2"
