"""ETL-1 inside Spark: the bytes that ETL-1 on one machine gives, whatever the items and the partitions."""

import hashlib
import json
from base64 import b64encode
from datetime import date
from urllib.request import Request, urlopen

import boto3
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moto.server import ThreadedMotoServer

import exported
import hostile
from cat_lab import spark
from cat_lab.sample import generator as seed
from cat_normalize.core.errors import (
    AllRejectedError,
    ExtractError,
    FutureDateError,
    PipelineError,
    ShrunkError,
)
from cat_normalize.core.settings import Rules, Settings
from cat_normalize.normalize import files as etl1
from cat_normalize.scale import spark as etl1_spark

SETTINGS = Settings(rules=Rules(exclude_cities=("^Cali",)))
PARTITIONS = 4
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # Spark's, of collect


@pytest.fixture(scope="module")
def session(spark_session):
    return spark.session(SETTINGS)


@pytest.fixture
def run(session, tmp_path):
    """Normalize an export in so many partitions; return CSV, rejects and counts."""

    def run(path, count=PARTITIONS):
        outputs = tmp_path / "out" / "spark.csv", tmp_path / "out" / "spark.jsonl"
        summary, made = etl1_spark.normalize_export(session, str(path), *map(str, outputs), SETTINGS, count)
        assert [(each.uri, each.bytes) for each in made] == [
            (str(each), each.stat().st_size) for each in reversed(outputs)
        ]
        assert sorted(each.name for each in (tmp_path / "out").iterdir()) == ["spark.csv", "spark.jsonl"]
        return outputs[0].read_bytes(), outputs[1].read_bytes(), summary

    return run


def on_one_machine(folder, export):
    outputs = folder / "one.csv", folder / "one.jsonl"
    summary = etl1.normalize_files([export / "data"], *outputs, SETTINGS.rules)
    return outputs[0].read_bytes(), outputs[1].read_bytes(), summary


def sample():
    return [json.dumps(each, default=lambda raw: b64encode(raw).decode()).encode() for each in seed.items()]


def feedback(user, sk, comment, pad=""):
    member = {"type": {"S": "like"}, "comment": {"S": comment}}
    item = {"PK": {"S": f"USER#{user}"}, "SK": {"S": sk}, "Feedback": {"M": member}, "pad": {"S": pad}}
    return json.dumps(item, ensure_ascii=False).encode()


def test_the_sample(run, tmp_path):
    lines = sample()
    export = exported.write(tmp_path / "export", [lines[:600], [], lines[600:]])
    made = run(export)
    assert made == on_one_machine(tmp_path, export)
    assert b'"source":"0002abcd.json.gz:' in made[1]
    assert made[0].count(b"\n") > 200
    assert made[2].filtered > 0
    assert made[2].rejected > 0


@pytest.mark.parametrize("files", [[], [b""]])
def test_an_empty_export(run, tmp_path, files):
    export = exported.write_raw(tmp_path / "export", files)
    csv, rejects, summary = run(export)
    assert (csv.count(b"\n"), rejects, summary.items_read) == (1, b"", 0)


@pytest.mark.parametrize("count", [None, 1, 9])
def test_the_number_of_partitions_and_pieces_changes_no_byte(run, tmp_path, monkeypatch, count):
    monkeypatch.setattr(etl1_spark, "PIECE_BYTES", 5000)
    lines = [feedback(f"{n % 50:03}é", f"FEEDBACK#{n % 7}", f"n{n}", "x" * 900) for n in range(2000)]
    lines[400::300] = [b"{ bad"] * len(lines[400::300])
    export = exported.write_raw(tmp_path / "export", [b"\n".join(lines), b"\n{\n"])
    made = run(export, count)
    assert made == on_one_machine(tmp_path, export)
    sources = [json.loads(line)["source"] for line in made[1].splitlines()]
    assert sources == [*(f"0000abcd.json.gz:{n}" for n in range(401, 2000, 300)), "0001abcd.json.gz:2"]


ODD = {
    "no LF at the end": b'{"x":1}\n{"x":2}',
    "CR LF": feedback("á", "FEEDBACK#1", "x") + b"\r\n" + b"[1]\r\n",
    "CR alone is no end": feedback("b", "FEEDBACK#1", "x").replace(b", ", b",\r") + b"\n{\rx\r\n",
    "form feed, U+2028, U+0085": feedback("c", "FEEDBACK#1", "\x0c \u2028 \x85").replace(b'{"S"', b'\x0c{"S"')
    + "\n\x0c\n{\u2028\n".encode()
    + feedback("c", "FEEDBACK#2", "\u2028 \x85"),
    "no UTF-8": b'{"PK":{"S":"USER#\xff"}}\n\xff\xfe\n' + feedback("d", "FEEDBACK#1", "x"),
    "blank lines": b"\n \n\t\r\n" + feedback("e", "FEEDBACK#1", "x") + b"\n\n",
    "NUL and BOM": b"\xef\xbb\xbf" + feedback("f", "FEEDBACK#1", "x") + b"\n\x00\n",
    "nothing": b"",
    "no row": b"{\n{\n",
}


def test_odd_bytes(run, tmp_path):
    export = exported.write_raw(tmp_path / "export", list(ODD.values()))
    made = run(export)
    assert made == on_one_machine(tmp_path, export)
    assert (made[2].users, made[2].rejected) == (5, 12)


def test_items_of_equal_sk_keep_the_order_of_files_and_lines(run, tmp_path):
    files = [[feedback(n % 3, "FEEDBACK#2025-01-01", f"{letter}{n}") for n in range(9)] for letter in "abc"]
    export = exported.write(tmp_path / "export", files)
    made = run(export)
    assert made == on_one_machine(tmp_path, export)
    assert b"a0 | a3 | a6 | b0 | b3 | b6 | c0 | c3 | c6" in made[0]


def is_counted_alike(line):
    """Tell whether an export's item count and §3's agree; they do not on a line of Unicode's white space."""
    return line.isspace() or not line.decode(errors="replace").isspace()


@given(st.lists(hostile.LINE.filter(is_counted_alike), min_size=20, max_size=60), st.integers(1, 3))
@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
def test_hostile_lines(run, tmp_path_factory, lines, files):
    folder = tmp_path_factory.mktemp("hostile")
    step = -(-len(lines) // files) or 1
    parts = [b"\n".join(lines[n * step : (n + 1) * step]) for n in range(files)]
    export = exported.write_raw(folder / "export", parts)
    assert run(export) == on_one_machine(folder, export)


def another_count(path):
    text = (path / "manifest-files.json").read_text()
    (path / "manifest-files.json").write_text(
        text.replace('"itemCount": 2', '"itemCount": 3').replace('"itemCount": 4', '"itemCount": 3')
    )


def another_md5(path):
    text = (path / "manifest-files.json").read_text()
    (path / "manifest-files.json").write_text(text.replace('"md5Checksum": "', '"md5Checksum": "x'))


def cut_short(path):
    file = path / "data" / "0001abcd.json.gz"
    file.write_bytes(file.read_bytes()[:-20])


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (another_count, "has [24] items, manifest-files.json says 3"),
        (another_md5, "has not the checksum"),
        (cut_short, "is damaged"),
        (lambda path: (path / "data" / "0001abcd.json.gz").unlink(), "cannot be read"),
        (lambda path: (path / "manifest-files.json").write_text(""), "counts 6 items"),
    ],
)
def test_an_export_that_is_not_what_its_manifests_say(session, tmp_path, spoil, says):
    lines = [feedback(n, "FEEDBACK#1", "x") for n in range(6)]
    path = exported.write(tmp_path / "export", [lines[:2], lines[2:]])
    spoil(path)
    outputs = tmp_path / "spark.csv", tmp_path / "spark.jsonl"
    for each in outputs:
        each.write_text("earlier")
    with pytest.raises(ExtractError, match=says):
        etl1_spark.normalize_export(session, f"{path}/manifest-summary.json", *map(str, outputs), SETTINGS)
    assert [each.read_text() for each in outputs] == ["earlier", "earlier"]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["export", "spark.csv", "spark.jsonl"]


def test_a_line_that_only_the_export_counts_stops_the_run(run, tmp_path):
    export = exported.write_raw(tmp_path / "export", ["\u3000\n{}\n".encode()])
    with pytest.raises(PipelineError, match="2 items in its manifests, 1 read"):
        run(export)
    assert not list((tmp_path / "out").iterdir())


def test_bytes_that_get_lost_on_the_way_are_noticed(run, tmp_path, monkeypatch):
    export = exported.write(tmp_path / "export", [[feedback(1, "FEEDBACK#1", "x")]])
    monkeypatch.setattr(etl1_spark, "_size", lambda files: len(list(files)))
    with pytest.raises(PipelineError, match=r"1 bytes were sorted, and \d+ were made"):
        run(export)
    assert not list((tmp_path / "out").iterdir())


def test_what_a_task_fails_of_is_named_and_no_item_quoted(session, tmp_path, monkeypatch):
    export = exported.write(tmp_path / "export", [[feedback("secreto", "FEEDBACK#1", "x")]])
    monkeypatch.setattr(etl1_spark, "itemgetter", lambda *_: lambda pair: 1 // 0 if pair else pair["secreto"])
    with pytest.raises(PipelineError, match=r"^Spark failed: ZeroDivisionError$"):
        etl1_spark.normalize_export(session, str(export), *(str(tmp_path / n) for n in "ab"), SETTINGS)


CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


@pytest.fixture
def bucket(session, monkeypatch):
    """A bucket that this process and Spark's workers reach: its settings, and what shows its objects."""
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
        monkeypatch.setitem(session.sparkContext.environment, name, value)
    for name in ("aws.accessKeyId", "aws.secretKey"):
        session.sparkContext._jvm.java.lang.System.setProperty(name, "test")
    where = Settings(endpoint_url="http://{}:{}".format(*server.get_host_and_port()), bucket="mine")
    spark.session(where)
    urlopen(Request(f"{where.endpoint_url}/moto-api/reset", method="POST")).close()
    s3 = boto3.client("s3", endpoint_url=where.endpoint_url, region_name=where.region)
    s3.create_bucket(Bucket="mine")

    def objects():
        keys = [each["Key"] for each in s3.list_objects_v2(Bucket="mine").get("Contents", [])]
        return {key: s3.get_object(Bucket="mine", Key=key)["Body"].read() for key in keys}

    yield where, objects
    server.stop()


def test_an_upload_in_parts_holds_the_same_bytes(session, bucket, tmp_path, monkeypatch):
    where, objects = bucket
    monkeypatch.setattr(etl1_spark, "PIECE_BYTES", 1 << 20)
    noise = [feedback(n, "FEEDBACK#1", "á" * 250_000) for n in range(50)]
    export = exported.write(tmp_path / "export", [noise])
    csv, rejects, _ = on_one_machine(tmp_path, export)
    made = etl1_spark.publish_export(session, str(export), where, date(2025, 9, 1))
    assert len(csv) > 3 * (8 << 20)
    assert objects()["reports/etl-process1/data_20250901.csv"] == csv
    assert objects()["rejects/etl-process1/data_20250901.jsonl"] == rejects == b""
    assert [each.sha256 for each in made.outputs] == [
        hashlib.sha256(each).hexdigest() for each in (rejects, csv)
    ]


@pytest.mark.parametrize("failing", ["UploadPart", "CompleteMultipartUpload"])
def test_an_upload_that_fails_leaves_the_older_csv_and_nothing_else(
    session, bucket, tmp_path, monkeypatch, failing
):
    where, objects = bucket
    key = "reports/etl-process1/data_20250901.csv"
    export = exported.write(
        tmp_path / "export", [[feedback(n, "FEEDBACK#1", "a" * 300_000) for n in range(20)]]
    )
    s3 = etl1_spark.aws.client(where, "s3")
    s3.put_object(Bucket="mine", Key=key, Body=b"older")

    def fail(**_):
        raise OSError("the network is down")

    s3.meta.events.register(f"before-call.s3.{failing}", fail)
    monkeypatch.setattr(etl1_spark.aws, "client", lambda *_: s3)
    with pytest.raises(OSError, match="network"):
        etl1_spark.publish_export(session, str(export), where, date(2025, 9, 1))
    assert objects() == {key: b"older", "rejects/etl-process1/data_20250901.jsonl": b""}
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="mine")


def test_the_guard_stands_before_its_csv_too(session, bucket, tmp_path):
    where, objects = bucket
    dates = [date(2025, 9, day) for day in range(1, 5)]
    many = exported.write(tmp_path / "many", [[feedback(n, "FEEDBACK#1", "x") for n in range(5)]])
    few = exported.write(tmp_path / "few", [[feedback(1, "FEEDBACK#1", "x"), b"{"]])
    none = exported.write(tmp_path / "none", [[b"{", b"[]"]])

    def run(path, day, **given):
        return etl1_spark.publish_export(session, str(path), where, day, today=dates[2], **given)

    run(many, dates[0])
    before = objects()
    assert len(before) == 3
    with pytest.raises(ShrunkError, match=r"1 users, less than 50 % of the 5 of .*20250901\.json"):
        run(few, dates[1])
    assert objects() == before
    with pytest.raises(AllRejectedError, match=r"all 2 items were rejected .*20250902\.jsonl"):
        run(none, dates[1])
    made = objects()
    assert made.keys() - before.keys() == {"rejects/etl-process1/data_20250902.jsonl"}
    assert made["rejects/etl-process1/data_20250902.jsonl"].count(b"\n") == 2
    assert run(few, dates[1], allow_shrink=True).summary.users == 1
    with pytest.raises(FutureDateError, match="after today, 2025-09-03"):
        run(tmp_path / "nowhere", dates[3])
    assert run(few, dates[3], allow_future=True).run_date == dates[3]
