from __future__ import annotations

import json

import boto3
import pytest

from cat_lab import cli
from cat_normalize.core.settings import ENVIRONMENT


@pytest.fixture
def call(monkeypatch, capsys):
    """Call the command in this process, nothing of the contract set; return exit code, stdout, stderr."""
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it keeps the credentials it once found

    def run(*words, **variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            cli.main([str(word) for word in words])
        out, err = capsys.readouterr()
        return ended.value.code or 0, out, err

    return run


@pytest.fixture
def items(tmp_path):
    """A file of four items: a conversation, a feedback, a registration, and one that is rejected."""
    talk = [{"from": "user", "text": "hola|adiós"}]
    lines = [
        {
            "PK": {"S": "USER#1"},
            "SK": {"S": "CONVERSATION#2025-08-18"},
            "Conversation": {"S": json.dumps(talk)},
        },
        {
            "PK": {"S": "USER#1"},
            "SK": {"S": "FEEDBACK#2025-08-18"},
            "Feedback": {"M": {"type": {"S": "like"}}},
        },
        {"PK": {"S": "USER#1"}, "SK": {"S": "REGISTER"}, "UserData": {"S": '{"ciudad":"Cali"}'}},
        {"PK": {"S": "USER#1"}, "SK": {"S": "PROFILE"}},
    ]
    path = tmp_path / "items.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path
