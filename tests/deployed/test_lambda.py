"""The Lambda's zip as it is deployed, called by AWS's client of the Runtime API, against the local AWS."""

import contextlib
import hashlib
import json
import re
import subprocess
import sys
import threading
from datetime import date

import pytest

from cat_lab import sample
from cat_lab.sample.dynamodb_json import as_json, item, m, message, messages, s
from cat_normalize.core import layout
from cat_normalize.extract.table import extract_table
from cat_normalize.normalize.files import normalize_files
from deployed import function as function_
from deployed.conftest import apart
from deployed.runtime import REQUEST, ROOT
from faults.refusing import denying

DAY, NEXT, LATE = date(2025, 9, 1), date(2025, 9, 2), date(2025, 9, 3)
CALLS = [
    ({"run_date": "20250901"}, 900),
    ({"time": "2025-09-03T04:30:00Z", "detail": {"text": "Un secreto"}}, 900),
    ({"run_date": "2025-09-03"}, 12),
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
IN_THE_ZIP = (
    *("aws_lambda_powertools", "aws_xray_sdk", "boto3", "botocore", "cat_normalize", "dateutil", "jmespath"),
    *("msgspec", "s3transfer", "six", "urllib3", "wrapt"),
)
"""Packages of which a run reads modules."""


@pytest.fixture(scope="module")
def aws(seeded_aws):
    sample.put(seeded_aws.client("dynamodb"), seeded_aws.settings.table_name, SECRETS)
    return seeded_aws


@pytest.fixture(scope="module")
def function(aws, unpacked, tmp_path_factory):
    def call(calls, **environment):
        return function_.call(aws, unpacked, tmp_path_factory.mktemp("lambda"), calls, **environment)

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
    assert ran.errors[0] is None, ran.out
    csv = body(aws, layout.csv_key(aws.settings, DAY))
    assert csv == (expected / "here.csv").read_bytes()
    assert csv == (expected / "cli.csv").read_bytes()
    assert csv.count(b"\n") > 300


def test_a_warm_function_runs_again_with_the_day_of_the_schedulers_time(aws, ran, expected):
    assert ran.results[1]["run_date"] == NEXT.isoformat()
    assert body(aws, layout.csv_key(aws.settings, NEXT)) == (expected / "cli.csv").read_bytes()


def test_rejects_and_manifest_are_published_too(aws, ran, expected):
    rejects = body(aws, layout.rejects_key(aws.settings, DAY))
    assert rejected(rejects) == rejected((expected / "cli.jsonl").read_bytes())
    manifest = json.loads(body(aws, layout.manifest_key(aws.settings, 1, DAY)))
    summary = json.loads((expected / "summary").read_text())
    assert manifest["summary"] == summary
    assert ran.results[0] == {"run_date": "2025-09-01", **summary, "outputs": manifest["outputs"]}
    for output in manifest["outputs"]:
        data = body(aws, layout.split_s3(output["uri"])[1])
        assert (output["bytes"], output["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())


def test_too_little_time_publishes_nothing_and_leaves_the_disk_empty(aws, ran):
    assert ran.errors == [None, None, "OutOfTimeError"]
    assert "nothing was published" in ran.said[2].body["errorMessage"]
    assert ran.left == []
    assert len(keys(aws)) >= 6
    assert not [key for key in keys(aws) if f"{LATE:%Y%m%d}" in key]


def test_nothing_that_it_tells_contains_a_text_of_the_table(ran):
    texts = {text for each in [*sample.items(), *SECRETS] for text in strings(each) if len(text) > 6}
    assert len(texts) > 2000
    assert {"palabra-secreta", "Nombre Secreto", "USER#clave-secreta"} < texts
    told = "\n".join([ran.told(), *strings(ran.lines)])
    assert [text for text in texts | {"Un secreto"} if text in told] == []


def test_the_limit_of_the_scan_is_logged_before_it(ran):
    (said, *_) = (line for line in ran.lines if line.get("message") == "scanning")
    assert said["level"] == "INFO"
    assert said["scan_rcu"] >= 0
    assert said["scan"].endswith("; nothing limits its rate")
    assert not {"max_rcu", "scan_seconds"} & said.keys()


def test_a_run_that_cannot_end_warns_of_it(unpacked):
    """The local AWS says of every table that it is empty, so here is what the handler does with a warning."""
    lines = [f"import sys; sys.path[:0] = {[str(unpacked)]}", "import lambda_function as door"]
    lines.append("door._log_scan(door.Scan(636.0, 25.0, 25.44), 'not expected to end in time')")
    command = [sys.executable, "-I", "-S", "-B", "-c", "\n".join(lines)]
    done = subprocess.run(command, env={}, capture_output=True, text=True, check=True)
    said, warned = (json.loads(line) for line in done.stdout.splitlines())
    expected = {"message": "scanning", "scan_rcu": 636.0, "max_rcu": 25.0, "scan_seconds": 25.44}
    assert expected.items() <= said.items()
    assert (warned["level"], warned["message"]) == ("WARNING", "not expected to end in time")


def test_the_metrics_are_those_of_the_library(ran):
    result = ran.results[0]
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


def test_each_step_is_a_segment_of_the_trace_of_its_invocation(ran):
    sent = [json.loads(each.partition("\n")[2]) for each in ran.traces]
    steps = ["extract", "normalize", "publish", "## lambda_handler"]
    assert [(each["trace_id"][-1], each["name"]) for each in sent] == [
        *(("1", name) for name in steps), *(("2", name) for name in steps),
        ("3", "extract"), ("3", "## lambda_handler"),
    ]  # fmt: skip
    assert {each["trace_id"] for each in sent} == {ROOT.format(n=n) for n in (1, 2, 3)}
    cold = [each["annotations"]["ColdStart"] for each in sent if "annotations" in each]
    assert cold == [True, False, False]


def test_every_line_of_the_log_is_json_and_tells_its_invocation(ran):
    own = [line for line in ran.lines if line.get("service") == layout.LAMBDA and "message" in line]
    assert [(line["message"], line["function_request_id"][-1]) for line in own] == [
        ("started", "1"), ("scanning", "1"), ("published", "1"),
        ("started", "2"), ("scanning", "2"), ("published", "2"), ("started", "3"),
    ]  # fmt: skip
    assert [line["cold_start"] for line in own] == [True] * 3 + [False] * 4
    assert {line["xray_trace_id"] for line in own} == {ROOT.format(n=n) for n in (1, 2, 3)}
    others = [line for line in ran.lines if line not in own and "_aws" not in line]
    assert [line.get("message", line.get("errorType")) for line in others] == [
        "Found credentials in environment variables.", "OutOfTimeError",
    ]  # fmt: skip
    assert [line["requestId"] for line in others] == [REQUEST.format(n=1), REQUEST.format(n=3)]


def test_it_needs_a_small_part_of_its_memory(ran):
    assert ran.peak_mb < 200


def test_importing_the_function_needs_the_zip_alone_and_little_of_it(unpacked):
    code = f"import sys; sys.path.append({str(unpacked)!r}); import lambda_function; print(*sys.modules)"
    variables = {"LAMBDA_TASK_ROOT": str(unpacked), "AWS_LAMBDA_FUNCTION_NAME": layout.LAMBDA}
    command = [sys.executable, "-I", "-S", "-B", "-c", code]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
    assert "aws_lambda_powertools" in done.stdout.split()
    assert sorted(HEAVY & set(done.stdout.split())) == []


def test_all_that_is_read_of_packages_is_the_zips_though_the_runtime_has_its_own(aws, unpacked, tmp_path):
    of_the_runtime = tmp_path / "runtime"
    of_the_runtime.mkdir()
    for name in IN_THE_ZIP:
        (of_the_runtime / f"{name}.py").write_text("raise RuntimeError")
    variables = {"DYNAMODB_TABLE_NAME": emptied(aws, "read")}
    variables["PYTHONPATH"] = f"{apart('awslambdaric')}:{of_the_runtime}"
    with function_.process(aws, unpacked, tmp_path, ("-v",), **variables) as function:
        said = function.invoke({"run_date": "20250906", "allow_shrink": True})
    assert said.what == "response", function.log.read_text()[-3000:]
    files = set(re.findall(r"^#.* '?(/[^' ]+\.(?:pyc?|so))'?$", function.log.read_text(), re.MULTILINE))
    of = {name: {each for each in files if each.startswith(f"{unpacked}/{name}")} for name in IN_THE_ZIP}
    assert all(of.values()), of
    allowed = (str(unpacked), str(apart("awslambdaric")), sys.base_prefix)
    assert [each for each in files if not each.startswith(allowed)] == []


def test_a_zip_that_lacks_a_package_ends_at_its_start_and_names_it(aws, unpacked, tmp_path):
    task = tmp_path / "task"
    task.mkdir()
    for each in unpacked.iterdir():
        if each.name != "msgspec":
            (task / each.name).symlink_to(each)
    with function_.process(aws, task, tmp_path) as function:
        assert function.started.what == "init/error"
        assert function.started.body["errorType"] == "Runtime.ImportModuleError"
        assert function.started.body["errorMessage"].endswith("No module named 'msgspec'")
        assert function.ended() == 1


def test_a_run_that_was_killed_leaves_no_trace_in_the_next_on_the_same_disk(aws, unpacked, tmp_path):
    table, publishing, killed = emptied(aws, "killed"), threading.Event(), threading.Event()
    sample.put(aws.client("dynamodb"), table, SECRETS)
    event = {"run_date": "20250907", "allow_shrink": True}

    def hold(method, path, body):
        if method == "PUT":
            publishing.set()
            killed.wait()
        return method == "PUT"

    before = keys(aws)
    with denying(aws.endpoint, hold) as slow:
        variables = {"AWS_ENDPOINT_URL": slow, "DYNAMODB_TABLE_NAME": table}
        with function_.process(aws, unpacked, tmp_path, **variables) as function:
            function.begin(event)
            assert publishing.wait(100), function.log.read_text()
            function.kill()
            killed.set()
    assert keys(aws) == before
    assert [path for path in (tmp_path / "tmp").rglob("*.csv") if path.stat().st_size]
    with function_.process(aws, unpacked, tmp_path, DYNAMODB_TABLE_NAME=table) as function:
        said = function.invoke(event)
    assert said.what == "response", function.log.read_text()
    assert list((tmp_path / "tmp").iterdir()) == []
    assert (said.body["users"], said.body["rejected"]) == (1, 3)
    data = body(aws, layout.csv_key(aws.settings, date(2025, 9, 7)))
    assert said.body["outputs"][1]["sha256"] == hashlib.sha256(data).hexdigest()


def test_a_failure_names_the_table_and_says_the_same_to_lambda_and_to_x_ray(function):
    failed = function([CALLS[0]], DYNAMODB_TABLE_NAME="no-such-table")
    (said,) = failed.said
    assert said.body["errorType"] == "ExtractError"
    assert "no-such-table" in said.body["errorMessage"]
    (fault,) = json.loads(said.headers["lambda-runtime-function-xray-error-cause"])["exceptions"]
    assert (fault["type"], fault["message"]) == (said.body["errorType"], said.body["errorMessage"])
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
    events = [
        {"run_date": "20250904"},
        {"run_date": "20250904", "allow_shrink": "true"},
        {"run_date": "99991231"},
        {"time": "0001-01-01T00:00:00Z"},
    ]
    refused = function([(event, 900) for event in events], DYNAMODB_TABLE_NAME=emptied(aws, "emptied"))
    assert refused.errors == ["ShrunkError", "SettingsError", "FutureDateError", "SettingsError"], refused.out
    assert "0 users, less than 50 % of the" in refused.said[0].body["errorMessage"]
    assert keys(aws) == before
    (metric,) = refused.metrics()
    assert (metric["RunsRefused"], metric["service"]) == ([1], layout.LAMBDA)
    assert metric["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["service"]]
    messages = [line["message"] for line in refused.lines if line.get("service") and "message" in line]
    assert messages == ["started", "scanning", "started"]  # what the event allows and its day are read first


def test_if_all_items_are_rejected_the_rejects_are_published_and_no_csv(aws, ran, function):
    broken = emptied(aws, "broken")
    items = [item("a", "palabra-secreta#1"), item("b", "CONVERSATION#1", Conversation=s("palabra-secreta"))]
    sample.put(aws.client("dynamodb"), broken, items)
    before = keys(aws)
    refused = function([({"run_date": "20250905"}, 900)], DYNAMODB_TABLE_NAME=broken)
    assert refused.errors == ["AllRejectedError"], refused.out
    assert "palabra-secreta" not in refused.told()
    assert [metric["RunsRefused"] for metric in refused.metrics()] == [[1]]
    key = layout.rejects_key(aws.settings, date(2025, 9, 5))
    assert keys(aws) - before == {key}
    assert {json.loads(line)["reason"] for line in body(aws, key).splitlines()} == {
        "bad_conversation", "unknown_kind",
    }  # fmt: skip


def test_an_event_may_allow_fewer_users_and_a_future_day(aws, ran, function):
    event = {"run_date": "99991231", "allow_shrink": True, "allow_future": True}
    allowed = function([(event, 900)], DYNAMODB_TABLE_NAME=emptied(aws, "smaller"))
    assert allowed.errors == [None], allowed.out
    assert allowed.results[0]["run_date"] == "9999-12-31"
    assert layout.csv_key(aws.settings, date(9999, 12, 31)) in keys(aws)


def test_texts_inside_texts_are_found():
    assert list(strings(as_json(MESSAGES)))[1:] == ["user", "palabra-secreta", "bot"]
