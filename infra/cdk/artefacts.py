"""The artefacts that `make package` builds and the stacks deploy."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.metadata import requires
from pathlib import Path

import names
from cat_normalize.core import layout
from cat_normalize.core.errors import SettingsError
from cat_normalize.core.settings import Settings
from environments import Architecture

ROOT = Path(__file__).resolve().parents[2]
GLUE_REQUIREMENTS = ROOT / "glue" / "etl-process2" / "requirements.txt"
_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9.+!]+)")


@dataclass(frozen=True, slots=True)
class GlueScript:
    """A Glue job's script: its file name, its prefix in the bucket, the log group of the copying Lambda."""

    name: str
    prefix: str
    copy_log: str

    def path(self, folder: Path) -> Path:
        """Return its path in a folder of artefacts."""
        return folder / self.name


ETL1_SCRIPT = GlueScript("glue_etl1_script.py", names.ETL1_SCRIPTS_PREFIX, names.LOGS_SCRIPTS_ETL1)
ETL2_SCRIPT = GlueScript("glue_job_script.py", Settings().scripts_prefix, names.LOGS_SCRIPTS_ETL2)


@dataclass(frozen=True, slots=True)
class Artefacts:
    """The files to deploy: a zip for one architecture, and in one folder the Glue scripts and the wheel.

    ``glue_modules`` are the pinned packages that the Glue jobs need besides Glue's own and the wheel.
    """

    folder: Path
    lambda_zip: Path
    wheel: Path
    glue_modules: tuple[str, ...]

    @classmethod
    def found_in(cls, folder: Path, architecture: Architecture) -> Artefacts:
        """Find the files where `make package` writes them.

        Raises:
            SettingsError: one is missing, or there are two wheels.
        """
        wheels = sorted(folder.glob("cat_normalize-*-py3-none-any.whl"))
        if len(wheels) != 1:
            raise SettingsError(
                f"{folder}: {len(wheels)} wheels of cat_normalize, not one; run: make package"
            )
        zip = folder / f"lambda-{architecture}.zip"
        for path in (zip, ETL1_SCRIPT.path(folder), ETL2_SCRIPT.path(folder)):
            if not path.is_file():
                raise SettingsError(f"{path} is missing; run: make package")
        return cls(folder, zip, wheels[0], glue_modules(GLUE_REQUIREMENTS))

    def python_modules(self, bucket: str, script: GlueScript) -> str:
        """Return ``--additional-python-modules`` of a job: the wheel next to its script, and the pins.

        Glue installs them on every worker, for tasks run the library; it takes a wheel by its S3 address:
        https://docs.aws.amazon.com/glue/latest/dg/aws-glue-programming-python-libraries.html.
        """
        wheel = layout.s3_uri(bucket, script.prefix + self.wheel.name)
        return ",".join([wheel, *self.glue_modules])


def glue_modules(requirements: Path) -> tuple[str, ...]:
    """Return the pins of a requirements file, or of the installed library if the file is missing."""
    if requirements.is_file():
        lines = requirements.read_text().splitlines()
    else:
        lines = [line for line in requires("cat-normalize") or [] if "extra ==" not in line]
    return tuple(found[1] for line in lines if (found := _PIN.match(line.strip())))
