"""The Lambda's zip as it is deployed, run against the local AWS by an interpreter with nothing else."""

import contextlib
import hashlib
import json
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from cat_lab import sample
from cat_lab.sample.dynamodb_json import as_json, item, m, message, messages, s
from cat_normalize.core import layout
from cat_normalize.extract.table import extract_table
from cat_normalize.normalize.files import normalize_files
from deployed import function as function_
from deployed import runtime as harness

DAY, NEXT, LATE = date(2025, 9, 1), date(2025, 9, 2), date(2025, 9, 3)
CALLS = [
    {"event": {"run_date": "20250901"}, "seconds": 900},
    {"event": {"time": "2025-09-03T04:30:00Z", "detail": {"text": "Un secreto"}}, "seconds": 900},
    {"event": {"run_date": "2025-09-03"}, "seconds": 12},
]
MESSAGES = [{"from": "user", "text": "palabra-secreta"}, {"from": "bot", "text": 7}]
SECRETS = [
    item("clave-secreta", "CONVERSATION#2025-08-01", Conversation=as_json(MESSAGES)),
    item("clave-secreta", "palabra-secreta#1", UserData=m(nombre="Nombre Secreto")),
    item("clave-secreta", "FEEDBACK#2025-08-02", Feedback=m(type={"N": "1"}, comment="palabra-secreta")),
    item("clave-secreta", "REGISTER", UserData=s('{"nombre":"Nombre Secreto')),
    item(
        "clave-secreta",
        "CONVERSATION#2025-08-03",
        UserData=m(nombre="Nombre Secreto"),
        Conversation=messages(message("user", text="palabra-secreta")),
    ),
]

HEAVY = {
    *("boto3", "botocore.client", "botocore.session", "urllib3"),  # of the first call
    *("asyncio", "aws_xray_sdk.core", "importlib.metadata", "ssl", "wrapt"),  # of the first trace
    *("concurrent.futures.process", "multiprocessing", "subprocess"),  # of more than one worker
    *("duckdb", "pandas", "pyarrow", "pydantic", "pyspark", "rich", "typer"),  # of nothing here
}
"""Modules that importing the function must not import."""


@pytest.fixture(scope="module")
def aws(seeded_aws):
    sample.put(seeded_aws.client("dynamodb"), seeded_aws.settings.table_name, SECRETS)
    return seeded_aws


@pytest.fixture(scope="module")
def function(aws, unpacked, runtime, tmp_path_factory):
    def call(calls, **environment):
        return function_.call(aws, unpacked, runtime, tmp_path_factory.mktemp("lambda"), calls, **environment)

    return call


@pytest.fixture(scope="module")
def ran(function):
    return function(CALLS)


@pytest.fixture(scope="module")
def expected(aws, tmp_path_factory):
    """Extract the same table, cut in another way, and normalise it here and by the command line."""
    folder = tmp_path_factory.mktemp("expected")
    extract_table(aws.client("dynamodb"), aws.settings.table_name, folder / "raw", 1, 3)
    normalize_files([folder / "raw"], folder / "here.csv", folder / "here.jsonl", aws.settings.rules)
    command = [sys.executable, "-m", "cat_lab", "normalize", "--json", "--input", str(folder / "raw")]
    command += ["--output", str(folder / "cli.csv"), "--rejects", str(folder / "cli.jsonl")]
    done = subprocess.run(command, env=aws.child_environment(), capture_output=True, text=True, check=True)
    (folder / "summary").write_text(done.stdout)
    return folder


def body(aws, key):
    return aws.client("s3").get_object(Bucket=aws.settings.bucket, Key=key)["Body"].read()


def keys(aws):
    return {each["Key"] for each in aws.client("s3").list_objects_v2(Bucket=aws.settings.bucket)["Contents"]}


def rejected(data):
    lines = [json.loads(line) for line in data.splitlines()]
    return sorted(json.dumps([each["reason"], each["detail"], each["item"]]) for each in lines)


def strings(value):
    """Yield every text in an item, also those inside texts of JSON."""
    if isinstance(value, dict):
        for each in value.values():
            yield from strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from strings(each)
    elif isinstance(value, str):
        yield value
        if value.strip().startswith(("{", "[")):
            with contextlib.suppress(ValueError):
                yield from strings(json.loads(value))


def test_the_csv_equals_that_of_the_command_line(aws, ran, expected):
    assert ran.answer["results"][0].keys() == {"result"}, ran.out
    csv = body(aws, layout.csv_key(aws.settings, DAY))
    assert csv == (expected / "here.csv").read_bytes()
    assert csv == (expected / "cli.csv").read_bytes()
    assert csv.count(b"\n") > 300


def test_a_warm_function_runs_again_with_the_day_of_the_schedulers_time(aws, ran, expected):
    assert ran.answer["results"][1]["result"]["run_date"] == NEXT.isoformat()
    assert body(aws, layout.csv_key(aws.settings, NEXT)) == (expected / "cli.csv").read_bytes()


def test_rejects_and_manifest_are_published_too(aws, ran, expected):
    rejects = body(aws, layout.rejects_key(aws.settings, DAY))
    assert rejected(rejects) == rejected((expected / "cli.jsonl").read_bytes())
    manifest = json.loads(body(aws, layout.manifest_key(aws.settings, 1, DAY)))
    summary = json.loads((expected / "summary").read_text())
    assert manifest["summary"] == summary
    result = ran.answer["results"][0]["result"]
    assert result == {"run_date": "2025-09-01", **summary, "outputs": manifest["outputs"]}
    for output in manifest["outputs"]:
        data = body(aws, layout.split_s3(output["uri"])[1])
        assert (output["bytes"], output["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())


def test_too_little_time_publishes_nothing_and_leaves_the_disk_empty(aws, ran):
    assert ran.answer["results"][2]["error"] == "OutOfTimeError"
    assert "nothing was published" in ran.answer["results"][2]["message"]
    assert ran.code == 1
    assert ran.left == []
    assert len(keys(aws)) >= 6
    assert not [key for key in keys(aws) if f"{LATE:%Y%m%d}" in key]


def test_logs_and_traces_contain_no_text_of_the_table(ran):
    texts = {text for each in [*sample.items(), *SECRETS] for text in strings(each) if len(text) > 6}
    assert len(texts) > 2000
    assert {"palabra-secreta", "Nombre Secreto", "USER#clave-secreta"} < texts
    written = "\n".join([ran.out, *strings(ran.lines), *ran.traces])
    assert [text for text in texts | {"Un secreto"} if text in written] == []
    messages = [line["message"] for line in ran.lines if "message" in line]
    whole = ["started", "scanning", "published"]
    assert messages == [*whole, *whole, "started"]


def test_the_limit_of_the_scan_is_logged_before_it(ran):
    (said, *_) = (line for line in ran.lines if line.get("message") == "scanning")
    assert said["level"] == "INFO"
    assert said["scan_rcu"] >= 0
    assert said["scan"].endswith("; nothing limits its rate")
    assert not {"max_rcu", "scan_seconds"} & said.keys()


def test_a_run_that_cannot_end_warns_of_it(unpacked, runtime):
    """The local AWS says of every table that it is empty, so here is what the handler does with a warning."""
    lines = [f"import sys; sys.path[:0] = {[str(unpacked), str(runtime)]}", "import lambda_function as door"]
    lines.append("door._log_scan(door.Scan(636.0, 25.0, 25.44), 'not expected to end in time')")
    command = [sys.executable, "-I", "-S", "-B", "-c", "\n".join(lines)]
    done = subprocess.run(command, env={}, capture_output=True, text=True, check=True)
    said, warned = (json.loads(line) for line in done.stdout.splitlines())
    expected = {"message": "scanning", "scan_rcu": 636.0, "max_rcu": 25.0, "scan_seconds": 25.44}
    assert expected.items() <= said.items()
    assert (warned["level"], warned["message"]) == ("WARNING", "not expected to end in time")


def test_the_metrics_are_those_of_the_library(ran):
    (result, *_) = (each["result"] for each in ran.answer["results"][:1])
    whole, *by_reason = ran.metrics()[: 1 + len(result["rejected_by_reason"])]
    directive = whole["_aws"]["CloudWatchMetrics"][0]
    assert directive["Namespace"] == layout.METRICS
    assert directive["Dimensions"] == [["service"]]
    assert whole["service"] == layout.LAMBDA
    assert [each["Name"] for each in directive["Metrics"]] == [
        "ItemsRead", "ItemsRejected", "RunsRefused", "Users", "Bytes", "Seconds",
    ]  # fmt: skip
    assert whole["ItemsRead"] == [result["items_read"]]
    assert whole["RunsRefused"] == [0]
    assert whole["Bytes"] == [sum(output["bytes"] for output in result["outputs"])]
    assert 0 < whole["Seconds"][0] < 300
    assert {each["reason"]: each["ItemsRejected"][0] for each in by_reason} == result["rejected_by_reason"]
    assert sum(each["ItemsRejected"][0] for each in by_reason) == whole["ItemsRejected"][0] > 0


def test_each_step_is_a_segment_of_the_trace(ran):
    traces = "".join(ran.traces)
    for name in ("## lambda_handler", "extract", "normalize", "publish"):
        assert f'"name": "{name}"' in traces or f'"name":"{name}"' in traces


def test_the_function_imports_little_and_only_from_the_zip(ran, unpacked, runtime):
    assert sorted(HEAVY & set(ran.answer["modules"])) == []
    allowed_paths = [str(unpacked), str(Path(runtime).resolve()), sys.base_prefix]
    allowed_paths += [
        str((runtime / name).resolve()) for name in ("boto3", "botocore", "s3transfer", "urllib3")
    ]
    allowed_paths += [str(path.resolve()) for path in runtime.iterdir()]
    files = [name for name in ran.answer["files"] if name.startswith("/") and name != harness.__file__]
    assert len(files) > 100
    assert [name for name in files if not name.startswith(tuple(allowed_paths))] == []


def test_a_missing_table_is_a_failure_that_names_it(function):
    failed = function([CALLS[0]], DYNAMODB_TABLE_NAME="no-such-table")
    assert failed.code == 1
    assert failed.answer["results"][0]["error"] == "ExtractError"
    assert "no-such-table" in failed.answer["results"][0]["message"]
    assert (failed.metrics(), failed.left) == ([], [])


def emptied(aws, name):
    """Make a table like the other, without an item."""
    shape = {
        "AttributeDefinitions": [{"AttributeName": each, "AttributeType": "S"} for each in ("PK", "SK")],
        "KeySchema": [
            {"AttributeName": "PK", "KeyType": "HASH"}, {"AttributeName": "SK", "KeyType": "RANGE"},
        ],
        "BillingMode": "PAY_PER_REQUEST",
    }  # fmt: skip
    aws.client("dynamodb").create_table(TableName=name, **shape)
    return name


def test_a_refused_run_fails_with_its_own_error_and_a_metric(aws, ran, function):
    before = keys(aws)
    calls = [
        {"event": {"run_date": "20250904"}, "seconds": 900},
        {"event": {"run_date": "20250904", "allow_shrink": "true"}, "seconds": 900},
        {"event": {"run_date": "99991231"}, "seconds": 900},
        {"event": {"time": "0001-01-01T00:00:00Z"}, "seconds": 900},
    ]
    refused = function(calls, DYNAMODB_TABLE_NAME=emptied(aws, "emptied"))
    errors = [each["error"] for each in refused.answer["results"]]
    assert errors == ["ShrunkError", "SettingsError", "FutureDateError", "SettingsError"], refused.out
    assert "0 users, less than 50 % of the" in refused.answer["results"][0]["message"]
    assert keys(aws) == before
    (metric,) = refused.metrics()
    assert (metric["RunsRefused"], metric["service"]) == ([1], layout.LAMBDA)
    assert metric["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["service"]]
    messages = [line["message"] for line in refused.lines if "message" in line]
    assert messages == ["started", "scanning", "started"]  # what the event allows and its day are read first


def test_if_all_items_are_rejected_the_rejects_are_published_and_no_csv(aws, ran, function):
    broken = emptied(aws, "broken")
    sample.put(aws.client("dynamodb"), broken, [item("a", "WHAT#1"), item("b", "CONVERSATION#1")])
    before = keys(aws)
    refused = function([{"event": {"run_date": "20250905"}, "seconds": 900}], DYNAMODB_TABLE_NAME=broken)
    assert refused.answer["results"][0]["error"] == "AllRejectedError", refused.out
    assert [metric["RunsRefused"] for metric in refused.metrics()] == [[1]]
    key = layout.rejects_key(aws.settings, date(2025, 9, 5))
    assert keys(aws) - before == {key}
    assert {json.loads(line)["reason"] for line in body(aws, key).splitlines()} == {
        "bad_conversation", "unknown_kind",
    }  # fmt: skip


def test_an_event_may_allow_fewer_users_and_a_future_day(aws, ran, function):
    event = {"run_date": "99991231", "allow_shrink": True, "allow_future": True}
    allowed = function([{"event": event, "seconds": 900}], DYNAMODB_TABLE_NAME=emptied(aws, "smaller"))
    assert allowed.answer["results"][0]["result"]["run_date"] == "9999-12-31", allowed.out
    assert layout.csv_key(aws.settings, date(9999, 12, 31)) in keys(aws)


def test_texts_inside_texts_are_found():
    assert list(strings(as_json(MESSAGES)))[1:] == ["user", "palabra-secreta", "bot"]
