"""Build what the stacks deploy; built twice, the same bytes: ``infra/package.py [--offline] [FOLDER]``.

In the folder (``dist``) come ``lambda-x86_64.zip``, ``lambda-arm64.zip``, the library's wheel, and the Glue
job's script.
"""

from __future__ import annotations

import argparse
import ast
import os
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
DOOR = ROOT / "lambda" / "etl-process1" / "lambda_function.py"
GLUE_SCRIPT = ROOT / "glue" / "etl-process2" / "glue_job_script.py"
# Lambda runs Python 3.11 on Amazon Linux 2, whose glibc is 2.26; these wheels ask for no more than 2.17.
# https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html
PLATFORMS = {"x86_64": "x86_64-manylinux2014", "arm64": "aarch64-manylinux2014"}
# Of an installed package nothing but what Python reads: no record of the installation, which tells machines.
LEFT_OUT = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", ".lock"}
TASK = "/var/task"  # where Lambda unpacks the zip
EPOCH = (1980, 1, 1, 0, 0, 0)


def main() -> None:
    """Build everything into one folder."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "dist")
    parser.add_argument("--offline", action="store_true", help="take packages from uv's cache alone")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    build_wheel(given.folder)
    for architecture, platform in PLATFORMS.items():
        build_lambda(given.folder / f"lambda-{architecture}.zip", platform, given.offline)
    shutil.copyfile(GLUE_SCRIPT, given.folder / GLUE_SCRIPT.name)


def build_wheel(folder: Path) -> None:
    """Build the library's wheel; hatchling makes the same bytes of the same files."""
    for earlier in folder.glob(f"{PACKAGE}-*.whl"):
        earlier.unlink()
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder.resolve())]
    _run(command, LIBRARY, SOURCE_DATE_EPOCH="1580601600")


def build_lambda(target: Path, platform: str, offline: bool = False) -> None:
    """Build the zip of one platform: the door, the modules it reaches, the pinned packages, all compiled."""
    with tempfile.TemporaryDirectory() as scratch:
        command = [str(Path(sys.executable).with_name("uv")), "pip", "install", "--quiet"]
        command += ["--target", scratch, "--python-platform", platform, "--python-version", "3.11"]
        command += ["--only-binary", ":all:", "--no-deps", "--require-hashes", "--link-mode", "copy"]
        command += ["--no-compile-bytecode", *(["--offline"] if offline else [])]
        _run([*command, "-r", str(DOOR.with_name("requirements.txt"))])
        folder = Path(scratch)
        for path in reached(DOOR):
            copy = folder / path.relative_to(LIBRARY)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
        shutil.copyfile(DOOR, folder / DOOR.name)
        compile_all(folder)
        wanted = [path for path in folder.rglob("*") if path.is_file() and path.name not in LEFT_OUT]
        write_zip(target, {str(path.relative_to(folder)): path.read_bytes() for path in wanted})


def compile_all(folder: Path) -> None:
    """Put bytecode beside every module: Lambda cannot write its own, and would compile at each cold start.

    It is taken as it is, whatever the date or the text of the module: a zip is deployed whole. In a process
    of its own and with hashes of one seed it comes out the same each time.
    """
    command = [sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
    command += ["-s", str(folder), "-p", TASK, str(folder)]
    _run(command, PYTHONHASHSEED="0")


def reached(door: Path) -> list[Path]:
    """Return the library's files that a script imports, at once or later, by itself or through others."""
    files = [LIBRARY / PACKAGE / "__init__.py", LIBRARY / PACKAGE / "py.typed"]
    waiting = [door]
    while waiting:
        tree = ast.parse(waiting.pop().read_bytes())
        for name in _imported(tree.body):
            base = LIBRARY.joinpath(*name.split("."))
            rooms = [LIBRARY / room / "__init__.py" for room in base.relative_to(LIBRARY).parents]
            for path in (base.with_suffix(".py"), base / "__init__.py", *rooms[:-1]):
                if path.is_file() and path not in files:
                    files.append(path)
                    waiting.append(path)
    return files


def write_zip(target: Path, entries: dict[str, bytes]) -> None:
    """Write a zip whose bytes depend on names and contents alone."""
    with zipfile.ZipFile(target, "w") as archive:
        for name in sorted(entries):
            info = zipfile.ZipInfo(name, EPOCH)
            info.create_system, info.external_attr = 3, 0o100644 << 16
            archive.writestr(info, entries[name], zipfile.ZIP_DEFLATED, 9)


def _imported(body: list[ast.stmt]) -> Iterator[str]:
    """Yield what the statements may import of the library, those for type checkers left out."""
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
