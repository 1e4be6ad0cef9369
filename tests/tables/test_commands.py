"""Every table through the command line, as files of every form: normalize, convert, query."""

import json

import pytest

from tables import checks, collection


@pytest.fixture(params=collection.NAMES)
def table(request):
    return collection.TABLES[request.param]()


@pytest.mark.parametrize("workers", [1, 2])
def test_normalize_convert_and_query_as_the_contract_says(table, workers, call, session, tmp_path):
    files = checks.write_files(table, tmp_path / "raw")
    expected = checks.expect(table, [each for lines in files.values() for each in lines])
    csv, rejects, parquet = (tmp_path / name for name in ("users.csv", "rejects.jsonl", "users.parquet"))
    words = ["--output", csv, "--rejects", rejects, "--workers", workers]
    words += checks.filter_options(table.rules)
    code, out, err = call("normalize", "--input", tmp_path / "raw", *words, "--json")
    if expected.all_rejected:
        assert code == 4
        assert checks.explains(err, expected.summary)
        assert not csv.exists()
    else:
        assert (code, err) == (0, "")
        assert json.loads(out) == expected.summary
        checks.check_csv(csv.read_bytes(), expected)
    checks.check_rejects(rejects.read_bytes(), files)
    if workers == 2 or expected.all_rejected:  # the CSV has the same bytes as with one worker
        return
    others = [tmp_path / f"{name}.parquet" for name in ("conversations", "messages")]
    made = [word for path in others for word in (f"--{path.stem}", path)]
    code, out, err = call("convert", "--input", csv, "--output", parquet, *made, "--json")
    assert (code, json.loads(out)["rows"]) == (0, len(expected.rows))
    checks.check_parquet(parquet, csv.read_bytes())
    checks.check_tables(csv.read_bytes(), *others)
    code, out, err = call("query", "totals", "--parquet", parquet, "--json")
    assert (code, json.loads(out)["rows"]) == (0, [expected.totals])


def test_dynamodb_accepts_the_items_of_every_table():
    assert len(collection.IN_DYNAMODB) >= 14
    for make in collection.TABLES.values():
        keys = [(each["PK"]["S"].encode(), each["SK"]["S"].encode()) for each in make().items]
        assert len(set(keys)) == len(keys)
        assert all(0 < len(pk) <= 2048 and 0 < len(sk) <= 1024 for pk, sk in keys)
        assert all(len(line) < 400 << 10 for line in map(collection.line, make().items))
