"""The command doctor: every check of a run, what a scan costs, and nothing is started or left."""

import json

import pytest

from faults.kit import PARAMETERS, notebook, write_notebooks

BROKEN = {"S3_BUCKET_NAME": "no-such-bucket"}
NAMES = [
    *("parameters", "dates", "runs folder", "TMPDIR", "Spark", "Java", "S3A jars", "memory"),
    *("credentials", "table", "bucket", "workgroup"),
]


@pytest.fixture
def doctor(aws, call, tmp_path, monkeypatch):
    """Call a command with that AWS in the environment, in a folder with four notebooks."""
    monkeypatch.chdir(tmp_path)
    write_notebooks(tmp_path / "notebooks")

    def run(*words, **more):
        return call(*words, **aws.child_environment({}) | more)

    return run


def checks(out):
    """The status of each check by its name, from the printed lines."""
    lines = out.partition("\n\n")[0].splitlines()
    return {line[:11].strip(): line[13:] for line in lines}


def test_all_is_well_and_the_table_is_measured(doctor, aws):
    code, out, err = doctor("doctor", "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert [(each["name"], each["status"]) for each in found["checks"]] == [(name, "OK") for name in NAMES]
    table = aws.client("dynamodb").describe_table(TableName=aws.settings.table_name)["Table"]
    assert (found["table"]["items"], found["table"]["bytes"]) == (table["ItemCount"], table["TableSizeBytes"])
    assert found["table"]["billing_mode"] == "PAY_PER_REQUEST"
    assert found["table"]["scan_seconds"] is None


def test_the_text_says_how_old_the_numbers_are_and_how_long_a_scan_takes(doctor, aws):
    units = (
        -(
            -aws.client("dynamodb").describe_table(TableName=aws.settings.table_name)["Table"][
                "TableSizeBytes"
            ]
            // 4096
        )
        / 2
    )
    code, out, _ = doctor("doctor", "--max-rcu", 1)
    assert (code, checks(out)) == (0, dict.fromkeys(NAMES, "OK"))
    assert "as DynamoDB counted it up to six hours ago" in out
    assert f"  a scan takes {units:,g} read units\n" in out
    assert "at least, at most 1 units a second\n" in out
    assert "unknown: nothing limits its rate" in doctor("doctor")[1]


def test_the_rate_is_the_options_else_the_notebooks_else_the_settings(doctor, tmp_path):
    declared = notebook(parameters=PARAMETERS + "max_rcu: int = 0")
    write_notebooks(tmp_path / "notebooks", extract=declared)
    for words in (["--max-rcu", 2, "-p", "max_rcu=3"], ["-p", "max_rcu=2"]):
        assert "at most 2 units a second\n" in doctor("doctor", *words, CAT_MAX_RCU="4")[1]
    assert "at most 4 units a second\n" in doctor("doctor", CAT_MAX_RCU="4")[1]
    code, out, _ = doctor("doctor", "-p", "max_rcu=-1")
    assert (code, checks(out)["parameters"]) == (2, "problem: max_rcu: -1 is not within 0 to 1000000")


def test_nothing_is_started_and_nothing_is_left(doctor, aws, tmp_path):
    before = sorted(path.name for path in tmp_path.iterdir())
    s3 = aws.client("s3")
    objects = s3.list_objects_v2(Bucket=aws.settings.bucket).get("Contents")
    assert doctor("doctor")[0] == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert s3.list_objects_v2(Bucket=aws.settings.bucket).get("Contents") == objects
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=aws.settings.bucket)


@pytest.mark.parametrize(
    ("words", "code", "problems"),
    [
        ([], 1, {"bucket"}),
        (["--run-date", "2999-01-01"], 2, {"bucket", "dates"}),
        (["--run-date", "2999-01-01", "--local"], 2, {"dates"}),
    ],
)
def test_doctor_finds_what_a_run_is_refused_for(doctor, tmp_path, words, code, problems):
    ended, out, _ = doctor("doctor", *words, **BROKEN)
    assert ended == code
    assert {name for name, status in checks(out).items() if status != "OK"} == problems
    refused, _, err = doctor("run", *words, **BROKEN)
    assert refused == code
    for line in err.splitlines()[1:]:
        name, _, problem = line.strip().partition(": ")
        assert f"{name:11}  problem: {problem}\n" in out
    assert not (tmp_path / "runs").exists()


def test_without_credentials_what_takes_them_is_not_checked(doctor, monkeypatch, aws, call):
    none = {"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}
    for name in aws.child_environment({}):
        monkeypatch.delenv(name, raising=False)
    code, out, _ = call("doctor", AWS_EC2_METADATA_DISABLED="true", **none)
    assert code == 1
    found = checks(out)
    assert found["credentials"].startswith("problem: Unable to locate credentials; give boto3 credentials")
    assert found["table"] == found["bucket"] == "not checked: it takes credentials"


def test_with_input_files_no_table_is_asked_for(doctor, items, tmp_path):
    write_notebooks(tmp_path / "notebooks", extract=notebook(parameters=PARAMETERS + "input: list = []"))
    code, out, _ = doctor("doctor", "--input", items, "--publish", DYNAMODB_TABLE_NAME="nowhere")
    assert (code, set(checks(out))) == (0, set(NAMES) - {"table"})
