"""The first run of a new user: one command, nothing configured, no Java; then resuming it."""

import csv
import hashlib
import json
import os
import re
import shutil
import subprocess
from datetime import date, datetime
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from cat_normalize.core.schema import COLUMNS, USERS
from faults.kit import COMMAND, STAGES

NOTEBOOKS = Path(__file__).parents[3] / "notebooks"
KEYS = [
    "manifests/etl-process1/20250915.json",
    "manifests/etl-process2/20250915.json",
    "rejects/etl-process1/data_20250915.jsonl",
    "reports/etl-process1/data_20250915.csv",
    "reports/etl-process2/data.parquet",
    "reports/conversations/data.parquet",
    "reports/messages/data.parquet",
]
CSV, PARQUET, OTHERS = KEYS[3], KEYS[4], KEYS[5:]
NAMES = [f"0{n}_{stage}.ipynb" for n, stage in enumerate(STAGES, 1)]


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """An environment without settings: a home, and a PATH without Java; of a cell in JupyterLab."""
    home = tmp_path_factory.mktemp("home")
    (home / "bin").mkdir()
    for folder in ("/bin", "/usr/bin"):
        for tool in Path(folder).iterdir():
            if not tool.name.startswith("java") and not (home / "bin" / tool.name).is_symlink():
                (home / "bin" / tool.name).symlink_to(tool)
    made = {"HOME": str(home), "PATH": str(home / "bin"), "LANG": "C.UTF-8"}
    made |= {"CAT_NORMALIZE_LAB": "1", "JPY_SESSION_NAME": "own.ipynb"}
    assert shutil.which("java", path=made["PATH"]) is None
    return made | ({"PYTHONPATH": os.environ["PYTHONPATH"]} if "PYTHONPATH" in os.environ else {})


def run(folder, env, *words):
    return subprocess.run(
        [*COMMAND, "run", *words],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


@pytest.fixture(scope="module")
def first(bare, tmp_path_factory):
    """A folder with the copied notebooks and one run in it."""
    folder = tmp_path_factory.mktemp("first")
    shutil.copytree(NOTEBOOKS, folder / "notebooks", ignore=shutil.ignore_patterns("runs", ".*"))
    line = ["--local", "--run-id", "r", "--run-date", "2025-09-15", "--notebooks", "notebooks"]
    done = run(folder, bare, *line)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, done


@pytest.fixture(scope="module")
def resumed(bare, first, tmp_path_factory):
    """A copy of that folder, resumed from the second stage under another rule."""
    folder = tmp_path_factory.mktemp("resumed") / "project"
    shutil.copytree(first[0], folder)
    done = run(folder, bare, "--from", "normalize", "-p", "normalize.since=2025-08-18", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "runs" / "r", done


@pytest.fixture(scope="module")
def result(first):
    return first[0] / "runs" / "r"


def record(folder):
    return json.loads((folder / "manifest.json").read_text())


def csv_rows(path):
    """The CSV by Python's own reader, typed as the columns are declared."""
    csv.field_size_limit(1 << 30)
    read = {
        "string": str,
        "int": int,
        "date": lambda text: datetime.strptime(text, "%d/%m/%Y").date(),
    }
    with path.open(newline="", encoding="utf-8") as stream:
        header, *records = csv.reader(stream, strict=True)
    assert header == [column.name for column in COLUMNS]
    return [
        tuple(read[column.kind](text) if text else None for column, text in zip(COLUMNS, each, strict=True))
        for each in records
    ]


def test_it_prints_the_result_and_what_to_open_next(first):
    _, done = first
    assert re.search(r"^run +r: done$", done.stdout, re.MULTILINE)
    assert re.search(r"^users +[1-9]\d*$", done.stdout, re.MULTILINE)
    assert re.search(r"^Open next: runs/r/report\.html$", done.stdout, re.MULTILINE)
    assert len(done.stdout.splitlines()) < 20
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == ["run r, into runs/r", *STAGES]


def test_four_executed_notebooks(result):
    for name in NAMES:
        cells = json.loads((result / name).read_text())["cells"]
        code = [cell for cell in cells if cell["cell_type"] == "code"]
        assert {cell["metadata"]["papermill"]["status"] for cell in code} == {"completed"}
        assert any(cell["outputs"] for cell in code)


def test_the_sources_are_not_written_to(first):
    folder, _ = first
    sources = sorted(path.name for path in NOTEBOOKS.glob("*.ipynb"))
    assert sorted(path.name for path in (folder / "notebooks").iterdir()) == sources
    for name in sources:
        assert (folder / "notebooks" / name).read_bytes() == (NOTEBOOKS / name).read_bytes()
    assert sorted(path.name for path in folder.iterdir()) == ["notebooks", "runs"]


@pytest.mark.parametrize("name", ["report.html", "details.html"])
def test_the_pages_open_without_a_network(result, name):
    page = (result / name).read_text()
    loaded = re.findall(r"""<(?!a\b)[^>]*\b(?:src|href)\s*=\s*["']?([^"'\s>]{,40})""", page)
    assert all(each.startswith("data:image/svg+xml;base64,") for each in loaded)
    assert "<script" not in page


def test_the_details_show_the_charts_of_the_notebooks_first(result):
    page = (result / "details.html").read_text()
    assert page.count("<img") >= 5
    assert page.index("<img") < page.index("01_extract.ipynb</h2>")


def test_the_record_is_done_and_holds_both_manifests(result):
    found = record(result)
    assert (found["status"], found["run_id"], found["run_date"], found["local"]) == (
        "done",
        "r",
        "2025-09-15",
        True,
    )
    assert {entry["status"] for entry in found["stages"].values()} == {"done"}
    assert list(found["stages"]) == list(STAGES)
    for process in (1, 2):
        stored = (result / "bucket" / f"manifests/etl-process{process}/20250915.json").read_text()
        assert found["outputs"][f"etl-process{process}"] == json.loads(stored)


def test_checksums_are_those_of_the_bucket(result):
    outputs = [each for one in record(result)["outputs"].values() for each in one["outputs"]]
    assert [each["uri"].partition("//")[2].partition("/")[2] for each in outputs] == [
        KEYS[2],
        CSV,
        PARQUET,
        *OTHERS,
    ]
    for each in outputs:
        body = (result / "bucket" / each["uri"].split("/", 3)[3]).read_bytes()
        assert (len(body), hashlib.sha256(body).hexdigest()) == (each["bytes"], each["sha256"])


def test_the_bucket_holds_the_contracts_keys_and_no_more(result):
    files = [path for path in (result / "bucket").rglob("*") if path.is_file()]
    found = sorted(str(path.relative_to(result / "bucket")) for path in files)
    assert found == sorted([*KEYS, "_metadata.json"])


def test_nothing_is_lost_and_every_reason_is_seen(result):
    summary = record(result)["outputs"]["etl-process1"]["summary"]
    ends = ("conversations", "feedback", "registrations", "filtered", "rejected")
    assert summary["items_read"] == sum(summary[name] for name in ends)
    rejects = [json.loads(line) for line in (result / "rejects.jsonl").read_bytes().splitlines()]
    assert len(rejects) == summary["rejected"] == sum(summary["rejected_by_reason"].values())
    assert {each["reason"] for each in rejects} == set(summary["rejected_by_reason"])
    assert (result / "rejects.jsonl").read_bytes() == (result / "bucket" / KEYS[2]).read_bytes()


def test_parquet_read_by_pyarrow_equals_the_csv(result):
    table = pq.read_table(result / "bucket" / PARQUET)
    assert table.schema.equals(USERS.arrow_schema())
    expected = csv_rows(result / "bucket" / CSV)
    assert [tuple(row.values()) for row in table.to_pylist()] == expected
    assert len(expected) == record(result)["outputs"]["etl-process1"]["summary"]["users"]
    metadata = pq.read_metadata(result / "bucket" / PARQUET)
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    assert {group.column(at).compression for group in groups for at in range(12)} == {"ZSTD"}


def test_parquet_read_by_duckdb_equals_the_csv(result):
    with duckdb.connect() as database:
        path = str(result / "bucket" / PARQUET)
        found = database.execute("SELECT * FROM read_parquet(?, file_row_number = true)", [path])
        assert [column[0] for column in found.description] == [c.name for c in COLUMNS] + ["file_row_number"]
        rows = sorted(found.fetchall(), key=lambda row: row[-1])
        types = database.execute("SELECT column_type FROM (DESCRIBE SELECT * FROM read_parquet(?))", [path])
        wanted = {"string": "VARCHAR", "int": "INTEGER", "date": "DATE"}
        assert [kind for (kind,) in types.fetchall()] == [wanted[column.kind] for column in COLUMNS]
    assert [row[:-1] for row in rows] == csv_rows(result / "bucket" / CSV)


def test_the_copies_in_the_run_are_the_published_ones(result):
    assert (result / "data_20250915.csv").read_bytes() == (result / "bucket" / CSV).read_bytes()
    assert (result / "data.parquet").read_bytes() == (result / "bucket" / PARQUET).read_bytes()


def test_resuming_keeps_the_earlier_stages_and_applies_new_parameters(first, resumed, result):
    again, done = resumed
    after, before = record(again), record(result)
    assert json.loads(done.stdout) == after | {"folder": "runs/r"}
    assert (after["status"], after["run_id"], after["run_date"]) == ("done", "r", "2025-09-15")
    assert after["stages"]["extract"] == before["stages"]["extract"]
    assert after["parameters"]["normalize"]["since"] == "2025-08-18"
    for path in sorted((result / "raw").iterdir()):
        assert (again / "raw" / path.name).read_bytes() == path.read_bytes()
    summary, earlier = (each["outputs"]["etl-process1"]["summary"] for each in (after, before))
    assert summary["filtered"] > 0
    assert summary["items_read"] == earlier["items_read"]
    assert summary["conversations"] + summary["filtered"] == earlier["conversations"]
    days = [row[4] for row in csv_rows(again / "bucket" / CSV) if row[4]]
    assert min(days) >= date(2025, 8, 18)
    table = pq.read_table(again / "bucket" / PARQUET)
    assert [tuple(row.values()) for row in table.to_pylist()] == csv_rows(again / "bucket" / CSV)


def test_the_last_stage_alone_can_be_run_again(bare, resumed):
    again, _ = resumed
    before = {key: (again / "bucket" / key).read_bytes() for key in KEYS}
    done = run(again.parents[1], bare, "--from", "query", "-p", "top=3")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == ["run r, into runs/r", "query"]
    assert {key: (again / "bucket" / key).read_bytes() for key in KEYS} == before
    assert record(again)["parameters"]["query"]["top"] == 3
    assert list(record(again)["outputs"]) == ["etl-process1", "etl-process2"]
