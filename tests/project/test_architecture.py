"""The map in docs/architecture.md matches the code; each room exports what it promises."""

import importlib
import re
import subprocess
import sys
import tomllib
from functools import reduce
from pathlib import Path

import pytest

import cat_normalize

ROOT = Path(__file__).parents[2]
MAP = (ROOT / "docs" / "architecture.md").read_text()
SPANS = re.findall(r"`([^`\s]+)`", MAP)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LIBRARY = tomllib.loads((ROOT / "lib" / "pyproject.toml").read_text())["project"]
ROOMS = ("core", "extract", "normalize", "convert", "query", "jobs", "scale")
FACES = {
    "cat_normalize.convert": (
        "Converted ConvertedTable check_conversion convert_csv newest_csv publish_manifest"
    ),
    "cat_normalize.extract": "Export Extracted extract_export extract_files extract_table",
    "cat_normalize.normalize": "normalize normalize_files publish_outputs refuse_all_rejected refuse_shrunk",
    "cat_normalize.query": "Parameter Period Query literal load names run_athena with_period",
    "cat_normalize.scale": "normalize_export publish_export run",
    "cat_lab.cli": "app main",
    "cat_lab.local": "JobRun LocalAws Worker check_job create_csv_trigger jupyterlab_options load_bucket "
    "run_jupyterlab running save_bucket",
    "cat_lab.project": "find find_notebooks find_own_notebooks is_installed lay_out",
    "cat_lab.sample": "items ordinary put",
}


def modules(package):
    files = (ROOT / "lib" / package).rglob("*.py")
    names = {".".join(file.relative_to(ROOT / "lib").with_suffix("").parts) for file in files}
    return {name.removesuffix(".__init__") for name in names}


MODULES = modules("cat_normalize") | modules("cat_lab")


def test_every_module_of_the_library_is_on_the_map():
    there = {name for name in modules("cat_normalize") if name.count(".") == 2}
    named = {f"cat_normalize.{span}" for span in SPANS if span.partition(".")[0] in ROOMS and "." in span}
    assert sorted(there - named) == []


def resolve(name):
    """Return the module or the member of a module that a dotted name names."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        if ".".join(parts[:end]) in MODULES:
            found = importlib.import_module(".".join(parts[:end]))
            return reduce(getattr, parts[end:], found)
    raise AssertionError(f"{name}: no such module")


@pytest.mark.parametrize("span", sorted({span for span in SPANS if re.fullmatch(r"[a-z_]\w*(\.\w+)+", span)}))
def test_every_name_on_the_map_exists(span):
    resolve(f"cat_normalize.{span}" if span.partition(".")[0] in ROOMS else span)


@pytest.mark.parametrize("span", sorted({span for span in SPANS if "/" in span}))
def test_every_path_on_the_map_exists(span):
    assert (ROOT / span).exists()


def test_every_room_of_the_lab_is_on_the_map():
    there = {path.stem for path in (ROOT / "lib" / "cat_lab").iterdir() if path.suffix in ("", ".py")}
    assert {name for name in there if not name.startswith("_")} - set(SPANS) == set()


def test_the_linter_holds_the_rooms_of_the_map_in_its_order():
    contracts = PROJECT["tool"]["importlinter"]["contracts"]
    (layers,) = [each["layers"] for each in contracts if each.get("containers") == ["cat_normalize"]]
    rows = re.findall(r"^\| `(\w+)` \|", MAP, re.MULTILINE)
    assert [room for layer in layers for room in layer.split(" | ")] == rows


@pytest.mark.parametrize("name", FACES)
def test_a_face_exports_what_it_promises_and_documents_it(name):
    face = importlib.import_module(name)
    assert sorted(face.__all__) == FACES[name].split()
    assert face.__doc__
    assert all(getattr(face, each).__doc__ for each in face.__all__)


def test_the_package_names_its_rooms_and_its_version():
    assert all(room in cat_normalize.__doc__ for room in ROOMS)
    assert cat_normalize.__version__ == LIBRARY["version"] == PROJECT["project"]["version"]
    assert f"cat-normalize=={LIBRARY['version']}" in PROJECT["project"]["dependencies"]
    assert PROJECT["project"]["scripts"] == {"cat-normalize": "cat_lab.cli:main"}


def test_no_face_of_the_library_imports_spark_or_pandas():
    code = "import sys; " + "; ".join(f"import cat_normalize.{room}" for room in ROOMS)
    code += "; sys.exit(bool({'pyspark', 'pandas', 'pyarrow', 'awswrangler'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
