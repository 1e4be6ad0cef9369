"""A secret given as a parameter reaches the kernel and is written down nowhere."""

import hashlib
import json

from faults.kit import PARAMETERS, notebook

SECRET = "hunter\"2'\\ñ-first\nline-two-of-it"
PARTS = ("hunter", "line-two-of-it")
DECLARED = PARAMETERS + 'api_token: str = ""  # what opens the door\n'
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


def test_a_secret_is_written_nowhere(bench):
    bench.write(extract=notebook(*CELLS, parameters=DECLARED))
    done = bench.run("--run-id", "r", "-p", f"api_token={SECRET}")
    assert done.returncode == 1
    assert "ValueError: ******** does not fit" in done.stderr
    assert "-p 'api_token=********'" in done.stderr
    sha = (bench.runs / "r" / "sha").read_text()
    assert sha == hashlib.sha256(SECRET.encode()).hexdigest()
    written = {path: path.read_bytes() for path in bench.runs.rglob("*") if path.is_file()}
    assert bench.runs / "r" / "report.html" in written
    texts = {str(path): data.decode() for path, data in written.items()}
    texts |= {"stdout": done.stdout, "stderr": done.stderr}
    assert [(where, part) for where, text in texts.items() for part in PARTS if part in text] == []


def test_everything_else_about_it_is_written(bench):
    bench.write(extract=notebook("print('<' + api_token + '>')", parameters=DECLARED))
    assert bench.run("--run-id", "r", "-p", "extract.api_token=xyzzy", "--json").returncode == 0
    assert bench.record()["parameters"]["extract"]["api_token"] == "********"
    assert "<********>" in json.dumps(bench.cells("01_extract.ipynb"))
    assert "xyzzy" not in (bench.runs / "r" / "01_extract.ipynb").read_text()


def test_a_secret_of_the_wrong_type_is_not_shown(bench):
    bench.write(extract=notebook("1", parameters=PARAMETERS + "door_secret: int = 0\n"))
    done = bench.run("--run-id", "r", "-p", "door_secret=xyzzy")
    assert done.returncode == 2
    assert "door_secret" in done.stderr
    assert "xyzzy" not in done.stdout + done.stderr
