"""The committed outputs equal those of the library today, cell by cell; a changed rule makes them differ."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import cat_normalize
from faults.kit import environment

NOTEBOOKS = Path(__file__).parents[3] / "notebooks"
LIBRARY = Path(cat_normalize.__file__).parent


@pytest.fixture
def nbval(aws, tmp_path):
    """Compare a copy of the notebooks with their outputs, strictly, in a folder of its own."""
    shutil.copytree(NOTEBOOKS, tmp_path / "notebooks", ignore=shutil.ignore_patterns("runs", ".*"))
    (tmp_path / "pytest.ini").write_text("[pytest]\n")

    def run(*names, **more):
        line = [
            sys.executable,
            "-m",
            "pytest",
            "--nbval",
            "--nbval-cell-timeout=120",
            "-p",
            "no:cacheprovider",
        ]
        return subprocess.run(
            [*line, "-v", "--tb=short", *(f"notebooks/{name}" for name in names)],
            cwd=tmp_path,
            env=aws.child_environment(environment(**more)),
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )

    return run


def count_cells():
    found = [json.loads(path.read_text())["cells"] for path in sorted(NOTEBOOKS.glob("*.ipynb"))]
    return sum(cell["cell_type"] == "code" for cells in found for cell in cells)


def test_the_notebooks_give_their_committed_outputs(nbval, tmp_path):
    before = {path.name: path.read_bytes() for path in (tmp_path / "notebooks").glob("*.ipynb")}
    done = nbval("")
    assert done.returncode == 0, done.stdout
    assert f"{count_cells()} passed" in done.stdout
    assert {path.name: path.read_bytes() for path in (tmp_path / "notebooks").glob("*.ipynb")} == before


@pytest.mark.parametrize(
    ("module", "rule", "other"),
    [
        ("core/text.py", '.replace("|", "/")', '.replace("|", "-")'),
        ("normalize/rows.py", '"Usuario Anónimo"', '"Anónimo"'),
    ],
    ids=["a bar becomes a slash", "a user without a name"],
)
def test_a_changed_rule_fails_the_comparison(nbval, tmp_path, module, rule, other):
    copy = tmp_path / "changed" / "cat_normalize"
    shutil.copytree(LIBRARY, copy, ignore=shutil.ignore_patterns("__pycache__"))
    text = (copy / module).read_text()
    assert rule in text
    (copy / module).write_text(text.replace(rule, other))
    path = os.pathsep.join([str(copy.parent), os.environ.get("PYTHONPATH", "")])
    assert imported(PYTHONPATH=path) == copy / "__init__.py"
    done = nbval("02_normalize.ipynb", PYTHONPATH=path)
    assert done.returncode == 1, done.stdout
    assert "Cell outputs differ" in done.stdout
    assert re.search(r"^FAILED .*02_normalize\.ipynb::Cell \d+", done.stdout, re.MULTILINE)
    assert re.search(r"\b\d+ passed", done.stdout)  # what does not depend on the rule


def imported(**more):
    done = subprocess.run(
        [sys.executable, "-c", "import cat_normalize; print(cat_normalize.__file__)"],
        env=environment(**more),
        capture_output=True,
        text=True,
        check=True,
    )
    return Path(done.stdout.strip())
