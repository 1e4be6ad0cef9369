"""How the notebooks are written and kept: what a reader, papermill and nbval rely on."""

import ast
import json
import re
from pathlib import Path

import pytest

from cat_lab.stages import NOTEBOOKS as STAGES
from cat_normalize.core.settings import ENVIRONMENT

FOLDER = Path(__file__).parents[3] / "notebooks"
NOTEBOOKS = {path.name: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.ipynb"))}
EVERY = pytest.mark.parametrize("name", NOTEBOOKS)
OF_THE_MACHINE = re.compile(
    r"/tmp|/root|/home|/Users|\.venv|site-packages|127\.0\.0\.1|localhost|https?://"
    r"|0x[0-9a-f]{6,}"  # where an object lies in memory
    r"|\b(?:202[6-9]|20[3-9]\d)-\d\d-\d\d"  # later than the sample's year: the day it was run
    r"|\b\d+(?:\.\d+)? ?(?:ms|seconds|secs?|s)\b"
)


def cells(name, kind):
    return [cell for cell in NOTEBOOKS[name]["cells"] if cell["cell_type"] == kind]


def source(cell):
    return "".join(cell["source"])


def lines(cell):
    return [line for line in source(cell).splitlines() if line.strip()]


def parameters(name):
    return [cell for cell in cells(name, "code") if "parameters" in cell["metadata"].get("tags", [])]


def texts(cell):
    """All that an output says in words."""
    for output in cell["outputs"]:
        yield "".join(output.get("text", ""))
        for kind, data in output.get("data", {}).items():
            if kind.startswith("text/"):
                yield "".join(data)


def test_every_stage_has_a_notebook_between_the_first_and_the_last():
    assert list(NOTEBOOKS) == ["00_start.ipynb", *STAGES.values(), "05_investigate.ipynb"]


def test_the_first_links_to_all_others():
    assert set(re.findall(r"\]\((\w+\.ipynb)\)", source(NOTEBOOKS["00_start.ipynb"]["cells"][0]))) == {
        *STAGES.values(),
        "05_investigate.ipynb",
    }


@EVERY
def test_one_cell_holds_the_parameters_and_comes_first(name):
    (found,) = parameters(name)
    assert cells(name, "code")[0] is found


@EVERY
def test_parameters_are_typed_literals_each_with_a_comment(name):
    (cell,) = parameters(name)
    text = source(cell)
    for statement in ast.parse(text).body:
        assert isinstance(statement, ast.AnnAssign), ast.unparse(statement)
        value = ast.literal_eval(statement.value)
        assert type(value).__name__ == ast.unparse(statement.annotation).partition("[")[0]
        line = text.splitlines()[statement.lineno - 1]
        assert re.search(r"  # \S.*\w", line), line


@EVERY
def test_the_parameters_that_a_run_sets_are_declared(name):
    (cell,) = parameters(name)
    declared = {
        statement.target.id: ast.literal_eval(statement.value) for statement in ast.parse(source(cell)).body
    }
    assert declared.items() >= {"local": True, "run_date": "2025-09-15"}.items()
    assert not Path(declared["work_dir"]).is_absolute()


@EVERY
def test_no_default_of_a_parameter_hides_a_setting_of_the_environment(name):
    (cell,) = parameters(name)
    given = {node.target.id: ast.literal_eval(node.value) for node in ast.parse(source(cell)).body}
    assert not any(given.get(variable.target) for variable in ENVIRONMENT.values())


@EVERY
def test_cells_are_short_and_define_nothing(name):
    for cell in cells(name, "code"):
        assert cell in parameters(name) or len(lines(cell)) < 10, source(cell)
        kinds = {type(node) for node in ast.walk(ast.parse(source(cell)))}
        assert not kinds & {ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef}, source(cell)


@EVERY
def test_there_is_as_much_prose_as_code(name):
    """Counted in words: a line of prose is far longer than one of code."""
    prose, code = (
        sum(len(source(cell).split()) for cell in cells(name, kind)) for kind in ("markdown", "code")
    )
    assert prose >= code


@EVERY
def test_the_only_title_comes_first_with_number_and_name(name):
    titles = [
        (at, line)
        for at, cell in enumerate(NOTEBOOKS[name]["cells"])
        if cell["cell_type"] == "markdown"
        for line in source(cell).splitlines()
        if line.startswith("# ")
    ]
    assert [at for at, _ in titles] == [0]
    stage = name[3:].partition(".")[0]
    assert titles[0][1].lower().startswith(f"# {int(name[:2])}. {stage}:")


@EVERY
def test_every_code_cell_was_run_in_order(name):
    counts = [cell["execution_count"] for cell in cells(name, "code")]
    assert counts == list(range(1, len(counts) + 1))
    for cell in cells(name, "code"):
        assert {output["output_type"] for output in cell["outputs"]} <= {
            "stream",
            "execute_result",
            "display_data",
        }
        assert not [output for output in cell["outputs"] if output.get("name") == "stderr"]


@EVERY
def test_outputs_contain_no_paths_addresses_or_times(name):
    for cell in cells(name, "code"):
        for text in texts(cell):
            assert OF_THE_MACHINE.search(text) is None, text


@EVERY
def test_the_metadata_contains_nothing_of_a_run(name):
    notebook = NOTEBOOKS[name]
    assert set(notebook["metadata"]) == {"kernelspec", "language_info"}
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    for cell in notebook["cells"]:
        assert set(cell["metadata"]) <= {"tags"}
        assert set(cell["metadata"].get("tags", [])) <= {"parameters"}


@EVERY
def test_no_cell_asserts(name):
    """What guards a run is an error of the library that says what to do; what tests us is a test."""
    for cell in cells(name, "code"):
        assert not [node for node in ast.walk(ast.parse(source(cell))) if isinstance(node, ast.Assert)]


@EVERY
def test_no_cell_reads_a_whole_table(name):
    code = "\n".join(source(cell) for cell in cells(name, "code"))
    assert not re.search(r"read_csv|read_text|read_table|read_parquet|\.open\(|json\.loads", code)


@EVERY
def test_no_cell_depends_on_the_sample(name):
    """A day, an id or a text of the sample stands in no cell; the default run date is a parameter."""
    code = "\n".join(source(cell) for cell in cells(name, "code") if cell not in parameters(name))
    assert not re.search(r"20\d\d|\d{4,}|USER#|Anónimo|prueba", code)


@EVERY
def test_it_ends_with_the_next_stage(name):
    last = NOTEBOOKS[name]["cells"][-1]
    assert last["cell_type"] == "markdown"
    assert source(last).startswith("## Next")


@EVERY
def test_no_cell_is_excluded_from_the_comparison(name):
    text = "\n".join(source(cell) for cell in cells(name, "code"))
    assert not re.search(r"NBVAL|PYTEST|%%|%[a-z]|!\w", text)
