"""Every command tells how it is used, with an example that can be typed."""

import shlex
import subprocess

import pytest
from typer.main import get_command

from cat_normalize.cli import _spread
from cat_normalize.cli.app import app
from faults.kit import COMMAND, environment

COMMANDS = ("run", "extract", "normalize", "convert", "query", "local", "lab")


def command(name):
    return get_command(app).commands[name]


def example(name):
    return command(name).epilog.removeprefix("\b\nExample: ")


def test_the_commands_are_the_contracts():
    assert set(get_command(app).commands) == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_example_can_be_typed(name):
    program, first, *words = _spread(shlex.split(example(name)), "--input")
    assert (program, first) == ("cat-normalize", name)
    assert command(name).make_context(name, words).params is not None


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_says_what_it_is(name):
    for parameter in command(name).params:
        assert parameter.help, parameter.name


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("run", {"--run-date", "--run-id", "--from", "--local", "--max-rejects", "--json"}),
        ("extract", {"--output", "--table", "--segments", "--partitions", "--export", "--max-rcu", "--json"}),
        ("normalize", {"--input", "--output", "--rejects", "--workers", "--max-rejects", "--json"}),
        ("convert", {"--input", "--output"}),
        ("query", {"--parquet", "--json"}),
    ],
)
def test_the_contracts_options_are_there(name, options):
    assert {option for parameter in command(name).params for option in parameter.opts} >= options


def test_without_a_command_help_is_shown():
    done = subprocess.run(COMMAND, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "normalize" in done.stdout + done.stderr
