import ast
import hashlib
import marshal
import re
import struct
import subprocess
import sys
import zipfile
from importlib.util import MAGIC_NUMBER, cache_from_source, source_hash

import pytest

from deployed.conftest import ROOT

MACHINES = {"x86_64": 0x3E, "arm64": 0xB7}
GLIBC = (2, 26)  # Amazon Linux 2, where Lambda runs Python 3.11
LOCK = (ROOT / "requirements.lock").read_text()


def pins(text):
    """Split a file of pins into each with its hashes."""
    found = re.findall(r"^(\S+==\S+)((?:\s*\\\n\s+--hash=\S+)+)", text, re.MULTILINE)
    return {pin: set(re.findall(r"--hash=(\S+)", hashes)) for pin, hashes in found}


def test_the_artefacts_are_those_that_the_stacks_deploy(dist):
    assert sorted(path.name.partition("-")[0] for path in dist.iterdir()) == [
        "cat_normalize", "cat_normalize", "glue_etl1_script.py", "glue_job_script.py", "lambda", "lambda",
    ]  # fmt: skip


@pytest.mark.parametrize("architecture", MACHINES)
def test_the_zip_is_small_and_of_its_platform(dist, architecture):
    with zipfile.ZipFile(dist / f"lambda-{architecture}.zip") as archive:
        entries = archive.infolist()
        compiled = {each.filename: archive.read(each) for each in entries if ".so" in each.filename}
        text = b"".join(archive.read(each) for each in entries)
    assert sum(each.file_size for each in entries) < 15_000_000
    assert {each.date_time[0] for each in entries} == {1980}
    assert {each.external_attr >> 16 & 0o777 for each in entries} == {0o644}
    assert {name.partition("/")[0] for name in compiled} == {"msgspec", "wrapt"}
    for data in compiled.values():
        assert struct.unpack_from("<H", data, 18)[0] == MACHINES[architecture]
        wanted = re.findall(rb"GLIBC_(\d+)\.(\d+)", data)
        assert max((int(major), int(minor)) for major, minor in wanted) <= GLIBC
    assert str(ROOT).encode() not in text


@pytest.mark.parametrize("architecture", MACHINES)
def test_the_zip_contains_only_what_the_function_imports(dist, architecture):
    with zipfile.ZipFile(dist / f"lambda-{architecture}.zip") as archive:
        names = archive.namelist()
    tops = {name.partition("/")[0] for name in names}
    assert not tops & {"bin", "pandas", "pyarrow", "pyspark"}
    assert {"lambda_function.py", "boto3", "botocore"} < tops
    models = {name.split("/")[2] for name in names if re.match("botocore/data/.+/", name)}
    assert models == {"dynamodb", "s3"}
    assert {"botocore/cacert.pem", "botocore/data/endpoints.json", "botocore/data/partitions.json"} < {*names}
    library = {name for name in names if name.startswith("cat_normalize/")}
    assert {"cat_normalize/jobs/etl1.py", "cat_normalize/extract/scan.py"} < library
    assert not [name for name in library if re.search("convert|query|scale", name)]
    assert not [name for name in names if name.endswith(("/RECORD", "/INSTALLER"))]


@pytest.mark.parametrize("architecture", MACHINES)
def test_every_module_in_the_zip_has_bytecode_that_python_does_not_check(dist, architecture):
    with zipfile.ZipFile(dist / f"lambda-{architecture}.zip") as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    sources = {cache_from_source(name): name for name in held if name.endswith(".py")}
    assert set(sources) == {name for name in held if name.endswith(".pyc")}
    assert len(sources) > 300
    for name, source in sources.items():
        assert held[name][:16] == MAGIC_NUMBER + struct.pack("<I", 0b01) + source_hash(held[source])
        assert marshal.loads(held[name][16:]).co_filename == f"/var/task/{source}"


def test_every_module_of_the_library_in_the_zip_can_be_imported(unpacked):
    files = [path.relative_to(unpacked) for path in (unpacked / "cat_normalize").rglob("*.py")]
    modules = [".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in files]
    lines = ["import sys", f"sys.path.append({str(unpacked)!r})"]
    lines += [f"import {module}" for module in modules]
    subprocess.run([sys.executable, "-I", "-S", "-c", "\n".join(lines)], check=True)


def test_the_wheel_contains_the_library(dist):
    (wheel,) = dist.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if name.startswith("cat_normalize/")}
    files = (ROOT / "lib" / "cat_normalize").rglob("*")
    there = {str(path.relative_to(ROOT / "lib")) for path in files if path.is_file()}
    assert held == {name for name in there if "__pycache__" not in name}


def test_the_wheels_for_glue_are_the_library_and_its_pins_for_its_platform(dist):
    (own,), (wheels,) = dist.glob("*.whl"), dist.glob("*.gluewheels.zip")
    with zipfile.ZipFile(wheels) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    listed = held.pop("wheels/requirements.txt").decode().split()
    locked = pins((ROOT / "glue" / "etl-process2" / "requirements.txt").read_text())
    version = own.name.split("-")[1]
    assert set(listed) == {f"cat_normalize=={version}", *locked}
    assert held.pop(f"wheels/{own.name}") == own.read_bytes()
    hashes = {f"sha256:{hashlib.sha256(wheel).hexdigest()}" for wheel in held.values()}
    assert hashes <= set().union(*locked.values())  # as they came from the index
    assert sorted(re.sub(r"-[\d.]+-", " ", name) for name in held) == [
        "wheels/msgspec cp311-cp311-manylinux2014_x86_64.manylinux_2_17_x86_64.manylinux_2_28_x86_64.whl",
        "wheels/tzdata py2.py3-none-any.whl",
    ]


def test_pip_installs_the_wheels_for_glue_without_an_index(additional):
    found = {path.name for path in additional.iterdir()}
    assert {"cat_normalize", "msgspec", "tzdata"} < found
    assert "bin" not in found


def test_the_glue_script_does_nothing_on_import(dist):
    body = ast.parse((dist / "glue_job_script.py").read_text()).body
    assert isinstance(body[-1], ast.If)
    harmless = ast.Import | ast.ImportFrom | ast.FunctionDef | ast.Assign | ast.Expr
    assert all(isinstance(node, harmless) for node in body[:-1])


@pytest.mark.parametrize(
    ("door", "names"),
    [
        (
            "lambda/etl-process1",
            "aws-lambda-powertools aws-xray-sdk boto3 botocore jmespath msgspec python-dateutil s3transfer "
            "six typing-extensions tzdata urllib3 wrapt",
        ),
        ("glue/etl-process2", "msgspec tzdata"),
    ],
)
def test_the_pins_are_those_of_the_lock_and_name_no_index(door, names):
    text = (ROOT / door / "requirements.txt").read_text()
    own, lock = pins(text), pins(LOCK)
    assert [pin.partition("==")[0] for pin in own] == names.split()
    assert {pin: hashes for pin, hashes in lock.items() if pin in own} == own
    assert "http" not in text
    assert "index" not in text
