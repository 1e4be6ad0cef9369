"""Extract: every item arrives once, with its user, from a real server's pages and from an export's files."""

import base64
import gzip
import hashlib
import json
import math
import resource

import boto3
import pytest
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

from cat_normalize.core.errors import ExtractError, InputError, UsageError
from cat_normalize.core.settings import Settings
from cat_normalize.extract import Export, extract_export, extract_files, extract_table, item_files, scan

TABLE = "talks"
TEXT = 'á "quoted" \\ \n\t\x00\u2028😀 ' * 40
EVERY_TYPE = {
    "N": {"N": "1.50"},
    "B": {"B": b"\x00\xff"},
    "L": {"L": [{"BOOL": True}, {"NULL": True}, {"M": {"x": {"SS": ["a"]}}}]},
    "NS": {"NS": ["1"]},
    "BS": {"BS": [b"\x01"]},
}


SHAPE = {
    "KeySchema": [{"AttributeName": n, "KeyType": k} for n, k in (("PK", "HASH"), ("SK", "RANGE"))],
    "AttributeDefinitions": [{"AttributeName": n, "AttributeType": "S"} for n in ("PK", "SK")],
}


def stored_items():
    return [
        {"PK": {"S": f"USER#{n % 9}"}, "SK": {"S": f"CONVERSATION#{n:03}"}, "text": {"S": TEXT}, **EVERY_TYPE}
        for n in range(90)
    ]


@pytest.fixture(scope="module")
def client():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    made = boto3.client(
        "dynamodb",
        endpoint_url=f"http://{host}:{port}",
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
    made.create_table(TableName=TABLE, BillingMode="PAY_PER_REQUEST", **SHAPE)
    for item in stored_items():
        made.put_item(TableName=TABLE, Item=item)
    yield made
    server.stop()


@pytest.mark.parametrize(
    ("provided", "given", "scan", "limited"),
    [
        (None, None, (None, None), False),
        (400, None, (100, 100), True),
        (400, 120, (120, 120), True),
        (400, math.inf, (None, 400), False),
        (800, None, (200, 200), False),  # of which a page of 1 MB takes less than a second
    ],
)
def test_a_scan_leaves_the_others_their_part_of_a_provisioned_table(
    client, tmp_path, provided, given, scan, limited
):
    throughput = {"ReadCapacityUnits": provided or 1, "WriteCapacityUnits": 1}
    mode = {"BillingMode": "PROVISIONED", "ProvisionedThroughput": throughput}
    name = f"provisioned-{provided}-{given}"
    client.create_table(TableName=name, **SHAPE, **(mode if provided else {"BillingMode": "PAY_PER_REQUEST"}))
    client.put_item(TableName=name, Item=stored_items()[0])
    seen, limits = [], []

    def look(params, **_):
        limits.append("Limit" in params)

    client.meta.events.register("provide-client-params.dynamodb.Scan", look)
    done = extract_table(
        client, name, tmp_path / "raw", 2, 2, max_rcu=given, before=lambda *planned: seen.append(planned)
    )
    client.meta.events.unregister("provide-client-params.dynamodb.Scan", look)
    assert done.items == 1
    ((size, planned),) = seen
    assert (size.name, size.provisioned_rcu) == (name, provided)
    max_rcu, per_second = scan
    assert planned.max_rcu == max_rcu
    assert planned.seconds == (planned.rcu / per_second if per_second else None)
    assert set(limits) == {limited}  # a slow scan asks for pages of a second's units


def read_back(folder):
    return [
        (path.name, json.loads(line))
        for path in item_files.expand([folder])
        for line in path.read_bytes().splitlines()
    ]


def plain(item):
    """Give an item as its JSON has it: binary as base64."""

    def default(value):
        return base64.b64encode(value).decode()

    return json.loads(json.dumps(item, default=default))


@pytest.mark.parametrize(("segments", "count"), [(1, 1), (1, 7), (3, 2), (4, 16)])
def test_every_item_arrives_once_and_with_its_user(client, tmp_path, segments, count):
    seen = []
    done = extract_table(client, TABLE, tmp_path / "raw", segments, count, seen.append)
    items = read_back(tmp_path / "raw")

    def key(item):
        return item["PK"]["S"], item["SK"]["S"]

    expected = sorted((plain(item) for item in stored_items()), key=key)
    assert sorted((item for _, item in items), key=key) == expected
    homes = {}
    for home, item in items:
        homes.setdefault(item["PK"]["S"], set()).add(home)
    assert {len(each) for each in homes.values()} == {1}
    assert done.items == sum(seen) == 90
    record = json.loads((tmp_path / "raw" / item_files.RECORD).read_text())
    assert record == done.as_dict()
    assert client.scan(TableName=TABLE, Limit=1)["Items"][0]["N"] == {"N": "1.50"}  # the caller's own again
    assert len(record["files"]) == count


def test_the_same_extract_gives_the_same_bytes(client, tmp_path):
    for name in ("a", "b"):
        extract_table(client, TABLE, tmp_path / name, 3, 4)
    files = [{p.name: p.read_bytes() for p in (tmp_path / name).iterdir()} for name in ("a", "b")]
    assert files[0] == files[1]


def test_a_scan_that_takes_pages_hands_out_all_of_them(client):
    asked = []

    def small_pages(params, **_):
        params["Limit"] = 25
        asked.append(params.get("ExclusiveStartKey"))

    client.meta.events.register("provide-client-params.dynamodb.Scan", small_pages)
    try:
        with scan.raw_bodies(client):
            sizes = [len(page.items) for page in scan.pages(client, TABLE)]
    finally:
        client.meta.events.unregister("provide-client-params.dynamodb.Scan", small_pages)
    assert sum(sizes) == 90
    assert len(asked) == len(sizes) == 4
    assert asked[0] is None
    assert set(asked[1]) == {"PK", "SK"}


def test_a_missing_table_is_named_and_an_earlier_extract_stays(client, tmp_path):
    extract_table(client, TABLE, tmp_path / "raw", 1, 1)
    before = (tmp_path / "raw" / "part-00000.jsonl").read_bytes()
    with pytest.raises(ExtractError, match="table nowhere could not be described") as caught:
        extract_table(client, "nowhere", tmp_path / "raw", 2, 1)
    assert isinstance(caught.value.__cause__, ClientError)
    assert (tmp_path / "raw" / "part-00000.jsonl").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


@pytest.mark.parametrize(
    ("keys", "shown"),
    [
        ([("id", "HASH", "S")], r"id \(S\)"),
        ([("PK", "HASH", "S"), ("ts", "RANGE", "N")], r"PK \(S\) and ts \(N\)"),
        ([("SK", "HASH", "S"), ("PK", "RANGE", "S")], r"SK \(S\) and PK \(S\)"),
    ],
)
def test_a_table_of_other_keys_is_refused(client, tmp_path, keys, shown):
    name = "-".join(each for each, _, _ in keys)
    client.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": each, "KeyType": use} for each, use, _ in keys],
        AttributeDefinitions=[{"AttributeName": each, "AttributeType": kind} for each, _, kind in keys],
        BillingMode="PAY_PER_REQUEST",
    )
    with pytest.raises(ExtractError, match=rf"is keyed by {shown}; expected PK and SK, both strings"):
        extract_table(client, name, tmp_path / "raw")
    assert list(tmp_path.iterdir()) == []


def test_an_extract_with_other_files_next_to_it_is_not_replaced(client, tmp_path):
    extract_table(client, TABLE, tmp_path / "raw")
    (tmp_path / "raw" / "notes").mkdir()
    with pytest.raises(UsageError, match=r"has other files than an extract's, such as notes"):
        extract_table(client, TABLE, tmp_path / "raw")
    assert (tmp_path / "raw" / "notes").is_dir()


def test_the_extracted_files_are_private(client, tmp_path):
    extract_table(client, TABLE, tmp_path / "raw")
    modes = {
        path.name: path.stat().st_mode & 0o077 for path in [tmp_path / "raw", *(tmp_path / "raw").iterdir()]
    }
    assert set(modes.values()) == {0}, modes


def test_many_partitions_are_many_open_files(client, tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        assert len(extract_table(client, TABLE, tmp_path / "raw", 4, 200).files) == 200
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_folder_that_is_no_extract_is_not_replaced(client, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match="has other files than an extract's"):
        extract_table(client, TABLE, tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def make_export(folder, parts):
    """Lay out an export as AWS does, of lists of items."""
    (folder / "data").mkdir(parents=True)
    entries = []
    for number, items in enumerate(parts):
        data = gzip.compress(b"".join(json.dumps({"Item": item}).encode() + b"\n" for item in items))
        (folder / "data" / f"file{number}.json.gz").write_bytes(data)
        entries.append(
            {
                "itemCount": len(items),
                "md5Checksum": base64.b64encode(hashlib.md5(data).digest()).decode(),
                "etag": "ignored",
                "dataFileS3Key": f"some/prefix/AWSDynamoDB/0123/data/file{number}.json.gz",
            }
        )
    (folder / "manifest-files.json").write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    summary = {"itemCount": sum(map(len, parts)), "outputFormat": "DYNAMODB_JSON", "version": "2020-06-30"}
    (folder / "manifest-summary.json").write_text(json.dumps(summary))
    return Export(str(folder))


def parts():
    items = [plain(item) for item in stored_items()]
    return [items[:50], [], items[50:]]


def test_an_export_gives_its_items_whole(tmp_path):
    export = make_export(tmp_path / "export", parts())
    done = extract_export(export, tmp_path / "raw", 5)
    items = [item["Item"] for _, item in read_back(tmp_path / "raw")]
    assert sorted(json.dumps(item) for item in items) == sorted(json.dumps(i) for p in parts() for i in p)
    assert (done.items, done.read_units) == (90, 0.0)


def test_an_export_on_s3_gives_the_same_as_on_disk(tmp_path, client):
    make_export(tmp_path / "export", parts())
    s3 = boto3.client(
        "s3",
        endpoint_url=client.meta.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
    s3.create_bucket(Bucket="exports")
    for path in (tmp_path / "export").rglob("*.*"):
        key = f"AWSDynamoDB/0123/{path.relative_to(tmp_path / 'export')}"
        s3.put_object(Bucket="exports", Key=key, Body=path.read_bytes())
    extract_export(Export(str(tmp_path / "export")), tmp_path / "a", 3)
    extract_export(Export("s3://exports/AWSDynamoDB/0123/manifest-summary.json", s3), tmp_path / "b", 3)
    assert read_back(tmp_path / "a") == read_back(tmp_path / "b")
    with pytest.raises(ExtractError, match=r"s3://exports/nowhere/manifest-summary\.json cannot be read"):
        extract_export(Export("s3://exports/nowhere/", s3), tmp_path / "c")


def damage(path):
    """Overwrite bytes in the middle of a gzip file."""
    data = path.read_bytes()
    path.write_bytes(data[:10] + b"\xff" * 100 + data[110:])


def change(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: (f / "data" / "file2.json.gz").unlink(), "data/file2.json.gz cannot be read"),
        (lambda f: (f / "manifest-files.json").unlink(), "manifest-files.json cannot be read"),
        (
            lambda f: change(f / "manifest-summary.json", "90", "91"),
            "counts 91 items, manifest-files.json 90",
        ),
        (lambda f: change(f / "manifest-summary.json", "DYNAMODB_JSON", "ION"), "is ION; export it as"),
        (
            lambda f: change(f / "manifest-summary.json", "{", '{"exportType":"INCREMENTAL_EXPORT",'),
            "make a full export",
        ),
        (
            lambda f: (f / "data/file0.json.gz").write_bytes((f / "data/file0.json.gz").read_bytes()[:-20]),
            "data/file0.json.gz is damaged",
        ),
        (lambda f: damage(f / "data/file0.json.gz"), "data/file0.json.gz is damaged"),
        (
            lambda f: (f / "data/file0.json.gz").write_bytes((f / "data/file2.json.gz").read_bytes()),
            "has not the checksum",
        ),
        (
            lambda f: change(f / "manifest-files.json", "file1", "file0"),
            "names data/file0.json.gz 2 times",
        ),
        (lambda f: (f / "manifest-summary.json").write_text(""), "a manifest is damaged"),
        (lambda f: (f / "manifest-summary.json").write_text("[]"), "a manifest is damaged"),
        (lambda f: change(f / "manifest-files.json", "md5Checksum", "md5"), "a manifest is damaged"),
        (lambda f: change(f / "manifest-files.json", "}", ""), "a manifest is damaged"),
    ],
)
def test_an_export_that_is_not_what_its_manifest_says_is_refused(tmp_path, spoil, message):
    export = make_export(tmp_path / "export", parts())
    spoil(tmp_path / "export")
    with pytest.raises(ExtractError, match=message):
        extract_export(export, tmp_path / "raw")
    assert not (tmp_path / "raw").exists()


def test_a_file_with_the_right_checksum_and_another_count_is_refused(tmp_path):
    export = make_export(tmp_path / "export", parts())
    manifest = tmp_path / "export" / "manifest-files.json"
    change(manifest, '"itemCount": 50', '"itemCount": 49')
    change(manifest, '"itemCount": 0', '"itemCount": 1')
    with pytest.raises(ExtractError, match=r"has 50 items, manifest-files\.json says 49"):
        extract_export(export, tmp_path / "raw")


def written_files(folder):
    """Write items: a plain file of CR LF and blank lines, a packed one in a folder; return what to read."""
    (folder / "more").mkdir()
    lines = [json.dumps(plain(item)).encode() for item in stored_items()]
    (folder / "a.jsonl").write_bytes(b"\r\n \n\xc2\xa0\n".join(lines[:50]))
    (folder / "more" / "b.jsonl.gz").write_bytes(gzip.compress(b"\n".join([*lines[50:], b"no JSON \xff"])))
    return [str(folder / "a.jsonl"), str(folder / "more")]


def test_item_files_are_partitioned_like_a_table(tmp_path):
    given = written_files(tmp_path)
    done = extract_files(given, tmp_path / "raw", 5)
    assert (done.items, done.read_units, done.source) == (91, 0.0, ", ".join(given))
    lines = [
        (path.name, line)
        for path in item_files.expand([tmp_path / "raw"])
        for line in path.read_bytes().splitlines()
    ]
    assert len(lines) == 91
    assert [line for _, line in lines].count(b"no JSON \xff") == 1
    items = [plain(item) for item in stored_items()]
    for name, _ in lines:
        wanted = [i for i in items if item_files.name(item_files.of_line(json.dumps(i).encode(), 5)) == name]
        found = [json.loads(line) for at, line in lines if at == name and line != b"no JSON \xff"]
        assert found == wanted


def test_a_file_without_items_makes_empty_partitions_in_an_empty_folder(tmp_path):
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "raw").mkdir()
    done = extract_files([str(tmp_path / "empty.jsonl")], tmp_path / "raw", 3)
    assert (done.items, done.bytes, len(done.files)) == (0, 0, 3)


def test_an_exports_folder_is_read_with_its_checks(tmp_path):
    make_export(tmp_path / "export", parts())
    extract_export(Export(str(tmp_path / "export")), tmp_path / "a", 3)
    done = extract_files([str(tmp_path / "export")], tmp_path / "b", 3)
    assert read_back(tmp_path / "a") == read_back(tmp_path / "b")
    assert done.source == str(tmp_path / "export")
    extract_files([str(tmp_path / "export" / "manifest-summary.json")], tmp_path / "c", 3)
    assert read_back(tmp_path / "c") == read_back(tmp_path / "a")
    (tmp_path / "export" / "data" / "file0.json.gz").unlink()
    with pytest.raises(ExtractError, match=r"file0\.json\.gz"):
        extract_files([str(tmp_path / "export")], tmp_path / "b", 3)


def test_an_export_is_given_alone(tmp_path):
    make_export(tmp_path / "export", parts())
    given = written_files(tmp_path)
    with pytest.raises(UsageError, match="is an export; give it alone"):
        extract_files([*given, str(tmp_path / "export")], tmp_path / "raw")


def test_item_files_on_s3_give_the_same_as_on_disk(tmp_path, client, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    settings = Settings(endpoint_url=client.meta.endpoint_url)
    s3 = boto3.client("s3", endpoint_url=settings.endpoint_url, region_name="us-east-1")
    s3.create_bucket(Bucket="items")
    given = written_files(tmp_path)
    for name in ("a.jsonl", "more/b.jsonl.gz"):
        s3.put_object(Bucket="items", Key=name, Body=(tmp_path / name).read_bytes())
    here = extract_files(given, tmp_path / "a", 3)
    there = extract_files(["s3://items/a.jsonl", "s3://items/more"], tmp_path / "b", 3, settings=settings)
    assert (here.items, here.bytes, here.files) == (there.items, there.bytes, there.files)
    for name in here.files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_packed_item_file_that_is_damaged_inside_is_named_and_an_earlier_extract_stays(tmp_path):
    given = written_files(tmp_path)
    before = extract_files(given, tmp_path / "raw", 1)
    damage(tmp_path / "more" / "b.jsonl.gz")
    with pytest.raises(InputError, match=r"b\.jsonl\.gz cannot be read to its end"):
        extract_files(given, tmp_path / "raw", 1)
    assert (tmp_path / "raw" / "part-00000.jsonl").stat().st_size == before.bytes


def test_a_missing_input_is_named_and_an_earlier_extract_stays(tmp_path):
    (tmp_path / "one.jsonl").write_text(json.dumps(plain(stored_items()[0])))
    extract_files([str(tmp_path / "one.jsonl")], tmp_path / "raw", 1)
    with pytest.raises(InputError, match="nowhere"):
        extract_files([str(tmp_path / "nowhere")], tmp_path / "raw", 1)
    assert len(read_back(tmp_path / "raw")) == 1
