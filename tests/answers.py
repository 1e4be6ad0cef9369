"""The answer of every named query in plain Python, to rows of the three tables."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

import pandas as pd

from query_rows import Data, Row

Given = dict[str, Any]
"""The value of each parameter of a query, the period included."""


def rows_of(frame: pd.DataFrame) -> list[tuple[Any, ...]]:
    columns = [[None if pd.isna(value) else value for value in frame[name]] for name in frame.columns]
    return list(zip(*columns, strict=True))


def tidy(text: str) -> str:
    """Return a text with every run of space and control characters as one space, and ``|`` as ``/``."""
    spaced = "".join(" " if c.isspace() or unicodedata.category(c) == "Cc" else c for c in text)
    return " ".join(part for part in spaced.replace("|", "/").split(" ") if part)


def masked(usuario_id: str) -> str:
    return "***" + usuario_id[-2:] if len(usuario_id) >= 8 else "***"


def without_ids(text: str, usuario_id: str) -> str:
    """Return a text without e-mail addresses, runs of five digits or more, and the user's own id."""
    text = re.sub(r"[^ @＠,;<>]{1,255}[@＠][^ @＠,;<>]{1,255}", "***", text)
    text = re.sub(r"\d{5,}", "***", text)
    own = tidy(usuario_id) or usuario_id
    for form in (own, own.lower(), own.upper()):
        text = text.replace(form, "***")
    return text


def nearest_rank(values: list[float], percent: int) -> float | None:
    """Return the smallest value with at least that percentage of all at or below it."""
    enough = [v for v in values if 100 * sum(each <= v for each in values) >= percent * len(values)]
    return min(enough, default=None)


def share(part: int, of: int) -> Fraction | None:
    return Fraction(part, of) if of else None


def by_bytes(text: str | None) -> tuple[bool, bytes]:
    """Return what sorts a text as Athena does: by UTF-8, NULL last."""
    return text is None, (text or "").encode()


def within(rows: list[Row], given: Given) -> list[Row]:
    """Return the rows of the period, and of the city and the department if they are given."""
    return [
        row
        for row in rows
        if row["fecha"] is not None
        and given["since"] <= row["fecha"] <= given["until"]
        and all(given[name] in ("", row[name]) for name in ("ciudad", "gerencia"))
    ]


def first_days(data: Data) -> dict[str, date]:
    """Return every user's first day with a conversation."""
    first: dict[str, date] = {}
    for row in data["conversations"]:
        if row["fecha"] is not None:
            first[row["usuario_id"]] = min(row["fecha"], first.get(row["usuario_id"], date.max))
    return first


def figures(talks: list[Row], said: list[Row], first: dict[str, date], given: Given) -> tuple[Any, ...]:
    """Return the columns of overview for some rows of the period."""
    active = {row["usuario_id"] for row in talks}
    new = {each for each in active if given["since"] <= first[each] <= given["until"]}
    senders = Counter(row["emisor"] for row in said)
    waits = [row["espera_s"] for row in said if row["espera_s"] is not None]
    of, likes = len(talks), sum(row["likes"] for row in talks)
    return (
        len(active),
        len(new),
        len(active - new),
        of,
        senders["user"],
        senders["bot"],
        senders.total() - senders["user"] - senders["bot"],
        share(sum(row["mensajes_usuario"] > 0 for row in talks), of),
        share(sum(row["turnos"] for row in talks), of),
        nearest_rank(waits, 50),
        nearest_rank(waits, 95),
        share(len(waits), sum(row["respuesta"] for row in said)),
        share(sum(row["sin_respuesta"] for row in talks), of),
        share(sum(row["no_entendida"] for row in talks), of),
        share(sum(row["likes"] + row["dislikes"] > 0 for row in talks), of),
        share(likes, likes + sum(row["dislikes"] for row in talks)),
    )


def overview(data: Data, given: Given) -> list[tuple[Any, ...]]:
    talks, said = within(data["conversations"], given), within(data["messages"], given)
    return [figures(talks, said, first_days(data), given)]


def by(column: str) -> Callable[[Data, Given], list[tuple[Any, ...]]]:
    def answer(data: Data, given: Given) -> list[tuple[Any, ...]]:
        talks, said = within(data["conversations"], given), within(data["messages"], given)
        rows = []
        for name in {row[column] for row in talks + said}:
            own = ([row for row in rows if row[column] == name] for rows in (talks, said))
            rows.append((name, *figures(*own, first_days(data), given)[:-2]))
        return sorted(rows, key=lambda row: (-row[1], by_bytes(row[0])))

    return answer


def grouped(rows: Iterable[Row], *columns: str) -> list[tuple[Any, list[Row]]]:
    groups: dict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        groups[tuple(row[column] for column in columns)].append(row)
    return sorted(groups.items())


def conversations_by_day(data: Data, given: Given) -> list[tuple[Any, ...]]:
    return [
        (
            day,
            len(rows),
            len({row["usuario_id"] for row in rows}),
            sum(row["sin_respuesta"] for row in rows),
            sum(row["no_entendida"] for row in rows),
            sum(row["likes"] + row["dislikes"] > 0 for row in rows),
            sum(row["likes"] for row in rows),
            sum(row["dislikes"] for row in rows),
        )
        for (day,), rows in grouped(within(data["conversations"], given), "fecha")
    ]


def hours(data: Data, given: Given) -> list[tuple[Any, ...]]:
    timed = [row for row in within(data["messages"], given) if row["emisor"] == "user" and row["enviado"]]
    counts = Counter((row["fecha"].isoweekday(), row["enviado"].hour) for row in timed)
    return sorted((*key, count) for key, count in counts.items())


def reply_time_by_day(data: Data, given: Given) -> list[tuple[Any, ...]]:
    replies = [row for row in within(data["messages"], given) if row["respuesta"]]
    answer = []
    for (day,), rows in grouped(replies, "fecha"):
        waits = [row["espera_s"] for row in rows if row["espera_s"] is not None]
        answer.append((day, len(rows), len(waits), nearest_rank(waits, 50), nearest_rank(waits, 95)))
    return answer


def cohorts(data: Data, given: Given) -> list[tuple[Any, ...]]:
    first, seen = first_days(data), defaultdict(set)
    for row in data["conversations"]:
        who, day = row["usuario_id"], row["fecha"]
        if who in first and day is not None and day <= given["until"]:
            week = first[who] - timedelta(first[who].weekday())
            if within([row | {"fecha": first[who]}], given):
                seen[week, (day - week).days // 7].add(who)
    return [
        (
            week,
            len(seen[week, 0]),
            later,
            len(seen[week, later]),
            share(len(seen[week, later]), len(seen[week, 0])),
        )
        for week in sorted({week for week, _ in seen})
        for later in sorted({*range(min((given["until"] - week).days // 7, 9999) + 1), *_weeks(seen, week)})
    ]


def _weeks(seen: dict[tuple[date, int], set[str]], week: date) -> list[int]:
    return [later for each, later in seen if each == week]


def came_back(data: Data, given: Given) -> list[tuple[Any, ...]]:
    days = {row["fecha"] for row in data["conversations"] if row["fecha"] is not None}
    end = max((day for day in days if day <= given["run_date"]), default=date.min)
    first: dict[str, date] = {}
    for row in within(data["conversations"], given):
        first[row["usuario_id"]] = min(row["fecha"], first.get(row["usuario_id"], date.max))
    asked = {who: day for who, day in first.items() if (end - day).days >= 7}
    back = {
        row["usuario_id"]
        for row in data["conversations"]
        if row["fecha"]
        and row["usuario_id"] in asked
        and 1 <= (row["fecha"] - asked[row["usuario_id"]]).days <= 7
    }
    return [(len(asked), len(back), share(len(back), len(asked)))]


def newest(rows: list[Row], column: str, top: int) -> list[Row]:
    """Return the first rows, the newest first and those without an instant last."""
    rows = sorted(rows, key=lambda row: (row["usuario_id"].encode(), row["orden"]))
    dated = sorted((row for row in rows if row[column]), key=lambda row: row[column], reverse=True)
    return [*dated, *(row for row in rows if row[column] is None)][:top]


def negative_comments(data: Data, given: Given) -> list[tuple[Any, ...]]:
    rows = [row for row in within(data["conversations"], given) if row["comentario_negativo"] is not None]
    answer = []
    for place, row in enumerate(newest(rows, "feedback_en", given["top"]), 1):
        text = without_ids(row["comentario_negativo"], row["usuario_id"])
        answer.append((place, row["feedback_en"], masked(row["usuario_id"]), text, row["ciudad"]))
    return answer


def unanswered_conversations(data: Data, given: Given) -> list[tuple[Any, ...]]:
    rows = [row for row in within(data["conversations"], given) if row["sin_respuesta"]]
    return [
        (
            place,
            row["inicio"],
            masked(row["usuario_id"]),
            row["primera_pregunta"] and without_ids(row["primera_pregunta"], row["usuario_id"]),
            row["mensajes"],
            row["ciudad"],
        )
        for place, row in enumerate(newest(rows, "inicio", given["top"]), 1)
    ]


def most_asked_questions(data: Data, given: Given) -> list[tuple[Any, ...]]:
    asked = [row for row in within(data["messages"], given) if row["pregunta"] is not None]
    answer = []
    for _, rows in grouped(asked, "pregunta"):
        users = {row["usuario_id"] for row in rows}
        spellings = Counter(tidy(row["texto"]) for row in rows)
        shown = min(spellings, key=lambda text: (-spellings[text], text.encode()))
        if len(users) >= 3:
            answer.append((shown, len(users), len(rows)))
    answer.sort(key=lambda row: (-row[1], row[0].encode()))
    return [(place, *row) for place, row in enumerate(answer[: given["top"]], 1)]


def data_period(data: Data, given: Given) -> list[tuple[Any, ...]]:
    days = [row["fecha"] for row in data["conversations"]]
    dated = [day for day in days if day and day <= given["run_date"]]
    undated = days.count(None)
    return [(min(dated, default=None), max(dated, default=None), len(dated) + undated, undated)]


def time_coverage(data: Data, given: Given) -> list[tuple[Any, ...]]:
    rows = data["conversations"]
    timed = [sum(row[column] for row in rows) for column in ("mensajes", "con_hora")]
    return [(*timed, len(rows), sum(row["fecha"] is not None for row in rows))]


def totals(data: Data, given: Given) -> list[tuple[Any, ...]]:
    rows = data["users"]
    return [
        (
            len(rows),
            *(sum(row[name] for row in rows) for name in ("numero_conversaciones", "numero_feedback")),
        )
    ]


def heaviest_users(data: Data, given: Given) -> list[tuple[Any, ...]]:
    rows = sorted(data["users"], key=lambda row: (-row["numero_conversaciones"], row["usuario_id"].encode()))
    shown = ("usuario_id", "nombre", "numero_conversaciones", "numero_feedback")
    return [(place, *map(row.get, shown)) for place, row in enumerate(rows[: given["top"]], 1)]


def same(found: list[tuple[Any, ...]], expected: list[tuple[Any, ...]]) -> bool:
    """Return whether rows are equal; of rounded ones, shares to 4 decimals and seconds to 3."""

    def equal(one: Any, other: Any) -> bool:
        if isinstance(other, Fraction):
            return one is not None and math.isclose(one, other, rel_tol=0, abs_tol=0.000_050_1)
        if isinstance(other, float):
            return one is not None and math.isclose(one, other, rel_tol=0, abs_tol=0.000_501)
        return bool(one == other)

    return len(found) == len(expected) and all(
        len(row) == len(should) and all(map(equal, row, should))
        for row, should in zip(found, expected, strict=True)
    )


_COUNTS = dict.fromkeys(
    [
        *("active_users", "new_users", "returning_users", "conversations"),
        *("messages_user", "messages_bot", "messages_other"),
    ],
    "bigint",
)
_RATES = dict.fromkeys(
    [
        *("engaged_share", "mean_turns", "median_reply_s", "p95_reply_s", "reply_coverage"),
        *("unanswered_share", "not_understood_share"),
    ],
    "double",
)
ANSWERS: dict[str, tuple[Callable[[Data, Given], list[tuple[Any, ...]]], dict[str, str]]] = {
    "data_period": (
        data_period,
        {"first_day": "date", "last_day": "date", "conversation_count": "bigint", "undated_count": "bigint"},
    ),
    "overview": (overview, _COUNTS | _RATES | {"rated_share": "double", "like_share": "double"}),
    "by_city": (by("ciudad"), {"ciudad": "varchar"} | _COUNTS | _RATES),
    "by_gerencia": (by("gerencia"), {"gerencia": "varchar"} | _COUNTS | _RATES),
    "conversations_by_day": (
        conversations_by_day,
        {"day": "date", "conversation_count": "bigint", "user_count": "bigint", "unanswered_count": "bigint"}
        | {"not_understood_count": "bigint", "rated_count": "bigint"}
        | {"like_count": "bigint", "dislike_count": "bigint"},
    ),
    "hours": (hours, {"weekday": "bigint", "hora": "integer", "message_count": "bigint"}),
    "reply_time_by_day": (
        reply_time_by_day,
        {
            "day": "date",
            "reply_count": "bigint",
            "timed_count": "bigint",
            "median_s": "double",
            "p95_s": "double",
        },
    ),
    "cohorts": (
        cohorts,
        {"week": "date", "week_users": "bigint", "weeks_later": "bigint"}
        | {"active_users": "bigint", "share": "double"},
    ),
    "came_back": (came_back, {"user_count": "bigint", "came_back_count": "bigint", "share": "double"}),
    "negative_comments": (
        negative_comments,
        {"place": "bigint", "feedback_en": "timestamp", "usuario": "varchar"}
        | {"comentario": "varchar", "ciudad": "varchar"},
    ),
    "most_asked_questions": (
        most_asked_questions,
        {"place": "bigint", "question": "varchar", "user_count": "bigint", "message_count": "bigint"},
    ),
    "unanswered_conversations": (
        unanswered_conversations,
        {"place": "bigint", "inicio": "timestamp", "usuario": "varchar", "primera_pregunta": "varchar"}
        | {"mensajes": "integer", "ciudad": "varchar"},
    ),
    "time_coverage": (
        time_coverage,
        dict.fromkeys(
            ("message_count", "timed_messages", "conversation_count", "dated_conversations"), "bigint"
        ),
    ),
    "totals": (totals, dict.fromkeys(("user_count", "conversation_count", "feedback_count"), "bigint")),
    "heaviest_users": (
        heaviest_users,
        {"place": "bigint", "usuario_id": "varchar", "nombre": "varchar"}
        | {"numero_conversaciones": "integer", "numero_feedback": "integer"},
    ),
}
"""Every query's answer in plain Python, and its columns with Athena's types."""
