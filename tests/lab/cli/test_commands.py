"""The command line (contract §8): exit codes, streams, summaries, examples. Each case is a real process."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cat_normalize.core import csvfile
from cat_normalize.core.settings import ENVIRONMENT

COMMANDS = ("run", "extract", "normalize", "convert", "query", "local", "lab", "init")
ITEM = {
    "PK": {"S": "USER#1"},
    "SK": {"S": "CONVERSATION#2025-08-18"},
    "Conversation": {"L": [{"M": {"from": {"S": "user"}, "text": {"S": "¿hola?"}}}]},
}
CLEAN = {name: value for name, value in os.environ.items() if name not in ENVIRONMENT}


def call(*words, cwd=None, **environment):
    line = [sys.executable, "-m", "cat_lab", *map(str, words)]
    return subprocess.run(
        line, cwd=cwd, env=CLEAN | environment, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture
def items(tmp_path):
    path = tmp_path / "items.jsonl"
    path.write_text(json.dumps(ITEM) + "\n{\n")
    return path


def normalize(items, *more, **environment):
    outputs = ("--output", items.with_name("o.csv"), "--rejects", items.with_name("r.jsonl"))
    return call("normalize", "--input", items, *outputs, *more, **environment)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_ends_with_an_example_of_the_command(command):
    done = call(command, "--help", COLUMNS="200")
    assert done.returncode == 0
    example = done.stdout.strip().splitlines()[-1].strip()
    assert shlex.split(example)[:3] == ["Example:", "cat-normalize", command]


def test_the_json_summary_has_the_members_of_the_contract(items):
    done = normalize(items, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    expected = {
        "items_read": 2,
        "conversations": 1,
        "feedback": 0,
        "registrations": 0,
        "filtered": 0,
        "rejected": 1,
        "rejected_by_reason": {"not_json": 1},
        "warnings": {},
        "users": 1,
    }
    assert list(json.loads(done.stdout).items()) == list(expected.items())


def test_one_input_option_takes_several_paths(items):
    other = items.with_name("other")
    other.write_text(json.dumps(ITEM | {"PK": {"S": "USER#2"}}))
    shutil.copy(other, other.with_name("third"))
    done = normalize(items, "--input", other, other.with_name("third"), "--json")
    assert json.loads(done.stdout)["conversations"] == 3
    outputs = ("--output", items.with_name("o.csv"), "--rejects", items.with_name("r.jsonl"))
    assert json.loads(call("normalize", "--input", items, other, *outputs, "--json").stdout)["users"] == 2


def test_more_rejects_than_allowed_exits_with_3_and_keeps_the_outputs(items):
    assert normalize(items, "--max-rejects", 1).returncode == 0
    done = normalize(items, "--max-rejects", 0)
    assert done.returncode == 3
    assert done.stderr == "cat-normalize: 1 items rejected, more than --max-rejects 0\n"
    assert done.stdout.startswith("items read          2\n")
    assert items.with_name("o.csv").exists()
    assert items.with_name("r.jsonl").exists()


@pytest.mark.parametrize(
    ("words", "environment", "code", "message"),
    [
        (["--since", "soon"], {}, 2, "--since: 'soon' is not a day; write it as 2025-08-18 or 20250818"),
        (["--time-zone", "Bogota"], {}, 2, "time zone 'Bogota' is unknown"),
        (["--exclude-city", "("], {}, 2, "'(' is not a regular expression"),
        ([], {"CAT_UNTIL": "x"}, 2, "CAT_UNTIL: 'x' is not a day"),
        (["--since", "2025-09-01", "--until", "20250801"], {}, 2, "since 2025-09-01 is after until"),
        (["--input", "nowhere"], {}, 1, "nowhere does not exist"),
        (["--workers", "0"], {}, 2, "--workers"),
        (["--inptu", "x"], {}, 2, "--inptu"),
    ],
)
def test_an_error_is_on_stderr_and_in_the_exit_code(items, words, environment, code, message):
    done = normalize(items, *words, **environment)
    assert done.returncode == code
    assert message in done.stderr
    assert done.stdout == ""
    assert not items.with_name("o.csv").exists()


def test_options_override_filters_of_the_environment(items):
    assert json.loads(normalize(items, "--json", CAT_SINCE="2025-09-01").stdout)["filtered"] == 1
    done = normalize(items, "--json", "--since", "2025-08-01", CAT_SINCE="2025-09-01")
    assert json.loads(done.stdout)["filtered"] == 0


def test_an_empty_argument_is_refused(items):
    done = call("normalize", "--input", "", "--output", "o.csv", "--rejects", "r.jsonl", cwd=items.parent)
    assert (done.returncode, done.stdout) == (2, "")
    assert "an argument is empty" in done.stderr
    assert not items.with_name("o.csv").exists()


@pytest.mark.parametrize("name", ["data_20250901.csv", "link.csv", "hard.csv"])
def test_convert_never_replaces_its_csv(items, name):
    csv = items.with_name("data_20250901.csv")
    csv.write_bytes(csvfile.HEADER)
    items.with_name("link.csv").symlink_to(csv)
    items.with_name("hard.csv").hardlink_to(csv)
    done = call("convert", "--input", csv, "--output", items.with_name(name))
    assert (done.returncode, done.stdout) == (2, "")
    assert "is the CSV itself" in done.stderr
    assert csv.read_bytes() == csvfile.HEADER


def test_convert_reports_a_missing_csv_before_it_starts_java(items):
    said = call("convert", "--input", items.with_name("none"), "--output", "p", JAVA_HOME="/nowhere")
    assert (said.returncode, said.stderr.count("\n")) == (1, 1)
    assert "none cannot be read" in said.stderr


def test_a_java_that_does_not_start_is_reported_without_a_traceback(items):
    items.write_bytes(csvfile.HEADER)
    parquet = items.with_name("p")
    done = call("convert", "--input", items, "--output", parquet, "--memory", "900000g")
    assert done.returncode == 1
    assert "cat-normalize: Java did not start with a memory of 900000g" in done.stderr
    assert "Traceback" not in done.stderr
    assert not parquet.exists()


def test_standard_input_is_read_and_devices_are_written(items):
    words = ("normalize", "--input", "-", "--output", items.with_name("o.csv"), "--rejects", "/dev/null")
    line = [sys.executable, "-m", "cat_lab", *map(str, words), "--json"]
    done = subprocess.run(line, input=items.read_bytes(), env=CLEAN, capture_output=True, check=True)
    assert json.loads(done.stdout)["items_read"] == 2
    assert Path("/dev/null").is_char_device()


def test_if_all_items_are_rejected_the_csv_stays_and_the_exit_code_is_4(items):
    items.write_text("{\n{}\n")
    items.with_name("o.csv").write_text("earlier")
    done = normalize(items, "--max-rejects", 0)
    assert (done.returncode, done.stdout) == (4, "")
    assert "all 2 items were rejected (bad_key 1, not_json 1)" in done.stderr
    assert str(items.with_name("r.jsonl")) in done.stderr
    assert len(items.with_name("r.jsonl").read_text().splitlines()) == 2
    assert items.with_name("o.csv").read_text() == "earlier"


def test_a_csv_of_a_future_day_is_converted_only_if_allowed(items):
    csv, parquet = items.with_name("data_99991231.csv"), items.with_name("u.parquet")
    csv.write_bytes(csvfile.HEADER)
    done = call("convert", "--input", csv, "--output", parquet)
    assert (done.returncode, parquet.exists()) == (2, False)
    assert "run date 9999-12-31 is after today" in done.stderr
    assert call("convert", "--input", csv, "--output", parquet, "--allow-future").returncode == 0


def test_output_and_rejects_must_differ(items):
    done = call("normalize", "--input", items, "--output", items, "--rejects", items)
    assert (done.returncode, items.read_text()[0]) == (2, "{")


def test_from_items_to_a_query_result_on_local_files(items):
    normalize(items)
    csv, parquet = items.with_name("o.csv"), items.with_name("u.parquet")
    done = call("convert", "--input", csv, "--output", parquet, "--json")
    assert (done.returncode, done.stderr, json.loads(done.stdout)["rows"]) == (0, "", 1)
    asked = call("query", "totals", "--parquet", parquet, "--json")
    rows = [{"user_count": 1, "conversation_count": 1, "feedback_count": 0}]
    assert json.loads(asked.stdout) == {"query": "totals", "rows": rows}
    csv.write_bytes(csvfile.HEADER + b"short\n")
    before = parquet.read_bytes()
    failed = call("convert", "--input", csv, "--output", parquet)
    assert (failed.returncode, failed.stdout) == (1, "")
    assert "o.csv, line 2, column nombre" in failed.stderr
    assert parquet.read_bytes() == before


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["nothing", "--parquet", "x"], 2, "no query named 'nothing'; there are by_city, "),
        (["totals", "--parquet", "nowhere"], 1, "nowhere: no such file"),
        (["totals", "--param", "top"], 2, "'top' is not NAME=VALUE"),
        (["heaviest_users", "--param", "top=many"], 2, "top='many' is not a whole number"),
        (["totals", "--param", "top=1", "--parquet", "x"], 2, "totals has no parameter top"),
    ],
)
def test_a_wrong_query_is_refused(words, code, message):
    done = call("query", *words)
    assert (done.returncode, done.stdout) == (code, "")
    assert message in done.stderr


@pytest.fixture(scope="module")
def aws(empty_aws):
    empty_aws.client("dynamodb").put_item(TableName=empty_aws.settings.table_name, Item=ITEM)
    return empty_aws


def test_extract_prints_its_counts(aws, tmp_path):
    environment = aws.child_environment()
    words = ("extract", "--output", tmp_path / "raw", "--partitions", 3, "--json")
    done = call(*words, **environment)
    summary = json.loads(done.stdout)
    assert (done.returncode, summary["items"], summary["files"]) == (0, 1, 3)
    missing = call("extract", "--output", tmp_path / "raw", "--table", "nowhere", **environment)
    assert missing.returncode == 1
    assert "table nowhere could not be described" in missing.stderr
    assert (tmp_path / "raw" / "part-00002.jsonl").exists()
