"""The Glue job's script as it is deployed: by spark-submit, with its zip of wheels and nothing else."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
from base64 import b64encode
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cat_lab import sample, spark
from cat_lab.local import glue_job as job_
from cat_normalize.convert import convert_csv
from cat_normalize.core import csvfile, layout
from cat_normalize.core.errors import (
    FutureDateError,
    FutureParquetError,
    InputError,
    MalformedCsvError,
    SettingsError,
    StaleInputError,
)
from cat_normalize.core.settings import Settings, today
from cat_normalize.normalize.files import normalize_files
from deployed.conftest import ROOT, glues_python

KEY = "reports/etl-process1/data_20250915.csv"
LOCATIONS = [
    "--input_bucket",
    "{bucket}",
    "--input_prefix",
    "reports/etl-process1/",
    "--output_bucket",
    "{bucket}",
]
ARGUMENTS = [*LOCATIONS, "--output_prefix", "reports/etl-process2/", "--input_key", KEY]
GLUES_OWN = [
    "--JOB_NAME",
    layout.GLUE_JOB,
    "--job-bookmark-option",
    "job-bookmark-disable",
    "--enable-metrics",
]


@pytest.fixture(scope="module")
def csv(tmp_path_factory):
    folder = tmp_path_factory.mktemp("csv")
    lines = [json.dumps(each, default=lambda raw: b64encode(raw).decode()) for each in sample.items()]
    (folder / "items.jsonl").write_text("\n".join(lines))
    made = folder / Path(KEY).name
    normalize_files([folder / "items.jsonl"], made, folder / "rejects.jsonl", Settings().rules)
    return made


@pytest.fixture(scope="module")
def session(aws, spark_session):
    return spark.session(aws.settings)


@pytest.fixture(scope="module")
def expected(csv, session):
    """Convert the same CSV here, on disk."""
    done = convert_csv(session, str(csv), {"users": str(csv.with_suffix(".parquet"))})
    assert done.users.rows > 300
    return csv.with_suffix(".parquet")


@pytest.fixture(scope="module")
def aws(empty_aws, csv):
    empty_aws.client("s3").upload_file(str(csv), empty_aws.settings.bucket, KEY)
    return empty_aws


def environment(aws, glue, *modules):
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    made = job_.environment(aws.child_environment(kept), glues_python(glue), modules)
    return made | {"MODULES_FILE": str(glue / "imported-modules")}


@pytest.fixture(scope="module")
def submit(aws, glue, dist, additional):
    def run(arguments):
        """Run it with the wheels for driver and tasks, as --additional-python-modules gives them on Glue."""
        command = job_.command(aws.settings, glue, dist / "glue_job_script.py", arguments)
        own = environment(aws, glue, additional)
        return subprocess.run(command, env=own, cwd=glue, capture_output=True, text=True, check=False)

    return run


def filled(arguments, bucket):
    return [each.format(bucket=bucket) for each in arguments]


def download(aws, key, folder):
    aws.client("s3").download_file(aws.settings.bucket, key, str(folder / "got"))
    return folder / "got"


def test_spark_submit_makes_the_parquet_of_the_library(aws, submit, expected, tmp_path):
    done = submit(filled([*GLUES_OWN, *ARGUMENTS], aws.settings.bucket))
    assert done.returncode == 0, done.stderr[-3000:]
    got = download(aws, layout.parquet_key(aws.settings), tmp_path)
    made, wanted = pq.ParquetFile(got), pq.ParquetFile(expected)
    assert made.schema_arrow.equals(wanted.schema_arrow)
    assert made.read().equals(wanted.read())
    assert made.metadata.row_group(0).column(0).compression == "ZSTD"
    assert made.metadata.num_rows > 300
    manifest = json.loads(download(aws, "manifests/etl-process2/20250915.json", tmp_path).read_bytes())
    assert manifest == json.loads(done.stdout)
    assert manifest["source"] == layout.s3_uri(aws.settings.bucket, KEY)
    assert manifest["summary"]["rows"] == made.metadata.num_rows


def test_it_saw_the_wheels_and_no_other_copy_of_the_library(aws, glue, submit, additional):
    """Run on what the last test left: where its modules were imported from."""
    if not (glue / "imported-modules").exists():
        submit(filled(ARGUMENTS, aws.settings.bucket))
    modules = dict(line.split(" ", 1) for line in (glue / "imported-modules").read_text().splitlines())
    for name in ("cat_normalize", "msgspec"):
        assert modules[name].startswith(f"{additional}/")
    assert {"awsglue", "pyspark"} < modules.keys()
    assert "typer" not in modules
    python = glue / "python" / "bin" / "python"
    alone = subprocess.run(
        [python, "-c", "import awsglue, pyspark, cat_normalize"],
        env=environment(aws, glue),
        capture_output=True,
        text=True,
        check=False,
    )
    assert alone.stderr.endswith("ModuleNotFoundError: No module named 'cat_normalize'\n")


SECRET = "palabra-secreta"
FAULTY = {
    "a value that does not cast": ("31/02/2025", "1"),
    "a number too large": ("18/08/2025", "9999999999"),
    "a text where a day should be": (SECRET, "1"),
}


@pytest.mark.parametrize("case", FAULTY)
def test_nothing_that_it_logs_quotes_a_faulty_csv(aws, submit, case):
    day, count = FAULTY[case]
    record = f'u1,{SECRET},TI,Cali,{day},{count},"[{{""sk"":""{SECRET}""}}]",,0,{SECRET},like,\n'
    key = "faulty/data_20250917.csv"
    body = csvfile.HEADER + record.encode()
    aws.client("s3").put_object(Bucket=aws.settings.bucket, Key=key, Body=body)
    arguments = [*LOCATIONS, "--output_prefix", "none/", "--input_key", key]
    done = submit(filled(arguments, aws.settings.bucket))
    assert done.returncode != 0
    assert f"{key}, line 2, column " in done.stdout + done.stderr
    assert SECRET not in done.stdout + done.stderr


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("job", ROOT / "glue/etl-process2/glue_job_script.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def job(aws, script, session):
    """Run the script's `main` here, in the session that the tests share."""
    with aws.activate():
        yield lambda *arguments: script.main(["job", *filled([*LOCATIONS, *arguments], aws.settings.bucket)])


def test_without_a_key_it_takes_the_newest_and_a_prefix_needs_no_slash(job, aws, csv, capsys):
    s3, bucket = aws.client("s3"), aws.settings.bucket
    s3.upload_file(str(csv), bucket, "reports/etl-process1/data_20250916.csv")
    s3.put_object(
        Bucket=bucket, Key="reports/etl-process1/older/data_20250930.csv", Body=b"not of this prefix"
    )
    for key in ((), ("--input_key", "")):
        job("--output_prefix", "elsewhere/users", "--input_prefix", "reports/etl-process1", *key)
        manifest = json.loads(capsys.readouterr().out)
        assert manifest["source"] == f"s3://{bucket}/reports/etl-process1/data_20250916.csv"
        assert manifest["outputs"][0]["uri"] == f"s3://{bucket}/elsewhere/users/data.parquet"
    with pytest.raises(StaleInputError):
        job("--output_prefix", "elsewhere/users/", f"--input_key={KEY}")


def test_a_faulty_or_missing_csv_fails_the_job_and_publishes_nothing(job, aws):
    s3, bucket = aws.client("s3"), aws.settings.bucket
    s3.put_object(Bucket=bucket, Key="faulty/data_20250917.csv", Body=b"usuario_id,nombre\n")
    with pytest.raises(MalformedCsvError, match=r"data_20250917\.csv, line 1"):
        job("--output_prefix", "none/", "--input_key", "faulty/data_20250917.csv")
    with pytest.raises(InputError):
        job("--output_prefix", "none/", "--input_key", "faulty/data_20250918.csv")
    with pytest.raises(InputError, match="run ETL-1 first"):
        job("--output_prefix", "none/", "--input_prefix", "nowhere/")
    keys = [each["Key"] for each in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert not [
        key for key in keys if key.startswith(("none/", "staging/", "manifests/etl-process2/20250917"))
    ]


def test_a_csv_of_a_day_to_come_is_converted_only_if_a_run_by_hand_allows_it(job, aws, csv, capsys):
    s3, bucket, late = aws.client("s3"), aws.settings.bucket, "future/data_99991231.csv"
    for key in (late, "future/data_20250915.csv"):
        s3.upload_file(str(csv), bucket, key)
    options = ("--output_prefix", "later/users/", "--input_prefix", "future/")
    with pytest.raises(FutureDateError, match="run date 9999-12-31 is after today"):
        job(*options, "--input_key", late)
    job(*options)
    assert json.loads(capsys.readouterr().out)["run_date"] == "2025-09-15"
    job(*options, "--allow_future", "true")
    assert json.loads(capsys.readouterr().out)["run_date"] == "9999-12-31"
    with pytest.raises(FutureParquetError, match="9999-12-31"):
        job(*options)
    with pytest.raises(SettingsError, match="--allow_future: 'yes' is neither true nor false"):
        job(*options, "--allow_future", "yes")


def test_today_is_that_of_the_zone_it_is_given(job, aws, csv, capsys):
    ahead, behind = "Pacific/Kiritimati", "Etc/GMT+12"
    key = f"zones/data_{today(ahead):%Y%m%d}.csv"
    aws.client("s3").upload_file(str(csv), aws.settings.bucket, key)
    options = ("--output_prefix", "zones/users/", "--input_key", key, "--time_zone")
    with pytest.raises(FutureDateError):
        job(*options, behind)
    job(*options, ahead)
    assert json.loads(capsys.readouterr().out)["settings"]["rules"]["time_zone"] == ahead
    made = aws.client("s3").head_object(Bucket=aws.settings.bucket, Key="zones/users/data.parquet")
    assert made["Metadata"]["time-zone"] == ahead


def test_arguments(script):
    given = ["job", *filled([*GLUES_OWN, *ARGUMENTS], "b")]
    assert script.read_arguments(given) == {
        "input_bucket": "b",
        "input_prefix": "reports/etl-process1/",
        "output_bucket": "b",
        "output_prefix": "reports/etl-process2/",
        "input_key": KEY,
    }
    zones = ["--time_zone", "Asia/Tokyo", "--naive_time_zone=UTC", "--fallback_patterns", r"\bno s[eé],otra"]
    more = script.read_arguments([*given, *zones, "--allow_future=true"])
    assert more.items() >= {
        ("time_zone", "Asia/Tokyo"), ("naive_time_zone", "UTC"), ("fallback_patterns", r"\bno s[eé],otra"),
        ("allow_future", "true"),
    }  # fmt: skip
    with pytest.raises(Exception, match="output_prefix"):
        script.read_arguments(["job", *filled(LOCATIONS, "b")])
