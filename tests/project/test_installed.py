"""Both wheels, installed with plain requirements or an extra, and used far from this repository."""

import json
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from cat_lab.spark import JARS_INSTALL
from faults.kit import environment

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")
ITEM = {"PK": {"S": "USER#1"}, "SK": {"S": "CONVERSATION#2025-08-18"}, "Conversation": {"L": []}}
KEYS = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y"}
HINT = ", or [lab] for every command\n"


class Installed:
    """An environment with the wheels and one extra, from uv's cache; commands run in an empty folder."""

    def __init__(self, folder: Path, wheels: Path, extra: str) -> None:
        library, lab = sorted(wheels.glob("*.whl"))
        self.bin, self.home = folder / "venv" / "bin", folder / "home"
        self.home.mkdir()
        self.uv("venv", "--python", sys.executable, folder / "venv")
        self.install("--constraint", ROOT / "requirements.lock", library, f"{lab}[{extra}]" if extra else lab)

    def uv(self, *words: object) -> None:
        done = subprocess.run([UV, *map(str, words)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{done.stderr}\nfill uv's cache with: make setup"

    def install(self, *words: object) -> None:
        self.uv("pip", "install", "--offline", "--python", self.bin / "python", *words)

    def see_this_environment(self) -> None:
        """Let it import the packages of this environment, but not the checkout: no .pth is read there."""
        here = sysconfig.get_path("purelib")
        (self.bin.parent / "lib" / "python3.11" / "site-packages" / "more.pth").write_text(here)
        assert str(ROOT) not in self.call("python", "-c", "import cat_lab; print(cat_lab.__file__)").stdout

    def call(
        self, *words: object, cwd: Path | None = None, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        program, *rest = (str(word) for word in words)
        return subprocess.run(
            [self.bin / program, *rest],
            cwd=cwd or self.home,
            env=environment(HOME=str(self.home), **KEYS, **variables),
            capture_output=True,
            text=True,
            check=False,
        )

    def command(self, *words: object, **variables: str) -> subprocess.CompletedProcess[str]:
        return self.call("cat-normalize", *words, **variables)


@pytest.fixture(scope="module")
def install(tmp_path_factory):
    """Return a function that makes an environment with an extra."""
    wheels = tmp_path_factory.mktemp("wheels")
    for project in (ROOT / "lib", ROOT):
        build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", wheels]
        subprocess.run(build, cwd=project, check=True, capture_output=True)
    return lambda extra: Installed(tmp_path_factory.mktemp("installed"), wheels, extra)


@pytest.fixture(scope="module")
def base(install):
    return install("")


@pytest.fixture(scope="module")
def notebooks(install):
    return install("notebooks")


def test_the_base_has_a_version_and_normalizes(base):
    shown = base.command("--version")
    assert (shown.returncode, shown.stdout) == (0, "cat-normalize 0.1.0\n")
    assert base.call("python", "-m", "cat_lab", "--version").stdout == shown.stdout
    (base.home / "items.jsonl").write_text(json.dumps(ITEM) + "\n")
    words = ("--input", "items.jsonl", "--output", "users.csv", "--rejects", "rejects.jsonl")
    done = base.command("normalize", *words, "--json")
    assert (done.returncode, done.stderr, json.loads(done.stdout)["users"]) == (0, "", 1)


@pytest.mark.parametrize(
    ("words", "package", "extra"),
    [
        ("run", "papermill", "notebooks"),
        ("run --local", "papermill", "notebooks"),
        ("local", "moto", "local"),
        ("lab", "jupyterlab", "notebooks"),
        ("convert --input users.csv --output users.parquet", "pyspark", "local"),
        ("query totals", "awswrangler", "notebooks"),
        ("query totals --parquet users.csv", "duckdb", "local"),
    ],
)
def test_a_missing_package_is_one_line_with_its_extra(base, words, package, extra):
    (base.home / "users.csv").write_text("")
    done = base.command(*words.split())
    line = f'cat-normalize: {package} is not installed; run: pip install "cat-normalize-lab[{extra}]"{HINT}'
    assert (done.returncode, done.stdout, done.stderr) == (2, "", line)
    assert not (base.home / "runs").exists()


def test_the_kernels_of_the_wheels_notebooks_work_in_the_folder_of_the_run(base):
    code = """
from pathlib import Path
from cat_lab import project
from cat_lab.runs import Plan
for sources in (project.find_notebooks(), Path("notebooks")):
    print(Plan("r", None, Path("runs/r"), sources, "extract", True, {}, {}, None).kernel_folder)
"""
    done = base.call("python", "-c", code)
    assert (done.stdout, done.stderr) == ("runs/r\nnotebooks\n", "")


def test_what_only_notebooks_lack_is_listed_before_a_run(notebooks):
    done = notebooks.command("run", "--local", JAVA_HOME="")
    first, *problems = done.stderr.splitlines()
    assert (done.returncode, first) == (2, "cat-normalize: 5 problems; nothing was started")
    assert {each.split(":")[0].strip() for each in problems} == {
        "local AWS", "queries", "Spark", "Java", "S3A jars",
    }  # fmt: skip
    assert all("; run: pip install " in each for each in problems)
    assert problems[-1].endswith(JARS_INSTALL)


def test_what_local_lacks_besides_its_extra_is_said_before_anything_starts(install):
    local = install("local")
    done = local.command("local")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.endswith(f"; run: {JARS_INSTALL}\n")
    assert list(local.home.iterdir()) == []


def test_a_project_of_ones_own_runs_where_everything_is_installed(install):
    lab = install("")
    lab.see_this_environment()
    opened = lab.command("lab")
    assert (opened.returncode, opened.stderr.count("\n")) == (2, 1)
    assert "run cat-normalize init DIR" in opened.stderr
    assert lab.command("init", "mine").returncode == 0
    project = lab.home / "mine"
    settings = project / "settings.env"
    settings.write_text(
        settings.read_text().replace("#CAT_TIME_ZONE=America/Bogota", "CAT_TIME_ZONE=Asia/Tokyo")
    )
    script = f"set -a; . ./settings.env; set +a; '{lab.bin}/cat-normalize' run --local --json"
    done = lab.call("/bin/sh", "-c", script, cwd=project)
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["status"] == "done"
    assert record["outputs"]["etl-process1"]["settings"]["rules"]["time_zone"] == "Asia/Tokyo"
    (run,) = (project / "runs").iterdir()
    assert (run / "report.html").exists()
    assert str(ROOT) not in (run / "details.html").read_text()


def test_the_kernel_has_the_name_of_the_product_and_this_python(notebooks):
    code = """
from jupyter_client.manager import KernelManager
made = KernelManager(kernel_name="cat-normalize")
print(made.kernel_spec.display_name, made.format_kernel_cmd()[0], sep="\\n")
"""
    name, python = notebooks.call("python", "-c", code).stdout.splitlines()
    assert (name, Path(python).parent) == ("Cat Normalize (Python 3)", notebooks.bin)
