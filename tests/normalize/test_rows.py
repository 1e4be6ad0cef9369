"""The rules of contract §2 and §3: tables of single cases, then the whole against an independent reading."""

import json
from collections import Counter
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hostile
import reference
from cat_normalize.core.schema import NAMES
from cat_normalize.core.settings import Rules
from cat_normalize.normalize.rows import normalize


def line(sk, pk="USER#1", **attributes):
    return json.dumps({"PK": {"S": pk}, "SK": {"S": sk}, **attributes}, ensure_ascii=False).encode()


def conversation(sk="CONVERSATION#2025-08-18T13:19:49", messages=(("user", "hola"),), **attributes):
    plain = [{"from": who, "text": text} for who, text in messages]
    return line(sk, **{"Conversation": {"S": json.dumps(plain)}, **attributes})


def feedback(sk="FEEDBACK#1", **members):
    return line(sk, Feedback={"M": {name: {"S": value} for name, value in members.items()}})


def user(**members):
    return {"S": json.dumps(members)}


def run(*lines, **rules):
    return normalize(enumerate(lines, 1), Rules(**rules), "f.jsonl:{}".format)


def only_row(*lines, **rules):
    (row,) = run(*lines, **rules).rows
    return dict(zip(NAMES, map(plain, row), strict=True))


def plain(value):
    if isinstance(value, list):
        value = b"".join(value)
    return value.decode() if isinstance(value, bytes) else value


ANONYMOUS = "Usuario Anónimo"


@pytest.mark.parametrize(
    ("user_data", "nombre", "gerencia", "ciudad"),
    [
        ([], ANONYMOUS, None, None),
        ([{"nombre": "Ana", "gerencia": "TI", "ciudad": "Cali"}], "Ana", "TI", "Cali"),
        ([{"nombre": " \t"}, {"nombre": "Ana\n López"}], "Ana López", None, None),
        ([{"ciudad": "Cali"}], ANONYMOUS, "Cali", "Cali"),
        ([{"gerencia": "TI|Redes"}], ANONYMOUS, "TI/Redes", "TI/Redes"),
        ([{"ciudad": "Bogotá (Sede Norte)"}], ANONYMOUS, "Bogotá", "Bogotá"),
        ([{"ciudad": "Cali (a (b))"}], ANONYMOUS, "Cali", "Cali"),
        ([{"ciudad": "Cali (Norte) "}], ANONYMOUS, "Cali", "Cali"),
        ([{"ciudad": "(Sede)"}, {"ciudad": "Cali"}], ANONYMOUS, "Cali", "Cali"),
        ([{"ciudad": "(Sede)", "gerencia": "TI"}], ANONYMOUS, "TI", "TI"),
        ([{"ciudad": "Cali"}, {"ciudad": "Pasto", "nombre": "Ana"}], "Ana", "Cali", "Cali"),
        ([{"nombre": None}, {"nombre": "Ana", "otro": 1}], "Ana", None, None),
    ],
)
def test_who_the_user_is(user_data, nombre, gerencia, ciudad):
    lines = [conversation(f"CONVERSATION#{n}", UserData=user(**data)) for n, data in enumerate(user_data)]
    row = only_row(*reversed(lines), conversation("CONVERSATION#9"))  # SK order, not reading order
    assert (row["nombre"], row["gerencia"], row["ciudad"]) == (nombre, gerencia, ciudad)


def test_user_data_in_dynamodb_form_and_on_any_kind_of_item():
    data = {"M": {"nombre": {"S": "Ana"}, "ciudad": {"NULL": True}, "otro": {"N": "1"}}}
    assert only_row(conversation(), line("REGISTER", UserData=data))["nombre"] == "Ana"


@pytest.mark.parametrize(
    ("created_at", "sk", "fecha", "warnings"),
    [
        ({"S": "2025-08-18T13:19:49.966664"}, "CONVERSATION#x", "18/08/2025", {}),
        ({"S": " 2025-08-18 "}, "CONVERSATION#x", "18/08/2025", {}),
        ({"S": "2025-08-19T04:59:59Z"}, "CONVERSATION#x", "18/08/2025", {}),
        ({"S": "2025-08-19T05:00:00+00:00"}, "CONVERSATION#x", "19/08/2025", {}),
        ({"S": "2025-08-19T01:00:00"}, "CONVERSATION#x", "19/08/2025", {}),
        ({"S": "ayer"}, "CONVERSATION#2025-08-19T04:00:00Z#7", "18/08/2025", {}),
        ({"N": "5"}, "CONVERSATION#2025-08-18", "18/08/2025", {}),
        (None, "CONVERSATION#2025-08-18", "18/08/2025", {}),
        (None, "CONVERSATION#0033-04-03", "03/04/0033", {}),
        (None, "CONVERSATION#ayer#2025-08-18", None, {"date_unreadable": 1}),
        ({"S": "0001-01-01T00:00:00Z"}, "CONVERSATION#", None, {"date_unreadable": 1}),
    ],
)
def test_the_day_of_a_conversation(created_at, sk, fecha, warnings):
    attributes = {} if created_at is None else {"CreatedAt": created_at}
    done = run(conversation(sk, **attributes))
    assert dict(zip(NAMES, done.rows[0], strict=True))["fecha_primera_conversacion"] == fecha
    assert done.summary.warnings == warnings
    assert done.summary.conversations == 1


def test_the_earliest_day_counts_and_feedback_has_none():
    lines = [conversation(f"CONVERSATION#2025-08-{day}") for day in (20, 18, 19)]
    row = only_row(*lines, feedback("FEEDBACK#2025-01-01", type="like"))
    assert (row["fecha_primera_conversacion"], row["numero_conversaciones"]) == ("18/08/2025", 3)


@pytest.mark.parametrize(
    ("given_name", "written"),
    [
        ("user", "user"),
        (" USUARIO ", "user"),
        ("Bot", "bot"),
        ("assistant", "bot"),
        ("CATIA", "bot"),
        ("Ágata", "ágata"),
    ],
)
def test_senders(given_name, written):
    row = only_row(conversation(messages=[(given_name, "hola")]))
    assert json.loads(row["conversacion_completa"])[0]["messages"][0]["from"] == written
    assert row["pregunta_conversacion"] == ("hola" if written == "user" else None)


def test_a_conversation_is_kept_code_point_for_code_point():
    text = 'á\u0301 "c" \\ | \n\r\t\x00\x1f\x7f\x85\u2028 😀\u200d🔥'
    messages = [
        {"from": "user", "text": text, "timestamp": ""},
        {"from": "bot"},
        {"from": "bot", "text": None},
    ]
    row = only_row(line("CONVERSATION#2025-08-18#x", Conversation={"S": json.dumps(messages)}))
    written = row["conversacion_completa"]
    assert json.loads(written) == [
        {
            "sk": "CONVERSATION#2025-08-18#x",
            "messages": [
                {"from": "user", "text": text, "timestamp": ""},
                {"from": "bot", "text": ""},
                {"from": "bot", "text": ""},
            ],
        }
    ]
    assert not any(reference.is_cc(char) for char in written)
    assert written.startswith('[{"sk":"CONVERSATION#2025-08-18#x","messages":[{"from":"user","text":"á')
    assert row["pregunta_conversacion"] == 'á\u0301 "c" \\ / 😀\u200d🔥'


STRINGS = [
    *(r'""', r'" "', r'"a"', r'" a"', r'"a "', r'"a  b"', r'"\u00e9\/"', r'"\u2028"', r'"\uD83D\uDE00"'),
    *(r'"\\"', r'"a\\"', r'"\\\""', r'"\""', r'"\"\""', r'"\",\""', r'"a\n- \"b\"."', r'"\u0022\u005c"'),
    *(
        r'"\u0000\u001f\u007f\u0085\t"',
        '"\x7f"',
        '"\x80\x9f"',
        '"\xa0a\xa0"',
        '"a\u2003"',
        '"\u1680"',
        '"\u3000b"',
        '"à|¿"',
    ),
    *(
        r'"gesti\u00f3n"',
        r'"\u00BFqu\u00e9\u003f \ud83d\ude00\n"',
        r'"a\\u00f3"',
        r'"\\\u00f3"',
        r'"\u00f1\u005cn"',
        r'"\u00f1\u005Cn"',
    ),
    *(
        r'"\u00f1\u0022"',
        r'"\u00f1\u000a"',
        r'"\u00f1\u0085\u007f"',
        r'"\u00f1\u2003"',
        r'"\u00f1 \"\u00bf\""',
    ),
    *('"é😀¿\\u00e9\\ud83d\\ude00"', '"\x80\\u00f1"', r'"\u00f1\/"'),
    *(r'"\"text\":\""', r'"},\"text\":{\"S\":\""', '"{}[],:"', '"“¿qué?”…"'),
]


@pytest.mark.parametrize("text", STRINGS, ids=ascii)
@pytest.mark.parametrize("form", ["L", "S"])
def test_a_text_is_itself_whatever_bytes_it_came_as(text, form):
    messages = [
        {"from": "user", "text": "hola", "timestamp": "1"},
        {"from": 'o"', "text": "T", "timestamp": "T"},
    ]
    messages += [{"from": "user", "text": "T"}, {"from": "user", "text": "hola, ¿ya?"}]
    listed = [{"M": {name: {"S": value} for name, value in each.items()}} for each in messages]
    body = json.dumps(messages).replace('"T"', text) if form == "S" else listed
    raw = line("CONVERSATION#1", Conversation={form: body}).decode().replace('"T"', text).encode()
    (row,) = run(raw).rows
    conversations = json.loads(plain(row[6]))
    value = json.loads(text)
    for message in (messages[1], messages[2]):
        message.update({name: value for name in ("text", "timestamp") if name in message})
    assert conversations == [{"sk": "CONVERSATION#1", "messages": messages}]
    assert plain(row[6]) == reference.dumps(conversations)
    assert plain(row[9]) == reference.join(["hola", value, "hola, ¿ya?"])


@pytest.mark.parametrize("half", [r"\ud83d", r"\ude00\ud83d", r"\ud83d\u00f3"])
def test_half_a_surrogate_pair_beside_whole_ones_is_no_text(half):
    text = {"S": "gestión 😀"}
    messages = [{"M": {"from": {"S": who}, "text": text}} for who in ("user", "bot")]
    raw = json.dumps(json.loads(line("CONVERSATION#1", Conversation={"L": messages}))).encode()
    assert run(raw).summary.conversations == 1
    broken = raw.replace(b"\\ud83d\\ude00", half.encode(), 1)
    ((_, written),) = run(raw, broken).rejects
    assert json.loads(written)["reason"] == "not_json"


@pytest.mark.parametrize("name", ["text", "timestamp"])
@pytest.mark.parametrize(
    "value",
    ["5", "{}", "[]", "true", '{"text":""}', '["text",":"]', '{"":""}', '[{"text":""},{"timestamp":"x"}]'],
)
def test_what_is_no_string_is_never_taken_over(name, value):
    good = {"M": {"from": {"S": "user"}, "text": {"S": "hola"}, "timestamp": {"S": "1"}}}
    raw = line("CONVERSATION#1", Conversation={"L": [good, {"M": {**good["M"], name: {"S": "T"}}}, good]})
    ((_, written),) = run(raw.replace(b'"T"', value.encode())).rejects
    assert json.loads(written)["detail"].startswith("Expected `str`, got ")
    assert json.loads(written)["detail"].endswith(f" - at `$.Conversation.L[1].M.{name}.S`")


def test_items_come_in_byte_order_of_sk_and_equal_ones_in_reading_order():
    sks = [
        "CONVERSATION#b",
        "CONVERSATION#\U00010000",
        "CONVERSATION#\uffff",
        "CONVERSATION#a",
        "CONVERSATION#b",
    ]
    row = only_row(*(conversation(sk, [("user", str(n))]) for n, sk in enumerate(sks)))
    assert row["pregunta_conversacion"] == "3 | 0 | 4 | 2 | 1"


@pytest.mark.parametrize(
    ("thumbs", "feedback_column", "number", "answers"),
    [
        ([], None, 0, None),
        ([{"type": "like"}], "like", 1, None),
        ([{"type": " LIKE "}, {"type": "Dislike"}], "mixed", 2, None),
        ([{"type": "meh", "comment": "a|b", "option": "a/b"}], None, 1, "a/b"),
        ([{"type": "dislike", "option": "o", "comment": " c\n"}, {"type": "dislike"}], "dislike", 2, "c | o"),
        ([{"type": "like", "comment": "x"}, {"type": "", "comment": "x", "option": " "}], "like", 2, "x"),
    ],
)
def test_feedback(thumbs, feedback_column, number, answers):
    row = only_row(conversation(), *(feedback(f"FEEDBACK#{n}", **t) for n, t in enumerate(thumbs)))
    assert (row["feedback"], row["numero_feedback"], row["respuesta_feedback"]) == (
        feedback_column,
        number,
        answers,
    )
    expected = [
        {"sk": f"FEEDBACK#{n}", **{k: t[k] for k in ("type", "comment", "option") if k in t}}
        for n, t in enumerate(thumbs)
    ]
    assert row["feedback_total"] == (reference.dumps(expected) if thumbs else None)


def test_a_user_of_feedback_alone_has_a_row_and_one_of_registrations_none():
    done = run(feedback(type="like"), line("REGISTER", pk="USER#2"), line("REGISTER#x", pk="USER#1"))
    assert [row[:1] + row[4:6] + (plain(row[6]),) for row in done.rows] == [("1", None, 0, "[]")]
    assert done.summary.as_dict() == {
        "items_read": 3,
        "conversations": 0,
        "feedback": 1,
        "registrations": 2,
        "filtered": 0,
        "rejected": 0,
        "rejected_by_reason": {},
        "warnings": {},
        "users": 1,
    }


REJECTS = [
    (b"{", "not_json", "Input data was truncated"),
    (b"[1]", "not_json", "Expected `object`, got `array`"),
    (b'{"a":NaN}', "not_json", "JSON is malformed: invalid character (byte 5)"),
    (b'{"a":' + b"[" * 3000, "not_json", "Nested too deeply"),
    (b"{}", "bad_key", "Object missing required field `PK` - at `$`"),
    (b'{"PK":{"S":"USER#1"}}', "bad_key", "Object missing required field `SK` - at `$`"),
    (b'{"PK":{"N":"1"},"SK":{"S":"REGISTER"}}', "bad_key", "Object contains unknown field `N` - at `$.PK`"),
    (b'{"PK":{"S":"USER#1"},"SK":{"S":5}}', "bad_key", "Expected `str`, got `int` - at `$.SK.S`"),
    (line("REGISTER", pk="USER#"), "bad_key", "Expected `USER#` and an id - at `$.PK.S`"),
    (line("REGISTER", pk="user#1"), "bad_key", "Expected `USER#` and an id - at `$.PK.S`"),
    (line("REGISTER", pk="USER#a\x85"), "bad_key", "The id holds a control character - at `$.PK.S`"),
    (
        line("CONVERSATION"),
        "unknown_kind",
        "Expected `CONVERSATION#`, `FEEDBACK#` or `REGISTER` - at `$.SK.S`",
    ),
    *(
        (
            line("CONVERSATION#1", **({} if value is None else {"Conversation": value})),
            "bad_conversation",
            detail,
        )
        for value, detail in [
            (None, "Object missing required field `Conversation` - at `$`"),
            ({"NULL": True}, "Object contains unknown field `NULL` - at `$.Conversation`"),
            ({"M": {}}, "Object contains unknown field `M` - at `$.Conversation`"),
            ({}, "Expected either `L` or `S` - at `$.Conversation`"),
            ({"S": "[]", "L": []}, "Expected either `L` or `S` - at `$.Conversation`"),
            ({"S": ""}, "Input data was truncated - at `$.Conversation.S`"),
            ({"S": "{}"}, "Expected `array`, got `object` - at `$.Conversation.S`"),
            ({"S": '[{"text":""}]'}, "Object missing required field `from` - at `$.Conversation.S[0]`"),
            ({"S": '[{"from":1}]'}, "Expected `str`, got `int` - at `$.Conversation.S[0].from`"),
            (
                {"S": '[{"from":"\\ud800 and more"}]'},
                "JSON is malformed: unexpected end of escaped utf-16 surrogate pair (byte 16)"
                " - at `$.Conversation.S`",
            ),
            ({"S": '[{"from":"u","x":' + "[" * 3000}, "Nested too deeply - at `$.Conversation.S`"),
            ({"L": [{"S": "x"}]}, "Object contains unknown field `S` - at `$.Conversation.L[0]`"),
            ({"L": [{"M": {}}]}, "Object missing required field `from` - at `$.Conversation.L[0].M`"),
            (
                {"L": [{"M": {"from": {"S": "user"}}}] * 2 + [{"M": {"from": {"S": "u"}, "text": {"S": 5}}}]},
                "Expected `str`, got `int` - at `$.Conversation.L[2].M.text.S`",
            ),
            (
                {"L": [{"M": {"from": {"S": "u"}, "timestamp": {"NULL": False}}}]},
                "Expected either `S` or `NULL` - at `$.Conversation.L[0].M.timestamp`",
            ),
            (
                {"L": [{"M": {"from": {"S": "u"}, "text": {"S": "", "NULL": True}}}]},
                "Expected either `S` or `NULL` - at `$.Conversation.L[0].M.text`",
            ),
        ]
    ),
    *(
        (line("FEEDBACK#1", **({} if value is None else {"Feedback": value})), "bad_feedback", detail)
        for value, detail in [
            (None, "Object missing required field `Feedback` - at `$`"),
            ({"M": {}}, "Object missing required field `type` - at `$.Feedback.M`"),
            (
                {"M": {"type": {"NULL": True}}},
                "Object contains unknown field `NULL` - at `$.Feedback.M.type`",
            ),
            (
                {"M": {"type": {"S": "like"}, "option": {"N": "1"}}},
                "Object contains unknown field `N` - at `$.Feedback.M.option`",
            ),
            (
                {"M": {"type": {"S": "like"}, "comment": {}}},
                "Expected either `S` or `NULL` - at `$.Feedback.M.comment`",
            ),
            ({"L": []}, "Object contains unknown field `L` - at `$.Feedback`"),
            ({}, "Expected either `M` or `S` - at `$.Feedback`"),
            ({"S": '"like"'}, "Expected `object`, got `str` - at `$.Feedback.S`"),
            ({"S": '{"type":null}'}, "Expected `str`, got `null` - at `$.Feedback.S.type`"),
        ]
    ),
]


@pytest.mark.parametrize(("raw", "reason", "detail"), REJECTS)
def test_a_reject_says_why_and_where_and_is_kept_whole(raw, reason, detail):
    done = run(b"", raw)
    ((position, written),) = done.rejects
    item = raw.decode() if reason == "not_json" else json.loads(raw)
    expected = {"reason": reason, "detail": detail, "source": "f.jsonl:2", "item": item}
    assert json.loads(written) == expected
    assert list(json.loads(written)) == ["reason", "detail", "source", "item"]
    assert (position, done.summary.items_read, done.rows) == (2, 1, [])
    assert done.summary.rejected_by_reason == {reason: 1}


def test_a_reject_of_an_export_is_the_bare_item_and_its_place_is_that_in_the_item():
    bare = line("CONVERSATION#1", Conversation={"N": "1"})
    ((_, written),) = run(b' {"Item": ' + bare + b" }\r\n").rejects
    assert json.loads(written)["item"] == json.loads(bare)
    assert json.loads(written)["detail"].endswith("at `$.Conversation`")


def test_a_line_that_is_no_utf8_keeps_its_bytes_readable():
    ((_, written),) = run(b' {"PK":{"S":"USER#1"},"x":"\xff"}\r\n').rejects
    assert json.loads(written)["item"] == r' {"PK":{"S":"USER#1"},"x":"\xff"}'
    assert json.loads(written)["reason"] == "not_json"


@pytest.mark.parametrize(
    "body",
    [
        {"L": [{"M": {"from": {"S": "u"}, "text": {"NULL": True}, "mood": {"N": "3"}, "x": 5}}]},
        {"L": []},
        {"S": '[{"from":"u","text":null,"timestamp":null,"x":[1]}]'},
        {"S": " [] "},
    ],
)
def test_shapes_that_are_whole(body):
    assert run(line("CONVERSATION#1", Conversation=body)).summary.conversations == 1


def test_what_the_contract_ignores_is_never_a_fault():
    every_type = {
        "s": {"S": ""},
        "n": {"N": "1e5"},
        "b": {"B": "AA=="},
        "bool": {"BOOL": True},
        "null": {"NULL": True},
        "m": {"M": {"l": {"L": [{"SS": ["a"]}, {"NS": ["1"]}, {"BS": ["AA=="]}]}}},
        "Item": {"S": "an attribute of this name"},
        "Feedback": {"N": "1"},
    }
    assert run(conversation(**every_type)).summary.conversations == 1
    assert run(line("REGISTER", Conversation={"N": "1"}, **every_type)).summary.registrations == 1


@pytest.mark.parametrize(
    "value",
    [
        {"N": "1"},
        {"S": ""},
        {"S": "[]"},
        {"S": "null"},
        {"M": {"nombre": {"N": "1"}, "ciudad": {"S": "Cali"}}},
        {"S": '{"nombre":5,"ciudad":"Cali"}'},
        {},
        {"NULL": False},
    ],
)
def test_unreadable_user_data_counts_as_absent_and_as_a_warning(value):
    done = run(conversation(UserData=value))
    assert done.summary.warnings == {"user_data_unreadable": 1}
    assert (done.summary.conversations, done.rows[0][1:4]) == (1, (ANONYMOUS, None, None))


@pytest.mark.parametrize("value", [{"NULL": True}, {"M": {}}, {"S": "{}"}, {"S": '{"nombre":null}'}])
def test_no_user_data_is_no_warning(value):
    assert run(conversation(UserData=value)).summary.warnings == {}


def test_a_rejected_item_adds_no_warning():
    done = run(line("CONVERSATION#x", UserData={"N": "1"}, Conversation={"N": "1"}))
    assert (done.summary.warnings, done.summary.rejected) == ({}, 1)


def test_since_and_until_drop_conversations_and_keep_those_of_no_day():
    days = ["2025-08-17", "2025-08-18", "2025-08-19", "2025-08-20", "ayer"]
    lines = [conversation(f"CONVERSATION#{day}", [("user", day)], UserData=user(nombre=day)) for day in days]
    rules = Rules(since=date.fromisoformat("2025-08-18"), until=date.fromisoformat("2025-08-19"))
    done = normalize(enumerate(lines), rules, str)
    row = dict(zip(NAMES, done.rows[0], strict=True))
    assert plain(row["pregunta_conversacion"]) == "2025-08-18 | 2025-08-19 | ayer"
    assert row["nombre"] == "2025-08-18"
    assert (done.summary.conversations, done.summary.filtered) == (3, 2)


def test_exclude_cities_drops_users_with_all_their_items():
    lines = [
        conversation(UserData=user(ciudad="Prueba Norte")),
        feedback(type="like"),
        line("REGISTER"),
        line("CONVERSATION#1", pk="USER#2", Conversation={"S": "[]"}),
    ]
    done = run(*lines, exclude_cities=("^Prueba", "QA$"))
    assert [row[0] for row in done.rows] == ["2"]
    assert (done.summary.filtered, done.summary.conversations, done.summary.users) == (3, 1, 1)


def test_rows_come_in_byte_order_of_the_user():
    ids = ["b", "é", "\U00010000", "\uffff", "B", "10", "9"]
    done = run(*(line("CONVERSATION#1", pk=f"USER#{each}", Conversation={"L": []}) for each in ids))
    assert [row[0] for row in done.rows] == sorted(ids, key=str.encode)


@given(hostile.LINES)
@settings(max_examples=400, deadline=None)
@pytest.mark.slow
def test_the_library_reads_the_contract_as_its_independent_reading_does(lines):
    done = run(*lines)
    rows, reasons, warnings, kinds = reference.normalize(lines)
    assert [["" if value is None else str(plain(value)) for value in row] for row in done.rows] == rows
    assert [json.loads(written)["reason"] for _, written in done.rejects] == reasons
    assert Counter(done.summary.warnings) == Counter(warnings)
    counts = (done.summary.conversations, done.summary.feedback, done.summary.registrations)
    assert counts == tuple(kinds.get(kind, 0) for kind in ("CONVERSATION#", "FEEDBACK#", "REGISTER"))


@given(hostile.LINES, st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
@pytest.mark.slow
def test_nothing_is_lost_whatever_comes(lines, random):
    rules = Rules(exclude_cities=("a",), since=date.fromisoformat("2025-08-18"))
    done = normalize(enumerate(lines), rules, str)
    s = done.summary
    assert s.items_read == s.conversations + s.feedback + s.registrations + s.filtered + s.rejected
    assert s.items_read == sum(bool(each.decode(errors="replace").strip()) for each in lines)
    assert s.rejected == len(done.rejects)
    assert s.users == len(done.rows)
