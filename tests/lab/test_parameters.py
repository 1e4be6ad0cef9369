"""Impossible values of parameters are refused, all at once."""

import pytest

from cat_lab.parameters import RANGES, find_problems
from cat_lab.workspace import open_workspace
from cat_normalize.core.errors import ParameterError


@pytest.mark.parametrize("memory", ["512m", "1g", "2G", "1t"])
def test_memory_sizes_that_spark_and_java_accept(memory):
    assert find_problems({"memory": memory}) == []


@pytest.mark.parametrize(
    "memory", ["1", "1gb", "1x", "g", "-1g", "1 g", "1.5g", "0g", "511m", "1k", "١g", "1g\n"]
)
def test_memory_sizes_that_java_would_refuse_later(memory):
    (problem,) = find_problems({"memory": memory})
    assert problem.startswith("memory: ")


@pytest.mark.parametrize("name", RANGES)
def test_whole_numbers_within_their_ranges(name):
    least, most = RANGES[name]
    assert find_problems({name: least}) == find_problems({name: most}) == []
    for each in (least - 1, most + 1):
        assert find_problems({name: each}) == [f"{name}: {each} is not within {least} to {most}"]


def test_blank_values_and_unknown_names_are_not_checked():
    assert find_problems({"since": "", "exclude_cities": [], "colour": "blue"}) == []


def test_since_and_until():
    assert find_problems({"since": "2025-08-01", "until": "20250801"}) == []
    (problem,) = find_problems({"since": "2025-08-02", "until": "20250801"})
    assert "since 2025-08-02 is after until 2025-08-01" in problem


def test_open_workspace_reports_all_problems_at_once(tmp_path):
    wrong = {"since": "yesterday", "exclude_cities": ["(", 3], "time_zone": "Bogota"}
    with pytest.raises(ParameterError) as caught:
        open_workspace("normalize", False, "soon", str(tmp_path / "w"), **wrong)
    for part in ("run_date: 'soon'", "since: 'yesterday'", "'(' is not a regular", "'Bogota' is unknown"):
        assert part in str(caught.value)
    assert not (tmp_path / "w").exists()


def test_parameters_of_a_stage_are_checked_before_its_work(tmp_path):
    space = open_workspace("extract", False, "2025-09-15", str(tmp_path))
    for refused in (
        lambda: space.extract(segments=0),
        lambda: space.extract(count=513),
        lambda: space.extract(max_rcu=-1),
        lambda: space.normalize(workers=0),
        lambda: space.convert(memory="1x"),
    ):
        with pytest.raises(ParameterError):
            refused()
