"""normalize: the summary on the screen, how inputs are given, the filters."""

import json

import pytest

SUMMARY = {
    "items_read": 4,
    "conversations": 1,
    "feedback": 1,
    "registrations": 1,
    "filtered": 0,
    "rejected": 1,
    "rejected_by_reason": {"unknown_kind": 1},
    "warnings": {},
    "users": 1,
}


@pytest.fixture
def normalize(call, items, tmp_path):
    def run(*words, inputs=("--input", items), **variables):
        outputs = ["--output", tmp_path / "o" / "out.csv", "--rejects", tmp_path / "o" / "bad.jsonl"]
        return call("normalize", *inputs, *outputs, *words, **variables)

    return run


def test_the_summary_has_one_line_per_count(normalize):
    code, out, err = normalize()
    assert (code, err) == (0, "")
    printed = dict(line.rsplit("  ", 1) for line in out.splitlines())
    assert {name.strip().replace(" ", "_"): value.strip() for name, value in printed.items()} == {
        **{name: str(value) for name, value in SUMMARY.items()},
        "rejected_by_reason": "unknown_kind 1",
        "warnings": "-",
    }


@pytest.mark.parametrize(
    "given",
    [
        ["--input", "a", "b"],
        ["--input", "folder"],
        ["--input", "a", "b", "--workers", "2"],
    ],
    ids=" ".join,
)
def test_several_inputs_are_read(normalize, items, tmp_path, monkeypatch, given):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    for name in ("a", "b", "folder/a.jsonl", "folder/b.jsonl"):
        (tmp_path / name).write_bytes(items.read_bytes())
    code, out, _ = normalize("--json", inputs=given)
    assert (code, json.loads(out)["items_read"]) == (0, 8)


@pytest.mark.parametrize(
    ("words", "variables", "filtered"),
    [
        (["--since", "2025-08-19"], {}, 1),
        (["--until", "20250817"], {}, 1),
        (["--since", "2025-08-18", "--until", "2025-08-18"], {}, 0),
        (["--exclude-city", "Bogotá", "--exclude-city", "^Ca"], {}, 3),
        ([], {"CAT_SINCE": "2025-08-19"}, 1),
        ([], {"CAT_EXCLUDE_CITIES": "^X,^Ca"}, 3),
    ],
)
def test_filters_by_option_and_by_environment(normalize, words, variables, filtered):
    code, out, _ = normalize("--json", *words, **variables)
    assert (code, json.loads(out)["filtered"]) == (0, filtered)
