"""Normalize with boto3's TypeDeserializer and a grouped DataFrame: ``pandas_rows.py ITEMS CSV``."""

import json
import sys
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd
from boto3.dynamodb.types import TypeDeserializer
from stopwatch import report

BOGOTA = ZoneInfo("America/Bogota")
USER = ("user", "usuario")


def tidy(text: str) -> str:
    return " ".join(text.split()).replace("|", "/")


def day(created_at: str) -> date:
    at = datetime.fromisoformat(created_at)
    return (at.astimezone(BOGOTA) if at.tzinfo else at).date()


def first(values: pd.Series) -> str | None:
    return next((tidy(value) for value in values if isinstance(value, str) and value.strip()), None)


def read(path: str) -> pd.DataFrame:
    deserialize = TypeDeserializer().deserialize
    records = []
    with Path(path).open(encoding="utf-8") as lines:
        for line in lines:
            item = {name: deserialize(value) for name, value in json.loads(line).items()}
            record = {"usuario_id": item["PK"].removeprefix("USER#"), "sk": item["SK"]}
            record |= {
                name: (item.get("UserData") or {}).get(name) for name in ("nombre", "gerencia", "ciudad")
            }
            record["day"] = day(item["CreatedAt"])
            record |= {"conversation": item.get("Conversation"), "feedback": item.get("Feedback")}
            records.append(record)
    return pd.DataFrame(records)


def row(user: pd.DataFrame) -> pd.Series:
    conversations = user[user["conversation"].notna()]
    feedback = user[user["feedback"].notna()]
    messages = [message for each in conversations["conversation"] for message in each]
    questions = [tidy(message["text"]) for message in messages if message["from"] in USER]
    types = {each["type"] for each in feedback["feedback"]}
    answers = [
        each[name] for each in feedback["feedback"] for name in ("comment", "option") if each.get(name)
    ]
    pairs = zip(conversations["sk"], conversations["conversation"], strict=True)
    talks = [{"sk": sk, "messages": each} for sk, each in pairs]
    given = [{"sk": sk} | each for sk, each in zip(feedback["sk"], feedback["feedback"], strict=True)]
    gerencia, ciudad = (
        first(user["gerencia"]),
        first(user["ciudad"].str.replace(r"\s*\(.*\)$", "", regex=True)),
    )
    return pd.Series(
        {
            "nombre": first(user["nombre"]) or "Usuario Anónimo",
            "gerencia": gerencia or ciudad,
            "ciudad": ciudad or gerencia,
            "fecha_primera_conversacion": conversations["day"].min(),
            "numero_conversaciones": len(conversations),
            "conversacion_completa": json.dumps(talks, ensure_ascii=False, separators=(",", ":")),
            "feedback_total": json.dumps(given, ensure_ascii=False, separators=(",", ":")) if given else None,
            "numero_feedback": len(feedback),
            "pregunta_conversacion": " | ".join(dict.fromkeys(questions)) or None,
            "feedback": ("mixed" if len(types) > 1 else types.pop()) if types else None,
            "respuesta_feedback": " | ".join(dict.fromkeys(map(tidy, answers))) or None,
        }
    )


def work() -> dict:
    items = read(sys.argv[1]).sort_values("sk", kind="stable")
    rows = items.groupby("usuario_id", sort=True)[list(items.columns[1:])].apply(row).reset_index()
    rows = rows[(rows["numero_conversaciones"] > 0) | (rows["numero_feedback"] > 0)]
    days = pd.to_datetime(rows["fecha_primera_conversacion"])
    rows["fecha_primera_conversacion"] = days.dt.strftime("%d/%m/%Y")
    rows.to_csv(sys.argv[2], index=False)
    return {"users": len(rows), "conversations": int(rows["numero_conversaciones"].sum())}


report(work)
