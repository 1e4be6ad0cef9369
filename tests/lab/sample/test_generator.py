"""The sample table: its size, its variety, and that it is the same on every machine."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from cat_lab.errors import LocalAwsError
from cat_lab.local import LocalAws
from cat_lab.sample import edge_cases, generator, invalid_items
from lab.sample.reading import Item, kind, plain

ORDINARY = generator.ordinary()


def key(item: Item) -> tuple[str, str]:
    return item["PK"]["S"], item["SK"]["S"]


def day(item: Item) -> date:
    return date.fromisoformat(item["SK"]["S"].split("#")[1][:10])


def of_kind(name: str) -> list[Item]:
    return [item for item in ORDINARY if kind(item) == name]


def forms(attribute: str) -> set[str | None]:
    return {next(iter(item[attribute]), None) for item in ORDINARY if attribute in item}


def descriptors(value: Any) -> Iterator[str]:
    for name, inner in value.items():
        yield name
        if name == "M":
            for member in inner.values():
                yield from descriptors(member)
        elif name == "L":
            for member in inner:
                yield from descriptors(member)


def test_the_sample_is_the_same_in_every_process() -> None:
    code = (
        "import hashlib; from cat_lab import sample;"
        "print(hashlib.sha256(repr(sample.items()).encode()).hexdigest())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == hashlib.sha256(repr(generator.items()).encode()).hexdigest()


def test_the_sample_has_the_documented_size() -> None:
    counts = Counter(map(kind, ORDINARY))
    assert 1300 <= counts["CONVERSATION"] <= 1700
    assert len({item["PK"]["S"] for item in ORDINARY}) == generator.USERS == 380
    assert 380 <= counts["FEEDBACK"] <= 540
    assert 290 <= counts["REGISTER"] <= 340
    assert len(generator.items()) < 2850
    assert set(counts) == {"CONVERSATION", "FEEDBACK", "REGISTER"}
    assert 24 <= len(invalid_items.items()) <= 99


def test_keys_are_distinct_and_within_dynamodbs_limits() -> None:
    keys = list(map(key, generator.items()))
    assert len(set(keys)) == len(keys)
    assert all(0 < len(pk.encode()) <= 2048 and 0 < len(sk.encode()) <= 1024 for pk, sk in keys)


def test_some_user_has_two_conversations_on_one_day() -> None:
    assert max(Counter((item["PK"]["S"], day(item)) for item in of_kind("CONVERSATION")).values()) > 1


def test_the_sample_has_every_sender_name_and_both_forms() -> None:
    talks = [plain(item["Conversation"]) for item in of_kind("CONVERSATION")]
    senders = {message["from"].lower() for talk in talks for message in talk}
    assert senders == {"user", "usuario", "bot", "assistant", "catia"}
    assert {bool("timestamp" in message) for talk in talks for message in talk} == {True, False}
    assert 3 < sum(map(len, talks)) / len(talks) < 9
    assert forms("Conversation") == {"L", "S"}
    assert forms("Feedback") == forms("UserData") == {"M", "S"}


def test_user_data_is_complete_partial_or_absent() -> None:
    known = {item["PK"]["S"]: plain(item["UserData"]) for item in ORDINARY if "UserData" in item}
    assert 10 < generator.USERS - len(known) < 80
    cities = [str(data.get("ciudad") or "") for data in known.values()]
    assert sum(city.endswith(")") for city in cities) > 10
    assert {"", "  ", "Bogotá", "Medellín"} < set(cities)
    assert {"gerencia" in data for data in known.values()} == {True, False}
    assert {data.get("gerencia", "") is None for data in known.values()} == {True, False}


def test_created_at_has_every_format() -> None:
    texts = [item.get("CreatedAt", {"S": ""})["S"] for item in ORDINARY]
    assert {text[26:] for text in texts} == {"", "Z", "-05:00", "+00:00"}
    assert {len(text) for text in texts} >= {0, 19, 26}


def test_feedback_is_mostly_like() -> None:
    given = [plain(item["Feedback"]) for item in of_kind("FEEDBACK")]
    likes = Counter(each["type"] for each in given)
    assert set(likes) == {"like", "dislike"}
    assert 0.7 < likes["like"] / likes.total() < 0.9
    assert {("comment" in each, "option" in each) for each in given} == {
        (a, b) for a in (True, False) for b in (True, False)
    }


def test_users_of_edge_cases_and_invalid_items_have_a_prefix_and_sort_last() -> None:
    ordinary = {item["PK"]["S"].removeprefix("USER#") for item in ORDINARY}
    others = {
        item["PK"]["S"]
        for item in [
            *edge_cases.items(),
            *(each for code, each in invalid_items.items() if code != "bad_key"),
        ]
    }
    assert all(pk.startswith(f"USER#{edge_cases.PREFIX}") for pk in others)
    assert max(ordinary) < edge_cases.PREFIX


def test_edge_cases_appear_in_no_ranking() -> None:
    ranked = 8
    conversations = Counter(item["PK"]["S"] for item in of_kind("CONVERSATION"))
    others = Counter(item["PK"]["S"] for item in edge_cases.items() if kind(item) == "CONVERSATION")
    assert max(others.values()) < min(count for _, count in conversations.most_common(ranked))
    questions = {
        (item["PK"]["S"], str(message.get("text")))
        for item in edge_cases.items()
        if kind(item) == "CONVERSATION"
        for message in plain(item["Conversation"])
        if isinstance(message, dict) and message.get("from") == "user"
    }
    asked = Counter(text for _, text in questions)
    assert max(asked.values()) <= 3


def test_dialogues_alternate_questions_and_answers() -> None:
    dialogues = generator.dialogues()
    assert len(dialogues) > 40
    assert all(1 < len(dialogue) <= 6 and all(map(str.strip, dialogue)) for dialogue in dialogues)
    asked = {text for dialogue in dialogues for text in dialogue[::2]}
    assert not asked & {text for dialogue in dialogues for text in dialogue[1::2]}


def test_every_reason_and_every_warning_has_an_item() -> None:
    counts = Counter(code for code, _ in invalid_items.items())
    assert set(counts) == {*invalid_items.REASONS, *invalid_items.WARNINGS}
    assert counts["bad_conversation"] > 20
    assert counts["bad_feedback"] > 15


def test_invalid_items_are_of_the_kind_of_their_code() -> None:
    for code, item in invalid_items.items():
        expected = {
            "bad_conversation": kind(item) == "CONVERSATION",
            "bad_feedback": kind(item) == "FEEDBACK",
            "date_unreadable": kind(item) == "CONVERSATION",
            "bad_key": not item["PK"]["S"].startswith("USER#") or not item["PK"]["S"][5:].isprintable(),
        }
        assert expected.get(code, True) or item["PK"]["S"] == "USER#", (code, item)


def test_unreadable_user_data_occurs_on_each_kind() -> None:
    kinds = {kind(item) for code, item in invalid_items.items() if code == "user_data_unreadable"}
    assert kinds == {"CONVERSATION", "FEEDBACK", "REGISTER"}


def test_edge_cases_have_every_dynamodb_type() -> None:
    found = {name for item in edge_cases.items() for value in item.values() for name in descriptors(value)}
    assert found == {"S", "N", "B", "BOOL", "NULL", "M", "L", "SS", "NS", "BS"}


def test_some_users_have_items_of_one_kind_only() -> None:
    kinds: dict[str, set[str]] = {}
    for item in edge_cases.items():
        kinds.setdefault(item["PK"]["S"], set()).add(kind(item))
    assert kinds["USER#prueba-solo-pulgar"] == {"FEEDBACK"}
    assert kinds["USER#prueba-solo-registro"] == {"REGISTER", "REGISTERED"}


def test_the_local_table_contains_the_sample_in_several_pages(aws: LocalAws) -> None:
    pages = aws.client("dynamodb").get_paginator("scan").paginate(TableName=aws.settings.table_name)
    got = [page["Items"] for page in pages]
    assert len(got) > 1
    assert {key(item): item for page in got for item in page} == {
        key(item): item for item in generator.items()
    }


class PartialWrites:
    """A DynamoDB client that leaves half of the first requests unprocessed."""

    def __init__(self, times: int) -> None:
        self.times, self.written = times, list[Item]()

    def batch_write_item(self, RequestItems: dict[str, list[Any]]) -> dict[str, Any]:  # noqa: N803
        ((table, requests),) = RequestItems.items()
        assert 0 < len(requests) <= 25
        done = len(requests) if self.times <= 0 else len(requests) // 2
        self.times -= 1
        self.written += [request["PutRequest"]["Item"] for request in requests[:done]]
        return {"UnprocessedItems": {table: requests[done:]} if requests[done:] else {}}


def test_put_retries_unprocessed_items() -> None:
    table = PartialWrites(3)
    generator.put(table, "t", ORDINARY[:60])
    assert sorted(map(key, table.written)) == sorted(map(key, ORDINARY[:60]))


def test_put_fails_after_too_many_attempts() -> None:
    with pytest.raises(LocalAwsError, match="table t left items unprocessed"):
        generator.put(PartialWrites(99), "t", ORDINARY[:1])
