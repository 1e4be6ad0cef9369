"""The checks before a run: every problem at once, each with its remedy, and nothing is created."""

import time

import pytest

from faults import refusing
from faults.kit import PARAMETERS, Project, environment, notebook

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


def problems(project, *words, code):
    """Run, check that no run was made, and return the printed problems."""
    done = project.run(*words)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert not project.runs.exists()
    first, *found = done.stderr.splitlines()
    assert "nothing was started" in first
    return [each.strip() for each in found]


@pytest.fixture
def every(project):
    project.write(**dict.fromkeys(("extract", "normalize", "convert", "query"), notebook(parameters=EVERY)))
    return project


def test_all_problems_are_reported_at_once(every):
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
    found = problems(every, *given, "--run-date", "2999-01-01", code=2)
    for name, start in (
        ("since", "'yesterday' is not a day"),
        ("until", "'2025-13-01' is not a day"),
        ("time zone", "'Bogota' is unknown"),
        ("exclude_cities", "'(' is not a regular expression"),
        ("segments", "0 is not within 1 to 64"),
        ("memory", "'1x' is not a memory size; write it as 1g or 512m"),
        ("workers", "999 is not within 1 to 256"),
        ("top", "0 is not within 1 to"),
    ):
        assert sum(each.startswith(f"parameters: {name}") and start in each for each in found) == 1, name
    assert sum("dates: run date 2999-01-01 is after today" in each for each in found) == 1
    (credentials,) = [each for each in found if each.startswith("credentials")]
    assert "set AWS_PROFILE" in credentials
    assert len(found) == 10


def test_an_impossible_default_is_a_problem_too(project):
    project.write(convert=notebook(parameters=EVERY.replace('"1g"', '"100m"')))
    assert problems(project, code=2) == [
        "parameters: memory: 100m is too little for Spark; give at least 512m"
    ]


def test_a_parameter_that_contradicts_the_environment_is_a_problem(every):
    every.env["CAT_SINCE"] = "2025-09-01"
    (problem,) = problems(every, "-p", "until=2025-08-01", code=2)
    assert "since 2025-09-01 is after until 2025-08-01" in problem


def test_a_future_run_date_can_be_allowed(every):
    assert every.run("--run-id", "r", "--run-date", "2999-01-01", "--allow-future").returncode == 0
    assert every.record()["parameters"]["convert"]["allow_future"] is True
    assert every.run("--run-id", "r", "--from", "query").returncode == 0  # it publishes nothing


def test_allow_future_applies_to_the_run_even_if_not_every_stage_declares_it(project):
    allowed = notebook(parameters=PARAMETERS + "allow_future: bool = False  # publish it all the same\n")
    project.write(normalize=allowed, convert=allowed)
    assert project.run("--run-id", "no", "--run-date", "2999-01-01").returncode == 2
    done = project.run("--run-id", "r", "--run-date", "2999-01-01", "--allow-future")
    assert done.returncode == 0, done.stderr
    assert project.record()["run_date"] == "2999-01-01"


def test_a_since_after_today_is_a_problem(every):
    found = problems(every, "-p", "since=2999-01-01", "-p", "until=", code=2)
    assert [each for each in found if "since 2999-01-01 is after today" in each]
    every.env |= {"CAT_SINCE": "2999-01-01"}
    found = problems(every, code=2)
    assert [each for each in found if "since 2999-01-01 is after today" in each]


def test_missing_table_and_bucket_are_problems(aws, tmp_path):
    project = Project(tmp_path, aws.child_environment(environment()))
    project.env |= {"DYNAMODB_TABLE_NAME": "nowhere", "S3_BUCKET_NAME": "no-such-bucket"}
    project.write()
    table, bucket = (
        [each for each in problems(project, code=1) if each.startswith(name)] for name in ("table", "bucket")
    )
    assert any("check DYNAMODB_TABLE_NAME" in each for each in table)
    assert any("check S3_BUCKET_NAME" in each for each in bucket)


def test_a_table_with_other_keys_is_reported_with_the_expected_keys(aws, project):
    client, keys = aws.client("dynamodb"), (("id", "HASH", "N"), ("at", "RANGE", "S"))
    client.create_table(
        TableName="other-keys",
        KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind, _ in keys],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": kind} for name, _, kind in keys],
        BillingMode="PAY_PER_REQUEST",
    )
    project.env["DYNAMODB_TABLE_NAME"] = "other-keys"
    (problem,) = problems(project, code=1)
    assert problem.startswith("table: table other-keys is keyed by id (N) and at (S); expected PK and SK")


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
def test_a_denied_action_is_named(aws, project, what):
    denied, name, action = DENIED[what]
    with refusing.denying(aws.endpoint, denied) as endpoint:
        project.env["AWS_ENDPOINT_URL"] = endpoint
        (problem,) = problems(project, code=1)
    assert problem.startswith(f"{name}: An error occurred")
    assert problem.endswith(f"; have {action} granted to these credentials")


def test_the_check_of_the_bucket_leaves_no_upload(aws, project):
    assert project.run("--run-id", "r").returncode == 0
    s3 = aws.client("s3")
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=aws.settings.bucket)


def test_an_endpoint_that_does_not_answer_is_reported(project):
    with refusing.silent() as endpoint:
        project.env["AWS_ENDPOINT_URL"] = endpoint
        found = problems(project, code=1)
    assert {each.partition(":")[0] for each in found} == {"table", "bucket", "workgroup"}
    assert all("AWS_ENDPOINT_URL" in each for each in found)


def test_a_silent_metadata_service_does_not_delay_the_check(project):
    with refusing.silent() as endpoint:
        project.env = environment(**NO_CREDENTIALS, AWS_EC2_METADATA_SERVICE_ENDPOINT=endpoint)
        (problem,) = problems(project, code=1)
    assert problem.startswith("credentials: Unable to locate credentials; give boto3 credentials")


def test_resuming_checks_only_what_the_remaining_stages_need(project):
    project.write(query=notebook("1 / 0"))
    assert project.run("--run-id", "r").returncode == 1
    project.env |= {"DYNAMODB_TABLE_NAME": "nowhere", "JAVA_HOME": "/nowhere"}
    project.write()
    assert project.run("--from", "query").returncode == 0


def test_with_input_files_the_table_is_not_checked(project):
    project.write(extract=notebook(parameters=PARAMETERS + "input: list = []"))
    (project.folder / "items.jsonl").touch()
    project.env["DYNAMODB_TABLE_NAME"] = "nowhere"
    done = project.run("--run-id", "r", "--input", "items.jsonl", "--publish")
    assert done.returncode == 0, done.stderr


def test_a_locale_without_the_letters_of_the_settings_is_refused(project):
    project.env |= {"LC_ALL": "C", "PYTHONUTF8": "0", "CAT_FALLBACK_PATTERNS": "perd[oó]n"}
    done = project.run("--local")
    assert done.returncode == 1
    said = "locale: it has no letters beyond ASCII, as CAT_FALLBACK_PATTERNS has; set PYTHONUTF8=1"
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_slow_table_is_no_problem_if_the_endpoint_answers(aws, project):
    def slow(_method, _path, body):
        if b'"Limit"' in body:
            time.sleep(4)
        return False

    with refusing.denying(aws.endpoint, slow) as endpoint:
        project.env["AWS_ENDPOINT_URL"] = endpoint
        done = project.run("--run-id", "r")
    assert done.returncode == 0, done.stderr
