"""Wrong usage is reported before anything starts: exit code 2, the notebook, what is allowed, no run."""

import pytest

from cat_lab import cli
from faults.kit import PARAMETERS, notebook, write_notebooks

EVERY = (
    PARAMETERS
    + """
segments: int = 4  # a whole number
share: float = 0.5  # a number
quick: bool = False  # yes or no
cities: list = []  # several
names: dict = {}  # pairs
label = "x"  # a type by its default
"""
)


@pytest.fixture
def refused(tmp_path, monkeypatch, capsys):
    """Run the command in this process; check that no run was made, and return its stderr."""

    def run(*words, **notebooks):
        monkeypatch.chdir(tmp_path)
        write_notebooks(tmp_path / "notebooks", **notebooks)
        with pytest.raises(SystemExit) as ended:
            cli.main(["run", *words])
        out, err = capsys.readouterr()
        assert (ended.value.code, out) == (2, "")
        assert not (tmp_path / "runs").exists()
        return err

    return run


@pytest.mark.parametrize(
    ("words", "messages"),
    [
        (["-p", "run_date=2024-01-01"], ["run_date is set by the run itself; give --run-date instead"]),
        (["-p", "query.local=true"], ["query.local is set by the run itself; give --local instead"]),
        (["-p", "work_dir=/tmp/x"], ["work_dir is set by the run itself; give --runs instead"]),
        (
            ["-p", "segmets=8"],
            ["'segmets'", "01_extract.ipynb: local, run_date", "segments", "04_query.ipynb"],
        ),
        (["-p", "extract.segmets=8"], ["01_extract.ipynb", "'segmets'", "segments: int = 4"]),
        (["-p", "query.segments=8"], ["04_query.ipynb", "'segments'", "run_date: str"]),
        (
            ["-p", "load.segments=8"],
            ["load.segments", "no stage 'load'", "extract, normalize, convert, query"],
        ),
        (["-p", "segments"], ["'segments' is not NAME=VALUE"]),
        (["-p", "segments=eight"], ["01_extract.ipynb", "segments", "'eight' is not of type int"]),
        (["-p", "segments=4.0"], ["segments", "'4.0' is not of type int"]),
        (["-p", "segments="], ["segments", "'' is not of type int"]),
        (["-p", "share=half"], ["share", "'half' is not of type float"]),
        (["-p", "quick=maybe"], ["quick", "'maybe' is not of type bool"]),
        (["-p", "quick=1"], ["quick", "'1' is not of type bool"]),
        (["-p", "cities=Cali"], ["cities", "'Cali' is not of type list"]),
        (["-p", "cities=('a',)"], ["cities", "is not of type list"]),
        (["-p", "cities=[open('x')]"], ["cities", "is not of type list"]),
        (["-p", "names=['a']"], ["names", "is not of type dict"]),
        (["--max-rcu", "0"], ["--max-rcu", "0 is not in the range x>=1"]),
        (["--max-rcu", "9"], ["01_extract.ipynb has no parameter 'max_rcu'", "segments: int = 4"]),
        (["--max-rcu", "9", "--input", "notebooks"], ["--max-rcu is for a table"]),
        (["--lang", "fr"], ["--lang", "'fr'", "no such language; the languages are en, es"]),
        (["--from", "load"], ["--from", "'load'", "extract, normalize, convert, query"]),
        (["--from", "convert"], ["no earlier run in runs", "run without --from first"]),
        (["--from", "convert", "--run-id", "none"], ["no run to resume in runs/none"]),
        (["--run-date", "tomorrow"], ["--run-date", "'tomorrow' is not a day"]),
        (["--run-id", "../x"], ["'../x' cannot name a folder"]),
        (["--run-id", ".x"], ["'.x' cannot name a folder"]),
    ],
    ids=lambda value: " ".join(value[:2]),
)
def test_a_wrong_option_or_parameter_is_refused(refused, words, messages):
    said = refused(*words, extract=notebook(parameters=EVERY))
    assert [each for each in messages if each not in said] == []


@pytest.mark.parametrize("words", [[], ["--from", "extract"], ["--from", "normalize"]], ids=" ".join)
@pytest.mark.parametrize(
    "name", ["../outside", "/tmp/outside", "..", ".", "", "a/b", "n" * 300, "a\nb", "-x", "a\udcff"]
)
def test_a_run_id_that_cannot_name_a_folder_is_refused(refused, tmp_path, words, name):
    (tmp_path / "outside").mkdir()
    assert "cannot name a folder" in refused(f"--run-id={name}", *words)
    assert list((tmp_path / "outside").iterdir()) == []


def test_a_runs_folder_whose_name_is_not_utf_8_is_refused(refused):
    assert "is not UTF-8" in refused("--runs", "r\udcff")


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (notebook(parameters=None), "02_normalize.ipynb has 0 cells tagged 'parameters'; it needs one"),
        (notebook(tags=2), "02_normalize.ipynb has 2 cells tagged 'parameters'; it needs one"),
        ("not json", "02_normalize.ipynb is not a notebook that can be read"),
        ("{}", "02_normalize.ipynb is not a notebook that can be read"),
        ('{"cells": [{"source": ""}]}', "02_normalize.ipynb is not a notebook that can be read"),
        ("[]", "02_normalize.ipynb is not a notebook that can be read"),
        (notebook(parameters="local: bool = True"), "02_normalize.ipynb has no parameter 'run_date'"),
        (
            notebook(parameters=PARAMETERS + "when: date = None  # a type nobody can give"),
            "02_normalize.ipynb: parameter when: its type 'date' is none of str, int, float, bool, list",
        ),
    ],
    ids=[
        "no parameters cell",
        "two of them",
        "no JSON",
        "no cells",
        "no cell",
        "a list",
        "none of ours",
        "odd type",
    ],
)
def test_a_broken_notebook_is_refused(refused, broken, message):
    words = ["-p", "normalize.when=x"] if "when:" in broken else []
    assert message in refused(*words, normalize=broken)


def test_a_missing_notebook_is_refused(refused, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    assert "01_extract.ipynb" in refused("--notebooks", "elsewhere")


def test_a_folder_without_notebooks_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        cli.main(["run", "--notebooks", "none"])
    assert ended.value.code == 2
    assert "none/01_extract.ipynb" in capsys.readouterr().err
