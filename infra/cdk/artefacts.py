"""What `make package` built and the stacks deploy."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.metadata import requires
from pathlib import Path

from cat_normalize.core.errors import SettingsError
from environments import Architecture

ROOT = Path(__file__).resolve().parents[2]
GLUE_SCRIPT = "glue_job_script.py"
GLUE_REQUIREMENTS = ROOT / "glue" / "etl-process2" / "requirements.txt"
_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9.+!]+)")


@dataclass(frozen=True, slots=True)
class Artefacts:
    """The files to deploy: a zip for one architecture, and in one folder the Glue script and the wheel.

    ``glue_modules`` are the packages, pinned, that the job needs beyond Glue's own and the wheel.
    """

    lambda_zip: Path
    wheel: Path
    glue_script: Path
    glue_modules: tuple[str, ...]

    @classmethod
    def found_in(cls, folder: Path, architecture: Architecture) -> Artefacts:
        """Find them where `make package` puts them.

        Raises:
            SettingsError: one is missing, or there are two wheels.
        """
        wheels = sorted(folder.glob("cat_normalize-*-py3-none-any.whl"))
        if len(wheels) != 1:
            raise SettingsError(
                f"{folder}: {len(wheels)} wheels of cat_normalize, not one; run: make package"
            )
        found = cls(
            folder / f"lambda-{architecture}.zip",
            wheels[0],
            folder / GLUE_SCRIPT,
            glue_modules(GLUE_REQUIREMENTS),
        )
        for path in (found.lambda_zip, found.glue_script):
            if not path.is_file():
                raise SettingsError(f"{path} is missing; run: make package")
        return found


def glue_modules(requirements: Path) -> tuple[str, ...]:
    """Return the pins of a requirements file; without the file those of the installed library itself."""
    if requirements.is_file():
        lines = requirements.read_text().splitlines()
    else:
        lines = [line for line in requires("cat-normalize") or [] if "extra ==" not in line]
    return tuple(found[1] for line in lines if (found := _PIN.match(line.strip())))
