"""ETL-1 inside Spark: the bytes that ETL-1 on one machine gives, whatever the items and the cut."""

import gzip
import json
from base64 import b64encode
from datetime import date

import boto3
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moto.server import ThreadedMotoServer

import exported
import hostile
from cat_lab import spark
from cat_lab.sample import generator as seed
from cat_normalize.core.errors import AllRejectedError, ExtractError, FutureDateError, InputError, ShrunkError
from cat_normalize.core.settings import Rules, Settings
from cat_normalize.extract import partitions
from cat_normalize.normalize import files as etl1
from cat_normalize.normalize.dealing import MIN_CHUNK, Chunk
from cat_normalize.scale import bundles, source
from cat_normalize.scale import spark as distributed

SETTINGS = Settings(rules=Rules(exclude_cities=("^Cali",)))
MANY = 4
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # Spark's, of collect


@pytest.fixture(scope="module")
def session(spark_session):
    return spark.session(SETTINGS)


@pytest.fixture
def run(session, tmp_path):
    """Run it on a path, with as many partitions as given; return CSV, rejects and counts."""

    def run(path, parts=MANY):
        size = -(-source.find(str(path), SETTINGS, 1).raw_bytes // parts) or 1
        outputs = tmp_path / "out" / "spark.csv", tmp_path / "out" / "spark.jsonl"
        summary, told = distributed.normalize_files(session, str(path), *map(str, outputs), SETTINGS, size)
        assert [(each["uri"], each["bytes"]) for each in told] == [
            (str(each), each.stat().st_size) for each in reversed(outputs)
        ]
        assert sorted(each.name for each in (tmp_path / "out").iterdir()) == ["spark.csv", "spark.jsonl"]
        return outputs[0].read_bytes(), outputs[1].read_bytes(), summary

    return run


def on_one_machine(folder, *paths):
    outputs = folder / "one.csv", folder / "one.jsonl"
    summary = etl1.normalize_files(paths, *outputs, SETTINGS.rules)
    return outputs[0].read_bytes(), outputs[1].read_bytes(), summary


def sample():
    return [json.dumps(each, default=lambda raw: b64encode(raw).decode()).encode() for each in seed.items()]


def feedback(user, sk, comment, pad=""):
    member = {"type": {"S": "like"}, "comment": {"S": comment}}
    item = {"PK": {"S": f"USER#{user}"}, "SK": {"S": sk}, "Feedback": {"M": member}, "pad": {"S": pad}}
    return json.dumps(item, ensure_ascii=False).encode()


def folder_of(tmp_path, files):
    (tmp_path / "in").mkdir(parents=True)
    for name, data in files.items():
        (tmp_path / "in" / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return tmp_path / "in"


def test_the_sample(run, tmp_path):
    lines = sample()
    files = {"a.jsonl": b"\n".join(lines[:700]), "b.jsonl.gz": b"\r\n".join(lines[700:])}
    path = folder_of(tmp_path, files)
    made = run(path)
    assert made == on_one_machine(tmp_path, path)
    assert made[0].count(b"\n") > 200
    assert made[2].filtered > 0
    assert made[2].rejected > 0


ODD = {
    "no LF at the end": b'{"x":1}\n{"x":2}',
    "CR LF": feedback("á", "FEEDBACK#1", "x") + b"\r\n" + b"[1]\r\n",
    "CR alone is no end": feedback("b", "FEEDBACK#1", "x").replace(b", ", b",\r") + b"\n{\rx\r\n",
    "form feed, U+2028, U+0085": feedback("c", "FEEDBACK#1", "\x0c \u2028 \x85").replace(b'{"S"', b'\x0c{"S"')
    + "\n\x0c\n\u2028\n{\u2028\n".encode()
    + feedback("c", "FEEDBACK#2", "\u2028 \x85"),
    "no UTF-8": b'{"PK":{"S":"USER#\xff"}}\n\xff\xfe\n' + feedback("d", "FEEDBACK#1", "x"),
    "blank lines": b"\n \n\t\r\n" + feedback("e", "FEEDBACK#1", "x") + b"\n\n",
    "NUL and BOM": b"\xef\xbb\xbf" + feedback("f", "FEEDBACK#1", "x") + b"\n\x00\n",
    "nothing": b"",
    "no row": b"{\n{\n",
}


def test_odd_bytes(run, tmp_path):
    files = {f"{n}.jsonl{'.gz' * (n % 2)}": data for n, data in enumerate(ODD.values())}
    path = folder_of(tmp_path, files)
    made = run(path)
    assert made == on_one_machine(tmp_path, path)
    assert (made[2].users, made[2].rejected) == (5, 12)


def test_items_of_equal_sk_keep_the_order_of_files_and_lines(run, tmp_path):
    files = {
        f"{letter}.jsonl": b"\n".join(
            feedback(n % 3, "FEEDBACK#2025-01-01", f"{letter}{n}") for n in range(9)
        )
        for letter in "bac"
    }
    path = folder_of(tmp_path, files)
    made = run(path)
    assert made == on_one_machine(tmp_path, path)
    assert b"a0 | a3 | a6 | b0 | b3 | b6 | c0 | c3 | c6" in made[0]


def test_a_file_in_several_chunks_keeps_its_line_numbers(run, session, tmp_path):
    lines = [feedback(n % 50, f"FEEDBACK#{n % 7}", f"n{n}", "x" * 9000) for n in range(2600)]
    lines[400::700] = [b"{ bad"] * len(lines[400::700])
    path = folder_of(tmp_path, {"a.jsonl": b"\n".join(lines), "b.jsonl": b"\n{\n"})
    assert (path / "a.jsonl").stat().st_size > 2 * MIN_CHUNK
    assert session.sparkContext.defaultParallelism > 1
    made = run(path)
    assert made == on_one_machine(tmp_path, path)
    sources = [json.loads(line)["source"] for line in made[1].splitlines()]
    assert sources == ["a.jsonl:401", "a.jsonl:1101", "a.jsonl:1801", "a.jsonl:2501", "b.jsonl:2"]


@given(st.lists(hostile.LINE, min_size=20, max_size=60), st.integers(1, 3))
@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
def test_hostile_lines(run, tmp_path_factory, lines, files):
    folder = tmp_path_factory.mktemp("hostile")
    step = -(-len(lines) // files) or 1
    path = folder_of(
        folder, {f"{n}.jsonl": b"\n".join(lines[n * step : (n + 1) * step]) for n in range(files)}
    )
    assert run(path) == on_one_machine(folder, path)


def test_an_export(run, tmp_path):
    lines = sample()
    path = exported.write(tmp_path / "export", [lines[:600], [], lines[600:]])
    made = run(path)
    assert made == on_one_machine(tmp_path, path / "data")
    assert b'"source":"0002abcd.json.gz:' in made[1]


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
        (another_count, "holds [24] items, manifest-files.json says 3"),
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
        distributed.normalize_files(session, f"{path}/manifest-summary.json", *map(str, outputs), SETTINGS)
    assert [each.read_text() for each in outputs] == ["earlier", "earlier"]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["export", "spark.csv", "spark.jsonl"]


def extracted(tmp_path, lines):
    folder = tmp_path / "raw"
    folder.mkdir()
    with partitions.Writer(folder, 3) as writer:
        for line in lines:
            writer.write(partitions.of_line(line, 3), line + b"\n")
    size = sum(len(line) + 1 for line in lines)
    record = {"files": [path.name for path in writer.paths], "items": len(lines), "bytes": size}
    (folder / partitions.RECORD).write_text(json.dumps(record))
    return folder


def test_an_extracts_folder(run, tmp_path):
    path = extracted(tmp_path, sample())
    assert run(path) == on_one_machine(tmp_path, path)
    whole = (path / "part-00001.jsonl").read_bytes()
    (path / "part-00001.jsonl").write_bytes(whole[: whole.rindex(b"\n", 0, -1) + 1])
    with pytest.raises(InputError, match=r"expected \d+ bytes of items \(_extract\.json\), found \d+"):
        run(path)
    (path / "part-00001.jsonl").unlink()
    with pytest.raises(InputError, match=r"part-00001\.jsonl is in _extract\.json and not in the folder"):
        run(path)


def test_what_cannot_be_read_is_named(run, tmp_path):
    path = folder_of(tmp_path, {"a.jsonl.gz": b"\n".join(sample())})
    whole = (path / "a.jsonl.gz").read_bytes()
    (path / "a.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"a\.jsonl\.gz cannot be read to its end"):
        run(path)
    (path / "a.jsonl.gz").unlink()
    with pytest.raises(InputError, match="holds no item file"):
        run(path)


@given(st.lists(st.sampled_from([b"", b"a", b"\r", b'{"PK":{"S":"1"}}', b'{"PK":{"S":"2"}}', b"x" * 40])))
def test_bundles_in_any_order_give_the_lines_in_reading_order(tmp_path_factory, lines):
    file = tmp_path_factory.mktemp("bundles") / "a"
    file.write_bytes(b"\n".join(lines))
    chunk = Chunk(3, 0, file)
    expected = [(place, raw if raw.endswith(b"\n") else raw + b"\n") for place, raw in chunk.lines()]
    for most in (1, 50, 10_000):
        dealt = list(bundles.deal(chunk, 3, most))
        for part in range(3):
            own = [bundle for n, bundle in dealt if n == part]
            in_order = [line for line in expected if partitions.of_line(line[1], 3) == part]
            assert list(bundles.lines(own)) == list(bundles.lines(own[::-1])) == in_order
    assert len(dealt) == len({part for part, _ in dealt})


KEYS = st.one_of(
    st.tuples(st.just(distributed.CSV), st.binary(max_size=3)),
    st.tuples(st.just(distributed.REJECTS), st.integers(0, 2**60)),
)


@given(st.dictionaries(KEYS, st.integers(1, 100)), st.integers(1, 300))
def test_ranges_hold_every_key_and_are_of_one_kind(marks, wanted):
    ends = distributed.ranges(marks.items(), wanted)
    assert ends == sorted(set(ends))
    assert {kind for kind, _ in ends} == {kind for kind, _ in marks}
    assert all(end in marks for end in ends)
    assert max(marks, default=None) == (ends[-1] if ends else None)
    for kind in {kind for kind, _ in marks}:
        last = max(key for key in marks if key[0] == kind)
        assert last in ends
    for before, end in zip([None, *ends], ends, strict=False):
        held = sum(size for key, size in marks.items() if (before is None or key > before) and key < end)
        assert held < wanted


CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


@pytest.fixture
def bucket(session, monkeypatch):
    """A bucket that this process and Spark's workers reach: its settings, and what shows its objects."""
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
        monkeypatch.setitem(session.sparkContext.environment, name, value)
    where = Settings(endpoint_url="http://{}:{}".format(*server.get_host_and_port()), bucket="mine")
    s3 = boto3.client("s3", endpoint_url=where.endpoint_url, region_name=where.region)
    s3.create_bucket(Bucket="mine")

    def objects():
        keys = [each["Key"] for each in s3.list_objects_v2(Bucket="mine").get("Contents", [])]
        return {key: s3.get_object(Bucket="mine", Key=key)["Body"].read() for key in keys}

    yield where, objects
    server.stop()


def test_the_guard_stands_before_its_csv_too(session, bucket, tmp_path):
    where, objects = bucket
    dates = [date(2025, 9, day) for day in range(1, 5)]
    many, few, none = (tmp_path / name for name in ("many.jsonl", "few.jsonl", "none.jsonl"))
    many.write_bytes(b"\n".join(feedback(n, "FEEDBACK#1", "x") for n in range(5)))
    few.write_bytes(feedback(1, "FEEDBACK#1", "x") + b"\n{\n")
    none.write_bytes(b"{\n[]\n")

    def run(path, day, **given):
        return distributed.run(session, str(path), where, day, today=dates[2], **given)

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
    assert run(few, dates[1], allow_shrink=True)["summary"]["users"] == 1
    with pytest.raises(FutureDateError, match="after today, 2025-09-03"):
        run(tmp_path / "nowhere", dates[3])
    assert run(few, dates[3], allow_future=True)["run_date"] == "2025-09-04"
