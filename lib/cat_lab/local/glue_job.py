"""The Glue job's script on this machine: by a real spark-submit, with what Glue would bring along."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from cat_lab import spark
from cat_lab.local import tied_process as tether
from cat_normalize.core.errors import ConvertError
from cat_normalize.core.settings import Settings

_TETHERED = (sys.executable, "-P", str(Path(tether.__file__)))


@dataclass(frozen=True, slots=True)
class Python:
    """The Python that runs a script: its executable, and where it finds modules besides its own."""

    executable: str = sys.executable
    modules: str | None = None


def command(
    settings: Settings, folder: Path, script: Path, arguments: Sequence[str], wheels: Sequence[Path] = ()
) -> list[str]:
    """Return the spark-submit that runs a script against the settings' S3.

    Args:
        settings: region and endpoint.
        folder: where Spark's properties are written, and whatever Java leaves when it is killed.
        script: a Python file.
        arguments: the script's own.
        wheels: what the script imports, before anything installed.
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
    if wheels:
        line += ["--py-files", ",".join(map(str, wheels))]
    return [*line, str(script), *arguments]


def environment(base: Mapping[str, str], python: Python) -> dict[str, str]:
    """Return `base` with what `command` needs, and without other settings of Spark's."""
    kept = {name: value for name, value in base.items() if not name.startswith(("SPARK_", "PYSPARK_"))}
    modules = {} if python.modules is None else {"PYTHONPATH": python.modules}
    return kept | {
        "JAVA_HOME": str(spark.java_home(base)),
        "PYSPARK_DRIVER_PYTHON": python.executable,
        "PYSPARK_PYTHON": python.executable,
        "SPARK_HOME": str(_spark_home()),
        "SPARK_LOCAL_IP": "127.0.0.1",
        **modules,
    }


@contextmanager
def started(
    line: Sequence[str], environment: Mapping[str, str], folder: Path, log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a command in a process group of its own; the group ends with the block and with this process.

    Args:
        line: the command.
        environment: its whole environment.
        folder: its working folder, where its temporary files go too.
        log: file that its output is appended to; Spark mixes a script's errors into it anyway.
    """
    with log.open("ab") as told:
        process = subprocess.Popen(
            [*_TETHERED, *line],
            env={**environment, "TMPDIR": str(folder)},
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=told,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for the parent, which ends the group
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            _end(process)
        assert process.stdin is not None
        process.stdin.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(10)
    except subprocess.TimeoutExpired:
        pass
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _spark_home() -> Path:
    found = find_spec("pyspark")
    if found is None or found.origin is None:
        raise ConvertError("Spark is not installed; install the extra: cat-normalize[local]")
    return Path(found.origin).parent
