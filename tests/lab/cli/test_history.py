"""The commands of earlier runs: what they print, and their exit codes."""

import json
import shlex

import pytest
from typer.main import get_command

from cat_lab.cli.entry import app
from cat_lab.runs import Failure
from faults.kit import write_notebooks
from lab.runs.past import manifests, write_run


@pytest.fixture
def past(tmp_path, monkeypatch):
    """A folder with a run that is done, one that failed after it, and a damaged record."""
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path / "runs", "good", 0, outputs=manifests(434, 7))
    failure = Failure(
        stage="normalize", error="ShrunkError", text="few", notebook="n", cell=3, cells=9, heading="H",
        advice="look at the table",
    )  # fmt: skip
    folder = write_run(tmp_path / "runs", "bad", 5, status="failed", failure=failure)
    record = json.loads((folder / "manifest.json").read_text())
    for stage in ("normalize", "convert", "query"):
        record["stages"][stage]["status"] = "failed" if stage == "normalize" else "pending"
    record["parameters"] = {"extract": {"segments": 2}, "normalize": {"allow_shrink": False, "run_date": "x"}}
    (folder / "manifest.json").write_text(json.dumps(record))
    (tmp_path / "runs" / "broken").mkdir()
    (tmp_path / "runs" / "broken" / "manifest.json").write_text("{")
    return tmp_path / "runs"


def test_runs_are_listed_newest_first_and_a_damaged_record_is_named(past, call):
    code, out, err = call("runs", "list")
    head, *rows, last = out.splitlines()
    assert (code, err) == (0, "")
    assert head.split() == ["run", "day", "status", "where", "users", "rejected", "seconds"]
    assert [row.split() for row in rows] == [
        ["bad", "2025-09-15", "failed", "local", "-", "-", "45"],
        ["good", "2025-09-15", "done", "local", "434", "-", "45"],
    ]
    assert last.startswith("runs/broken/manifest.json cannot be read as the record of a run")
    found = json.loads(call("runs", "list", "--json")[1])
    assert [each["run_id"] for each in found["runs"]] == ["bad", "good"]
    assert found["damaged"] == [last]


def test_a_folder_without_runs_is_no_error(tmp_path, call):
    assert call("runs", "list", "--runs", tmp_path) == (0, "", f"no runs in {tmp_path}\n")
    assert json.loads(call("runs", "list", "--runs", tmp_path, "--json")[1]) == {"runs": [], "damaged": []}
    assert call("runs", "clean", "--keep", 0, "--runs", tmp_path)[:2] == (0, "0 runs removed, 0 bytes\n")


def test_a_run_that_is_done_is_shown_with_its_durations_and_outputs(past, call):
    code, out, _ = call("runs", "show", "good")
    assert code == 0
    assert "  convert    done         30 s\n" in out
    assert "s3://b/reports/etl-process1/data_20250915.csv  7 bytes, sha256 000" in out
    assert "To resume" not in out
    assert json.loads(call("runs", "show", "good", "--json")[1])["seconds"] == 45


def test_a_failed_run_is_shown_with_what_to_try_and_how_to_resume(past, call):
    code, out, _ = call("runs", "show", "bad")
    assert code == 0
    assert "run bad failed in normalize, code cell 3 of 9, under 'H', in n:\nShrunkError: few\n" in out
    assert "What to try:  look at the table\n" in out
    resume, publish = (line for line in out.splitlines() if line.startswith("To "))
    options = "-p normalize.allow_shrink=false"
    assert resume == f"To resume:    cat-normalize run --run-id bad --from extract {options}"
    assert publish == (
        f"To publish:   cat-normalize run --run-id bad --from normalize {options} --allow-shrink"
    )
    found = json.loads(call("runs", "show", "bad", "--json")[1])
    assert [found["resume"], found["publish"]] == [resume[14:], publish[14:]]
    words = shlex.split(resume[14:])[2:]
    assert get_command(app).commands["run"].make_context("run", words).params["start"] == "extract"


def test_what_differs_between_the_two_latest_runs(past, call):
    code, out, _ = call("runs", "diff")
    assert code == 0
    assert out.startswith("good  bad\n")
    assert "  status                  done -> failed\n" in out
    assert call("runs", "diff", "good")[1] == out
    assert call("runs", "diff", "bad", "good")[1].startswith("bad  good\n")
    write_run(past, "more", 9, outputs=manifests(430, 7))
    assert "  etl-process1.users  434 -> 430  (-4)\n" in call("runs", "diff", "good", "more")[1]
    found = json.loads(call("runs", "diff", "good", "more", "--json")[1])
    assert found == {"runs": ["good", "more"], "differences": {"counts": {"etl-process1.users": [434, 430]}}}
    write_run(past, "same", 9, outputs=manifests(430, 7))
    assert call("runs", "diff", "more", "same")[1] == "more  same\nnothing differs\n"


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["show", "none"], 2, "no run 'none' in runs"),
        (["show", "broken"], 1, "runs/broken/manifest.json cannot be read"),
        (["diff", "good", "good"], 2, "takes two runs"),
        (["diff", "good", "none"], 2, "no run 'none' in runs"),
        (["diff", "--runs", "none"], 2, "a comparison takes two runs, and none has 0"),
        (["clean"], 2, "--keep"),
        (["clean", "--keep", "-1"], 2, "--keep"),
    ],
)
def test_what_cannot_be_is_refused(past, call, words, code, message):
    ended, out, err = call("runs", *words)
    assert (ended, out) == (code, "")
    assert message in err
    assert len(list(past.iterdir())) == 3


def test_clean_prints_what_it_removed(past, call):
    taken = (past / "good" / "manifest.json").stat().st_size
    lines = f"good  {taken:,} bytes\n1 run {{}}, {taken:,} bytes\n"
    assert call("runs", "clean", "--keep", 1, "--dry-run") == (0, lines.format("would be removed"), "")
    assert (past / "good").exists()
    assert call("runs", "clean", "--keep", 1) == (0, lines.format("removed"), "")
    assert sorted(path.name for path in past.iterdir()) == ["bad", "broken"]


def test_a_record_keeps_its_options_when_the_runs_are_elsewhere(past, call):
    write_notebooks(past.parent / "notebooks")
    out = call("runs", "show", "bad", "--runs", f"{past}")[1]
    assert f" --from extract --runs {past} -p" in out
