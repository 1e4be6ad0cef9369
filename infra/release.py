"""Build a release, reproducibly: ``infra/release.py [--offline] [FOLDER]``.

The folder (``dist/release``) gets both wheels, what ``package.py`` builds, ``CHANGELOG.md`` with the section
of the version, and ``SHA256SUMS``. Nothing is published.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import package

ROOT = package.ROOT
PROJECTS = ("pyproject.toml", "lib/pyproject.toml")


def main() -> None:
    """Check versions and changelog, then build."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "dist" / "release")
    parser.add_argument("--offline", action="store_true", help="as `infra/package.py --offline`")
    given = parser.parse_args()
    try:
        version = version_of([_read(ROOT / name) for name in PROJECTS])
        section = section_of((ROOT / "CHANGELOG.md").read_text(), version)
        if given.folder.exists():
            raise ValueError(f"{given.folder} is there already; remove it, or name another folder")
    except ValueError as error:
        sys.exit(f"release: {error}")
    package.build_all(given.folder, given.offline)
    package.build_wheel(given.folder, ROOT)
    (given.folder / "CHANGELOG.md").write_text(section)
    (given.folder / "SHA256SUMS").write_text(sums(given.folder))
    sys.stderr.write(f"release {version} is in {given.folder}\n")


def version_of(projects: list[dict[str, Any]]) -> str:
    """Return the version of the lab and of the library, which the lab requires in exactly this one.

    Raises:
        ValueError: they differ.
    """
    lab, library = (each["version"] for each in projects)
    if lab != library:
        raise ValueError(f"pyproject.toml has version {lab}, lib/pyproject.toml {library}; make them one")
    if f"cat-normalize=={library}" not in projects[0]["dependencies"]:
        raise ValueError(f"pyproject.toml does not require cat-normalize=={library}; mend its dependencies")
    return str(library)


def section_of(changelog: str, version: str) -> str:
    """Return the section of a version: its heading, which a date may follow, to the next one.

    Raises:
        ValueError: there is none, or nothing is in it.
    """
    sections = re.split(r"^(?=## )", changelog, flags=re.MULTILINE)[1:]
    found = [each for each in sections if each.split()[1] == version]
    if not found:
        raise ValueError(f"CHANGELOG.md has no section ## {version}; name its section Unreleased so")
    heading, _, text = found[0].partition("\n")
    if not text.strip():
        raise ValueError(f"CHANGELOG.md says nothing in its section {heading}; write what changed")
    return found[0].rstrip() + "\n"


def sums(folder: Path) -> str:
    """Return a line for each file of a folder, as ``sha256sum --check`` reads it."""
    files = sorted(path for path in folder.iterdir() if path.name != "SHA256SUMS")
    return "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files)


def _read(path: Path) -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads(path.read_text())["project"]
    return project


if __name__ == "__main__":
    main()
