"""Run records: the JSON keeps its names, order and form, and a file that is not a record is refused."""

import json
from datetime import date

import pytest

from cat_lab.runs import Failure, RunRecord, StageRecord, read_record
from cat_lab.runs.records import read_records, write_record
from cat_lab.stages import NOTEBOOKS
from cat_normalize.core.errors import InputError

FAILED = """{
 "run_id": "r",
 "run_date": "2025-09-15",
 "local": true,
 "status": "failed",
 "started_at": "2025-09-15T10:00:00+00:00",
 "parameters": {
  "extract": {
   "segments": 4,
   "input": []
  }
 },
 "stages": {
  "extract": {
   "notebook": "01_extract.ipynb",
   "status": "failed",
   "started_at": "2025-09-15T10:00:01+00:00",
   "finished_at": "2025-09-15T10:00:02+00:00",
   "error": "ValueError: ñ"
  },
  "normalize": {
   "notebook": "02_normalize.ipynb",
   "status": "pending"
  },
  "convert": {
   "notebook": "03_convert.ipynb",
   "status": "pending"
  },
  "query": {
   "notebook": "04_query.ipynb",
   "status": "pending"
  }
 },
 "outputs": {},
 "notes": [
  "collecting the outputs: KeyError: 'x'"
 ],
 "failure": {
  "stage": "extract",
  "error": "ValueError",
  "text": "ñ",
  "notebook": "01_extract.ipynb",
  "cell": 0,
  "cells": 3,
  "heading": "",
  "try": null
 },
 "finished_at": "2025-09-15T10:00:03+00:00"
}
"""


def record(**changed):
    values = {
        "run_id": "r",
        "run_date": date(2025, 9, 15),
        "local": False,
        "status": "running",
        "started_at": "2025-09-15T10:00:00+00:00",
        "stages": {stage: StageRecord(notebook=name, status="pending") for stage, name in NOTEBOOKS.items()},
    }
    return RunRecord(**values | changed)


def test_a_record_is_read_and_written_again_byte_for_byte(tmp_path):
    (tmp_path / "manifest.json").write_text(FAILED)
    write_record(tmp_path, read_record(tmp_path))
    assert (tmp_path / "manifest.json").read_text() == FAILED


def test_members_that_do_not_apply_are_left_out(tmp_path):
    write_record(tmp_path, record())
    written = json.loads((tmp_path / "manifest.json").read_text())
    assert list(written) == [
        *("run_id", "run_date", "local", "status", "started_at", "parameters", "stages", "outputs", "notes")
    ]
    assert written["stages"]["query"] == {"notebook": "04_query.ipynb", "status": "pending"}


def test_a_failure_outside_of_a_notebook_has_no_cell(tmp_path):
    write_record(tmp_path, record(failure=Failure(stage=None, error="OSError", text="e", advice="a")))
    written = json.loads((tmp_path / "manifest.json").read_text())
    assert written["failure"] == {"stage": None, "error": "OSError", "text": "e", "try": "a"}


def test_a_name_that_is_not_utf_8_is_written_as_an_escape_and_read_back(tmp_path):
    written = record(notes=["caf\udce9"])
    write_record(tmp_path, written)
    assert rb"caf\udce9" in (tmp_path / "manifest.json").read_bytes()
    assert read_record(tmp_path) == written


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status", "dead"),
        ("status", None),
        ("local", "true"),
        ("run_date", "soon"),
        ("started_at", 7),
        ("stages", {}),
        ("stages", {"extract": {"notebook": "01_extract.ipynb", "status": "done"}}),
        ("outputs", []),
        ("notes", "none"),
    ],
)
def test_a_record_with_a_wrong_member_is_refused(tmp_path, name, value):
    (tmp_path / "manifest.json").write_text(json.dumps(json.loads(FAILED) | {name: value}))
    with pytest.raises(InputError, match=r"manifest\.json cannot be read as the record of a run"):
        read_record(tmp_path)


def test_all_runs_are_read_in_the_order_of_their_names(tmp_path):
    for name in ("b", "a", "c"):
        (tmp_path / name).mkdir()
        write_record(tmp_path / name, record(run_id=name))
    (tmp_path / "b" / "manifest.json").write_text("{")
    (tmp_path / "empty").mkdir()
    (_, first), (folder, error), (_, last) = read_records(tmp_path)
    assert (first.run_id, folder, last.run_id) == ("a", tmp_path / "b", "c")
    assert isinstance(error, InputError)
