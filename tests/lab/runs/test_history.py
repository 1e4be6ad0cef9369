"""Looking back on runs: their order, what they took, which are removed, in what they differ."""

import json

import pytest

from cat_lab.runs.differences import differences
from cat_lab.runs.history import expected_seconds, find_run, find_runs, oldest_beyond, remove, size
from cat_lab.runs.locks import lock
from cat_normalize.core.errors import UsageError
from faults.kit import notebook
from lab.runs.past import manifests, write_run


def names(runs):
    return [run.name for run in runs]


def test_the_newest_run_is_first_whatever_its_name(tmp_path):
    for minute, name in enumerate("cab"):
        write_run(tmp_path, name, minute)
    (tmp_path / "a" / "manifest.json").write_text("{")
    found, (error,) = find_runs(tmp_path)
    assert names(found) == ["b", "c"]
    assert "a/manifest.json cannot be read" in str(error)


def test_a_killed_run_is_interrupted_and_its_record_stays(tmp_path):
    folder = write_run(tmp_path, "r", status="running")
    before = (folder / "manifest.json").read_bytes()
    assert find_run(tmp_path, "r").record.status == "interrupted"
    with lock(folder):
        assert find_run(tmp_path, "r").record.status == "running"
    assert (folder / "manifest.json").read_bytes() == before


@pytest.mark.parametrize("name", ["none", "..", "../r", "empty", "."])
def test_a_name_of_no_run_is_refused(tmp_path, name):
    write_run(tmp_path, "r")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="`cat-normalize runs list` lists them"):
        find_run(tmp_path, name)


def test_expected_is_the_median_of_the_five_latest_of_the_same_kind(tmp_path):
    for minute, took in enumerate([59, 1, 2, 7, 3, 4]):  # the first is too old
        write_run(tmp_path, f"r{minute}", minute, seconds=(took, 0, 0, 0))
    write_run(tmp_path, "aws", 10, seconds=(50, 0, 0, 0), local=False)
    write_run(tmp_path, "input", 11, seconds=(40, 0, 0, 0), parameters={"extract": {"input": ["a"]}})
    assert expected_seconds(tmp_path, "local")["extract"] == 3
    assert expected_seconds(tmp_path, "AWS")["extract"] == 50
    assert expected_seconds(tmp_path, "input")["extract"] == 40
    assert expected_seconds(tmp_path / "none", "AWS") == {}


def test_a_stage_that_failed_says_nothing_of_how_long_it_takes(tmp_path):
    folder = write_run(tmp_path, "r")
    record = json.loads((folder / "manifest.json").read_text())
    record["stages"]["convert"]["status"] = "failed"
    (folder / "manifest.json").write_text(json.dumps(record))
    assert expected_seconds(tmp_path, "local") == {"extract": 4, "normalize": 2, "query": 9}


def test_the_oldest_runs_that_have_ended_are_removed_and_nothing_else(tmp_path):
    runs, elsewhere = tmp_path / "runs", tmp_path / "elsewhere"
    for minute, name in enumerate(["oldest", "failed", "killed", "new"]):
        status = {"failed": "failed", "killed": "running"}.get(name, "done")
        write_run(runs, name, minute + 10, status=status)
    at_work = write_run(runs, "at-work", 0, status="running")
    write_run(elsewhere, "linked", 1)
    (runs / "linked").symlink_to(elsewhere / "linked")
    (runs / "explore").mkdir()
    (runs / "damaged").mkdir()
    (runs / "damaged" / "manifest.json").write_text("{}")
    with lock(at_work):
        doomed = oldest_beyond(runs, 2)
        assert names(doomed) == ["oldest", "failed"]
        assert all(map(remove, doomed))
    stay = ["at-work", "damaged", "explore", "killed", "linked", "new"]
    assert sorted(path.name for path in runs.iterdir()) == stay
    assert (elsewhere / "linked" / "manifest.json").exists()
    assert oldest_beyond(runs, 9) == []


def test_a_run_that_was_resumed_meanwhile_is_not_removed(tmp_path):
    folder = write_run(tmp_path, "r")
    (run,) = oldest_beyond(tmp_path, 0)
    with lock(folder):
        assert not remove(run)
    assert (folder / "manifest.json").exists()


def test_the_bytes_of_a_folder_are_those_of_its_files(tmp_path):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "a").write_bytes(b"123")
    (tmp_path / "b").write_bytes(b"45")
    assert size(tmp_path) == 5


def test_runs_differ_in_parameters_counts_outputs_and_code_and_not_in_what_a_run_sets_itself(tmp_path):
    for name, users in (("a", 4), ("b", 5)):
        given = {"extract": {"work_dir": name, "segments": users}}
        folder = write_run(tmp_path, name, outputs=manifests(users, 7), parameters=given)
        (folder / "01_extract.ipynb").write_text(notebook(f"{users} + 1"))
        (folder / "02_normalize.ipynb").write_text(notebook("1 + 1"))
    found = differences(find_run(tmp_path, "a"), find_run(tmp_path, "b"))
    assert set(found) == {"parameters", "counts", "notebooks"}
    assert found["parameters"] == {"extract.segments": (4, 5)}
    assert found["counts"] == {"etl-process1.users": (4, 5)}
    assert list(found["notebooks"]) == ["01_extract.ipynb code sha256"]


def test_the_hash_of_parquet_is_no_difference(tmp_path):
    for name in ("a", "b"):
        made = {"uri": "s3://b/reports/etl-process2/data.parquet", "bytes": 7, "sha256": name}
        write_run(tmp_path, name, outputs={"etl-process2": {"source": "s3://b/c", "outputs": [made]}})
    assert differences(find_run(tmp_path, "a"), find_run(tmp_path, "b")) == {}


def test_outputs_of_two_days_are_compared_and_a_manifest_of_one_run_is_one_difference(tmp_path):
    write_run(tmp_path, "a", outputs=manifests(4, 7))
    write_run(tmp_path, "b", outputs=manifests(4, 8))
    found = differences(find_run(tmp_path, "a"), find_run(tmp_path, "b"))
    name = "reports/etl-process1/data_YYYYMMDD.csv"
    assert found == {
        "outputs": {f"{name} bytes": (7, 8), f"{name} sha256": (f"{7:064}", f"{8:064}")},
    }
    write_run(tmp_path, "c")
    assert differences(find_run(tmp_path, "a"), find_run(tmp_path, "c")) == {
        "run": {"etl-process1": ("published", None)}
    }
