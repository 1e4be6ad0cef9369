"""What a run tells at its end: only files with something in them are offered."""

from __future__ import annotations

from pathlib import Path

import pytest

from cat_lab.cli import outcome
from report_data import record


@pytest.mark.parametrize("rejects", ["", "{}\n"])
def test_a_file_of_rejects_is_offered_if_there_are_any(
    rejects: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "report.html").write_text("report")
    (tmp_path / "rejects.jsonl").write_text(rejects)
    outcome.print_outcome(record(), tmp_path, as_json=False)
    told = [capsys.readouterr().out, *outcome.failure_lines(record(), tmp_path, [])]
    for text in (told[0], "\n".join(told[1:])):
        assert "report.html" in text
        assert ("rejects.jsonl" in text) == bool(rejects)
