"""A project of one's own: what is laid out, what is never overwritten, and which notebooks run."""

import re
import subprocess
from pathlib import Path

import pytest

from cat_lab import project
from cat_lab.cli import main
from cat_normalize.core.errors import UsageError
from cat_normalize.core.settings import ENVIRONMENT, Settings

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))
NAMES = ["README.md", "settings.env", ".gitignore", *(f"notebooks/{name}" for name in NOTEBOOKS)]


def test_every_file_is_written_and_named(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["init", "a/b"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.splitlines() == [
        *(f"a/b/{name}" for name in NAMES), "", "Open next: a/b/README.md",
    ]  # fmt: skip
    there = [path for path in (tmp_path / "a" / "b").rglob("*") if path.is_file()]
    assert sorted(str(path.relative_to(tmp_path / "a" / "b")) for path in there) == sorted(NAMES)
    for name in NOTEBOOKS:
        copy = tmp_path / "a" / "b" / "notebooks" / name
        assert copy.read_bytes() == (ROOT / "notebooks" / name).read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_overwritten_and_then_nothing_is_written(tmp_path, name):
    taken = tmp_path / name
    taken.parent.mkdir(exist_ok=True)
    taken.symlink_to("nowhere")
    with pytest.raises(UsageError, match=re.escape(str(taken))):
        project.lay_out(tmp_path)
    assert [path for path in tmp_path.rglob("*") if not path.is_dir()] == [taken]


def sourced(path):
    """Return the variables that a shell has after it has loaded a settings file."""
    script = f"set -a; . '{path}'; set +a; env -0"
    done = subprocess.run(["/bin/sh", "-euc", script], env={}, capture_output=True, text=True, check=True)
    return dict(line.split("=", 1) for line in done.stdout.split("\0") if line)


def test_the_settings_file_has_every_variable_with_its_default_and_a_comment(tmp_path):
    project.lay_out(tmp_path)
    path = tmp_path / "settings.env"
    assert not set(sourced(path)) & set(ENVIRONMENT)
    text = path.read_text()
    assert re.findall(r"^# .+\n#([A-Z_0-9]+)=", text, re.MULTILINE) == list(ENVIRONMENT)
    path.write_text(re.sub(r"^#([A-Z])", r"\1", text, flags=re.MULTILINE))
    found = sourced(path)
    assert set(found) >= set(ENVIRONMENT)
    assert Settings.from_environment(found) == Settings()


def test_the_notebooks_are_those_of_the_working_directory_else_those_that_came_along(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notebooks").mkdir()
    assert project.find_notebooks() == ROOT / "notebooks"
    (tmp_path / "notebooks" / "01_extract.ipynb").write_text("{}")
    assert project.find_notebooks() == project.find_own_notebooks() == Path("notebooks")
