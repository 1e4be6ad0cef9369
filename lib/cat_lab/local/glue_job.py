"""Run the Glue job's script on this machine: spark-submit with what Glue provides."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from cat_lab import spark
from cat_lab.installed import require
from cat_lab.local import child_process
from cat_normalize.core.settings import Settings


def check_job() -> None:
    """Check that what a local AWS and a run of the Glue job need is installed.

    Raises:
        MissingPackageError: moto, Spark, Java, Glue's library or the jars of S3A are not.
    """
    require("moto", "pyspark", "awsglue")
    spark.java_home(os.environ)
    spark.s3a_jars()


def command(settings: Settings, folder: Path, script: Path, arguments: Sequence[str]) -> list[str]:
    """Return the spark-submit command of a script that uses the settings' S3.

    Args:
        settings: region and endpoint.
        folder: for Spark's properties and temporary files.
        script: a Python file.
        arguments: of the script.
    """
    options = {f"spark.hadoop.{name}": value for name, value in spark.s3a_options(settings).items()}
    options |= {"spark.local.dir": str(folder), "spark.hadoop.hadoop.tmp.dir": str(folder)}
    options |= {"spark.driver.host": "127.0.0.1", "spark.ui.enabled": "false", "spark.driver.memory": "2g"}
    properties = folder / "spark.conf"
    properties.write_text("".join(f"{name} {value}\n" for name, value in options.items()), "utf-8")
    line = [str(_spark_home() / "bin" / "spark-submit"), "--master", "local[2]"]
    line += ["--properties-file", str(properties)]
    line += ["--driver-class-path", os.pathsep.join(map(str, spark.s3a_jars()))]
    line += ["--driver-java-options", spark.java_options(folder)]
    return [*line, str(script), *arguments]


def environment(
    base: Mapping[str, str], python: Mapping[str, str] | None = None, modules: Sequence[Path] = ()
) -> dict[str, str]:
    """Return `base` with the variables that `command` needs, without other settings of Spark.

    Args:
        base: the whole environment.
        python: variables that select another Python: ``PYSPARK_PYTHON``, ``PYTHONPATH``.
        modules: folders of packages for the script and for the tasks of its executors, in preference to
            installed ones.
    """
    python = python or {}
    path = [*map(str, modules), *filter(None, [python.get("PYTHONPATH", base.get("PYTHONPATH"))])]
    kept = {name: value for name, value in base.items() if not name.startswith(("SPARK_", "PYSPARK_"))}
    return kept | {
        "JAVA_HOME": str(spark.java_home(base)),
        "PYSPARK_PYTHON": sys.executable,
        "SPARK_HOME": str(_spark_home()),
        "SPARK_LOCAL_IP": "127.0.0.1",
        **python,
        **({"PYTHONPATH": os.pathsep.join(path)} if path else {}),
    }


def unpack(wheels: Path, folder: Path) -> Path:
    """Unpack a zip of wheels, as Glue takes it, into a folder of packages, and return the folder."""
    with zipfile.ZipFile(wheels) as outer:
        for name in outer.namelist():
            if name.endswith(".whl"):
                with outer.open(name) as wheel, zipfile.ZipFile(wheel) as packages:
                    packages.extractall(folder)
    return folder


@contextmanager
def started(
    line: Sequence[str], environment: Mapping[str, str], folder: Path, log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a command whose process group ends with the block, and with this process.

    Args:
        line: the command.
        environment: its whole environment.
        folder: its working folder, also for its temporary files.
        log: file that its output and errors are appended to.
    """
    with log.open("ab") as output:
        process = child_process.start(
            [*child_process.TIED, *line],
            {**environment, "TMPDIR": str(folder)},
            cwd=folder,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        child_process.end(process)


def _spark_home() -> Path:
    require("pyspark")
    import pyspark

    return Path(pyspark.__file__).parent
