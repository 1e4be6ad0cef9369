"""A run that fails: the first failure comes first, with what to try; record and report are written."""

import json

import pytest

from faults import refusing
from faults.kit import PARAMETERS, notebook

SCANS = """
from cat_lab.workspace import open_workspace
open_workspace("extract", False, run_date, work_dir).extract(1, 1)
"""
RAISES = "from cat_normalize.core import errors\nraise errors.{}"


def test_a_denied_scan_is_the_failure_although_collecting_the_outputs_fails_too(aws, project):
    project.write(query=notebook(SCANS))
    scans = []

    def denied(method, path, body):
        scan = b"TotalSegments" in body
        scans.append(scan)
        return scan or (any(scans) and "/manifests/" in path)

    with refusing.denying(aws.endpoint, denied) as endpoint:
        project.env["AWS_ENDPOINT_URL"] = endpoint
        done = project.run("--run-id", "r")
    assert done.returncode == 1
    shown = done.stderr.splitlines()
    at = shown.index(
        "cat-normalize: run r failed in query, code cell 3 of 3, under 'Heading', in runs/r/04_query.ipynb:"
    )
    first, advice, later, *rest = shown[at + 1 :]
    assert first.startswith("ExtractError: table cat-prod-catia-conversations-table could not be scanned")
    assert "AccessDeniedException" in first
    assert advice == "What to try:  have dynamodb:Scan granted to these credentials"
    assert later.startswith("Later error:  collecting the outputs: ")
    assert "HeadObject" in later
    assert [each.split()[-1] for each in rest[:2]] == ["runs/r/manifest.json", "runs/r/report.html"]
    assert rest[2:] == ["To resume:    cat-normalize run --run-id r --from query"]
    assert "run    r: failed" in done.stdout
    failure = project.record()["failure"]
    assert (failure["stage"], failure["cell"], failure["heading"]) == ("query", 3, "Heading")
    report = (project.runs / "r" / "report.html").read_text()
    assert (
        report.index("AccessDeniedException")
        < report.index("dynamodb:Scan granted")
        < report.index("HeadObject")
    )


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("AllRejectedError('all 22 items were rejected')", 4),
        ("ShrunkError('1 user where there were 346')", 4),
        ("FutureDateError('2999 has not come yet')", 2),
        ("SettingsError('no')", 2),
        ("ExtractError('no')", 1),
    ],
)
def test_the_error_of_a_cell_decides_the_exit_code_before_too_many_rejects(aws, project, error, code):
    key = "manifests/etl-process1/20250915.json"
    body = json.dumps({"summary": {"rejected": 22, "items_read": 22}}).encode()
    aws.client("s3").put_object(Bucket=aws.settings.bucket, Key=key, Body=body)
    labelled = PARAMETERS + 'label: str = ""  # of the run\n'
    project.write(normalize=notebook(RAISES.format(error), parameters=labelled))
    words = ["--run-id", "r", "--run-date", "2025-09-15", "--max-rejects", "0"]
    done = project.run(*words, "-p", "normalize.label=x", "--json")
    aws.client("s3").delete_object(Bucket=aws.settings.bucket, Key=key)
    assert done.returncode == code
    assert json.loads(done.stdout)["failure"]["error"] == error.partition("(")[0]
    assert "-p normalize.label=x" in done.stderr


def test_the_rate_of_the_scan_reaches_the_notebook_and_the_resume_command(project):
    declared = PARAMETERS + "max_rcu: int = 0"
    project.write(extract=notebook("assert max_rcu == 0, max_rcu", parameters=declared))
    done = project.run("--run-id", "r", "--max-rcu", "7", "-p", "max_rcu=8")
    assert "AssertionError: 7" in done.stderr
    assert project.record()["parameters"]["extract"]["max_rcu"] == 7
    assert done.stderr.splitlines()[-1].endswith(" --from extract -p max_rcu=8 -p extract.max_rcu=7")


def test_the_printed_resume_command_works(project):
    project.write(extract=notebook("1 / 0", parameters=PARAMETERS + "name: str = ''"))
    done = project.run("--run-id", "r", "--runs", "my runs", "-p", "extract.name=a b", "--allow-shrink")
    line = done.stderr.splitlines()[-1].removeprefix("To resume:    cat-normalize run ")
    assert line == "--run-id r --from extract --runs 'my runs' -p 'extract.name=a b' --allow-shrink"
    project.write(extract=notebook("print(name)", parameters=PARAMETERS + "name: str = ''"))
    again = project.run("--run-id", "r", "--from", "extract", "--runs", "my runs", "-p", "extract.name=a b")
    assert again.returncode == 0, again.stderr
    assert json.loads((project.folder / "my runs/r/manifest.json").read_text())["status"] == "done"


def test_a_copy_that_cannot_be_written_is_a_failure_that_names_the_cell(project):
    lose = "import pathlib, shutil\nfolder = pathlib.Path(work_dir)\nshutil.rmtree(folder)\nfolder.touch()"
    project.write(extract=notebook(lose))
    done = project.run("--run-id", "r")
    assert done.returncode == 1
    assert "cat-normalize: run r failed in extract, code cell 3 of 3" in done.stderr
    assert "Traceback" not in done.stderr


DAMAGED = {
    "empty": b"",
    "cut": b'{"run_id": "x", "stages": {',
    "another's": b'{"version": 3}',
    "a list": b"[]",
    "null": b"null",
    "not UTF-8": b"\xff\xfe",
    "deep": b"[" * 100_000,
    "no day": b'{"run_date": "x", "local": true, "status": "done", "started_at": "", "stages": {}}',
    "no stages": b'{"run_date": "2025-09-15", "local": true, "status": "running", "started_at": ""}',
}


@pytest.fixture
def damaged(project):
    for number, text in enumerate(DAMAGED.values()):
        folder = project.runs / f"d{number}"
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_bytes(text)
    (project.runs / "folder" / "manifest.json").mkdir(parents=True)
    return project


def test_damaged_records_of_other_runs_are_skipped(damaged):
    assert damaged.run("--run-id", "r").returncode == 0
    onward = damaged.run("--from", "query")
    assert onward.returncode == 0, onward.stderr
    assert onward.stderr.count("it is skipped") == len(DAMAGED) + 1
    assert "run r, into runs/r" in onward.stderr


def test_a_damaged_record_of_the_run_to_resume_is_named(damaged):
    for number in range(len(DAMAGED)):
        done = damaged.run("--from", "query", "--run-id", f"d{number}")
        assert done.returncode == 2
        assert f"runs/d{number}/manifest.json cannot be read as the record of a run" in done.stderr
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "ways"),
    [
        ("AllRejectedError", ["To resume:    cat-normalize run --run-id r --from extract"]),
        (
            "ShrunkError",
            [
                "To resume:    cat-normalize run --run-id r --from extract",
                "To publish:   cat-normalize run --run-id r --from normalize --allow-shrink",
            ],
        ),
    ],
)
def test_a_run_refused_by_the_guard_resumes_from_extract(project, error, ways):
    project.write(normalize=notebook(f"from cat_normalize.core.errors import {error}\nraise {error}('few')"))
    done = project.run("--run-id", "r")
    assert done.returncode == 4
    assert done.stderr.splitlines()[-len(ways) :] == ways
