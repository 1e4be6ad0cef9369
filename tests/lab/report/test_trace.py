"""A user and a reject are found in every file of a run, and what is not there is empty."""

import json
from datetime import date

import pytest

from cat_lab.report import display, trace
from cat_normalize.core.errors import InputError, ParameterError
from cat_normalize.core.settings import Rules, Settings
from cat_normalize.extract import extract_files
from cat_normalize.normalize import normalize_files
from query_rows import conversation, message, user, write

ODD = 'ñ"\\,<b>\u2028'
"""An id that JSON, CSV and SQL have to quote."""


def line(who, sk, **more):
    return json.dumps({"PK": {"S": f"USER#{who}"}, "SK": {"S": sk}, **more}).encode() + b"\n"


def talk(who, day):
    return line(who, f"CONVERSATION#{day}", Conversation={"L": []})


ITEMS = [
    *(talk(f"u{n}", "2025-08-18") for n in range(20)),
    *(talk(ODD, f"2025-08-{day}") for day in (18, 19)),
    b'{"Item":' + line("u7", "REGISTER").strip() + b"}\n",
    line("u7", "SESSION#1"),
    line("u8", "FEEDBACK#1", Feedback={"M": {"type": {"N": "1"}}}),
    b"no JSON <b> \xff\x1b[31m\n",
    b'{"PK":{"N":"5"},"SK":{"S":"REGISTER"}}\n',
    line("", "REGISTER"),
]


class Run:
    """The folder of a run over some lines."""

    def __init__(self, folder, lines):
        self.raw, self.csv, self.rejects = folder / "raw", folder / "users.csv", folder / "rejects.jsonl"
        (folder / "items.jsonl").write_bytes(b"".join(lines))
        extract_files([str(folder / "items.jsonl")], self.raw, 4, settings=Settings())
        normalize_files([self.raw], self.csv, self.rejects, Rules())


@pytest.fixture
def made(tmp_path):
    return Run(tmp_path, ITEMS)


@pytest.fixture
def empty(tmp_path):
    return Run(tmp_path, [])


def test_the_user_with_the_most_conversations_is_chosen_and_a_given_one_kept(made):
    assert trace.choose_user(made.csv, "") == ODD
    assert trace.choose_user(made.csv, "u3") == "u3"


def pk_of(text):
    try:
        item = json.loads(text)
    except ValueError:
        return None
    return str(item.get("Item", item)["PK"].get("S")).removeprefix("USER#")


@pytest.mark.parametrize("who", ["u7", ODD, "u19"])
def test_all_items_of_a_user_are_found_with_file_and_line(made, who):
    found = trace.items_of(made.raw, who)
    expected = {
        (path.name, number, len(text))
        for path in made.raw.glob("part-*")
        for number, text in enumerate(path.read_bytes().splitlines(keepends=True), 1)
        if who == pk_of(text)
    }
    assert {(row[0], row[1], row[4]) for row in found.rows} == expected
    assert found.total == len(expected) == {"u7": 3, ODD: 2, "u19": 1}[who]
    assert {"u7": {"CONVERSATION", "REGISTER", "other"}}.get(who, {"CONVERSATION"}) == {
        row[2] for row in found.rows
    }
    assert found.first in [each.strip() for each in ITEMS]


def test_more_items_than_are_shown_are_counted(tmp_path):
    made = Run(tmp_path, [talk("a", f"{n:04}-01-01") for n in range(1, trace.MOST + 51)])
    found = trace.items_of(made.raw, "a")
    assert (len(found.rows), found.total) == (trace.MOST, trace.MOST + 50)


@pytest.mark.parametrize("who", ["", "nobody", "u", "u1,"])
def test_a_user_who_is_not_there_has_nothing(made, tmp_path, who):
    assert trace.items_of(made.raw, who) == trace.Items([], 0, None)
    assert trace.row_of(made.csv, who) == []
    tables = write(tmp_path, users=[user("u1")])
    assert len(trace.rows_of(tables, "users", who)) == trace.count_of(tables, "users", who) == 0


def test_the_row_of_the_csv_is_typed(made):
    row = dict(trace.row_of(made.csv, ODD))
    assert (row["usuario_id"], row["numero_conversaciones"]) == (ODD, 2)
    assert row["fecha_primera_conversacion"] == date(2025, 8, 18)


def test_rows_of_the_tables_come_in_order_and_long_texts_are_cut(tmp_path):
    texts = [message(ODD, None, "x" * 90_000, orden=2), message(ODD, None, "b", orden=1, numero=2)]
    tables = write(
        tmp_path,
        users=[user("a"), user(ODD)],
        conversations=[conversation(ODD, date(2025, 9, 1), 2), conversation(ODD, None, 1)],
        messages=[*texts, message(ODD, None, "a", orden=1), message("a", None, "of another")],
    )
    assert trace.rows_of(tables, "users", ODD)["usuario_id"].tolist() == [ODD]
    assert trace.rows_of(tables, "conversations", ODD)["orden"].tolist() == [1, 2]
    shown = trace.rows_of(tables, "messages", ODD)["texto"].tolist()
    assert shown[:2] == ["a", "b"]
    assert 90 < len(shown[2]) < 1_000
    assert trace.count_of(tables, "messages", ODD) == 3


def test_without_files_nothing_is_found(tmp_path):
    assert trace.choose_user(tmp_path / "none.csv", "") == ""
    assert trace.row_of(tmp_path / "none.csv", "u") == []
    assert trace.rows_of({}, "users", "u").empty
    assert trace.count_of({}, "users", "u") == 0
    assert trace.reject_at(tmp_path / "none", 3).lines == []
    with pytest.raises(InputError, match="has no extract; run 01_extract first"):
        trace.items_of(tmp_path, "u")


def test_an_empty_table_has_no_user_and_no_reject(empty):
    assert trace.choose_user(empty.csv, "") == ""
    found = trace.reject_at(empty.rejects, 0)
    assert (found.total, found.item) == (0, None)
    assert trace.at_source(empty.raw, found) == "There is no reject to look for."


def test_every_reject_is_found_and_stands_where_it_was_read(made):
    found = [trace.reject_at(made.rejects, number) for number in range(5)]
    assert {each.total for each in found} == {5}
    assert sorted(each.user for each in found) == ["", "", "", "u7", "u8"]
    for each in found:
        assert "the item stands there" in trace.at_source(made.raw, each)
        assert "\x1b" not in repr(display.item(each.item))


@pytest.mark.parametrize("number", [5, -1])
def test_a_number_that_no_reject_has_is_an_error(made, number):
    with pytest.raises(
        ParameterError, match=rf"reject: {number} is not within 0 to 4, the rejects of this run"
    ):
        trace.reject_at(made.rejects, number)


def test_rejects_of_another_extract_are_told(made, tmp_path):
    found = trace.reject_at(made.rejects, 0)
    name = found.source.partition(":")[0]
    (made.raw / name).write_bytes(b"{}\n" * 30)
    assert "another item stands there; the rejects are of another extract" in trace.at_source(made.raw, found)
    (tmp_path / "items.jsonl").unlink()
    (made.raw / name).write_bytes(b"")
    assert "another item stands there" in trace.at_source(made.raw, found)
    other = trace.Reject(0, 1, found.line, found.item, "/etc/passwd:1")
    assert (
        trace.at_source(made.raw, other)
        == "/etc/passwd, line 1: no file of this extract; the rejects are of another one"
    )
