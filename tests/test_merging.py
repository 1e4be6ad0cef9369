"""Sorted files of records and their merge: the same bytes as sorting all of them, light rows and heavy."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cat_normalize import csvfile, merging
from hostile import TEXT

PARTS = st.lists(st.lists(st.tuples(TEXT, TEXT), max_size=5), min_size=1, max_size=4)


def merged(folder, parts, start=0):
    paths = [folder / str(number) for number in range(len(parts))]
    sizes = [merging.write(rows, path) for rows, path in zip(parts, paths, strict=True)]
    (folder / "all").write_bytes(b"." * start)
    merging.merge(paths, folder / "all", start)
    data = (folder / "all").read_bytes()
    assert data[:start] == b"." * start
    assert len(data) == start + sum(sizes)
    return data[start:]


@given(PARTS, st.integers(0, 5))
def test_a_merge_is_the_sorted_whole(tmp_path_factory, parts, start):
    folder = tmp_path_factory.mktemp("merged")
    keys = [key for rows in parts for key, _ in rows]
    unique = {key: [] for key in keys if "\n" not in key and key}
    parts = [sorted({key: (key, text) for key, text in rows if key in unique}.values()) for rows in parts]
    rows = sorted((row for each in parts for row in each), key=lambda row: row[0].encode())
    expected = b"".join(map(csvfile.line, rows))
    made = merged(folder, parts, start)
    assert sorted(made.splitlines()) == sorted(expected.splitlines())
    if len({row[0] for row in rows}) == len(rows):
        assert made == expected


@pytest.mark.parametrize("size", [1, merging.COPIED - 2, merging.COPIED, 3 * merging.COPIED])
def test_a_heavy_row_is_written_in_pieces_and_copied_whole(tmp_path: Path, size):
    heavy = ("b", [b'"', b"," * size, b'"'], 7)
    parts = [[("a", "x"), heavy], [("aa", None), ("c", "y")]]
    expected = b"".join(map(csvfile.line, [("a", "x"), ("aa", None), heavy, ("c", "y")]))
    assert merged(tmp_path, parts) == expected
