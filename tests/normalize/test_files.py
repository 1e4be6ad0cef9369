"""Normalize on files: the same bytes however the work is cut, and nothing half written."""

import csv
import gzip
import json
import os
import resource
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import hostile
from cat_normalize.core.csvfile import HEADER
from cat_normalize.core.errors import InputError, UsageError
from cat_normalize.core.schema import NAMES
from cat_normalize.core.settings import Rules
from cat_normalize.extract import item_files
from cat_normalize.extract.item_files import MAX_LINE
from cat_normalize.normalize.files import PARTITION_BYTES, normalize_files
from cat_normalize.normalize.stretches import Stretch, cut

SMALL = 4000


def run(folder, inputs, workers=1, partition_bytes=PARTITION_BYTES, stretch_bytes=None):
    outputs = folder / "out.csv", folder / "bad.jsonl"
    summary = normalize_files(inputs, *outputs, Rules(), workers, partition_bytes, stretch_bytes)
    return (folder / "out.csv").read_bytes(), (folder / "bad.jsonl").read_bytes(), summary


def item(user, n, text="hola, «tú»"):
    messages = [{"from": "user", "text": f"{text} {n}"}]
    return json.dumps(
        {
            "PK": {"S": f"USER#{user}"},
            "SK": {"S": f"CONVERSATION#2025-08-{n % 28 + 1:02}"},
            "Conversation": {"S": json.dumps(messages)},
        }
    ).encode()


def table(count=600, users=70):
    lines = [item(n * 7919 % users, n) for n in range(count)]
    lines[5::50] = [b'{"PK":{"S":"USER#1"},"SK":{"S":"?"}}'] * len(lines[5::50])
    return lines


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("layout", ["one file", "three files", "gzip", "folder", "wrapped, CR LF"])
def test_the_same_table_gives_the_same_bytes(tmp_path, layout, workers):
    lines = table()
    (tmp_path / "whole").mkdir()
    (tmp_path / "whole" / "items").write_bytes(b"\n".join(lines))
    expected, rejects, counts = run(tmp_path, [tmp_path / "whole" / "items"])
    (tmp_path / "in").mkdir()
    paths = [tmp_path / "in" / "a.jsonl", tmp_path / "in" / "b.jsonl", tmp_path / "in" / "c.jsonl.gz"]
    if layout == "one file":
        paths[0].write_bytes(b"\n".join(lines) + b"\n")
    elif layout == "gzip":
        paths[2].write_bytes(gzip.compress(b"\n".join(lines)))
    elif layout == "wrapped, CR LF":
        paths[0].write_bytes(b"".join(b'{"Item":' + each + b"}\r\n\r\n" for each in lines))
    else:
        for path, part in zip(paths, (lines[:100], lines[100:101], lines[101:]), strict=True):
            data = b"\n".join(part)
            path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    inputs = [tmp_path / "in"] if layout == "folder" else [path for path in paths if path.exists()]
    made, bad, summary = run(tmp_path, inputs, workers, SMALL)
    assert made == expected
    assert summary == counts
    assert [json.loads(each)["item"] for each in bad.splitlines()] == [
        json.loads(each)["item"] for each in rejects.splitlines()
    ]


def test_rejects_name_file_and_line_in_reading_order(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b"\n".join([b"{", b"", *table(60), b"["]))
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(b"\n\n{\n"))
    _, bad, summary = run(tmp_path, [tmp_path / "a.jsonl", tmp_path / "b.jsonl.gz"], 2, SMALL)
    sources = [json.loads(each)["source"] for each in bad.splitlines()]
    assert sources == ["a.jsonl:1", "a.jsonl:8", "a.jsonl:58", "a.jsonl:63", "b.jsonl.gz:3"]
    assert summary.items_read == 63


def test_the_csv_is_the_contracts_dialect(tmp_path):
    texts = {"a": "plain", "b": 'say "no", twice', "c,d": "line\r\nbreak", "": "no user"}
    (tmp_path / "in").write_bytes(b"\n".join(item(user, 0, text) for user, text in texts.items()))
    made, _, _ = run(tmp_path, [tmp_path / "in"])
    assert not made.startswith(b"\xef\xbb\xbf")
    assert b"\r" not in made
    assert made.count(b"\n") == 4
    rows = list(csv.DictReader(made.decode().splitlines()))
    assert list(rows[0]) == list(NAMES)
    assert [row["usuario_id"] for row in rows] == ["a", "b", "c,d"]
    assert rows[1]["pregunta_conversacion"] == 'say "no", twice 0'
    assert json.loads(rows[2]["conversacion_completa"])[0]["messages"][0]["text"] == "line\r\nbreak 0"
    assert made.splitlines()[1].startswith("a,Usuario Anónimo,,,01/08/2025,1,".encode())


def test_no_item_at_all_is_a_header_and_no_reject(tmp_path):
    (tmp_path / "in").write_bytes(b"\n \n")
    made, bad, summary = run(tmp_path, [tmp_path / "in"])
    assert (made.decode(), bad, summary.items_read) == (",".join(NAMES) + "\n", b"", 0)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_file_cut_short_stops_the_run_and_leaves_what_was_there(tmp_path, workers):
    (tmp_path / "out.csv").write_text("earlier")
    whole = gzip.compress(b"\n".join(table()))
    (tmp_path / "in.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"in\.jsonl\.gz cannot be read to its end"):
        run(tmp_path, [tmp_path / "in.jsonl.gz"], workers, SMALL)
    assert (tmp_path / "out.csv").read_text() == "earlier"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl.gz", "out.csv"]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_packed_file_damaged_inside_stops_the_run_and_leaves_what_was_there(tmp_path, workers):
    (tmp_path / "out.csv").write_text("earlier")
    whole = bytearray(gzip.compress(b"\n".join(table())))
    whole[len(whole) // 2] ^= 255
    (tmp_path / "in.jsonl.gz").write_bytes(whole)
    with pytest.raises(InputError, match=r"in\.jsonl\.gz cannot be read to its end"):
        run(tmp_path, [tmp_path / "in.jsonl.gz"], workers, SMALL)
    assert (tmp_path / "out.csv").read_text() == "earlier"


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_however_large_the_table_a_few_hundred_files_are_open(tmp_path, workers):
    """With one byte per partition there would be more partitions than a process may open files."""
    (tmp_path / "in.jsonl").write_bytes(b"\n".join(table(60, 7)))
    expected = run(tmp_path, [tmp_path / "in.jsonl"])
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (400, before[1]))
    try:
        assert run(tmp_path, [tmp_path / "in.jsonl"], workers, partition_bytes=1) == expected
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize("workers", [1, 2])
def test_an_item_with_two_keys_belongs_to_the_last_and_that_user_has_one_row(tmp_path, workers):
    odd = [item("9", n).replace(b'"USER#9"', b'"USER#%d"}, "PK": {"S": "USER#3"' % n, 1) for n in range(20)]
    (tmp_path / "in").write_bytes(b"\n".join([b"{", *table(200), *odd]))
    made = run(tmp_path, [tmp_path / "in"], workers, SMALL)
    assert made == run(tmp_path, [tmp_path / "in"])
    ids = [line.split(b",")[0] for line in made[0].splitlines()]
    assert len(ids) == len(set(ids)) == 71


def test_the_last_of_two_keys_counts_for_a_filter_too(tmp_path):
    city = b'{"PK":{"S":"USER#%b"},"SK":{"S":"REGISTER"},"UserData":{"M":{"ciudad":{"S":"Prueba"}}}}'
    odd = (city % b"9").replace(b'"SK"', b'"PK":{"S":"USER#1"},"SK"')
    talks = [item(user, n) for user in "19" for n in range(200)]
    (tmp_path / "in").write_bytes(b"\n".join([*talks, city % b"9", odd]))
    outputs = (tmp_path / "out.csv", tmp_path / "bad.jsonl")
    rules = Rules(exclude_cities=("^Prueba",))
    summary = normalize_files([tmp_path / "in"], *outputs, rules, partition_bytes=SMALL)
    assert summary.users == 0
    assert outputs[0].read_bytes() == HEADER


def test_missing_input_is_named(tmp_path):
    with pytest.raises(InputError, match="nowhere does not exist"):
        run(tmp_path, [tmp_path / "nowhere"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty holds no item file"):
        run(tmp_path, [tmp_path / "empty"])


@pytest.mark.parametrize("workers", [1, 2])
def test_a_registration_with_two_keys_names_the_user_of_the_last(tmp_path, workers):
    named = b'{"PK":{"S":"USER#%b"},"SK":{"S":"REGISTER"},"UserData":{"M":{"nombre":{"S":"Ana"}}}}'
    odd = (named % b"9").replace(b'"SK"', b'"PK":{"S":"USER#3"},"SK"')
    (tmp_path / "in").write_bytes(b"\n".join([*table(200), odd]))
    made = run(tmp_path, [tmp_path / "in"], workers, SMALL)
    assert made == run(tmp_path, [tmp_path / "in"])
    assert [line.split(b",")[:2] for line in made[0].splitlines() if line.startswith(b"3,")] == [
        [b"3", b"Ana"]
    ]


def extracted(folder, lines, count):
    """Write the folder of an extract: partitions of whole users, and their record."""
    folder.mkdir()
    with item_files.Writer(folder, count) as writer:
        for line in lines:
            writer.write(item_files.of_line(line, count), line + b"\n")
    size = sum(path.stat().st_size for path in writer.paths)
    record = {"files": [path.name for path in writer.paths], "items": len(lines), "bytes": size}
    (folder / item_files.RECORD).write_text(json.dumps(record))
    return writer.paths


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("size", [SMALL, PARTITION_BYTES])
def test_the_partitions_of_an_extract_give_the_same_bytes(tmp_path, workers, size):
    paths = extracted(tmp_path / "raw", [b"{", *table()], 7)
    made, bad, summary = run(tmp_path, [tmp_path / "raw"], workers, size)
    (tmp_path / "whole").write_bytes(b"".join(path.read_bytes() for path in paths))
    assert (made, summary) == run(tmp_path, [tmp_path / "whole"])[::2]
    sources = [json.loads(line)["source"].split(":") for line in bad.splitlines()]
    for name, number in sources:
        line = (tmp_path / "raw" / name).read_bytes().splitlines()[int(number) - 1]
        assert line in (b"{", b'{"PK":{"S":"USER#1"},"SK":{"S":"?"}}')
    assert sources == sorted(sources, key=lambda source: (source[0], int(source[1])))
    assert len(sources) == 13


def test_a_user_in_two_partitions_of_an_extract_is_refused(tmp_path):
    paths = extracted(tmp_path / "raw", table(), 2)
    wholes = [path.read_bytes() for path in paths]
    moved = wholes[0][: wholes[0].index(b"\n") + 1]
    paths[0].write_bytes(wholes[0][len(moved) :])
    paths[1].write_bytes(wholes[1] + moved)
    with pytest.raises(InputError, match="one user are in two partitions of the extract; extract again"):
        run(tmp_path, [tmp_path / "raw"])
    assert not (tmp_path / "out.csv").exists()


def test_an_extract_with_other_files_is_split_again(tmp_path):
    extracted(tmp_path / "raw", table(), 3)
    (tmp_path / "more").write_bytes(item(1, 1))
    _, _, summary = run(tmp_path, [tmp_path / "raw", tmp_path / "more"], 1, SMALL)
    assert (summary.users, summary.conversations) == (70, 589)


@pytest.mark.parametrize("step", [1, 7, 64, 333, 100_000])
@pytest.mark.parametrize("workers", [2, 3])
def test_a_file_cut_anywhere_between_workers_gives_the_same_bytes(tmp_path, step, workers):
    lines = table(12, 4)
    (tmp_path / "in").write_bytes(b"\n".join([b"{", b"", *lines]))
    expected = run(tmp_path, [tmp_path / "in"])
    if step == 64:  # cuts that lie right between two lines
        step = len(b"{\n\n" + lines[0] + b"\n")
    assert run(tmp_path, [tmp_path / "in"], workers, SMALL, step) == expected


@pytest.mark.parametrize(
    ("sizes", "workers", "tasks"),
    [
        ([0, 20, 4, 3], 2, [[(0, 0), (1, 0)], [(1, 8)], [(1, 16), (2, 0)], [(3, 0)]]),
        ([1, 1, 1, 1], 2, [[(0, 0), (1, 0), (2, 0), (3, 0)]]),
        ([20, 1], 1, [[(0, 0)], [(1, 0)]]),
        ([], 3, [[]]),
    ],
)
def test_files_are_cut_into_tasks_of_about_one_size(tmp_path, sizes, workers, tasks):
    paths = [tmp_path / f"{n}.jsonl" for n in range(len(sizes))]
    for path, mb in zip(paths, sizes, strict=True):
        with path.open("wb") as stream:
            stream.truncate(mb << 20)
    found = cut(paths, workers)
    assert [[(each.file, each.start >> 20) for each in task] for task in found] == tasks
    assert [each.number for task in found for each in task] == list(range(sum(map(len, tasks))))


@pytest.mark.parametrize("data", [b"a\n\nbcd\r\ne", b"\n\n", b"one line", b"one line\n"])
def test_every_line_is_in_one_stretch_wherever_a_file_is_cut(tmp_path, data):
    path = tmp_path / "in"
    path.write_bytes(data)
    for step in range(1, len(data) + 1):
        stops = [*range(step, len(data), step), len(data)]
        stretches = [Stretch(n, 0, path, n * step, stop) for n, stop in enumerate(stops)]
        assert [line for each in stretches for _, line in each.lines()] == data.splitlines(keepends=True)


def test_gzip_files_stay_whole_and_count_by_what_they_hold(tmp_path):
    paths = [tmp_path / f"{n}.jsonl.gz" for n in range(4)]
    for path in paths:
        path.write_bytes(b"\x1f\x8b" + bytes((1 << 20) - 2))
    assert [len(task) for task in cut(paths, 2)] == [1, 1, 1, 1]
    assert [len(task) for task in cut(paths, 1)] == [2, 2]


SKEWED = {
    "packed in the users' order": [item(f"{n:05}", n) for n in range(1500)],
    "a user of nearly all": [item("5" if n % 50 else f"{n:05}", n) for n in range(1500)],
    "one user": [item("5", n) for n in range(1500)],
    "no item at all": [b'{"PK":%d}' % n for n in range(3000)],
    "rejected in the users' order": [
        item(f"{n:05}", n) if n % 3 else item(f"{n:05}", n)[:-1] for n in range(1500)
    ],
    "rejected and one user": [item("5", n) if n % 2 else b"? %d" % n for n in range(1500)],
}


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("lines", SKEWED.values(), ids=SKEWED)
def test_a_partition_too_large_is_split_again(tmp_path, lines, workers):
    (tmp_path / "whole").write_bytes(b"\n".join(lines))
    expected, rejects, summary = run(tmp_path, [tmp_path / "whole"])
    (tmp_path / "in.jsonl.gz").write_bytes(gzip.compress(b"\n".join(lines)))
    made, bad, counts = run(tmp_path, [tmp_path / "in.jsonl.gz"], workers, SMALL)
    assert (made, counts) == (expected, summary)
    assert bad.replace(b"in.jsonl.gz", b"whole") == rejects


@given(hostile.LINES, st.integers(1, 3), st.integers(1, 400))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.slow
def test_hostile_lines_in_any_cut_give_the_same_bytes(tmp_path, lines, files, size):
    (tmp_path / "one").write_bytes(b"\n".join(lines))
    expected = run(tmp_path, [tmp_path / "one"])
    paths = [tmp_path / f"{n}.jsonl" for n in range(files)]
    step = -(-len(lines) // files) or 1
    for n, path in enumerate(paths):
        path.write_bytes(b"\n".join(lines[n * step : (n + 1) * step]))
    made, bad, summary = run(tmp_path, paths, 1, size)
    assert (made, summary) == (expected[0], expected[2])
    assert [json.loads(x)["item"] for x in bad.splitlines()] == [
        json.loads(x)["item"] for x in expected[1].splitlines()
    ]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_pipe_is_read_whole(tmp_path, workers, packed):
    data = b"\n".join(table())
    (tmp_path / "in").write_bytes(data)
    expected = run(tmp_path, [tmp_path / "in"])
    os.mkfifo(tmp_path / "pipe")
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit((tmp_path / "pipe").write_bytes, gzip.compress(data) if packed else data)
        made, bad, summary = run(tmp_path, [tmp_path / "pipe"], workers)
        writing.result()
    assert (made, summary) == (expected[0], expected[2])
    assert bad == expected[1].replace(b'"source":"in:', b'"source":"pipe:')
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.jsonl", "in", "out.csv", "pipe"]


def test_several_pipes_are_read(tmp_path):
    pipes = [tmp_path / name for name in ("a", "b")]
    with ThreadPoolExecutor(2) as pool:
        for pipe in pipes:
            os.mkfifo(pipe)
        writing = [pool.submit(pipe.write_bytes, item(pipe.name, 1)) for pipe in pipes]
        made, _, summary = run(tmp_path, pipes)
        for each in writing:
            each.result()
    assert (summary.users, [line[:2] for line in made.splitlines()[1:]]) == (2, [b"a,", b"b,"])


@pytest.mark.parametrize(
    ("outputs", "says"),
    [
        (("in/a.jsonl", "bad.jsonl"), "is an input too"),
        (("linked.csv", "bad.jsonl"), "is an input too"),
        (("out.csv", "hard.jsonl"), "is an input too"),
        (("out.csv", "in/../in/bad.jsonl"), "the next run would read it as items or replace it"),
        (("out.csv", "in/bad.jsonl"), "the next run would read it as items or replace it"),
        (("in/out.JSON", "bad.jsonl"), "the next run would read it as items or replace it"),
        (("out.csv", "in"), "is a folder"),
        (("in", "bad.jsonl"), "is a folder"),
        (("in/a.jsonl/out.csv", "bad.jsonl"), "is no folder"),
        (("extract/out.csv", "bad.jsonl"), "the next run would read it as items or replace it"),
        (("/dev/stdout", "bad.jsonl"), "is a stream"),
    ],
)
def test_outputs_that_would_overwrite_something_are_refused_before_anything_is_read(tmp_path, outputs, says):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jsonl").write_bytes(b"\n".join(table(20)))
    (tmp_path / "extract").mkdir()
    record = {"files": ["part-00000.jsonl"], "items": 0, "bytes": 0}
    (tmp_path / "extract" / item_files.RECORD).write_text(json.dumps(record))
    (tmp_path / "extract" / "part-00000.jsonl").touch()
    (tmp_path / "linked.csv").symlink_to("in/a.jsonl")
    (tmp_path / "hard.jsonl").hardlink_to(tmp_path / "in" / "a.jsonl")
    (tmp_path / "bad.jsonl").write_text("earlier")
    before = {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")}
    inputs = [tmp_path / "in", tmp_path / "extract"]
    with pytest.raises(UsageError, match=says):
        normalize_files(inputs, *(tmp_path / each for each in outputs), Rules())
    assert {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")} == before


def test_a_csv_next_to_the_items_is_not_an_item_file(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(table(20)))
    outputs = (tmp_path / "users.csv", tmp_path / "bad.txt")
    first = normalize_files([tmp_path], *outputs, Rules())
    assert normalize_files([tmp_path], *outputs, Rules()) == first


def test_a_refused_summary_leaves_the_rejects_and_the_earlier_csv(tmp_path):
    (tmp_path / "in").write_bytes(b"{\n")
    (tmp_path / "out.csv").write_text("earlier")
    seen = []

    def refuse(summary):
        seen.append((summary.rejected, (tmp_path / "bad.jsonl").read_bytes()))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        normalize_files(
            [tmp_path / "in"], tmp_path / "out.csv", tmp_path / "bad.jsonl", Rules(), accept=refuse
        )
    assert seen == [(1, (tmp_path / "bad.jsonl").read_bytes())]
    assert (tmp_path / "out.csv").read_text() == "earlier"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.jsonl", "in", "out.csv"]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_line_too_long_for_an_item_is_named_wherever_the_file_is_cut(tmp_path, workers):
    (tmp_path / "in").write_bytes(b"{}\n\n" + b" " * MAX_LINE + b"\n{}\n")
    with pytest.raises(InputError, match="in, line 3: longer than 16 MB"):
        run(tmp_path, [tmp_path / "in"], workers)
    (tmp_path / "in").write_bytes(b"{}\n\n" + b" " * (MAX_LINE - 1) + b"\n{}\n")
    assert run(tmp_path, [tmp_path / "in"], workers)[2].rejected == 2


def test_a_file_name_that_is_not_utf8_is_named_in_the_rejects(tmp_path):
    path = tmp_path / "ma\udcf1ana.jsonl"
    path.write_bytes(b"{\n")
    assert json.loads(run(tmp_path, [path])[1])["source"] == r"ma\xf1ana.jsonl:1"
