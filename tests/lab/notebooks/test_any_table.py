"""The four notebooks on tables that are not the sample: they run, and say where there is nothing."""

import json
import re
from pathlib import Path

import pytest

from faults.kit import Project, environment

NOTEBOOKS = Path(__file__).parents[3] / "notebooks"
HOSTILE = ["<script>alert(1)</script>", "=1+1", "$\\frac{", "a\nb\x1b[31m\x00", "\u202eabc", "| a | b"]


def talk(user, at, *texts, **data):
    messages = [{"M": {"from": {"S": "user"}, "text": {"S": text}}} for text in texts]
    item = {"PK": {"S": f"USER#{user}"}, "SK": {"S": f"CONVERSATION#{at}"}, "Conversation": {"L": messages}}
    members = {name: {"S": value} for name, value in data.items()}
    return item | ({"UserData": {"M": members}} if data else {})


def feedback(user):
    return {
        "PK": {"S": f"USER#{user}"},
        "SK": {"S": "FEEDBACK#1"},
        "Feedback": {"M": {"type": {"S": "like"}}},
    }


TABLES = {
    # No reject, days of any year, texts that are not to be interpreted.
    "clean": [
        *(talk(year, f"{year}-12-31T10:00:00", "hola") for year in ("0001", "0033", "1582", "2024", "9999")),
        *(talk(n, "2024-01-01", text, nombre=text, ciudad=text) for n, text in enumerate(HOSTILE)),
    ],
    "feedback only": [feedback("1"), feedback("2")],
}


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path, environment())


@pytest.fixture
def run(project):
    """Run the notebooks on some items, given from the folder they are in."""

    def start(items, *words):
        text = "".join(json.dumps(item) + "\n" for item in items)
        (project.folder / "items.jsonl").write_text(text)
        given = ["--input", "items.jsonl", "--run-id", "r", "--run-date", "2025-09-15"]
        return project.run(*given, "--notebooks", str(NOTEBOOKS), *words)

    return start


def shown(project):
    """What the outputs of the executed copies show: as plain text, as HTML, and how many pictures."""
    made = [
        output
        for path in sorted((project.runs / "r").glob("0*.ipynb"))
        for cell in project.cells(path.name)
        for output in cell["outputs"]
    ]
    data = [output.get("data", {}) for output in made]
    plain = ["".join(output.get("text", "")) for output in made] + [
        "".join(d.get("text/plain", "")) for d in data
    ]
    html = ["".join(d.get("text/html", "")) for d in data]
    return "\n".join(plain), "\n".join(html), sum("image/svg+xml" in d for d in data)


def outputs(project):
    return project.record()["outputs"]


def test_a_table_without_rejects_and_of_any_years(project, run):
    done = run(TABLES["clean"])
    assert done.returncode == 0, done.stderr
    text, html, pictures = shown(project)
    assert "No item was rejected." in text
    assert "Conversations and users by day" in text
    assert "11 rows of 12 columns are equal" in text
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text + html)
    assert pictures == 5
    for page in ("report.html", "details.html"):
        assert "<script>alert" not in (project.runs / "r" / page).read_text()
    assert outputs(project)["etl-process1"]["source"] == str(project.folder / "items.jsonl")


def test_a_table_with_only_feedback(project, run):
    done = run(TABLES["feedback only"])
    assert done.returncode == 0, done.stderr
    text, _, _ = shown(project)
    assert "No conversation has a day in the period." in text
    assert "No question was asked by three users in the period." in text
    assert outputs(project)["etl-process1"]["summary"]["users"] == 2


def test_a_table_with_only_rejects_is_shown_and_not_published(project, run):
    done = run([{"PK": {"S": "USER#1"}, "SK": {"S": "SESSION#1"}}] * 3)
    assert done.returncode == 4, done.stderr
    assert "AllRejectedError" in done.stderr
    text, _, _ = shown(project)
    assert "unknown_kind" in text
    assert "There is no row" in text
    assert project.statuses() == ["done", "failed", "pending", "pending"]
