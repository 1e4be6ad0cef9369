"""A run that fails: the first failure is told first, with what to try; record and report are there."""

import json

import pytest

from faults import refusing
from faults.kit import PARAMETERS, notebook

SCANS = """
from cat_lab.workspace import open_workspace
open_workspace("extract", False, run_date, work_dir).extract(1, 1)
"""
RAISES = "from cat_normalize import errors\nraise errors.{}"


def test_a_denied_scan_is_what_is_shown_though_collecting_fails_too(aws, bench):
    bench.write(extract=notebook(SCANS))
    lists = []

    def denied(method, path, body):
        scan = b"TotalSegments" in body
        lists.append(scan)
        return scan or (any(lists) and "list-type=2" in path)

    with refusing.denying(aws.endpoint, denied) as endpoint:
        bench.env["AWS_ENDPOINT_URL"] = endpoint
        done = bench.run("--run-id", "r")
    assert done.returncode == 1
    shown = done.stderr.splitlines()
    at = shown.index(
        "cat-normalize: run r failed in extract, "
        "code cell 3 of 3, under 'Heading', in runs/r/01_extract.ipynb:"
    )
    first, what, after, *rest = shown[at + 1 :]
    assert first.startswith("ExtractError: table cat-prod-catia-conversations-table could not be scanned")
    assert "AccessDeniedException" in first
    assert what == "What to try:  have dynamodb:Scan granted to these credentials"
    assert after.startswith("After that:   collecting what the stages left: ")
    assert "ListObjectsV2" in after
    assert [each.split()[-1] for each in rest[:2]] == ["runs/r/manifest.json", "runs/r/report.html"]
    assert rest[2:] == ["To go on:     cat-normalize run --run-id r --from extract"]
    assert "run        r: failed" in done.stdout
    failure = bench.record()["failure"]
    assert (failure["stage"], failure["cell"], failure["heading"]) == ("extract", 3, "Heading")
    report = (bench.runs / "r" / "report.html").read_text()
    assert (
        report.index("AccessDeniedException")
        < report.index("dynamodb:Scan granted")
        < report.index("ListObjectsV2")
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
def test_the_error_of_a_cell_is_the_runs_exit_code_before_that_of_too_many_rejects(aws, bench, error, code):
    key = "manifests/etl-process1/20250915.json"
    body = json.dumps({"summary": {"rejected": 22, "items_read": 22}}).encode()
    aws.client("s3").put_object(Bucket=aws.settings.bucket, Key=key, Body=body)
    labelled = PARAMETERS + 'label: str = ""  # of the run\n'
    bench.write(normalize=notebook(RAISES.format(error), parameters=labelled))
    words = ["--run-id", "r", "--run-date", "2025-09-15", "--max-rejects", "0"]
    done = bench.run(*words, "-p", "normalize.label=x", "--json")
    aws.client("s3").delete_object(Bucket=aws.settings.bucket, Key=key)
    assert done.returncode == code
    assert json.loads(done.stdout)["failure"]["error"] == error.partition("(")[0]
    assert "-p normalize.label=x" in done.stderr


def test_the_command_that_goes_on_does(bench):
    bench.write(extract=notebook("1 / 0", parameters=PARAMETERS + "name: str = ''"))
    done = bench.run("--run-id", "r", "--runs", "my runs", "-p", "extract.name=a b", "--allow-shrink")
    line = done.stderr.splitlines()[-1].removeprefix("To go on:     cat-normalize run ")
    assert line == "--run-id r --from extract --runs 'my runs' -p 'extract.name=a b' --allow-shrink"
    bench.write(extract=notebook("print(name)", parameters=PARAMETERS + "name: str = ''"))
    again = bench.run("--run-id", "r", "--from", "extract", "--runs", "my runs", "-p", "extract.name=a b")
    assert again.returncode == 0, again.stderr
    assert json.loads((bench.folder / "my runs/r/manifest.json").read_text())["status"] == "done"


def test_a_copy_that_cannot_be_written_is_a_failure_with_its_place(bench):
    lose = "import pathlib, shutil\nfolder = pathlib.Path(work_dir)\nshutil.rmtree(folder)\nfolder.touch()"
    bench.write(extract=notebook(lose))
    done = bench.run("--run-id", "r")
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
def damaged(bench):
    for number, text in enumerate(DAMAGED.values()):
        folder = bench.runs / f"d{number}"
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_bytes(text)
    (bench.runs / "folder" / "manifest.json").mkdir(parents=True)
    return bench


def test_damaged_records_of_others_stop_no_run_and_are_passed_over(damaged):
    assert damaged.run("--run-id", "r").returncode == 0
    onward = damaged.run("--from", "query")
    assert onward.returncode == 0, onward.stderr
    assert onward.stderr.count("it is passed over") == len(DAMAGED) + 1
    assert "run r, into runs/r" in onward.stderr


def test_a_damaged_record_that_is_asked_for_is_named(damaged):
    for number in range(len(DAMAGED)):
        done = damaged.run("--from", "query", "--run-id", f"d{number}")
        assert done.returncode == 2
        assert f"runs/d{number}/manifest.json cannot be read" in done.stderr
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "ways"),
    [
        ("AllRejectedError", ["To go on:     cat-normalize run --run-id r --from extract"]),
        (
            "ShrunkError",
            [
                "To go on:     cat-normalize run --run-id r --from extract",
                "Or so few:    cat-normalize run --run-id r --from normalize --allow-shrink",
            ],
        ),
    ],
)
def test_after_the_guard_the_items_are_extracted_again(bench, error, ways):
    bench.write(normalize=notebook(f"from cat_normalize.core.errors import {error}\nraise {error}('few')"))
    done = bench.run("--run-id", "r")
    assert done.returncode == 4
    assert done.stderr.splitlines()[-len(ways) :] == ways
