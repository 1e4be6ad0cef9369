"""Every table through the command line, its items in files of every form: normalize, convert, query."""

import json

import pytest

from tables import collection, doors


@pytest.fixture(params=collection.TABLES)
def table(request):
    return collection.MADE[request.param]()


@pytest.mark.parametrize("workers", [1, 2])
def test_normalize_convert_and_query_as_the_contract_says(table, workers, call, session, tmp_path):
    files = doors.write_files(table, tmp_path / "raw")
    expected = doors.expect(table, [each for lines in files.values() for each in lines])
    csv, rejects, parquet = (tmp_path / name for name in ("users.csv", "rejects.jsonl", "users.parquet"))
    words = ["--output", csv, "--rejects", rejects, "--workers", workers, *doors.options(table.rules)]
    code, out, err = call("normalize", "--input", tmp_path / "raw", *words, "--json")
    if expected.refused:
        assert code == 4
        assert doors.says_why(err, expected.summary)
        assert not csv.exists()
    else:
        assert (code, err) == (0, "")
        assert json.loads(out) == expected.summary
        doors.check_csv(csv.read_bytes(), expected)
    doors.check_rejects(rejects.read_bytes(), files)
    if workers == 2 or expected.refused:  # the bytes are the same: once is enough
        return
    code, out, err = call("convert", "--input", csv, "--output", parquet, "--json")
    assert (code, json.loads(out)["rows"]) == (0, len(expected.rows))
    doors.check_parquet(parquet, csv.read_bytes())
    code, out, err = call("query", "totals", "--parquet", parquet, "--json")
    assert (code, json.loads(out)["rows"]) == (0, [expected.totals])


def test_the_collection_is_of_tables_that_dynamodb_could_hold():
    assert len(collection.IN_DYNAMODB) >= 14
    for make in collection.MADE.values():
        keys = [(each["PK"]["S"].encode(), each["SK"]["S"].encode()) for each in make().items]
        assert len(set(keys)) == len(keys)
        assert all(0 < len(pk) <= 2048 and 0 < len(sk) <= 1024 for pk, sk in keys)
        assert all(len(line) < 400 << 10 for line in map(collection.line, make().items))
