"""Inputs of run that are refused before anything starts."""

import os
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--input", "items", "--from", "normalize"], "--from normalize skips that"),
        (
            ["--input", "items", "--local", "--publish"],
            "--publish is for your AWS account and --local is not",
        ),
        (["--publish"], "--publish goes with --input"),
        (["--input", "s3://bucket/items.jsonl"], "give --publish to run there"),
        (["--input", "items", "nowhere"], "--input: nowhere does not exist"),
        (["--input", "items", "./items"], "is the same file as items; name it once"),
        (["--input", "empty"], "--input: empty holds no item file"),
        (["--input", "pipe"], "--input pipe is a pipe or a device"),
        (["--input", ""], "an argument is empty"),
        (["-p", "input=['items']"], "input is set by the run itself; give --input instead"),
        (["-p", "extract.input=['items']"], "input is set by the run itself; give --input instead"),
    ],
)
def test_a_wrong_input_is_refused(call, items, monkeypatch, words, message):
    monkeypatch.chdir(items.parent)
    items.rename("items")
    Path("empty").mkdir()
    os.mkfifo("pipe")
    code, out, err = call("run", *words)
    assert (code, out) == (2, "")
    assert message in err
    assert not (items.parent / "runs").exists()
