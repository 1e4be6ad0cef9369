"""A second implementation of contract §1 to §4: slow, simple, with the standard library only.

Tests compare the library with it on generated items (tests/normalize) and on whole tables (tests/tables). It
shares no code with the library.
"""

import json
import re
import unicodedata
from datetime import datetime
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("America/Bogota")


class ShapeError(Exception):
    pass


def is_cc(char):
    return unicodedata.category(char) == "Cc"


def tidy(text):
    out, gap = [], False
    for char in text:
        if char.isspace() or is_cc(char):
            gap = True
        else:
            if gap and out:
                out.append(" ")
            gap = False
            out.append("/" if char == "|" else char)
    return "".join(out)


def string(value, nullable=False):
    if isinstance(value, dict) and list(value) == ["S"] and isinstance(value["S"], str):
        return value["S"]
    if nullable and value == {"NULL": True} and value["NULL"] is True:
        return None
    raise ShapeError


def plain(value, nullable=False):
    if isinstance(value, str) or (nullable and value is None):
        return value
    raise ShapeError


def members(source, read, required, optional):
    if not isinstance(source, dict):
        raise ShapeError
    out = {}
    for name in (required,) if required else ():
        if name not in source:
            raise ShapeError
        out[name] = read(source[name])
    for name in optional:
        out[name] = read(source[name], True) if name in source else None
    return out


def either(value, descriptor, kind):
    """Decode `{"L"|"M": …}` or `{"S": "<JSON>"}`; return it with the function that reads its strings."""
    if not isinstance(value, dict) or len(value) != 1:
        raise ShapeError
    if descriptor in value:
        inner, read = value[descriptor], string
    elif isinstance(value.get("S"), str):
        try:
            inner, read = json.loads(value["S"]), plain
        except ValueError:
            raise ShapeError from None
    else:
        raise ShapeError
    if not isinstance(inner, kind):
        raise ShapeError
    return inner, read


def day(text):
    try:
        moment = datetime.fromisoformat(text.strip())
        return (moment.astimezone(ZONE) if moment.tzinfo else moment).date()
    except (ValueError, OverflowError):
        return None


def dumps(value):
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return "".join(f"\\u{ord(c):04x}" if is_cc(c) else c for c in text)


def read(item):
    try:
        pk, sk = string(item["PK"]), string(item["SK"])
        if not re.fullmatch(r"USER#.+", pk, re.DOTALL) or any(map(is_cc, pk)):
            raise ShapeError
    except (ShapeError, KeyError):
        return "bad_key"
    kind = next((k for k in ("CONVERSATION#", "FEEDBACK#", "REGISTER") if sk.startswith(k)), None)
    if kind is None:
        return "unknown_kind"
    made = {"id": pk[5:], "sk": sk, "kind": kind, "warnings": []}
    try:
        read_body(item, made)
    except ShapeError:
        return "bad_conversation" if kind == "CONVERSATION#" else "bad_feedback"
    try:
        made["user"] = read_user(item)
    except ShapeError:
        made["user"] = {}
        made["warnings"].append("user_data_unreadable")
    if kind == "CONVERSATION#":
        made["day"] = read_day(item) or day(sk.split("#")[1])
        if made["day"] is None:
            made["warnings"].append("date_unreadable")
    return made


def read_body(item, made):
    if made["kind"] == "CONVERSATION#":
        messages, how = either(item.get("Conversation"), "L", list)
        made["messages"] = []
        for message in messages:
            if how is string:
                if not isinstance(message, dict) or list(message) != ["M"]:
                    raise ShapeError
                message = message["M"]
            made["messages"].append(members(message, how, "from", ("text", "timestamp")))
    if made["kind"] == "FEEDBACK#":
        feedback, how = either(item.get("Feedback"), "M", dict)
        made["feedback"] = members(feedback, how, "type", ("comment", "option"))


def read_user(item):
    if "UserData" not in item or (item["UserData"] == {"NULL": True} and item["UserData"]["NULL"] is True):
        return {}
    data, how = either(item["UserData"], "M", dict)
    return members(data, how, None, ("nombre", "gerencia", "ciudad"))


def read_day(item):
    try:
        return day(string(item.get("CreatedAt")))
    except ShapeError:
        return None


def join(values):
    kept = []
    for value in map(tidy, values):
        if value and value not in kept:
            kept.append(value)
    return " | ".join(kept)


def remark(city):
    if city.endswith(")"):
        for at in range(len(city) - 1, -1, -1):
            tail = city[at:]
            if tail.startswith("(") and tail.count("(") == tail.count(")"):
                return city[:at].strip()
    return city


def first(items, name, clean=lambda x: x):
    return next((v for i in items if (v := clean(tidy(i["user"].get(name) or "")))), "")


SENDERS = {"user": "user", "usuario": "user", "bot": "bot", "assistant": "bot", "catia": "bot"}


def row(user, items):
    items = sorted(items, key=lambda i: i["sk"].encode())
    talks = [i for i in items if i["kind"] == "CONVERSATION#"]
    given = [i for i in items if i["kind"] == "FEEDBACK#"]
    gerencia, ciudad = first(items, "gerencia"), first(items, "ciudad", remark)
    conversations, feedback, questions = [], [], []
    for talk in talks:
        messages = []
        for m in talk["messages"]:
            who = SENDERS.get(m["from"].strip().lower(), m["from"].strip().lower())
            out = {"from": who, "text": m["text"] or ""}
            if m["timestamp"] is not None:
                out["timestamp"] = m["timestamp"]
            messages.append(out)
            if who == "user":
                questions.append(out["text"])
        conversations.append({"sk": talk["sk"], "messages": messages})
    for each in given:
        feedback.append({"sk": each["sk"], **{k: v for k, v in each["feedback"].items() if v is not None}})
    types = {t["feedback"]["type"].strip().lower() for t in given} & {"like", "dislike"}
    days = [t["day"] for t in talks if t["day"]]
    return [
        user,
        first(items, "nombre") or "Usuario Anónimo",
        gerencia or ciudad,
        ciudad or gerencia,
        f"{min(days).day:02}/{min(days).month:02}/{min(days).year:04}" if days else "",
        str(len(talks)),
        dumps(conversations),
        dumps(feedback) if feedback else "",
        str(len(given)),
        join(questions),
        "mixed" if len(types) == 2 else "".join(types),
        join(v for t in given for v in (t["feedback"]["comment"], t["feedback"]["option"]) if v),
    ]


def is_filtered(made, since, until):
    when = made.get("day")
    return when is not None and ((since and when < since) or (until and when > until))


def is_excluded(items, expressions):
    city = first(items, "ciudad", remark) or first(items, "gerencia")
    return any(re.search(each, city) for each in expressions) if city else False


def exclude(users, expressions, counts):
    """Return the users that are not excluded; count the items of all users."""
    kept = {}
    for user, items in users.items():
        excluded = is_excluded(sorted(items, key=lambda i: i["sk"].encode()), expressions)
        for made in items:
            kind = "filtered" if excluded else made["kind"]
            counts[kind] = counts.get(kind, 0) + 1
        if not excluded:
            kept[user] = items
    return kept


def normalize(lines, exclude_cities=(), since=None, until=None):
    """Return (rows, reasons in reading order, warnings, counts by kind) for byte lines."""
    users, reasons, warnings, counts = {}, [], [], {}
    for line in lines:
        try:
            text = line.decode()
            if not text.strip():
                continue
            item = json.loads(text, parse_constant=lambda name: 1 / 0)
            if not isinstance(item, dict):
                raise ValueError
            dumps(item).encode()
        except (ValueError, ZeroDivisionError, RecursionError):
            reasons.append("not_json")
            continue
        if list(item) == ["Item"] and isinstance(item["Item"], dict):
            item = item["Item"]
        made = read(item)
        if isinstance(made, str):
            reasons.append(made)
            continue
        warnings += made["warnings"]
        if is_filtered(made, since, until):
            counts["filtered"] = counts.get("filtered", 0) + 1
            continue
        users.setdefault(made["id"], []).append(made)
    users = exclude(users, exclude_cities, counts)
    rows = [
        row(u, users[u])
        for u in sorted(users, key=str.encode)
        if any(i["kind"] != "REGISTER" for i in users[u])
    ]
    return rows, reasons, sorted(warnings), counts
