"""Sorted runs of records and their merge: the same bytes as sorting all of them, light rows and heavy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cat_normalize import csvfile, merging
from hostile import TEXT

PARTS = st.lists(st.lists(st.tuples(TEXT, TEXT), max_size=5), min_size=1, max_size=4)


def merged(folder, parts, start=0):
    runs = []
    for number, rows in enumerate(parts):
        path = folder / f"made-{number % 2}"  # runs share a file
        with path.open("ab") as stream:
            begin = stream.tell()
            size = merging.write(rows, stream)
            runs.append(merging.Run(path, begin, stream.tell(), size))
    (folder / "all").write_bytes(b"." * start)
    merging.merge(runs, folder / "all", start)
    data = (folder / "all").read_bytes()
    assert data[:start] == b"." * start
    assert len(data) == start + sum(run.csv_bytes for run in runs)
    return data[start:]


@given(PARTS, st.integers(0, 5))
def test_a_merge_is_the_sorted_whole(tmp_path_factory, parts, start):
    whole = {key: (key, text) for rows in parts for key, text in rows if key and "\n" not in key}
    parts = [[whole.pop(key) for key in sorted({key for key, _ in rows} & set(whole))] for rows in parts]
    rows = sorted((row for each in parts for row in each), key=lambda row: row[0].encode())
    made = merged(tmp_path_factory.mktemp("merged"), parts, start)
    assert made == b"".join(map(csvfile.line, rows))


@pytest.mark.parametrize("size", [1, merging.COPIED - 2, merging.COPIED, 3 * merging.COPIED])
def test_a_heavy_record_is_copied_whole(tmp_path, size):
    heavy = ("b", csvfile.Quoted([b"[", b"," * size, b"]"]), 7)
    parts = [[("a", "x"), heavy], [("aa", None), ("c", "y")]]
    expected = b"".join(map(csvfile.line, [("a", "x"), ("aa", None), heavy, ("c", "y")]))
    assert merged(tmp_path, parts) == expected


def test_a_user_with_two_records_is_seen(tmp_path):
    with pytest.raises(merging.SplitUserError):
        merged(tmp_path, [[("a", "x"), ("b", "x")], [("b", "y")]])
