"""Planning a run: which earlier run is resumed, from which stage, and with which parameters."""

from datetime import UTC, date, datetime

import pytest

from cat_lab.runs import RunRecord, StageRecord, make_plan
from cat_lab.runs.records import write_record
from cat_lab.stages import NOTEBOOKS, STAGES
from cat_normalize.core.errors import ParameterError, UsageError
from faults.kit import PARAMETERS, notebook, write_notebooks


@pytest.fixture
def planned(tmp_path):
    """Plan a run in a folder with four notebooks."""
    several = PARAMETERS + "top: int = 8\napi_token: str = ''\nallow_future: bool = False\n"
    items = PARAMETERS + "input: list = []  # item files\n"
    made = {"extract": notebook(parameters=items), "query": notebook(parameters=several)}
    write_notebooks(tmp_path / "notebooks", **made)

    def plan(run_id=None, start=None, local=False, run_date=None, given=None, allow=(), inputs=()):
        return make_plan(
            sources=tmp_path / "notebooks",
            runs=tmp_path / "runs",
            run_id=run_id,
            run_date=run_date,
            today=date(2025, 9, 16),
            start=start,
            local=local,
            given=given or {},
            now=datetime(2025, 9, 16, 12, tzinfo=UTC),
            allow=allow,
            inputs=inputs,
        )

    return plan


@pytest.fixture
def earlier(tmp_path):
    """Write the record of an earlier run, done or with the given statuses."""

    def write(run_id, started_at="2025-09-15T10:00:00+00:00", **statuses):
        folder = tmp_path / "runs" / run_id
        folder.mkdir(parents=True)
        stages = {
            stage: StageRecord(notebook=name, status=statuses.get(stage, "done"))
            for stage, name in NOTEBOOKS.items()
        }
        record = RunRecord(
            run_id=run_id,
            run_date=date(2025, 9, 15),
            local=True,
            status="done",
            started_at=started_at,
            stages=stages,
        )
        write_record(folder, record)
        return record

    return write


def test_a_new_run_has_all_stages_and_a_name_from_the_time(planned, tmp_path):
    plan = planned()
    assert (plan.run_id, plan.run_date) == ("20250916T120000Z", date(2025, 9, 16))
    assert (plan.stages, plan.earlier, plan.notes) == (STAGES, None, ())
    plan.folder.mkdir(parents=True)
    assert planned().run_id == "20250916T120000Z-2"


def test_the_latest_run_is_the_one_that_started_last_whatever_its_name(planned, earlier):
    earlier("z", "2025-09-13T10:00:00+00:00")
    latest = earlier("m", "2025-09-15T10:00:00+00:00")
    earlier("a", "2025-09-14T10:00:00+00:00")
    plan = planned(start="convert")
    assert (plan.run_id, plan.earlier) == ("m", latest)
    assert plan.stages == ("convert", "query")


def test_a_resumed_run_keeps_its_run_date_and_its_aws(planned, earlier):
    earlier("r")
    plan = planned(run_id="r", start="normalize", local=False)
    assert (plan.run_date, plan.local) == (date(2025, 9, 15), True)
    assert plan.parameters["query"]["run_date"] == "2025-09-15"
    with pytest.raises(UsageError, match="the run date of r is 2025-09-15, not 2025-09-14"):
        planned(run_id="r", start="normalize", run_date=date(2025, 9, 14))


@pytest.mark.parametrize("status", ["pending", "running", "failed", "interrupted"])
@pytest.mark.parametrize(("unfinished", "start"), [("extract", "normalize"), ("normalize", "query")])
def test_a_stage_after_an_unfinished_one_cannot_be_resumed(planned, earlier, status, unfinished, start):
    earlier("r", **{unfinished: status})
    with pytest.raises(UsageError, match=f"{unfinished} is {status} in .*: --from {unfinished}$"):
        planned(start=start)


@pytest.mark.parametrize("status", ["pending", "failed", "interrupted"])
def test_an_unfinished_stage_itself_can_be_resumed(planned, earlier, status):
    earlier("r", convert=status, query="pending")
    assert planned(start="convert").stages == ("convert", "query")


def test_allowed_parameters_are_set_where_they_are_declared(planned):
    plan = planned(allow=["allow_future"])
    assert [plan.parameters[stage].get("allow_future") for stage in STAGES] == [None, None, None, True]


def test_values_are_the_given_parameters_and_the_defaults_of_the_others(planned):
    plan = planned(given={"top": "3"})
    assert plan.parameters["query"]["top"] == plan.values["query"]["top"] == 3
    assert "api_token" not in plan.parameters["query"]
    assert plan.values["query"]["api_token"] == ""


@pytest.mark.parametrize("name", ["input", "extract.input", "run_date", "query.local", "work_dir"])
def test_what_the_run_sets_itself_is_no_parameter(planned, name):
    with pytest.raises(ParameterError, match=f"{name} is set by the run itself; give --"):
        planned(given={name: "['a.jsonl']"})


def test_the_input_is_given_to_the_first_stage_alone(planned):
    plan = planned(inputs=["a.jsonl", "b.jsonl"])
    assert plan.parameters["extract"]["input"] == ["a.jsonl", "b.jsonl"]
    assert not any("input" in plan.parameters[stage] for stage in STAGES[1:])
