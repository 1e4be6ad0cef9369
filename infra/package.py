"""Build what the stacks deploy, reproducibly: ``infra/package.py [--offline] [FOLDER]``.

The folder (``dist``) gets ``lambda-x86_64.zip``, ``lambda-arm64.zip``, the library's wheel, and what the Glue
jobs run: a zip of wheels, ``glue_job_script.py`` of ETL-2, ``glue_etl1_script.py`` of ETL-1 in Spark.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = ROOT / "lib"
PACKAGE = "cat_normalize"
HANDLERS = (
    ROOT / "lambda" / "etl-process1" / "lambda_function.py",
    ROOT / "lambda" / "freshness" / "freshness_function.py",
)
WHEELS = ROOT / "build" / "wheels"
LAMBDA_REQUIREMENTS = HANDLERS[0].with_name("requirements.txt")
GLUE_REQUIREMENTS = ROOT / "glue" / "etl-process2" / "requirements.txt"
GLUE_SCRIPTS = {
    "glue_job_script.py": ROOT / "glue" / "etl-process2" / "glue_job_script.py",
    "glue_etl1_script.py": ROOT / "glue" / "etl-process1" / "glue_job_script.py",
}
# Lambda runs Python 3.11 on Amazon Linux 2, whose glibc is 2.26; these wheels ask for no more than 2.17.
# https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html
# Glue 5.1 runs Python 3.11 too, on x86_64, with a newer glibc.
PLATFORMS = {"x86_64": "x86_64-manylinux2014", "arm64": "aarch64-manylinux2014"}
# Records of the installation: they differ from machine to machine, and Python does not read them.
LEFT_OUT = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", ".lock"}
# The zip has its own boto3: that of the runtime changes without notice, and Python looks into the zip first,
# https://docs.aws.amazon.com/lambda/latest/dg/python-package.html. Left out is what the function never reads.
UNUSED = (
    r"bin/",  # commands
    r"botocore/data/(?!(dynamodb|s3)/)[^/]+/",  # models of services: it calls two, and none gives credentials
    r"boto3/(data|examples)/",  # of resources: it has clients
    r"aws_lambda_powertools/(event_handler|utilities/(?!(jmespath_utils|typing)/)[^/]+)/",
)
TASK = "/var/task"  # where Lambda unpacks the zip
EPOCH = (1980, 1, 1, 0, 0, 0)


def main() -> None:
    """Build into the folder that the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "dist")
    offline = "take packages only from uv's cache and build/wheels"
    parser.add_argument("--offline", action="store_true", help=offline)
    given = parser.parse_args()
    build_all(given.folder, given.offline)


def build_all(folder: Path, offline: bool) -> None:
    """Build all artefacts into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for earlier in (*folder.glob(f"{PACKAGE}-*.whl"), *folder.glob(f"{PACKAGE}-*.gluewheels.zip")):
        earlier.unlink()
    build_wheel(folder, LIBRARY)
    build_glue_wheels(folder, offline)
    for architecture, platform in PLATFORMS.items():
        build_lambda(folder / f"lambda-{architecture}.zip", platform, offline)
    for name, script in GLUE_SCRIPTS.items():
        shutil.copyfile(script, folder / name)


def build_wheel(folder: Path, project: Path) -> None:
    """Build the wheel of a project's folder; the same files give the same bytes."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder.resolve())]
    _run(command, project, SOURCE_DATE_EPOCH="1580601600")


def build_lambda(target: Path, platform: str, offline: bool = False) -> None:
    """Build the zip of one platform: the handlers, the modules they import, pinned packages; compiled."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        install(LAMBDA_REQUIREMENTS, folder, platform, offline)
        remove_unused(folder)
        for path in imported_files(*HANDLERS):
            copy = folder / path.relative_to(LIBRARY)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
        for handler in HANDLERS:
            shutil.copyfile(handler, folder / handler.name)
        compile_all(folder)
        files = [path for path in folder.rglob("*") if path.is_file() and path.name not in LEFT_OUT]
        write_zip(target, {str(path.relative_to(folder)): path.read_bytes() for path in files})


def remove_unused(folder: Path) -> None:
    """Remove what the function does not use of the packages installed in a folder."""
    for path in list(folder.rglob("*/")):
        if any(re.fullmatch(pattern, f"{path.relative_to(folder)}/") for pattern in UNUSED):
            shutil.rmtree(path)


def install(requirements: Path, target: Path, platform: str, offline: bool) -> None:
    """Install pinned packages, whose hashes must be right, into a folder as on another platform."""
    command = [str(Path(sys.executable).with_name("uv")), "pip", "install", "--quiet"]
    command += ["--target", str(target), "--python-platform", platform, "--python-version", "3.11"]
    command += ["--only-binary", ":all:", "--no-deps", "--require-hashes", "--link-mode", "copy"]
    command += ["--no-compile-bytecode", *(["--offline"] if offline else [])]
    _run([*command, "-r", str(requirements)])


def build_glue_wheels(folder: Path, offline: bool = False) -> None:
    """Build the zip of wheels that Glue installs without an index: of the library and its pinned packages.

    Glue 5 wants this ending, and in the folder ``wheels`` the wheels and a requirements file:
    https://docs.aws.amazon.com/glue/latest/dg/aws-glue-programming-python-libraries.html.
    """
    (own,) = folder.glob(f"{PACKAGE}-*.whl")
    with tempfile.TemporaryDirectory() as scratch:
        download(GLUE_REQUIREMENTS, Path(scratch), offline)
        wheels = {each.name: each.read_bytes() for each in (own, *Path(scratch).iterdir())}
    pins = ["==".join(name.split("-")[:2]) for name in sorted(wheels)]
    entries = {f"wheels/{name}": data for name, data in wheels.items()}
    entries["wheels/requirements.txt"] = "".join(f"{pin}\n" for pin in pins).encode()
    write_zip(folder / f"{'-'.join(own.name.split('-')[:2])}.gluewheels.zip", entries)


def download(requirements: Path, target: Path, offline: bool) -> None:
    """Put the wheels of pinned packages, as Glue's Python takes them, into a folder; hashes must be right.

    They are kept for builds without a network: uv's cache has packages, but not their wheels as they came.
    """
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet"]
    command += ["--python-version", "3.11", "--platform", "manylinux2014_x86_64", "--only-binary", ":all:"]
    command += ["--no-deps", "--require-hashes", "--find-links", str(WHEELS), "--dest", str(target)]
    WHEELS.mkdir(parents=True, exist_ok=True)
    _run([*command, *(["--no-index"] if offline else []), "-r", str(requirements)])
    for wheel in target.iterdir():
        shutil.copyfile(wheel, WHEELS / wheel.name)


def compile_all(folder: Path) -> None:
    """Compile every module: Lambda cannot write bytecode, and would compile at each cold start.

    Python does not check the bytecode against its module (``unchecked-hash``), since a zip is deployed whole.
    A process of its own with one hash seed makes the bytecode reproducible.
    """
    command = [sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
    command += ["-s", str(folder), "-p", TASK, str(folder)]
    _run(command, PYTHONHASHSEED="0")


def imported_files(*scripts: Path) -> list[Path]:
    """Return the library's files that scripts import, directly or not, at any place of a module."""
    files = [LIBRARY / PACKAGE / "__init__.py", LIBRARY / PACKAGE / "py.typed"]
    waiting = [*scripts]
    while waiting:
        tree = ast.parse(waiting.pop().read_bytes())
        for name in _imported(tree.body):
            base = LIBRARY.joinpath(*name.split("."))
            above = [LIBRARY / package / "__init__.py" for package in base.relative_to(LIBRARY).parents]
            for path in (base.with_suffix(".py"), base / "__init__.py", *above[:-1]):
                if path.is_file() and path not in files:
                    files.append(path)
                    waiting.append(path)
    return files


def write_zip(target: Path, entries: dict[str, bytes]) -> None:
    """Write a zip whose bytes depend only on names and contents."""
    with zipfile.ZipFile(target, "w") as archive:
        for name in sorted(entries):
            info = zipfile.ZipInfo(name, EPOCH)
            info.create_system, info.external_attr = 3, 0o100644 << 16
            archive.writestr(info, entries[name], zipfile.ZIP_DEFLATED, 9)


def _imported(body: list[ast.stmt]) -> Iterator[str]:
    """Yield the library's modules that the statements may import, except those for type checkers."""
    for node in body:
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        for each in ast.walk(node):
            if isinstance(each, ast.Import):
                yield from (alias.name for alias in each.names if alias.name.startswith(PACKAGE))
            elif isinstance(each, ast.ImportFrom) and (each.module or "").startswith(PACKAGE):
                yield each.module or ""
                yield from (f"{each.module}.{alias.name}" for alias in each.names)


def _run(command: list[str], folder: Path = ROOT, **environment: str) -> None:
    subprocess.run(command, check=True, cwd=folder, env={**os.environ, **environment}, stdout=sys.stderr)


if __name__ == "__main__":
    main()
