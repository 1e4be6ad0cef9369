"""The artefacts that `make package` builds and the stacks deploy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import names
from cat_normalize.core import layout
from cat_normalize.core.errors import SettingsError
from cat_normalize.core.settings import Settings
from environments import Architecture

ROOT = Path(__file__).resolve().parents[2]


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
    """The files to deploy: a zip for one architecture, and in one folder the Glue scripts and wheels."""

    folder: Path
    lambda_zip: Path
    glue_wheels: Path

    @classmethod
    def found_in(cls, folder: Path, architecture: Architecture) -> Artefacts:
        """Find the files where `make package` writes them.

        Raises:
            SettingsError: one is missing, or there are two zips of wheels.
        """
        wheels = sorted(folder.glob("cat_normalize-*.gluewheels.zip"))
        if len(wheels) != 1:
            raise SettingsError(
                f"{folder}: {len(wheels)} files cat_normalize-….gluewheels.zip, not one; run: make package"
            )
        zip = folder / f"lambda-{architecture}.zip"
        for path in (zip, ETL1_SCRIPT.path(folder), ETL2_SCRIPT.path(folder)):
            if not path.is_file():
                raise SettingsError(f"{path} is missing; run: make package")
        return cls(folder, zip, wheels[0])

    def prefix(self, script: GlueScript) -> str:
        """Return the prefix of a script and its wheels, which is that of their contents."""
        files = (script.path(self.folder), self.glue_wheels)
        return layout.scripts_prefix(script.prefix, *(path.read_bytes() for path in files))

    def python_modules(self, bucket: str, script: GlueScript) -> dict[str, str]:
        """Return the arguments by which Glue installs the wheels next to a script, and asks no index.

        It does so on every worker, for tasks run the library:
        https://docs.aws.amazon.com/glue/latest/dg/aws-glue-programming-python-libraries.html.
        """
        return {
            "--additional-python-modules": layout.s3_uri(bucket, self.prefix(script) + self.glue_wheels.name),
            "--python-modules-installer-option": "--no-index",
        }
