"""A secret given as a parameter reaches the kernel and is written down nowhere."""

import hashlib
import json

from faults.kit import PARAMETERS, notebook

SECRET = "hunter\"2'\\ñ-first\nline-two-of-it"
PARTS = ("hunter", "line-two-of-it")
DECLARED = PARAMETERS + 'api_token: str = ""  # a key\n'
CELLS = (
    "import hashlib, json, pathlib, sys, warnings\n"
    "pathlib.Path(work_dir, 'sha').write_text(hashlib.sha256(api_token.encode()).hexdigest())",
    "print(api_token)\nprint(api_token, file=sys.stderr)\nprint(repr(api_token), ascii(api_token))",
    "print(json.dumps(api_token), json.dumps(api_token, ensure_ascii=False))\napi_token",
    "{'token': [api_token, 1]}",
    "warnings.warn(api_token)",
    "from IPython.display import HTML, display\ndisplay(HTML('<b>' + api_token + '</b>'))",
    "raise ValueError(f'{api_token} does not fit')",
)


def test_a_secret_is_written_nowhere(project):
    project.write(extract=notebook(*CELLS, parameters=DECLARED))
    done = project.run("--run-id", "r", "-p", f"api_token={SECRET}")
    assert done.returncode == 1
    assert "ValueError: ******** does not fit" in done.stderr
    assert "-p 'api_token=********'" in done.stderr
    sha = (project.runs / "r" / "sha").read_text()
    assert sha == hashlib.sha256(SECRET.encode()).hexdigest()
    written = {path: path.read_bytes() for path in project.runs.rglob("*") if path.is_file()}
    assert project.runs / "r" / "report.html" in written
    texts = {str(path): data.decode() for path, data in written.items()}
    texts |= {"stdout": done.stdout, "stderr": done.stderr}
    assert [(where, part) for where, text in texts.items() for part in PARTS if part in text] == []


def test_the_name_of_a_secret_is_written_and_its_value_masked(project):
    project.write(extract=notebook("print('<' + api_token + '>')", parameters=DECLARED))
    assert project.run("--run-id", "r", "-p", "extract.api_token=xyzzy", "--json").returncode == 0
    assert project.record()["parameters"]["extract"]["api_token"] == "********"
    assert "<********>" in json.dumps(project.cells("01_extract.ipynb"))
    assert "xyzzy" not in (project.runs / "r" / "01_extract.ipynb").read_text()


def test_a_secret_of_the_wrong_type_is_not_shown(project):
    project.write(extract=notebook("1", parameters=PARAMETERS + "app_secret: int = 0\n"))
    done = project.run("--run-id", "r", "-p", "app_secret=xyzzy")
    assert done.returncode == 2
    assert "app_secret" in done.stderr
    assert "xyzzy" not in done.stdout + done.stderr


def test_several_secrets_are_masked_although_one_contains_another(project):
    parameters = PARAMETERS + 'api_token: str = ""  # a key\npassword: str = ""  # another\n'
    cell = "print(password, api_token, api_token + password)\nraise ValueError(api_token + ' ' + password)"
    project.write(extract=notebook(cell, parameters=parameters))
    done = project.run("--run-id", "r", "-p", "api_token=xyzzy", "-p", "password=xyzzy-plugh")
    assert done.returncode == 1
    assert "ValueError: ******** ********" in done.stderr
    written = [path.read_text() for path in (project.runs / "r").iterdir() if path.is_file()]
    assert [part for part in ("xyzzy", "plugh") for text in [*written, done.stderr] if part in text] == []
