"""Users as rows of the CSV, hostile in what the tables `conversations` and `messages` are made of.

`ROWS` is a Hypothesis strategy, `hostile_rows` the same from a seed. All instants of a user lie around one:
feedback often just belongs to a conversation or just does not, and waits are often zero or negative.
"""

from datetime import datetime, timedelta
from random import Random

from hypothesis import strategies as st

from reference import day, dumps, join

ZONES = [
    ("America/Bogota", None),
    ("America/Bogota", "UTC"),
    ("America/New_York", None),
    ("America/New_York", "America/New_York"),
    ("America/New_York", "Europe/Madrid"),
    ("Europe/Madrid", "America/New_York"),
    ("Australia/Lord_Howe", "UTC"),
    ("UTC", "Australia/Lord_Howe"),
    ("Asia/Tokyo", "Pacific/Apia"),
]
"""The zone and that of naive instants: with and without daylight saving, one that skips a day."""
PATTERNS = (r"\bno (te )?ent[ie]+nd", "reformul", r"^\s*$", "ÑO$")
ANCHORS = [
    datetime(2025, 8, 18, 13, 19, 49, 966664),
    datetime(2025, 8, 18),
    datetime(2025, 8, 18, 5),  # midnight in Bogotá, as UTC
    datetime(2024, 2, 29, 23, 59, 59, 999999),
    *(datetime(2025, 3, 9, 2, 30), datetime(2025, 3, 9, 7)),  # New York: skipped; the change, as UTC
    *(datetime(2025, 11, 2, 1, 30), datetime(2025, 11, 2, 6)),  # New York: twice; the change, as UTC
    *(datetime(2025, 3, 30, 2, 30), datetime(2025, 10, 26, 2, 30), datetime(2025, 10, 26, 1)),  # Madrid
    *(datetime(2025, 4, 6, 1, 45), datetime(2025, 10, 5, 2, 15)),  # Lord Howe, half an hour
    datetime(2011, 12, 30, 12),  # not in Apia
    *(datetime(1, 1, 1), datetime(1, 1, 2, 3), datetime(9999, 12, 31, 23, 59, 59, 999999)),
    *(datetime(1582, 10, 10), datetime(1900, 1, 1), datetime(1970, 1, 1)),
]
DAY, MICRO, MILLI = timedelta(days=1), timedelta(microseconds=1), timedelta(milliseconds=1)
STEPS = [
    *(timedelta(0), timedelta(0), MICRO, 999 * MICRO, MILLI, timedelta(seconds=1), timedelta(seconds=1.5)),
    *(timedelta(minutes=30), timedelta(hours=1), timedelta(hours=5), timedelta(hours=13)),
    *(DAY - MILLI, DAY - MICRO, DAY, DAY, DAY + MICRO, DAY + 999 * MICRO, DAY + MILLI),
    *(DAY - timedelta(hours=1), DAY + timedelta(hours=1), 2 * DAY, 7 * DAY),
]
OFFSETS = [
    *("Z", "Z", "+00:00", "-00:00", "-05:00", "-0500", "-05", "+14:00", "-12:00"),
    *("+05:30:15", "-04:56:16.000001", "+23:59:59.999999", "-23:59"),
]
UNREADABLE = [
    *(
        "",
        " ",
        "ayer",
        "2025-08-18T24:00",
        "2025-08-18T23:59:60",
        "2025-02-29T10:00",
        "2025-13-01",
        "0000-01-01",
    ),
    *("10000-01-01T00:00", "2025-08-18T", "2025-08-18Z", "2025-08-18T10:00z", "2025-08-18T10:00+24:00"),
    *("2025-230", "2025-W53-1", "２０２５-08-18", "1755540000", "2025-08-18T10:00:00.", "2025-08-18T10:0"),
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-05:00",
]
ODD = [
    *("2025-08-18T10", "2025-08-18 10:00 Z", "2025-08-18T10:00.5", "2025-08-18T10.5", "20250818T100000,25"),
    *("2025-W34-1T10:00", "2025W34T10", "2025-08-18😀10:00", "2025-08-18\n10:00", "2025-08-18T10:00\x00"),
    "\u30002025-08-18T10:00:00.1234567899\x1f",
]
"""What Python 3.11 reads all the same."""
DAYS = [
    "2025-08-18",
    "20250818",
    "2025-W34",
    "2025W34",
    "2025W341",
    "2025-W34-1",
    " 2025-08-18 ",
    "0001-01-01",
]
SUFFIXES = ["", "", "", "", "#", "#1", "#1 ", "#2#3", "#é", " ", "##"]
SENDERS = ["user", "user", "user", "bot", "bot", "bot", "otro", "", "user ", "User", "bot2"]
WORDS = [
    *(
        "hola",
        "HOLA",
        "¿Cómo",
        "como",
        "Cómo?",
        "co\u0301mo",
        "ﬁn",
        "ß",
        "ẞ",
        "İ",
        "ŉ",
        "½",
        "①",
        "x²",
        "𝐀",
        "_",
    ),
    *(
        "नमस्ते",
        "مرحبا",
        "\u202eabc\u202c",
        "한국",
        "😀",
        "👩\u200d💻",
        "✔\ufe0f",
        "\u200b",
        "\u00ad",
        "\u0301",
    ),
    *("|", " | ", "/", "\t", "\n", "\r\n", "\x00", "\x1f", "\x85", "\u2028", "\u3000", "\u00a0", ""),
    *("<b>", "&amp;", "$1", "${x}", "\\", '"', "'", ",", "%s", "NULL", "=1+1", "[]", "2", "10"),
    *("No te entendí", "no entiendo", "puedes REFORMULAR", "ñandú", "baÑO", "año"),
]
TYPES = ["like", "dislike", " DISLIKE", "Like\t", "LIKE", "meh", "", "likes", "ＬＩＫＥ", "dis like"]
CITIES = [None, "Cali", "Bogotá", "<b>$1</b>", "A/B", "😀", "\u202eilac", "'; --", "NULL"]
IDS = ["", 'a"b', "a,b", "é", "😀", "~", " ", "\u202e", "$", "0"]


def words(random):
    count = random.choice([0, 1, 1, 2, 2, 3, 5])
    parts = [random.choice(WORDS) for _ in range(count)]
    if random.randrange(8) == 0:
        parts.append("".join(chr(random.randrange(0xD800)) for _ in range(3)))
    return random.choice([" ", " ", " ", "", "  ", "\n", "-"]).join(parts)


def offset(text):
    """Return what the offset adds, a timedelta."""
    if text == "Z":
        return timedelta(0)
    return datetime.fromisoformat(f"2025-01-01T00:00:00{text}").utcoffset()


def time_of(random, moment):
    whole = moment.strftime("%H:%M:%S")
    fraction = f"{moment.microsecond:06}"
    forms = [f"{whole}.{fraction}"] * 4 + [
        f"{whole}.{fraction[:3]}",
        f"{whole},{fraction}",
        f"{whole}.{fraction}9",
    ]
    forms += [f"{whole.replace(':', '')}.{fraction}", whole, whole[:5], whole[:2]]
    return random.choice(forms)


def day_of(random, moment):
    year, week, weekday = moment.isocalendar()
    usual = moment.date().isoformat()
    forms = [usual] * 6 + [usual.replace("-", "")]
    if 1 <= year <= 9999:
        forms += [f"{year:04}-W{week:02}-{weekday}", f"{year:04}W{week:02}{weekday}"]
    return random.choice(forms)


def written(random, anchor, naive):
    """Write an instant at or near the anchor, which is UTC where an offset is written."""
    kind = random.randrange(20)
    if kind < 3:
        return random.choice((UNREADABLE, ODD, DAYS)[kind])
    zone = "" if naive else random.choice(OFFSETS)
    try:
        moment = anchor + random.choice([-1, 1, 1]) * random.choice(STEPS)
        moment += offset(zone) if zone else timedelta(0)
    except OverflowError:
        moment = anchor
    if kind == 3:
        return day_of(random, moment)
    text = day_of(random, moment) + random.choice("TTTTT x") + time_of(random, moment) + zone
    return f" {text}\n" if kind == 4 else text


def message(random, place, when):
    usual = ("user", "bot")[place % 2]
    made = {"from": usual if random.randrange(3) else random.choice(SENDERS), "text": words(random)}
    if random.randrange(6):
        made["timestamp"] = when()
    return made


def feedback_sk(random, talks, when):
    """Often that of a conversation, or one that differs a little."""
    kind = random.randrange(6)
    if talks and kind < 2:
        sk = "FEEDBACK" + random.choice(talks)["sk"].removeprefix("CONVERSATION")
        near = [
            f"{sk}#",
            f"{sk} ",
            sk[:-1],
            sk.lower().replace("feedback", "FEEDBACK"),
            sk.partition("#")[0] + "#",
        ]
        return sk if kind == 0 else random.choice(near)
    return f"FEEDBACK#{when()}{random.choice(SUFFIXES)}"


def thumb(random, talks, when):
    made = {"sk": feedback_sk(random, talks, when), "type": random.choice(TYPES)}
    for name in ("comment", "option"):
        if random.randrange(3):
            made[name] = words(random)
    return made if "#" in made["sk"] else {**made, "sk": "FEEDBACK#"}


def in_order(items):
    return sorted(items, key=lambda each: each["sk"].encode())


def conversations(random, when):
    talks = []
    for _ in range(random.choice([0, 1, 1, 2, 3, 4])):
        sk = f"CONVERSATION#{when()}{random.choice(SUFFIXES)}"
        if talks and random.randrange(5) == 0:
            sk = random.choice(talks)["sk"]
        count = random.choice([0, 0, 1, 2, 3, 4, 6])
        talks.append({"sk": sk, "messages": [message(random, place, when) for place in range(count)]})
    return in_order(talks)


def user_row(random, usuario_id):
    """Return the twelve columns of a user by name: text, NULL as None, two counts."""
    anchor, naive = random.choice(ANCHORS), random.randrange(3)

    def when():
        return written(random, anchor, naive == 0 or (naive == 1 and random.randrange(2)))

    talks = conversations(random, when)
    thumbs = in_order([thumb(random, talks, when) for _ in range(random.choice([0, 1, 1, 2, 3, 5]))])
    types = {each["type"].strip().lower() for each in thumbs} & {"like", "dislike"}
    days = [found for each in talks if (found := day(each["sk"].split("#")[1]))]
    ciudad = random.choice(CITIES)
    return {
        "usuario_id": usuario_id,
        "nombre": "Usuario Anónimo",
        "gerencia": random.choice([ciudad, "TI"]) if ciudad else None,
        "ciudad": ciudad,
        "fecha_primera_conversacion": "{2:02}/{1:02}/{0:04}".format(*min(days).timetuple()[:3])
        if days
        else None,
        "numero_conversaciones": len(talks),
        "conversacion_completa": dumps(talks),
        "feedback_total": dumps(thumbs) if thumbs else None,
        "numero_feedback": len(thumbs),
        "pregunta_conversacion": join(
            m["text"] for each in talks for m in each["messages"] if m["from"] == "user"
        )
        or None,
        "feedback": "mixed" if len(types) == 2 else next(iter(types), None),
        "respuesta_feedback": join(each.get(name, "") for each in thumbs for name in ("comment", "option"))
        or None,
    }


def user_rows(random, count):
    ids = sorted({f"{random.choice(IDS)}{number}" for number in range(count)}, key=str.encode)
    return [user_row(random, usuario_id) for usuario_id in ids]


def hostile_rows(seed, count):
    """Return `count` users in the CSV's order, the same for the same seed."""
    return user_rows(Random(seed), count)


ROWS = st.builds(user_rows, st.randoms(use_true_random=False), st.integers(0, 3))
