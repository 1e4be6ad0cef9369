"""Outputs of earlier stages: used, built again on the local AWS, or refused on an account."""

import json
from datetime import date
from pathlib import Path

import pytest

from cat_lab.prerequisites import STATUS, status
from cat_lab.workspace import Workspace, open_workspace
from cat_normalize.convert import Converted, ConvertedTable, publish_manifest
from cat_normalize.core import layout
from cat_normalize.core.errors import AllRejectedError, InputError, UsageError
from cat_normalize.core.settings import Settings
from query_rows import conversation, write

DAY = "2025-09-15"
SETTINGS = Settings()
CSV = layout.csv_key(SETTINGS, date(2025, 9, 15))
PARQUET = layout.parquet_key(SETTINGS)


def talk(user, day="2025-08-18"):
    item = {"PK": {"S": f"USER#{user}"}, "SK": {"S": f"CONVERSATION#{day}"}, "Conversation": {"L": []}}
    return json.dumps(item) + "\n"


@pytest.fixture(scope="module")
def aws(empty_aws):
    with empty_aws.activate():
        yield empty_aws


@pytest.fixture
def s3(aws):
    """The bucket, emptied."""
    s3 = aws.client("s3")
    for each in s3.list_objects_v2(Bucket=SETTINGS.bucket).get("Contents", []):
        s3.delete_object(Bucket=SETTINGS.bucket, Key=each["Key"])
    return s3


@pytest.fixture
def items(tmp_path):
    path = tmp_path / "items.jsonl"
    path.write_text(talk("1") + talk("2", "2025-09-01"))
    return str(path)


@pytest.fixture
def space(s3, tmp_path, items):
    """A workspace on an account whose raw partitions were read from `items`, and published."""
    space = open_workspace("extract", False, DAY, str(tmp_path / "work"))
    space.extract(1, 2, [items])
    space.publish(space.normalize())
    return space


def opened(space, stage, local=False, **given):
    return open_workspace(stage, local, DAY, str(space.folder), **given)


def converted(space, s3, body=b"PAR1"):
    """Publish what passes for the Parquet of the CSV that is there now, and its manifest."""
    uris = space.table_uris
    for uri in uris.values():
        s3.put_object(Bucket=SETTINGS.bucket, Key=layout.split_s3(uri)[1], Body=body)
    csv = s3.head_object(Bucket=SETTINGS.bucket, Key=CSV)
    done = Converted(
        space.csv_uri,
        csv["ContentLength"],
        csv["ETag"],
        space.run_date,
        {name: ConvertedTable(uri, 2, len(body), "", None) for name, uri in uris.items()},
        0,
    )
    publish_manifest(space.settings, space.run_date, done, s3)


def test_the_manifest_records_the_source(space, items):
    assert space.manifest_etl1().source == items == space.source()


def test_outputs_of_this_run_are_used(space, s3):
    converted(space, s3)
    for stage in ("normalize", "convert", "query"):
        opened(space, stage)


def test_a_csv_read_from_files_is_used_in_another_folder_too(space, s3, tmp_path):
    converted(space, s3)
    for stage in ("convert", "query"):
        open_workspace(stage, False, DAY, str(tmp_path / "other"))


def test_a_parquet_of_an_older_csv_is_refused_on_an_account(space, s3):
    converted(space, s3)
    other = opened(space, "normalize", since="2025-08-20")
    other.publish(other.normalize())
    with pytest.raises(
        InputError, match=r"data_20250915.csv was replaced after it was converted; run .*03_convert"
    ):
        opened(space, "query")


def test_a_parquet_of_another_day_is_refused_on_an_account(space, s3):
    converted(space, s3)
    s3.put_object(Bucket=SETTINGS.bucket, Key=PARQUET, Body=b"PAR1 of another day")
    with pytest.raises(InputError, match="is of another run date than 2025-09-15"):
        opened(space, "query")


def test_a_missing_parquet_is_refused_on_an_account(space):
    with pytest.raises(InputError, match="has not been converted; run"):
        opened(space, "query")


def test_a_missing_csv_is_refused_on_an_account(space, s3):
    s3.delete_object(Bucket=SETTINGS.bucket, Key=CSV)
    with pytest.raises(InputError, match=r"s3://.* does not exist; run 02_normalize"):
        opened(space, "convert")


def test_a_missing_extract_is_refused_on_an_account(s3, tmp_path):
    with pytest.raises(InputError, match="has no extract; run 01_extract first"):
        open_workspace("normalize", False, DAY, str(tmp_path))


def test_raw_items_of_another_table_are_refused_on_an_account(space):
    record = space.raw / "_extract.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"source": "dynamodb://other"}))
    with pytest.raises(InputError, match="has the items of dynamodb://other, not of dynamodb://cat-prod"):
        opened(space, "normalize")


@pytest.mark.parametrize("stage", ["convert", "query"])
def test_a_csv_of_another_input_is_refused_on_an_account(space, s3, tmp_path, stage):
    converted(space, s3)
    (tmp_path / "more.jsonl").write_text(talk("3"))
    space.extract(1, 2, [str(tmp_path / "more.jsonl")])
    with pytest.raises(InputError, match=r"is of .*items.jsonl, not of .*more.jsonl; run 02_normalize "):
        opened(space, stage)


@pytest.mark.parametrize("since", ["", "2025-08-20"])
def test_a_csv_replaced_by_another_run_is_refused_on_an_account(space, s3, tmp_path, items, since):
    Path(items).write_text(Path(items).read_text() + talk("4"))
    other = open_workspace("extract", False, DAY, str(tmp_path / "other"), since=since)
    other.extract(1, 2, [items])
    other.publish(other.normalize())
    with pytest.raises(InputError, match=r"another run has replaced it; run 02_normalize "):
        opened(space, "convert")


def test_a_csv_of_another_input_is_built_again_on_the_local_aws(s3, tmp_path, items):
    space = open_workspace("extract", True, DAY, str(tmp_path / "work"))
    space.extract(1, 2, [items])
    opened(space, "convert", local=True)
    assert space.manifest_etl1().summary.users == 2
    for users in ("34567", "8"):  # the guard against far fewer users is for accounts
        (tmp_path / f"{users}.jsonl").write_text("".join(map(talk, users)))
        space.extract(1, 2, [str(tmp_path / f"{users}.jsonl")])
        opened(space, "convert", local=True)
        assert space.manifest_etl1().summary.users == len(users)


def test_a_missing_extract_is_built_from_the_table_of_the_local_aws(s3, tmp_path):
    space = open_workspace("convert", True, DAY, str(tmp_path))
    assert space.source() == space.manifest_etl1().source == space.table_uri


def test_a_csv_that_is_built_again_keeps_its_rules(s3, tmp_path, items):
    space = open_workspace("extract", True, DAY, str(tmp_path / "work"))
    space.extract(1, 2, [items])
    opened(space, "normalize", local=True, since="2025-08-20", exclude_cities=["^a,b"]).normalize()
    opened(space, "convert", local=True)
    published = space.manifest_etl1()
    assert published.summary.filtered == 1
    assert published.settings.rules.since == date(2025, 8, 20)
    assert published.settings.rules.exclude_cities == ("^a,b",)


def test_the_parquet_of_an_older_csv_is_built_again_on_the_local_aws(s3, tmp_path, items):
    space = open_workspace("extract", True, DAY, str(tmp_path / "work"))
    space.extract(1, 2, [items])
    opened(space, "query", local=True)
    other = opened(space, "normalize", local=True, since="2025-08-20")
    other.publish(other.normalize())
    again = opened(space, "query", local=True)
    again.fetch_tables()
    assert again.query("totals")["user_count"].tolist() == [1]
    assert again.compare() == 1


def test_a_csv_is_converted_in_the_zones_that_it_was_made_under(s3, tmp_path, items):
    space = open_workspace("extract", True, DAY, str(tmp_path / "work"))
    space.extract(1, 2, [items])
    made = opened(space, "normalize", local=True, time_zone="Asia/Tokyo")
    made.publish(made.normalize())
    opened(space, "convert", local=True).convert()
    zone = s3.head_object(Bucket=SETTINGS.bucket, Key="reports/conversations/data.parquet")["Metadata"]
    assert zone["time-zone"] == "Asia/Tokyo"


@pytest.mark.parametrize(("first", "then"), [(True, False), (False, True)])
def test_a_folder_of_the_local_aws_is_refused_for_an_account_and_vice_versa(s3, tmp_path, first, then):
    open_workspace("extract", first, DAY, str(tmp_path))
    with pytest.raises(UsageError, match="give another work_dir"):
        open_workspace("extract", then, DAY, str(tmp_path))


def test_queries_on_the_local_aws_read_the_copies_and_end_with_the_run_date(tmp_path):
    days = [date(2025, 9, 15), date(2025, 9, 16)]
    write(tmp_path, conversations=[conversation("u", day, n) for n, day in enumerate(days, 1)])
    space = Workspace(SETTINGS, date(2025, 9, 15), tmp_path, True)
    space.tables["users"].write_bytes((tmp_path / "users.parquet").read_bytes())
    assert space.query("conversations_by_day")["day"].tolist() == days[:1]
    assert space.query("conversations_by_day", run_date=days[1])["day"].tolist() == days
    assert space.query("data_period")["last_day"].tolist() == days[:1]
    assert space.query("came_back")["user_count"].tolist() == [0]
    assert space.query("overview", since="2025-09-16", until="2025-09-16")["returning_users"].tolist() == [1]
    assert space.query("totals")["user_count"].tolist() == [0]


BUILT = {
    "extract": "Built first, as 01_extract does: raw partitions; a few seconds for the sample\n",
    "normalize": "Built first, as 02_normalize does: CSV, rejects; a few seconds for the sample\n",
}


def test_what_is_built_first_is_said_and_nothing_where_all_is_there(s3, tmp_path, capsys):
    for said in (BUILT["extract"] + BUILT["normalize"], ""):
        open_workspace("convert", True, DAY, str(tmp_path))
        assert capsys.readouterr() == (said, "")
    open_workspace("normalize", True, DAY, str(tmp_path / "other"))
    assert capsys.readouterr().out == BUILT["extract"]


def test_the_status_says_what_is_there_and_what_each_notebook_needs_first(s3, tmp_path, items):
    space = open_workspace("extract", True, DAY, str(tmp_path / "work"))

    def now():
        return [(row[2], row[3], row[4]) for row in status(space)]

    needs = ("", "01_extract", "01_extract, 02_normalize", "01_extract, 02_normalize, 03_convert")
    none = [("not built", "–", "–"), *(("not built", each, "a few seconds") for each in needs[1:3])]
    assert now() == [*none, ("–", needs[3], "up to a minute")]
    space.extract(1, 2, [items])
    space.publish(space.normalize())
    built = ("built", "–", "–")
    assert now() == [built, built, ("not built", "–", "–"), ("–", "03_convert", "up to a minute")]
    converted(space, s3)
    assert now() == [built, built, built, ("–", "–", "–")]
    assert {len(row) for row in status(space)} == {len(STATUS)}


def test_to_investigate_on_an_account_only_the_raw_items_are_required(space, s3, tmp_path):
    with pytest.raises(InputError, match="has no extract; run 01_extract first"):
        open_workspace("investigate", False, DAY, str(tmp_path / "empty"))
    assert opened(space, "investigate").fetch_published() == {}
    s3.delete_object(Bucket=SETTINGS.bucket, Key=CSV)
    assert opened(space, "investigate").fetch_published() == {}
    assert space.csv.is_file()


def test_what_is_published_and_not_in_the_folder_is_copied(space, s3, tmp_path):
    converted(space, s3)
    rejects = space.rejects.read_bytes()
    space.csv.unlink()
    space.rejects.write_bytes(b"of another run")
    tables = opened(space, "investigate").fetch_published()
    assert [path.read_bytes() for path in tables.values()] == [b"PAR1"] * 3
    assert (space.csv.read_bytes()[:11], space.rejects.read_bytes()) == (b"usuario_id,", rejects)


def test_where_every_item_was_rejected_the_rejects_can_be_followed(s3, tmp_path):
    (tmp_path / "bad.jsonl").write_text('{"PK":{"S":"USER#1"},"SK":{"S":"SESSION"}}\n' * 3)
    space = open_workspace("extract", True, DAY, str(tmp_path / "work"))
    space.extract(1, 2, [str(tmp_path / "bad.jsonl")])
    again = opened(space, "investigate", local=True)
    assert again.fetch_published() == {}
    assert len(again.rejects.read_bytes().splitlines()) == 3
    with pytest.raises(AllRejectedError):
        opened(space, "query", local=True)
