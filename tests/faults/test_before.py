"""What is looked at before a run starts: every problem at once, each with what to do, and nothing is made."""

import time

import pytest

from faults import refusing
from faults.kit import PARAMETERS, Bench, environment, notebook

EVERY = (
    PARAMETERS
    + """
segments: int = 4
memory: str = "1g"
since: str = ""
until: str = ""
time_zone: str = "America/Bogota"
exclude_cities: list = []
top: int = 8
workers: int = 1
allow_future: bool = False
"""
)
NO_CREDENTIALS = {"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}


def problems(bench, *words, code):
    """Run, hold that nothing has come of it, and return the problems that were told."""
    done = bench.run(*words)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert not bench.runs.exists()
    first, *told = done.stderr.splitlines()
    assert "nothing was started" in first
    return [each.strip() for each in told]


@pytest.fixture
def every(bench):
    bench.write(**dict.fromkeys(("extract", "normalize", "convert", "query"), notebook(parameters=EVERY)))
    return bench


def test_all_problems_are_told_at_once(every):
    every.env = environment(**NO_CREDENTIALS, AWS_EC2_METADATA_DISABLED="true")
    words = {
        "since": "yesterday",
        "until": "2025-13-01",
        "time_zone": "Bogota",
        "exclude_cities": "['(']",
        "segments": "0",
        "memory": "1x",
        "workers": "999",
        "top": "0",
    }
    given = [word for each in words.items() for word in ("-p", "=".join(each))]
    told = problems(every, *given, "--run-date", "2999-01-01", code=2)
    for name, start in (
        ("since", "'yesterday' is not a day"),
        ("until", "'2025-13-01' is not a day"),
        ("time zone", "'Bogota' is unknown"),
        ("exclude_cities", "'(' is not a regular expression"),
        ("segments", "0 is not within 1 to 64"),
        ("memory", "'1x' is no size; write it as 1g or 512m"),
        ("workers", "999 is not within 1 to 256"),
        ("top", "0 is not within 1 to"),
    ):
        assert sum(each.startswith(f"parameters: {name}") and start in each for each in told) == 1, name
    assert sum("dates: run date 2999-01-01 is after today" in each for each in told) == 1
    (credentials,) = [each for each in told if each.startswith("credentials")]
    assert "set AWS_PROFILE" in credentials
    assert len(told) == 10


def test_a_default_that_cannot_be_is_a_problem_too(bench):
    bench.write(convert=notebook(parameters=EVERY.replace('"1g"', '"100m"')))
    assert problems(bench, code=2) == ["parameters: memory: 100m is too little for Spark; give at least 512m"]


def test_a_parameter_against_the_environments(every):
    every.env["CAT_SINCE"] = "2025-09-01"
    (told,) = problems(every, "-p", "until=2025-08-01", code=2)
    assert "since 2025-09-01 is after until 2025-08-01" in told


def test_a_future_day_may_be_allowed(every):
    assert every.run("--run-id", "r", "--run-date", "2999-01-01", "--allow-future").returncode == 0
    assert every.record()["parameters"]["convert"]["allow_future"] is True
    assert every.run("--run-id", "r", "--from", "query").returncode == 0  # it publishes nothing


def test_the_future_is_allowed_to_a_whole_run_though_not_every_stage_knows_of_it(bench):
    allowed = notebook(parameters=PARAMETERS + "allow_future: bool = False  # publish it all the same\n")
    bench.write(normalize=allowed, convert=allowed)
    assert bench.run("--run-id", "no", "--run-date", "2999-01-01").returncode == 2
    done = bench.run("--run-id", "r", "--run-date", "2999-01-01", "--allow-future")
    assert done.returncode == 0, done.stderr
    assert bench.record()["run_date"] == "2999-01-01"


def test_a_first_day_to_keep_that_has_not_come_is_told(every):
    told = problems(every, "-p", "since=2999-01-01", "-p", "until=", code=2)
    assert [each for each in told if "since 2999-01-01 is after today" in each]
    every.env |= {"CAT_SINCE": "2999-01-01"}
    told = problems(every, code=2)
    assert [each for each in told if "since 2999-01-01 is after today" in each]


def test_table_and_bucket_that_are_not_there(aws, tmp_path):
    bench = Bench(tmp_path, aws.child_environment(environment()))
    bench.env |= {"DYNAMODB_TABLE_NAME": "nowhere", "S3_BUCKET_NAME": "no-such-bucket"}
    bench.write()
    table, bucket = (
        [each for each in problems(bench, code=1) if each.startswith(name)] for name in ("table", "bucket")
    )
    assert any("check DYNAMODB_TABLE_NAME" in each for each in table)
    assert any("check S3_BUCKET_NAME" in each for each in bucket)


def test_a_table_of_other_keys_is_named_with_what_is_wanted(aws, bench):
    client, keys = aws.client("dynamodb"), (("id", "HASH", "N"), ("at", "RANGE", "S"))
    client.create_table(
        TableName="other-keys",
        KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind, _ in keys],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": kind} for name, _, kind in keys],
        BillingMode="PAY_PER_REQUEST",
    )
    bench.env["DYNAMODB_TABLE_NAME"] = "other-keys"
    (told,) = problems(bench, code=1)
    assert told.startswith("table: table other-keys is keyed by id (N) and at (S); expected PK and SK")


DENIED = {
    "Scan": (lambda _method, _path, body: b'"Limit"' in body, "table", "dynamodb:Scan"),
    "ListBucket": (lambda method, _path, _body: method == "HEAD", "bucket", "s3:ListBucket"),
    "PutObject": (
        lambda method, path, _body: method == "POST" and "uploads" in path,
        "bucket",
        "s3:PutObject",
    ),
}


@pytest.mark.parametrize("what", DENIED)
def test_a_denied_action_is_named(aws, bench, what):
    denied, name, action = DENIED[what]
    with refusing.denying(aws.endpoint, denied) as endpoint:
        bench.env["AWS_ENDPOINT_URL"] = endpoint
        (told,) = problems(bench, code=1)
    assert told.startswith(f"{name}: An error occurred")
    assert told.endswith(f"; have {action} granted to these credentials")


def test_nothing_of_the_look_at_the_bucket_stays(aws, bench):
    assert bench.run("--run-id", "r").returncode == 0
    s3 = aws.client("s3")
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=aws.settings.bucket)


def test_an_endpoint_that_does_not_answer_is_told_as_such(bench):
    with refusing.silent() as endpoint:
        bench.env["AWS_ENDPOINT_URL"] = endpoint
        told = problems(bench, code=1)
    assert {each.partition(":")[0] for each in told} == {"table", "bucket", "workgroup"}
    assert all("AWS_ENDPOINT_URL" in each for each in told)


def test_a_metadata_service_that_does_not_answer_is_not_waited_for(bench):
    with refusing.silent() as endpoint:
        bench.env = environment(**NO_CREDENTIALS, AWS_EC2_METADATA_SERVICE_ENDPOINT=endpoint)
        (told,) = problems(bench, code=1)
    assert told.startswith("credentials: Unable to locate credentials; give boto3 credentials")


def test_going_on_looks_only_at_what_is_still_needed(bench):
    bench.write(query=notebook("1 / 0"))
    assert bench.run("--run-id", "r").returncode == 1
    bench.env |= {"DYNAMODB_TABLE_NAME": "nowhere", "JAVA_HOME": "/nowhere"}
    bench.write()
    assert bench.run("--from", "query").returncode == 0


def test_a_table_is_not_asked_for_where_files_are_given(bench):
    bench.write(extract=notebook(parameters=PARAMETERS + "input: list = []"))
    (bench.folder / "items.jsonl").touch()
    bench.env["DYNAMODB_TABLE_NAME"] = "nowhere"
    done = bench.run("--run-id", "r", "--input", "items.jsonl", "--publish")
    assert done.returncode == 0, done.stderr


def test_a_table_that_is_slow_is_no_problem_where_the_endpoint_answers(aws, bench):
    def slow(_method, _path, body):
        if b'"Limit"' in body:
            time.sleep(4)
        return False

    with refusing.denying(aws.endpoint, slow) as endpoint:
        bench.env["AWS_ENDPOINT_URL"] = endpoint
        done = bench.run("--run-id", "r")
    assert done.returncode == 0, done.stderr
