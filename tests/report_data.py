"""Made-up answers of the named queries, in the columns and types that they promise."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from cat_lab.runs import Failure, RunRecord, StageRecord
from cat_lab.stages import COPIES as TABLES
from cat_lab.stages import NOTEBOOKS
from cat_normalize.core.manifest import Conversion, Etl1Manifest, Etl2Manifest, Summary, plain
from cat_normalize.core.settings import Settings

LAST = date(2025, 9, 15)
HOSTILE = (
    "<script>alert(1)</script><img src=http://evil.example/x> $\\frac{$ \x00\x1b[31m \u202eabc 😀 "
    + "x" * 300
)
OVERVIEW = {
    "active_users": "Int64",
    "new_users": "Int64",
    "returning_users": "Int64",
    "conversations": "Int64",
    "messages_user": "Int64",
    "messages_bot": "Int64",
    "messages_other": "Int64",
    "engaged_share": "float64",
    "mean_turns": "float64",
    "median_reply_s": "float64",
    "p95_reply_s": "float64",
    "reply_coverage": "float64",
    "unanswered_share": "float64",
    "not_understood_share": "float64",
    "rated_share": "float64",
    "like_share": "float64",
}
COUNTS = dict.fromkeys(
    ("message_count", "timed_messages", "conversation_count", "dated_conversations"), "Int64"
)
COLUMNS: dict[str, dict[str, str]] = {
    "data_period": {
        "first_day": "object",
        "last_day": "object",
        "conversation_count": "Int64",
        "undated_count": "Int64",
    },
    "overview": OVERVIEW,
    "by_city": {"ciudad": "string"}
    | {n: t for n, t in OVERVIEW.items() if n not in ("rated_share", "like_share")},
    "by_gerencia": {"gerencia": "string"}
    | {n: t for n, t in OVERVIEW.items() if n not in ("rated_share", "like_share")},
    "conversations_by_day": {"day": "object"}
    | dict.fromkeys(
        (
            "conversation_count",
            "user_count",
            "unanswered_count",
            "not_understood_count",
            "rated_count",
            "like_count",
            "dislike_count",
        ),
        "Int64",
    ),
    "hours": dict.fromkeys(("weekday", "hora", "message_count"), "Int64"),
    "reply_time_by_day": {
        "day": "object",
        "reply_count": "Int64",
        "timed_count": "Int64",
        "median_s": "float64",
        "p95_s": "float64",
    },
    "cohorts": {
        "week": "object",
        "week_users": "Int64",
        "weeks_later": "Int64",
        "active_users": "Int64",
        "share": "float64",
    },
    "came_back": {"user_count": "Int64", "came_back_count": "Int64", "share": "float64"},
    "negative_comments": {
        "place": "Int64",
        "feedback_en": "datetime64[ms]",
        "usuario": "string",
        "comentario": "string",
        "ciudad": "string",
    },
    "most_asked_questions": {
        "place": "Int64",
        "question": "string",
        "user_count": "Int64",
        "message_count": "Int64",
    },
    "unanswered_conversations": {
        "place": "Int64",
        "inicio": "datetime64[ms]",
        "usuario": "string",
        "primera_pregunta": "string",
        "mensajes": "Int64",
        "ciudad": "string",
    },
    "time_coverage": COUNTS,
}
EMPTY: dict[str, list[tuple[Any, ...]]] = {
    "data_period": [(None, None, 0, 0)],
    "overview": [(0, 0, 0, 0, 0, 0, 0, *[None] * 9)],
    "came_back": [(0, 0, None)],
    "time_coverage": [(0, 0, 0, 0)],
}
QUESTIONS = (
    "¿Cómo descargo mi certificado laboral?",
    "¿Cuándo se paga la prima de servicios?",
    "¿Cómo solicito mis vacaciones?",
    "¿A qué correo envío la incapacidad?",
    "¿Dónde consulto mi desprendible de nómina?",
    "¿Cómo cambio la contraseña del portal?",
    "¿Qué beneficios tengo por mi antigüedad en la empresa?",
    "¿Quién aprueba las horas extra?",
    "¿Cómo actualizo mis datos bancarios?",
    "¿Cuándo abre la convocatoria interna?",
)
CITIES = (
    "Bogotá",
    "Medellín",
    "Cali",
    "Barranquilla",
    "Bucaramanga",
    "Cartagena",
    "Pereira",
    "Manizales",
    "Pasto",
)
DEPARTMENTS = (
    "Operaciones",
    "Comercial",
    "Talento Humano",
    "Tecnología",
    "Finanzas",
    None,
    "Logística",
    "Jurídica",
    "Compras",
)


def rows(last: date = LAST, text: str | None = None) -> dict[str, list[tuple[Any, ...]]]:
    """Return an answer for every query: four weeks that end with a day, `text` in place of every text."""
    days = [last - timedelta(n) for n in range(27, -1, -1) if last.toordinal() > n]
    noon = datetime(last.year, last.month, last.day, 14, 32)
    earlier = noon.replace(hour=9)
    monday = date.fromordinal(max(1, last.toordinal() - last.weekday()))
    weeks = [(n, monday - timedelta(7 * n)) for n in range(11, -1, -1) if monday.toordinal() > 7 * n]

    def said(given: str | None) -> str | None:
        return given if text is None or given is None else text

    def busy(day: date) -> int:
        return (9, 11, 12, 10, 8, 3, 2)[day.weekday()] * 13 + 7 * (day.toordinal() % 5)

    def place(share: float) -> tuple[Any, ...]:
        users = int(700 * share)
        counts = (users, users // 3, users - users // 3, 3 * users, 9 * users, 8 * users, 0)
        return (*counts, 0.97, 2.9, 2.4, 11.8, 0.94, round(0.04 + share / 20, 4), 0.05)

    hours = [
        (weekday, hour, max(0, 90 - 6 * abs(10 - hour) - 25 * (weekday > 5) + (hour * weekday) % 11))
        for weekday in range(1, 8)
        for hour in range(6, 21)
    ]
    counted = (1_284, 402, 882, 4_096, 12_380, 11_904, 3)
    return {
        "data_period": [(date.fromordinal(max(1, last.toordinal() - 103)), last, 12_483, 12)],
        "overview": [(*counted, 0.9712, 2.91, 2.4, 11.8, 0.94, 0.0613, 0.0502, 0.18, 0.8421)],
        "by_city": [(said(name), *place(0.5 / (n + 1))) for n, name in enumerate(CITIES)],
        "by_gerencia": [(said(name), *place(0.6 / (n + 1.5))) for n, name in enumerate(DEPARTMENTS)],
        "conversations_by_day": [
            (day, busy(day), int(busy(day) * 0.62), 3, 2, 9, 4 + busy(day) // 20, day.toordinal() % 4)
            for day in days
        ],
        "hours": hours,
        "reply_time_by_day": [(day, 90, 84, 2.1 + (n % 6) / 5, 8.5 + n % 9) for n, day in enumerate(days)],
        "cohorts": [
            (week, 40 + 5 * n, later, int((40 + 5 * n) * share), share)
            for n, week in weeks
            for later in range(n + 1)
            for share in [1.0 if later == 0 else round(0.55 / (later + 0.6) + (n * later % 5) / 50, 4)]
        ],
        "came_back": [(803, 322, 0.401)],
        "negative_comments": [
            (1, noon, "***42", said("La respuesta no corresponde a mi ciudad."), said("Cali")),
            (2, earlier, "***07", said("Muy lento, tuve que preguntar dos veces."), said("Bogotá")),
            (3, earlier, "***11", said("Me mandó a un enlace que no abre."), said("Pasto")),
            (4, earlier, "***90", said("No entendió la pregunta."), said("Cali")),
            (5, None, "***", said("No sirve"), None),
        ],
        "most_asked_questions": [(n, said(each), 210 // n, 400 // n) for n, each in enumerate(QUESTIONS, 1)],
        "unanswered_conversations": [
            (1, noon, "***19", said("¿Puedo trabajar desde otro país?"), 3, said("Medellín")),
            (2, earlier, "***88", None, 1, None),
            (3, earlier, "***35", said("¿Qué pasa con mis cesantías si me retiro?"), 4, said("Cali")),
            (4, earlier, "***61", said("hola"), 1, said("Bogotá")),
            (5, None, "***02", said("¿Hay ruta los sábados?"), 2, said("Pereira")),
        ],
        "time_coverage": [(24_287, 22_830, 12_495, 12_483)],
    }


class Answers:
    """Answers the named queries with given rows, and keeps what was asked."""

    def __init__(self, found: Mapping[str, list[tuple[Any, ...]]]) -> None:
        self.found, self.asked = found, list[tuple[str, dict[str, Any]]]()

    def __call__(self, name: str, tables: Mapping[str, Path], **parameters: Any) -> pd.DataFrame:
        assert list(tables) == ["users", "conversations", "messages"]
        return self.ask(name, **parameters)

    def ask(self, name: str, **parameters: Any) -> pd.DataFrame:
        self.asked.append((name, parameters))
        found = self.found.get(name, [])
        if name == "overview" and found and len([each for each, _ in self.asked if each == name]) > 1:
            found = [tuple(value if not value else type(value)(value * 0.9) for value in found[0])]
        columns = COLUMNS[name]
        return pd.DataFrame(
            {
                column: pd.Series([row[n] for row in found], dtype=kind)
                for n, (column, kind) in enumerate(columns.items())
            }
        )


SUMMARY = Summary(
    items_read=13_920,
    conversations=12_495,
    feedback=1_180,
    registrations=190,
    filtered=40,
    rejected=15,
    rejected_by_reason={
        "not_json": 1,
        "bad_conversation": 8,
        "bad_key": 3,
        "bad_feedback": 2,
        "unknown_kind": 1,
    },
    warnings={"date_unreadable": 12, "user_data_unreadable": 31},
    users=2_210,
)


def manifests() -> dict[str, dict[str, Any]]:
    """Return both manifests of a run as its record has them."""
    etl1 = Etl1Manifest(LAST, "dynamodb://t", Settings(), SUMMARY, [])
    etl2 = Etl2Manifest(LAST, "s3://b/data.csv", Settings(), Conversion(2_210, 9_000, None), [])
    return {"etl-process1": plain(etl1), "etl-process2": plain(etl2)}


def record(**changed: Any) -> RunRecord:
    """Return the record of a run that is done."""
    stages = {stage: StageRecord(notebook=name, status="done") for stage, name in NOTEBOOKS.items()}
    given = {
        "run_id": "r1",
        "run_date": LAST,
        "local": True,
        "status": "done",
        "started_at": "2025-09-15T04:30:00+00:00",
        "stages": stages,
        "outputs": manifests(),
    }
    return RunRecord(**given | changed)


def failed(
    error: str = "the CSV differs from its manifest", advice: str | None = "run again", **changed: Any
) -> RunRecord:
    """Return the record of a run whose second stage failed."""
    stages = record().stages
    stages["normalize"] = StageRecord(notebook=NOTEBOOKS["normalize"], status="failed", error=error)
    for stage in ("convert", "query"):
        stages[stage] = StageRecord(notebook=NOTEBOOKS[stage], status="pending")
    failure = Failure(stage="normalize", error="InputError", text=error, advice=advice)
    return record(status="failed", stages=stages, outputs={}, failure=failure, notes=[error], **changed)


def copies(folder: Path) -> Path:
    """Make the files that a run leaves of its tables; `Answers` does not read them."""
    for name in TABLES.values():
        (folder / name).write_bytes(b"PAR1")
    return folder
