"""The commands extract and local, and --max-rejects of run, with a local AWS."""

import json
import shlex
import signal
import subprocess
from datetime import date

import psutil
import pytest

from cat_normalize.core import manifest
from cat_normalize.core.manifest import Etl1Manifest, Summary
from faults.kit import COMMAND, Project, alive, environment, soon

DAY = "2025-09-15"
ODD = "^Prueba (QA|'x')$"


@pytest.fixture
def call_aws(aws, call):
    """Call a command with that AWS in the environment."""

    def run(*words):
        return call(*words, **aws.child_environment({}))

    return run


def test_any_segments_and_partitions_give_the_same_csv(call_aws, tmp_path):
    made = set()
    for number, (segments, partitions, workers) in enumerate([(1, 1, 1), (3, 7, 2)]):
        raw, csv = tmp_path / f"raw{number}", tmp_path / f"{number}.csv"
        words = ["--segments", segments, "--partitions", partitions]
        assert call_aws("extract", "--output", raw, *words)[0] == 0
        words = ["--rejects", tmp_path / f"{number}.jsonl", "--workers", workers]
        assert call_aws("normalize", "--input", raw, "--output", csv, *words)[0] == 0
        made.add(csv.read_bytes())
    assert len(made) == 1


def test_without_credentials_extract_prints_one_line(call, tmp_path, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    none = {
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    }
    code, out, err = call("extract", "--output", tmp_path / "raw", **none)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "credentials" in err


def test_a_rate_limited_extract_gives_the_same_files(call_aws, tmp_path):
    read = []
    for name, words in (("unlimited", []), ("limited", ["--max-rcu", 100_000])):
        code, out, _ = call_aws("extract", "--output", tmp_path / name, "--json", *words)
        assert code == 0
        read.append(json.loads(out))
    assert read[0] == read[1]
    files = [
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}
        for name in ("unlimited", "limited")
    ]
    assert files[0] == files[1]


def test_max_rcu_is_refused_with_an_export(call, tmp_path):
    code, out, err = call("extract", "--output", tmp_path / "raw", "--export", tmp_path, "--max-rcu", 9)
    assert (code, out) == (2, "")
    assert "--max-rcu is for a table" in err


@pytest.mark.parametrize(
    "words",
    [
        ["--segments", "0"],
        ["--partitions", "513"],
        ["--segments", "x"],
        ["--max-rcu", "0"],
        ["--max-rcu", "x"],
    ],
)
def test_values_outside_the_ranges_of_extract_are_refused(call, tmp_path, words):
    code, out, err = call("extract", "--output", tmp_path / "raw", *words)
    assert (code, out) == (2, "")
    assert words[0] in err


FULL = """
import resource, sys
from cat_lab.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
main(sys.argv[1:])
"""


def test_an_extract_on_a_full_disk_prints_one_line_and_leaves_nothing(aws, tmp_path):
    done = subprocess.run(
        [COMMAND[0], "-c", FULL, "extract", "--output", "raw"],
        cwd=tmp_path,
        env=aws.child_environment(environment()),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "File too large" in done.stderr
    assert not (tmp_path / "raw").exists()


@pytest.fixture
def up(tmp_path):
    """The local AWS as its command keeps it up, under a setting that a shell would trip over."""
    process = subprocess.Popen(
        [*COMMAND, "local", "--log-dir", str(tmp_path)],
        env=environment(CAT_EXCLUDE_CITIES=ODD, PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=60)


def exports(process):
    """The lines up to and with the last that is printed."""
    found = []
    for line in process.stdout:
        found.append(line)
        if line.startswith("export no_proxy="):
            return "".join(found)
    raise AssertionError(process.stderr.read())


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_local_prints_exports_that_work_and_ends_on_a_signal(up, tmp_path, number, code):
    printed = exports(up)
    assert all(line.startswith("export ") for line in printed.splitlines())
    asked = shlex.join([*COMMAND, "extract", "--output", str(tmp_path / "raw"), "--json"])
    done = subprocess.run(
        ["/bin/sh", "-euc", f'{printed}\nprintf "%s\\n" "$CAT_EXCLUDE_CITIES"\n{asked}'],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    cities, summary = done.stdout.splitlines()
    assert cities == ODD
    assert json.loads(summary)["items"] > 1000
    family = psutil.Process(up.pid).children(recursive=True)
    assert family
    up.send_signal(number)
    out, err = up.communicate(timeout=60)
    assert (up.returncode, out) == (code, "")
    assert "Ctrl-C ends it" in err
    assert soon(lambda: not alive(family))


def test_local_reports_a_killed_server(up):
    exports(up)
    (server,) = psutil.Process(up.pid).children()
    server.kill()
    _, err = up.communicate(timeout=60)
    assert up.returncode == 1
    assert "cat-normalize: the local AWS ended with -9" in err


@pytest.mark.parametrize(("limit", "code"), [(4, 3), (5, 0)])
def test_a_run_with_too_many_rejects_ends_with_3(aws, tmp_path, limit, code):
    summary, day = Summary(items_read=5, rejected=5), date.fromisoformat(DAY)
    manifest.publish(Etl1Manifest(day, "a.jsonl", aws.settings, summary, []), aws.client("s3"))
    project = Project(tmp_path, aws.child_environment(environment()))
    project.write()
    done = project.run("--run-id", "r", "--run-date", DAY, "--max-rejects", str(limit))
    assert done.returncode == code, done.stderr
    assert project.record()["status"] == "done"
    assert ("5 items rejected, more than --max-rejects 4" in done.stderr) == (code == 3)
