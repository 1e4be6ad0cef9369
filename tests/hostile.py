"""Hypothesis strategies for item lines: ordinary, edge cases, and invalid in every place of the contract."""

import json

from hypothesis import strategies as st

# Every character of UTF-8, with more of those that programs often handle wrongly.
TEXT = st.text(
    st.one_of(
        st.sampled_from(list('ab|"\\,\n\r\t \x00\x1f\x7f\x85\u2028\u3000\u200b()é😀{}[]:#')),
        st.characters(exclude_categories=["Cs"]),
    ),
    max_size=12,
)
STRING = TEXT.map(lambda text: {"S": text})
NULL = st.just({"NULL": True})
VALUE = st.recursive(
    st.one_of(
        STRING,
        NULL,
        st.sampled_from(
            [
                {"N": "1.50"},
                {"B": "AAE="},
                {"BOOL": False},
                {"SS": ["a", "b"]},
                {"NS": ["1"]},
                {"BS": ["AAE="]},
                {"NULL": False},
                {},
                {"S": 5},
                {"S": None},
                {"S": "x", "N": "1"},
                5,
                None,
                [],
            ]
        ),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda values: {"L": values}),
        st.dictionaries(TEXT, inner, max_size=3).map(lambda values: {"M": values}),
    ),
    max_leaves=5,
)


def mostly(usual, rare, share=6):
    """Draw from `rare` once in ``share + 1`` times."""
    return st.integers(0, share).flatmap(lambda n: rare if n == 0 else usual)


def record(required, optional, extra):
    """A dict with required members, optional members, and members that the contract does not name."""
    return st.fixed_dictionaries(required, optional={**optional, "extra": extra, "": extra})


PLAIN = st.one_of(TEXT, st.none(), st.integers(), st.lists(TEXT, max_size=1))
OPTIONAL = mostly(st.one_of(STRING, NULL), VALUE, 30)
PLAIN_OPTIONAL = mostly(st.one_of(TEXT, st.none()), PLAIN, 30)
SENDER = st.sampled_from(["user", "Usuario ", "BOT", "assistant", " catia", "Otro", "ß", ""])


def as_text(values):
    return values.map(lambda value: {"S": json.dumps(value, ensure_ascii=False)})


def both_forms(typed, plain):
    return mostly(st.one_of(typed, as_text(plain)), st.one_of(VALUE, as_text(PLAIN), STRING), 12)


MESSAGE = record(
    {"from": mostly(SENDER.map(lambda name: {"S": name}), VALUE, 40)},
    {"text": OPTIONAL, "timestamp": OPTIONAL},
    VALUE,
).map(lambda members: {"M": members})
PLAIN_MESSAGE = record(
    {"from": mostly(SENDER, PLAIN, 40)}, {"text": PLAIN_OPTIONAL, "timestamp": PLAIN_OPTIONAL}, PLAIN
)
CONVERSATION = both_forms(
    st.lists(mostly(MESSAGE, VALUE, 40), max_size=4).map(lambda values: {"L": values}),
    st.lists(mostly(PLAIN_MESSAGE, PLAIN, 40), max_size=4),
)
TYPE = st.sampled_from(["like", " DISLIKE", "Like", "dislike", "meh", ""])
FEEDBACK = both_forms(
    record(
        {"type": mostly(TYPE.map(lambda name: {"S": name}), VALUE, 20)},
        {"comment": OPTIONAL, "option": OPTIONAL},
        VALUE,
    ).map(lambda members: {"M": members}),
    record({"type": mostly(TYPE, PLAIN, 20)}, {"comment": PLAIN_OPTIONAL, "option": PLAIN_OPTIONAL}, PLAIN),
)
CITY = st.sampled_from(
    ["Cali", "Bogotá (Norte)", "(Sede)", "A (b (c))", "A (b) (c)", "A (b))", " ", "x)", "|"]
)
USER_DATA = both_forms(
    record(
        {},
        {"nombre": OPTIONAL, "gerencia": OPTIONAL, "ciudad": mostly(CITY.map(lambda c: {"S": c}), OPTIONAL)},
        VALUE,
    ).map(lambda members: {"M": members}),
    record({}, {"nombre": PLAIN_OPTIONAL, "gerencia": PLAIN_OPTIONAL, "ciudad": CITY}, PLAIN),
)
MOMENT = st.one_of(
    st.datetimes(timezones=st.sampled_from([None])).map(lambda moment: moment.isoformat()),
    st.sampled_from(
        [
            "2025-08-18T13:19:49.966664",
            " 2025-08-19T03:00:00Z ",
            "2025-08-18T23:30:00-05:00",
            "20250818",
            "2025-W34-1",
            "2025-08-18",
            "0001-01-01T00:00:00+14:00",
            "2025-02-30",
            "ayer",
            "",
        ]
    ),
)
USER_ID = st.one_of(st.sampled_from(["1", "2", 'a"b', "a,b", "😀", " ", "é", "z"]), TEXT)
KIND = st.sampled_from(["CONVERSATION#", "FEEDBACK#", "REGISTER", "REGISTER#", "CONVERSATION", "OTRO#"])


def string(values):
    return mostly(values.map(lambda value: {"S": value}), VALUE, 40)


ITEM = record(
    {
        "PK": string(st.tuples(st.sampled_from(["USER#"] * 30 + ["user#", ""]), USER_ID).map("".join)),
        "SK": string(st.tuples(KIND, MOMENT, st.sampled_from(["", "#1", "#2#3"])).map("".join)),
    },
    {
        "UserData": USER_DATA,
        "CreatedAt": string(MOMENT),
        "Conversation": CONVERSATION,
        "Feedback": FEEDBACK,
        "Item": VALUE,
    },
    VALUE,
)


def with_body(items):
    """Give most items the body that their kind requires."""
    return st.tuples(items, CONVERSATION, FEEDBACK, st.integers(0, 9)).map(_add_body)


def _add_body(drawn):
    item, conversation, feedback, number = drawn
    return {"Conversation": conversation, "Feedback": feedback, **item} if number else item


def encode(item, wrapped, ascii_only, spaced):
    value = {"Item": item} if wrapped else item
    separators = (" , ", " : ") if spaced else (",", ":")
    return json.dumps(value, ensure_ascii=ascii_only, separators=separators).encode()


LINE = mostly(
    st.builds(encode, with_body(ITEM), st.booleans(), st.booleans(), st.booleans()),
    st.sampled_from(
        [
            *(b"", b"  ", b"\r", "\u3000".encode(), b"{", b"[1]", b"null", b'"x"', b'{"PK":NaN}'),
            *(
                b'{"a":"\xff"}',
                b'{"PK":{"S":"USER#\xff"},"SK":{"S":"REGISTER"}}',
                b'{"a":"\\ud800"}',
                b"[" * 2000,
                b"{}",
            ),
            *(b'{"Item":5}', b'{"Item":{},"x":1}', b'{"Item":{"Item":{}}}'),
        ]
    ),
    20,
)
LINES = st.lists(LINE, max_size=12)
