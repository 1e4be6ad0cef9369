"""Every command has help for its options, and an example that can be typed."""

import shlex
import subprocess
from functools import reduce

import pytest
from typer.main import get_command

from cat_lab.cli import app
from cat_lab.cli.entry import repeat_option
from faults.kit import COMMAND, environment

ALONE = ("run", "doctor", "extract", "normalize", "convert", "query", "local", "lab", "init")
COMMANDS = (*ALONE, "runs list", "runs show", "runs diff", "runs clean")


def command(name):
    return reduce(lambda group, word: group.commands[word], name.split(), get_command(app))


def example(name):
    return command(name).epilog.removeprefix("\b\nExample: ")


def test_the_commands_are_those_of_the_contract():
    assert set(get_command(app).commands) == {*ALONE, "runs"}
    assert {f"runs {name}" for name in command("runs").commands} == set(COMMANDS) - set(ALONE)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_example_can_be_typed(name):
    typed = name.split()
    program, *words = repeat_option(shlex.split(example(name)), "--input")
    assert [program, *words[: len(typed)]] == ["cat-normalize", *typed]
    words = words[len(typed) :]
    assert command(name).make_context(name, words).params is not None


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_help(name):
    for parameter in command(name).params:
        assert parameter.help, parameter.name


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("run", {"--run-date", "--run-id", "--from", "--local", "--max-rcu", "--max-rejects", "--json"}),
        ("doctor", {"--run-date", "--local", "--max-rcu", "--json"}),
        ("extract", {"--output", "--table", "--segments", "--partitions", "--export", "--max-rcu", "--json"}),
        ("normalize", {"--input", "--output", "--rejects", "--workers", "--max-rejects", "--json"}),
        ("convert", {"--input", "--output"}),
        ("query", {"--parquet", "--json"}),
    ],
)
def test_the_options_of_the_contract_exist(name, options):
    assert {option for parameter in command(name).params for option in parameter.opts} >= options


def rendered(*words, columns):
    """What is shown, wrapped to that many columns, with every run of white space as one space."""
    done = subprocess.run(
        [*COMMAND, *words, "--help"],
        env=environment(COLUMNS=str(columns)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return " ".join(done.stdout.split())


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("columns", [60, 200])
def test_help_texts_are_printed_in_full(name, columns):
    shown = rendered(*name.split(), columns=columns)
    for text in (command(name).help, *(each.help for each in command(name).params)):
        assert " ".join(text.split()) in shown
    assert shown.endswith(f"Example: {example(name)}")


def test_the_list_of_commands_shows_their_full_help():
    shown = rendered(columns=80)
    for name in (*ALONE, "runs"):
        assert f"{name} {command(name).help}" in shown
    shown = rendered("runs", columns=80)
    for name in command("runs").commands:
        assert f"{name} {command('runs').commands[name].help}" in shown


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("run", "The day that names the outputs, such as 2025-08-18 or 20250818 [default: today]."),
        ("run", "A notebook parameter, [STAGE.]NAME=VALUE."),
        ("normalize", "Drop conversations before this day, such as 2025-08-18 or 20250818."),
        ("extract", "Parallel scans. [default: 4; 1<=x<=64]"),
        ("extract", "[default: CAT_MAX_RCU, else a quarter of what the table provides]"),
        ("convert", "such as 2g or 512m. [default: 2g]"),
    ],
)
def test_help_shows_the_form_of_days_and_the_defaults(name, text):
    assert text in rendered(name, columns=100)


def test_without_a_command_help_is_shown():
    done = subprocess.run(COMMAND, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "normalize" in done.stdout + done.stderr
