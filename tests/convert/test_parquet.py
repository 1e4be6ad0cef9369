import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from cat_normalize.convert import Converted, convert_csv, newest_csv, parquet
from cat_normalize.convert.parquet import publish_manifest
from cat_normalize.core import csvfile, layout
from cat_normalize.core.aws import client
from cat_normalize.core.errors import (
    ConvertError,
    FutureDateError,
    FutureParquetError,
    InputError,
    MalformedCsvError,
    StaleInputError,
    UsageError,
)
from cat_normalize.core.files import PREFIX, sweep
from cat_normalize.core.schema import COLUMNS, USERS
from cat_normalize.core.settings import Rules, Settings, today
from cat_normalize.core.storage import RUN_DATE, SHA256, locate, staging
from convert.published import keys

Row = list[str | int | date | None]
GOOD: Row = ["u1", "Ana", "G", None, date(2025, 8, 18), 2, '[{"sk":"x, y"}]', None, 0, "a | b", "like", None]


def convert_users(spark: Any, source: str, target: str, *given: Any, **named: Any) -> Converted:
    return convert_csv(spark, source, {"users": target}, *given, **named)


def changed(**fields: str | int | date | None) -> Row:
    return [fields.get(column.name, value) for column, value in zip(COLUMNS, GOOD, strict=True)]


def line(row: Row) -> bytes:
    return csvfile.line([csvfile.format_day(v) if isinstance(v, date) else v for v in row])


def written(rows: list[Row]) -> bytes:
    return csvfile.HEADER + b"".join(map(line, rows))


def arrow_rows(path: Path) -> list[Row]:
    return [list(row.values()) for row in pq.read_table(path).to_pylist()]


def duckdb_rows(path: Path) -> list[Row]:
    with duckdb.connect() as connection:
        return [list(row) for row in connection.execute("FROM read_parquet(?)", [str(path)]).fetchall()]


# What goes in comes out

EDGES: list[Row] = [
    GOOD,
    [None] * 12,
    changed(fecha_primera_conversacion=date(1, 1, 1), numero_conversaciones=-(2**31)),
    changed(fecha_primera_conversacion=date(1582, 10, 10), numero_conversaciones=2**31 - 1),
    changed(fecha_primera_conversacion=date(9999, 12, 31)),
    changed(nombre=" both sides\t", ciudad='"', gerencia='""', pregunta_conversacion='a""b",'),
    changed(usuario_id="\ufeff\ufffd\x00\u2028\x85\x0b😀", nombre="\x00", feedback="\\", ciudad="#"),
    changed(usuario_id="\x00first", nombre="NULL", gerencia="null", ciudad="\\N"),
    changed(usuario_id='"\x00', nombre='\x00,"', gerencia='a"\x00,\x00"b"', respuesta_feedback='"\x00'),
    changed(conversacion_completa='"' * 1_000_000, feedback_total="x" * 3_000_000),
]


def test_edges_come_back_with_their_types(spark: Any, tmp_path: Path) -> None:
    source, target = tmp_path / "data_20250901.csv", tmp_path / "new" / "data.parquet"
    source.write_bytes(written(EDGES))
    done = convert_users(spark, str(source), str(target))
    assert arrow_rows(target) == EDGES
    assert duckdb_rows(target) == EDGES
    assert pq.read_schema(target).remove_metadata() == USERS.arrow_schema()
    group = pq.ParquetFile(target).metadata.row_group(0)
    assert {group.column(n).compression for n in range(group.num_columns)} == {"ZSTD"}
    assert (done.users.rows, done.source_bytes) == (len(EDGES), source.stat().st_size)
    assert (done.users.bytes, done.run_date) == (target.stat().st_size, date(2025, 9, 1))
    assert [path.name for path in target.parent.iterdir()] == ["data.parquet"]


def test_a_header_alone_is_no_rows(spark: Any, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(csvfile.HEADER)
    assert convert_users(spark, str(tmp_path / "x.csv"), str(tmp_path / "x.parquet")).users.rows == 0
    assert pq.read_schema(tmp_path / "x.parquet").remove_metadata() == USERS.arrow_schema()
    assert arrow_rows(tmp_path / "x.parquet") == []


def test_another_writers_quotes_are_fine(spark: Any, tmp_path: Path) -> None:
    quoted = ",".join(
        f'"{value}"' for value in ("u", "n", "g", "c", "18/08/2025", "007", "", "", "-0", "", "", "")
    )
    (tmp_path / "x.csv").write_bytes(csvfile.HEADER + quoted.encode() + b"\n")
    convert_users(spark, str(tmp_path / "x.csv"), str(tmp_path / "x.parquet"))
    with (tmp_path / "x.csv").open("rb") as file:
        assert arrow_rows(tmp_path / "x.parquet") == list(csvfile.rows(file, "x.csv"))


@pytest.mark.parametrize("name", ["run[1]{a,b}*?.csv", "with space %20 #1.csv", "ñ\\x.csv", "k=v"])
def test_names_are_taken_literally(spark: Any, tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    (folder / name).write_bytes(written([GOOD]))
    convert_users(spark, str(folder / name), str(folder / "data.parquet"))
    assert arrow_rows(folder / "data.parquet") == [GOOD]


def test_a_relative_path(spark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x.csv").write_bytes(written([GOOD]))
    convert_users(spark, "x.csv", "x.parquet")
    assert arrow_rows(Path("x.parquet")) == [GOOD]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.csv", "x.parquet"]


def test_many_splits_keep_the_order_and_the_bytes(spark: Any, tmp_path: Path) -> None:
    rows = [
        changed(usuario_id=f"u{n:06}", numero_conversaciones=n, nombre="x" * (n % 1000))
        for n in range(24_000)
    ]
    source = tmp_path / "x.csv"
    source.write_bytes(written(rows))
    assert source.stat().st_size > 3 * 4_000_000
    sums = set()
    for again in range(2):
        target = tmp_path / f"{again}.parquet"
        sums.add(convert_users(spark, str(source), str(target), group_bytes=4_000_000).users.sha256)
        assert pq.read_table(target, columns=["numero_conversaciones"])[0].to_pylist() == list(range(24_000))
        assert pq.ParquetFile(target).num_row_groups == 4
    assert len(sums) == 1


@pytest.mark.parametrize("split", [50, 64, 187, 1000])
def test_small_splits_lose_nothing(spark: Any, tmp_path: Path, split: int) -> None:
    rows = [changed(numero_conversaciones=n, nombre="ñ" * (n % 90 + 1)) for n in range(30)]
    (tmp_path / "x.csv").write_bytes(written(rows))
    convert_users(spark, str(tmp_path / "x.csv"), str(tmp_path / "x.parquet"), group_bytes=split)
    assert arrow_rows(tmp_path / "x.parquet") == rows


ints = st.none() | st.integers(-(2**31), 2**31 - 1)
texts = st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), min_size=1)
fields = {
    "string": texts,
    "int": st.none() | st.integers(-(2**31), 2**31 - 1),
    "date": st.none() | st.dates(),
}
a_row = st.tuples(*(fields[column.kind] for column in COLUMNS)).map(list)


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=st.lists(a_row, min_size=20, max_size=60))
def test_any_rows_come_back(spark: Any, tmp_path_factory: pytest.TempPathFactory, rows: list[Row]) -> None:
    folder = tmp_path_factory.mktemp("law")
    (folder / "x.csv").write_bytes(written(rows))
    convert_users(spark, str(folder / "x.csv"), str(folder / "x.parquet"))
    assert arrow_rows(folder / "x.parquet") == rows
    assert duckdb_rows(folder / "x.parquet") == rows
    shutil.rmtree(folder)


# What is not the contract's is refused, and what was there stays

HEADER = csvfile.HEADER
ONE = line(GOOD)


def with_field(name: str, value: str) -> bytes:
    parts = ["u2", "n", "g", "c", "01/02/2025", "1", "", "", "0", "", "", ""]
    parts[[c.name for c in COLUMNS].index(name)] = value
    return (",".join(parts) + "\n").encode()


BEFORE = HEADER + ONE
FECHA, NUMBER, LAST = "fecha_primera_conversacion", "numero_feedback", "respuesta_feedback"
HOSTILE: dict[str, tuple[bytes, int, str]] = {
    "empty": (b"", 1, "usuario_id"),
    "other header": (HEADER.replace(b"ciudad", b"city") + ONE, 1, "ciudad"),
    "header short": (HEADER.replace(b",feedback,", b",") + ONE, 1, "feedback"),
    "header in CR LF": (HEADER[:-1] + b"\r\n" + ONE, 1, LAST),
    "header with BOM": (b"\xef\xbb\xbf" + HEADER + ONE, 1, "usuario_id"),
    "header without LF": (HEADER[:-1], 1, LAST),
    "header twice": (HEADER + HEADER + ONE, 2, FECHA),
    "no final LF": (BEFORE + ONE[:-1], 3, LAST),
    "cut in the last column": (BEFORE + with_field(LAST, '"half')[:-1], 3, LAST),
    "unclosed quote, last column": (BEFORE + with_field(LAST, '"half'), 3, LAST),
    "unclosed quote, first column": (BEFORE + with_field("usuario_id", '"u'), 3, "usuario_id"),
    "quote within": (BEFORE + with_field("nombre", 'a"b'), 3, "nombre"),
    "quotes within": (BEFORE + with_field("nombre", 'a""b'), 3, "nombre"),
    "text after a quote": (BEFORE + with_field("nombre", '"a"b'), 3, "nombre"),
    "line break in quotes": (BEFORE + with_field("nombre", '"a\nb"'), 3, "nombre"),
    "CR LF": (BEFORE + ONE[:-1] + b"\r\n", 3, LAST),
    "CR in quotes": (BEFORE + with_field("nombre", '"a\rb"'), 3, "nombre"),
    "blank line": (BEFORE + b"\n" + ONE, 3, "nombre"),
    "blank line at the end": (BEFORE + b"\n", 3, "nombre"),
    "spaces alone": (BEFORE + b"  \n" + ONE, 3, "nombre"),
    "not UTF-8": (BEFORE + with_field("nombre", "ñ").replace(b"\xc3", b""), 3, "nombre"),
    "half a surrogate": (BEFORE + with_field("nombre", "?").replace(b"?", b"\xed\xa0\x80"), 3, "nombre"),
    "extra column": (BEFORE + ONE[:-1] + b",x\n", 3, "13"),
    "extra empty column": (BEFORE + ONE[:-1] + b",\n", 3, "13"),
    "missing column": (BEFORE + ONE.replace(b"u1,", b"", 1), 3, LAST),
    "int too large": (BEFORE + with_field(NUMBER, "2147483648"), 3, NUMBER),
    "int too small": (BEFORE + with_field(NUMBER, "-2147483649"), 3, NUMBER),
    "int with a space": (BEFORE + with_field(NUMBER, " 5"), 3, NUMBER),
    "int with a plus": (BEFORE + with_field(NUMBER, "+5"), 3, NUMBER),
    "int with a point": (BEFORE + with_field(NUMBER, "5.0"), 3, NUMBER),
    "int that is empty": (BEFORE + with_field(NUMBER, '""'), 3, NUMBER),
    "no such day": (BEFORE + with_field(FECHA, "31/02/2025"), 3, FECHA),
    "short day": (BEFORE + with_field(FECHA, "1/1/2025"), 3, FECHA),
    "ISO day": (BEFORE + with_field(FECHA, "2025-01-01"), 3, FECHA),
    "year nought": (BEFORE + with_field(FECHA, "01/01/0000"), 3, FECHA),
    "long year": (BEFORE + with_field(FECHA, "01/01/12025"), 3, FECHA),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_csv_that_breaks_the_contract_is_refused(spark: Any, tmp_path: Path, case: str) -> None:
    data, at, column = HOSTILE[case]
    source, target = tmp_path / "data_20250901.csv", tmp_path / "data.parquet"
    source.write_bytes(data)
    target.write_bytes(b"older")
    with pytest.raises(MalformedCsvError) as caught:
        convert_users(spark, str(source), str(target))
    assert (caught.value.file, caught.value.line, caught.value.column) == (str(source), at, column)
    assert target.read_bytes() == b"older"
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("source", ["nowhere.csv", ".", "s3://bucket/nowhere.csv", "s3://nowhere/x.csv"])
def test_a_csv_that_cannot_be_read_is_named(spark: Any, s3: Any, tmp_path: Path, source: str) -> None:
    with pytest.raises(InputError, match=re.escape(source)):
        convert_users(spark, source, str(tmp_path / "data.parquet"), s3)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("source", "target"), [("s3://b/x.csv", "x"), ("x", "s3://b/x.parquet")])
def test_s3_needs_a_client(source: str, target: str) -> None:
    with pytest.raises(UsageError, match="client"):
        convert_users(None, source, target)  # type: ignore[arg-type]


def test_a_file_that_spark_skips_is_refused(spark: Any, tmp_path: Path) -> None:
    (tmp_path / "_x.csv").write_bytes(written([GOOD]))
    with pytest.raises(ConvertError, match="Spark read 0 of 1 records"):
        convert_users(spark, str(tmp_path / "_x.csv"), str(tmp_path / "data.parquet"))
    assert [path.name for path in tmp_path.iterdir()] == ["_x.csv"]


@pytest.mark.parametrize("kind", ["pipe", "folder"])
def test_a_source_that_is_not_a_file_is_refused(spark: Any, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.csv"
    os.mkfifo(path) if kind == "pipe" else path.mkdir()
    with pytest.raises(InputError, match=r"x\.csv is no file that can be read more than once"):
        convert_users(spark, str(path), str(tmp_path / "x.parquet"))


@pytest.mark.parametrize("target", ["x.csv/data.parquet", "folder", "pipe"])
def test_an_impossible_target_is_refused_and_unchanged(spark: Any, tmp_path: Path, target: str) -> None:
    (tmp_path / "x.csv").write_bytes(written([GOOD]))
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match=target.partition("/")[0]):
        convert_users(spark, str(tmp_path / "x.csv"), str(tmp_path / target))
    assert (tmp_path / "pipe").is_fifo()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "pipe", "x.csv"]


def test_a_link_as_target_is_followed(spark: Any, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(written([GOOD]))
    (tmp_path / "link").symlink_to("data.parquet")
    convert_users(spark, str(tmp_path / "x.csv"), str(tmp_path / "link"))
    assert (tmp_path / "link").is_symlink()
    assert arrow_rows(tmp_path / "data.parquet") == [GOOD]


# Killed in the middle

KILLED = """
import sys
from cat_lab.spark import session
from cat_normalize.convert import convert_csv
from cat_normalize.core.settings import Settings
spark = session(Settings())
convert_csv(spark, sys.argv[1], {"users": sys.argv[2]})
"""


def wait_for(seen: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not seen():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_killed_run_leaves_the_older_one_and_is_swept_later(spark: Any, tmp_path: Path) -> None:
    source, target = tmp_path / "x.csv", tmp_path / "data.parquet"
    source.write_bytes(written([changed(nombre="x" * 900)] * 30_000))
    target.write_bytes(b"older")
    command = [sys.executable, "-c", KILLED, str(source), str(target)]
    with subprocess.Popen(
        command, env=os.environ | {"PYTHONPATH": str(Path(parquet.__file__).parents[2])}
    ) as child:
        wait_for(lambda: list(tmp_path.glob(f"{PREFIX}*/staging")))
        (left,) = tmp_path.glob(f"{PREFIX}*")
        sweep(tmp_path)
        assert left.exists()  # while it lives
        os.kill(child.pid, signal.SIGKILL)
    assert target.read_bytes() == b"older"
    source.write_bytes(written([GOOD]))
    convert_users(spark, str(source), str(target))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.parquet", "x.csv"]
    assert arrow_rows(target) == [GOOD]


TODAY = date(2025, 9, 15)

# On S3

CSV, PARQUET = "reports/etl-process1/data_20250901.csv", "reports/etl-process2/data.parquet"


def put(s3: Any, data: bytes, key: str = CSV) -> None:
    s3.put_object(Bucket="bucket", Key=key, Body=data)


def run(spark: Any, s3: Any, key: str = CSV, run_date: date | None = None) -> Converted:
    return convert_users(spark, f"s3://bucket/{key}", f"s3://bucket/{PARQUET}", s3, run_date)


def test_s3_to_s3_leaves_two_objects(spark: Any, s3: Any, tmp_path: Path) -> None:
    put(s3, written(EDGES))
    done = run(spark, s3)
    assert keys(s3) == [CSV, PARQUET]
    found = s3.head_object(Bucket="bucket", Key=PARQUET)
    about = {name: found["Metadata"][name] for name in (RUN_DATE, SHA256)}
    assert about == {RUN_DATE: "2025-09-01", SHA256: done.users.sha256}
    assert (done.users.bytes, done.users.etag) == (found["ContentLength"], found["ETag"])
    assert done.source_etag == s3.head_object(Bucket="bucket", Key=CSV)["ETag"]
    s3.download_file("bucket", PARQUET, str(tmp_path / "x"))
    assert arrow_rows(tmp_path / "x") == EDGES


def test_from_disk_to_s3_and_back_is_the_same_object(spark: Any, s3: Any, tmp_path: Path) -> None:
    (tmp_path / "data_20250901.csv").write_bytes(written(EDGES))
    up = convert_users(spark, str(tmp_path / "data_20250901.csv"), f"s3://bucket/{PARQUET}", s3)
    put(s3, written(EDGES))
    down = convert_users(spark, f"s3://bucket/{CSV}", str(tmp_path / "data.parquet"), s3)
    assert up.users.sha256 == down.users.sha256
    assert keys(s3) == [CSV, PARQUET]


def test_an_older_csv_is_refused_and_the_same_day_again_is_not(spark: Any, s3: Any) -> None:
    put(s3, written([GOOD]))
    run(spark, s3)
    older = CSV.replace("0901", "0831")
    put(s3, written([GOOD, GOOD]), older)
    with pytest.raises(StaleInputError):
        run(spark, s3, older)
    assert keys(s3) == [older, CSV, PARQUET]
    put(s3, written([GOOD, GOOD, GOOD]))
    assert run(spark, s3).users.rows == 3
    assert run(spark, s3, older, run_date=date(2025, 9, 2)).users.rows == 2
    assert s3.head_object(Bucket="bucket", Key=PARQUET)["Metadata"][RUN_DATE] == "2025-09-02"


def published(s3: Any) -> tuple[str, datetime, dict[str, str]]:
    found = s3.head_object(Bucket="bucket", Key=PARQUET)
    return found["ETag"], found["LastModified"], found["Metadata"]


def test_the_same_csv_again_leaves_the_parquet_unchanged_and_does_not_run_spark(spark: Any, s3: Any) -> None:
    put(s3, written([GOOD] * 3))
    done, before = run(spark, s3), published(s3)
    no_spark: Any = None
    assert run(no_spark, s3) == done
    assert published(s3) == before


@pytest.mark.parametrize("name", ["csv-sha256", "library-sha256", "time-zone", SHA256])
def test_a_parquet_of_another_origin_is_converted_again(spark: Any, s3: Any, name: str) -> None:
    """Here the object's metadata are those that another CSV, library or zone would have left, or none."""
    put(s3, written([GOOD]))
    run(spark, s3)
    _, _, metadata = published(s3)
    other = metadata | {name: "another"} if name != SHA256 else {RUN_DATE: metadata[RUN_DATE]}
    s3.put_object(Bucket="bucket", Key=PARQUET, Body=b"other", Metadata=other)
    assert run(spark, s3).users.rows == 1
    assert published(s3)[2] == metadata


def test_a_library_in_a_zip_has_the_digest_of_the_same_library_in_a_folder(tmp_path: Path) -> None:
    """Glue may import the wheel without unpacking it."""
    folder = Path(parquet.__file__).parents[1]
    with zipfile.ZipFile(tmp_path / "library.zip", "w") as packed:
        for path in folder.rglob("*"):
            if "__pycache__" not in path.parts:
                packed.write(path, path.relative_to(folder.parent))
    code = (
        "import cat_normalize, cat_normalize.convert.parquet as module;"
        "print(cat_normalize.__file__, module.library_digest())"
    )
    found = subprocess.check_output(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(tmp_path / "library.zip")},
        text=True,
    )
    assert found.split() == [f"{tmp_path}/library.zip/cat_normalize/__init__.py", parquet.library_digest()]


@pytest.mark.parametrize("case", ["other header", "no final LF", "no such day", "not UTF-8"])
def test_a_csv_on_s3_that_breaks_the_contract_is_refused(spark: Any, s3: Any, case: str) -> None:
    data, at, column = HOSTILE[case]
    put(s3, data)
    put(s3, b"older", PARQUET)
    with pytest.raises(MalformedCsvError) as caught:
        run(spark, s3)
    assert (caught.value.file, caught.value.line, caught.value.column) == (f"s3://bucket/{CSV}", at, column)
    assert keys(s3) == [CSV, PARQUET]
    assert s3.get_object(Bucket="bucket", Key=PARQUET)["Body"].read() == b"older"


def test_a_csv_replaced_meanwhile_is_not_published(spark: Any, s3: Any, aws: Settings) -> None:
    put(s3, written([GOOD]))
    looks = []

    def look(params: dict[str, Any], **_: Any) -> None:
        if params["url_path"].endswith(".csv"):
            looks.append(params)
            if len(looks) == 3:  # the last, after Spark has read it
                put(client(aws, "s3"), written([GOOD, GOOD]))

    s3.meta.events.register("before-call.s3.HeadObject", look)
    with pytest.raises(ConvertError, match="replaced while"):
        run(spark, s3)
    assert keys(s3) == [CSV]


def begun_now(parsed: dict[str, Any], **_: Any) -> None:
    """Moto says of every upload that it was begun in 2010."""
    for each in parsed.get("Uploads", []):
        each["Initiated"] = datetime.now(UTC)


def test_what_killed_runs_left_on_s3_is_swept(s3: Any) -> None:
    left = "staging/reports/etl-process2/abc/part-0.parquet"
    put(s3, b"", left)
    s3.create_multipart_upload(Bucket="bucket", Key="staging/reports/etl-process2/abc/part-1.parquet")
    s3.meta.events.register("after-call.s3.ListMultipartUploads", begun_now)
    with staging(locate(f"s3://bucket/{PARQUET}", s3)):
        assert keys(s3) == [left]
        assert len(s3.list_multipart_uploads(Bucket="bucket", Prefix="staging/")["Uploads"]) == 1
    with staging(locate(f"s3://bucket/{PARQUET}", s3), stale=timedelta(seconds=-5)):
        assert keys(s3) == []
        assert "Uploads" not in s3.list_multipart_uploads(Bucket="bucket", Prefix="staging/")


def test_a_warning_names_staged_objects_that_may_not_be_deleted(
    spark: Any, s3: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(request: Any, **_: Any) -> AWSResponse:
        text = b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>"
        return AWSResponse(request.url, 403, {}, SimpleNamespace(stream=lambda: iter([text])))

    put(s3, written([GOOD]))
    s3.meta.events.register("before-send.s3.DeleteObject", refuse)
    assert run(spark, s3).users.rows == 1
    assert PARQUET in keys(s3)
    assert "s3://bucket/staging/reports/etl-process2/" in caplog.text
    assert "could not be swept, delete what is there by hand: An error occurred (AccessDenied)" in caplog.text


def test_the_error_of_a_run_is_raised_and_not_that_of_sweeping(s3: Any) -> None:
    def fail(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied"}}, "ListObjectsV2")

    s3.meta.events.register("before-call.s3.ListObjectsV2", fail)
    with pytest.raises(ZeroDivisionError), staging(locate(f"s3://bucket/{PARQUET}", s3)):
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("names", "newest"),
    [
        (["data_20250901.csv", "data_20250831.csv", "data_20241231.csv"], "data_20250901.csv"),
        (["data_20250901.csv", "zzz.csv", "data_20251301.csv", "old/data_20250915.csv"], "data_20250901.csv"),
        (["data_20250901.csv", "data_99991231.csv", "data_20350101.csv"], "data_20250901.csv"),
        (["data_20250901.csv", "data_20250902.csv.gz", "data_2025090.csv"], "data_20250901.csv"),
        (["data_20250916.csv", "data_20250915.csv"], "data_20250915.csv"),
        (["data_20250916.csv"], None),
        (["zzz.csv"], None),
        ([], None),
    ],
)
def test_newest_csv(s3: Any, aws: Settings, names: list[str], newest: str | None) -> None:
    for name in names:
        put(s3, b"", aws.csv_prefix + name)
    put(s3, b"", "data_20250915.csv")
    if newest is None:
        with pytest.raises(InputError, match="s3://bucket/reports/etl-process1/"):
            newest_csv(s3, aws, today=TODAY)
    else:
        assert newest_csv(s3, aws, today=TODAY) == aws.csv_prefix + newest


# A day that has not come yet

LATE = CSV.replace("20250901", "20350901")


def test_a_day_after_today_is_refused_before_anything_is_read(s3: Any, tmp_path: Path) -> None:
    nowhere: Any = None
    for other in ({"source": "s3://bucket/data_20250916.csv"}, {"run_date": date(2025, 9, 16)}):
        arguments = {"source": "s3://bucket/x.csv", "target": "s3://bucket/p", "s3": s3} | other
        with pytest.raises(FutureDateError, match="run date 2025-09-16 is after today, 2025-09-15"):
            convert_users(nowhere, **arguments, today=TODAY)
    with pytest.raises(FutureDateError):
        convert_users(nowhere, str(tmp_path / "data_99991231.csv"), str(tmp_path / "data.parquet"))
    assert keys(s3) == []


def test_a_day_after_today_is_converted_if_that_is_allowed(spark: Any, s3: Any, aws: Settings) -> None:
    put(s3, written([GOOD]), LATE)
    done = convert_users(
        spark, f"s3://bucket/{LATE}", f"s3://bucket/{PARQUET}", s3, allow_future=True, today=TODAY
    )
    assert done.run_date == date(2035, 9, 1)
    assert newest_csv(s3, aws, allow_future=True, today=TODAY) == LATE


def test_today_is_that_of_the_configured_zone(spark: Any, tmp_path: Path) -> None:
    """Some zones are a day ahead of others at any time."""
    ahead, behind = "Pacific/Kiritimati", "Etc/GMT+12"
    source = tmp_path / f"data_{today(ahead):%Y%m%d}.csv"
    source.write_bytes(written([GOOD]))
    with pytest.raises(FutureDateError):
        convert_users(spark, str(source), str(tmp_path / "x.parquet"), rules=Rules(time_zone=behind))
    done = convert_users(spark, str(source), str(tmp_path / "x.parquet"), rules=Rules(time_zone=ahead))
    assert done.users.rows == 1


@pytest.mark.parametrize("name", ["data_20250901.csv", "other.csv"])
def test_a_parquet_of_a_day_after_today_is_an_error_of_its_own(spark: Any, s3: Any, name: str) -> None:
    put(s3, written([GOOD]), name)
    s3.put_object(Bucket="bucket", Key=PARQUET, Body=b"late", Metadata={RUN_DATE: "2035-09-01"})
    with pytest.raises(FutureParquetError, match=r"of 2035-09-01, .* mistyped run date.*docs/operate\.md"):
        convert_users(spark, f"s3://bucket/{name}", f"s3://bucket/{PARQUET}", s3, today=TODAY)
    assert s3.get_object(Bucket="bucket", Key=PARQUET)["Body"].read() == b"late"


OPERATE = Path(__file__).parents[2] / "docs" / "operate.md"


def documented(title: str) -> list[tuple[str, dict[str, str]]]:
    """Return the commands ``aws s3api`` of a chapter, each as a client's method and its arguments."""
    (chapter,) = re.findall(rf"^## {title}\n(.*?)^## ", OPERATE.read_text(), re.MULTILINE | re.DOTALL)
    made = []
    for line in re.findall(r"^ *\$ aws s3api (.+)$", chapter, re.MULTILINE):
        verb, *words = shlex.split(line)
        given = {
            name[2:].title().replace("-", ""): value for name, value in zip(*[iter(words)] * 2, strict=True)
        }
        made.append(
            (verb.replace("-", "_"), {k: v for k, v in given.items() if k not in ("Query", "Output")})
        )
    return made


def test_the_documented_remedy_of_a_mistyped_day_works(spark: Any, aws: Settings) -> None:
    own = replace(Settings(), endpoint_url=aws.endpoint_url)
    s3, parquet = client(own, "s3"), f"s3://{own.bucket}/{PARQUET}"
    s3.create_bucket(Bucket=own.bucket)
    s3.put_bucket_versioning(Bucket=own.bucket, VersioningConfiguration={"Status": "Enabled"})

    def night(day: date, rows: list[Row], allow_future: bool = False) -> Converted:
        body = {
            layout.csv_key(own, day): written(rows),
            layout.rejects_key(own, day): b"",
            layout.manifest_key(own, 1, day): b"{}",
        }
        for key, data in body.items():
            s3.put_object(Bucket=own.bucket, Key=key, Body=data)
        source = f"s3://{own.bucket}/{newest_csv(s3, own, allow_future=allow_future, today=day)}"
        done = convert_users(spark, source, parquet, s3, allow_future=allow_future, today=TODAY)
        publish_manifest(own, day, done, s3)
        return done

    def dated() -> str:
        return str(s3.head_object(Bucket=own.bucket, Key=PARQUET)["Metadata"][RUN_DATE])

    night(date(2025, 9, 14), [GOOD])
    for count in (2, 3):  # tried again before it was noticed
        night(date(2035, 9, 1), [GOOD] * count, allow_future=True)
    with pytest.raises(FutureParquetError, match="2035-09-01"):
        night(TODAY, [GOOD] * 4)

    (look, where), (end, version), *others = documented("A run date in the future")
    assert (look, end) == ("head_object", "delete_object")
    while (seen := getattr(s3, look)(**where))["Metadata"][RUN_DATE] > TODAY.isoformat():
        assert version["VersionId"] == "VERSION"
        getattr(s3, end)(**version | {"VersionId": seen["VersionId"]})
    assert dated() == "2025-09-14"
    for verb, arguments in others:
        getattr(s3, verb)(**arguments)
    left = [each["Key"] for each in s3.list_objects_v2(Bucket=own.bucket)["Contents"]]
    assert len(left) == 8
    assert not [key for key in left if "2035" in key]

    assert night(TODAY, [GOOD] * 4).users.rows == 4
    assert dated() == "2025-09-15"
