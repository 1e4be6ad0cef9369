"""The independent reading of the tables `conversations` and `messages` satisfies the cases and the laws."""

import json
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cat_normalize.core.schema import CONVERSATIONS, MESSAGES, USERS
from convert.cases_tables import CASES
from hostile_tables import PATTERNS, ROWS, ZONES, hostile_rows
from reference_tables import tables


def parts(found, wanted):
    if wanted is None:
        return None
    return [{name: each[name] for name in part} for each, part in zip(found, wanted, strict=True)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_case(case):
    conversations, messages, unmatched = tables([case.row], case.zone, case.naive_zone, case.patterns)
    assert parts(conversations, case.conversations) == case.conversations
    assert parts(messages, case.messages) == case.messages
    assert unmatched == case.unmatched


def test_cases_have_names_of_their_own():
    assert len({case.name for case in CASES}) == len(CASES) >= 40


@given(ROWS, st.sampled_from(ZONES))
def test_the_laws(rows, zones):
    conversations, messages, unmatched = tables(rows, *zones, PATTERNS)
    assert all(tuple(each) == CONVERSATIONS.names for each in conversations)
    assert all(tuple(each) == MESSAGES.names for each in messages)
    assert len(conversations) == sum(row["numero_conversaciones"] for row in rows)
    given_thumbs = [thumb for row in rows for thumb in json.loads(row["feedback_total"] or "[]")]
    assert len(given_thumbs) == sum(row["numero_feedback"] for row in rows)
    assert sum(c["likes"] + c["dislikes"] for c in conversations) + unmatched <= len(given_thumbs)
    whole = {key: list(group) for key, group in groupby(messages, lambda m: (m["usuario_id"], m["orden"]))}
    for each in conversations:
        own = whole.pop((each["usuario_id"], each["orden"]), [])
        assert [m["numero"] for m in own] == list(range(1, each["mensajes"] + 1))
        assert each["mensajes_usuario"] == sum(m["emisor"] == "user" for m in own)
        assert each["mensajes_bot"] == sum(m["emisor"] == "bot" for m in own)
        assert each["turnos"] == sum(m["respuesta"] for m in own)
        assert each["con_hora"] == sum(m["enviado"] is not None for m in own)
    assert whole == {}


def test_hostile_rows_are_the_same_for_a_seed_and_in_order():
    rows = hostile_rows(5, 40)
    assert rows == hostile_rows(5, 40) != hostile_rows(6, 40)
    assert [row["usuario_id"] for row in rows] == sorted({row["usuario_id"] for row in rows}, key=str.encode)
    assert len(rows) == 40
    assert all(tuple(row) == USERS.names for row in rows)


@pytest.mark.parametrize("zones", ZONES, ids=str)
def test_hostile_rows_reach_every_kind_of_value(zones):
    conversations, messages, unmatched = tables(hostile_rows(1, 400), *zones, PATTERNS)
    assert unmatched
    assert {each["feedback"] for each in conversations} == {None, "like", "dislike", "mixed"}
    assert any(each["espera_s"] == 0 for each in messages)
    for table, always in ((conversations, CONVERSATIONS.names), (messages, MESSAGES.names)):
        for name in always:
            assert len({str(each[name]) for each in table}) > 1, name
    assert any(m["respuesta"] and m["enviado"] and m["espera_s"] is None for m in messages)
