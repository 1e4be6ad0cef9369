"""Write the records of runs that are over."""

from datetime import date

from cat_lab.runs import RunRecord, StageRecord
from cat_lab.runs.records import write_record
from cat_lab.stages import NOTEBOOKS, STAGES

HOUR = "2025-09-15T10"


def write_run(runs, name, minute=0, seconds=(4, 2, 30, 9), status="done", **more):
    """Write the record of a run: the minute of its start, the seconds of its stages; return its folder."""
    folder = runs / name
    folder.mkdir(parents=True)
    stages = {
        stage: StageRecord(
            notebook=NOTEBOOKS[stage],
            status="done",
            started_at=f"{HOUR}:{minute:02}:00+00:00",
            finished_at=f"{HOUR}:{minute:02}:{took:02}+00:00",
        )
        for stage, took in zip(STAGES, seconds, strict=True)
    }
    values = {
        "run_id": name,
        "run_date": date(2025, 9, 15),
        "local": True,
        "status": status,
        "started_at": f"{HOUR}:{minute:02}:00+00:00",
        "finished_at": f"{HOUR}:{minute:02}:{sum(seconds):02}+00:00",
        "stages": stages,
    }
    write_record(folder, RunRecord(**values | more))
    return folder


def manifests(users, bytes_, day="20250915"):
    """What ETL-1 published, with so many users and so many bytes of CSV."""
    uri = f"s3://b/reports/etl-process1/data_{day}.csv"
    return {
        "etl-process1": {
            "source": "dynamodb://t",
            "settings": {"rules": {"since": None}},
            "summary": {"users": users, "rejected_by_reason": {"bad_key": 1}},
            "outputs": [{"uri": uri, "bytes": bytes_, "sha256": f"{bytes_:064}"}],
        }
    }
