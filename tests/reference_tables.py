"""A second implementation of the tables `conversations` and `messages`: slow, simple, standard library only.

Tests compare the library with it. It shares no code with the library; what contract §2 defines (tidy, joined)
comes from `reference`. Where the definition can be read in two ways, the comment says which is taken.
"""

import json
import re
import unicodedata
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from reference import join, tidy


def is_day(text):
    try:
        date.fromisoformat(text.strip())
    except ValueError:
        return False
    return True


def instant(text, zone, naive_zone):
    try:
        moment = datetime.fromisoformat(text.strip())
        # A text without a time of day is midnight as it stands: a day has no instant that could be moved.
        if moment.tzinfo is None and naive_zone is not None and not is_day(text):
            moment = moment.replace(tzinfo=ZoneInfo(naive_zone))
        # An instant whose UTC leaves the years 1 to 9999 is outside too, as for days.
        if moment.tzinfo is not None:
            moment = moment.astimezone(ZoneInfo(zone))
    except (ValueError, OverflowError):
        return None
    return moment.replace(tzinfo=None, fold=0, microsecond=moment.microsecond // 1000 * 1000)


def sk_instant(sk, zone, naive_zone):
    """The instant between the first and the second `#`."""
    parts = sk.split("#")
    return instant(parts[1], zone, naive_zone) if len(parts) > 1 else None


def sent(message, zone, naive_zone):
    text = message.get("timestamp")
    return None if text is None or is_day(text) else instant(text, zone, naive_zone)


def plain_form(text):
    """The words of the text; NULL where fewer than two. Words are counted in the plain form."""
    letters = unicodedata.normalize("NFKD", text.casefold())
    letters = [char for char in letters if not unicodedata.category(char).startswith("M")]
    words = "".join(char if char.isalnum() else " " for char in letters).split(" ")
    words = [word for word in words if word]
    return " ".join(words) if len(words) >= 2 else None


def seconds(earlier, later):
    if earlier is None or later is None or later < earlier:
        return None
    return (later - earlier).total_seconds()


def answered_message(messages, place):
    """The message of the user that the message at `place` answers; None where it answers none."""
    if messages[place]["from"] != "bot":
        return None
    for message in reversed(messages[:place]):
        if message["from"] == "bot":
            return None
        if message["from"] == "user":
            return message
    return None


def messages_of(row, orden, talk, zone, naive_zone):
    made = []
    for place, message in enumerate(talk["messages"]):
        enviado = sent(message, zone, naive_zone)
        question = answered_message(talk["messages"], place)
        asked = sent(question, zone, naive_zone) if question else None
        made.append(
            {
                "usuario_id": row["usuario_id"],
                "conversacion_id": talk["sk"],
                "orden": orden,
                "numero": place + 1,
                "emisor": message["from"],
                "texto": message["text"],
                "pregunta": plain_form(message["text"]) if message["from"] == "user" else None,
                "enviado": enviado,
                "fecha": enviado.date() if enviado else None,
                "hora": enviado.hour if enviado else None,
                "respuesta": question is not None,
                "espera_s": seconds(asked, enviado) if question else None,
                "ciudad": row["ciudad"] or None,
                "gerencia": row["gerencia"] or None,
            }
        )
    return made


def is_unanswered(messages):
    unanswered = False
    for message in messages:
        if message["emisor"] == "user":
            unanswered = True
        if message["emisor"] == "bot":
            unanswered = False
    return unanswered


def conversation(row, orden, talk, messages, zone, naive_zone, patterns):
    times = [m["enviado"] for m in messages if m["enviado"] is not None]
    inicio = sk_instant(talk["sk"], zone, naive_zone)
    if inicio is None and times:
        inicio = min(times)
    waits = [m["espera_s"] for m in messages if m["espera_s"] is not None]
    questions = [tidy(m["texto"]) for m in messages if m["emisor"] == "user" and tidy(m["texto"])]
    bot = [m["texto"] for m in messages if m["emisor"] == "bot"]
    return {
        "usuario_id": row["usuario_id"],
        "conversacion_id": talk["sk"],
        "orden": orden,
        "inicio": inicio,
        "fecha": inicio.date() if inicio else None,
        "fin": max(times) if times else None,
        "mensajes": len(messages),
        "mensajes_usuario": len([m for m in messages if m["emisor"] == "user"]),
        "mensajes_bot": len(bot),
        "turnos": len([m for m in messages if m["respuesta"]]),
        "primera_pregunta": questions[0] if questions else None,
        "respuesta_primera_s": waits[0] if waits else None,
        "con_hora": len(times),
        "sin_respuesta": is_unanswered(messages),
        "no_entendida": any(re.search(p, text, re.IGNORECASE) for text in bot for p in patterns),
    }


def belongs_to(feedback, conversations, zone, naive_zone):
    """The place of the conversation that a feedback belongs to, None where there is none."""
    same = [
        place
        for place, each in enumerate(conversations)
        if "#" in feedback["sk"]
        and each["conversacion_id"].partition("#")[1:] == feedback["sk"].partition("#")[1:]
    ]
    if same:
        return same[-1]
    given = sk_instant(feedback["sk"], zone, naive_zone)
    if given is None:
        return None
    near = [
        (each["inicio"], place)
        for place, each in enumerate(conversations)
        if each["inicio"] is not None and timedelta(0) <= given - each["inicio"] <= timedelta(hours=24)
    ]
    return max(near)[1] if near else None


def feedback_columns(feedbacks, zone, naive_zone):
    types = [each["type"].strip().lower() for each in feedbacks]
    likes, dislikes = types.count("like"), types.count("dislike")
    times = [sk_instant(each["sk"], zone, naive_zone) for each in feedbacks]
    times = [each for each in times if each is not None]
    comments = [each.get("comment") or "" for each in feedbacks]
    negative = [comment for comment, type_ in zip(comments, types, strict=True) if type_ == "dislike"]
    if likes and dislikes:
        feedback = "mixed"
    elif likes:
        feedback = "like"
    else:
        feedback = "dislike" if dislikes else None
    return {
        "likes": likes,
        "dislikes": dislikes,
        "feedback": feedback,
        "feedback_en": max(times) if times else None,
        "comentario": join(comments) or None,
        "comentario_negativo": join(negative) or None,
    }


def of_user(row, zone, naive_zone, patterns):
    conversations, messages = [], []
    for orden, talk in enumerate(json.loads(row["conversacion_completa"]), 1):
        own = messages_of(row, orden, talk, zone, naive_zone)
        made = conversation(row, orden, talk, own, zone, naive_zone, patterns)
        for message in own:
            message["fecha"] = message["fecha"] or made["fecha"]
        conversations.append(made)
        messages.extend(own)
    belonging, unmatched = [[] for _ in conversations], 0
    for feedback in json.loads(row["feedback_total"] or "[]"):
        place = belongs_to(feedback, conversations, zone, naive_zone)
        if place is None:
            unmatched += 1
        else:
            belonging[place].append(feedback)
    for made, feedbacks in zip(conversations, belonging, strict=True):
        made.update(feedback_columns(feedbacks, zone, naive_zone))
        made.update({"ciudad": row["ciudad"] or None, "gerencia": row["gerencia"] or None})
    return conversations, messages, unmatched


def tables(rows, zone="America/Bogota", naive_zone=None, patterns=()):
    """Return (conversations, messages, unmatched feedback) of users in the CSV's order.

    A row is a dict of the twelve columns by name; the zones are IANA names. Conversations and messages are
    dicts by name in the order of the definition; instants are naive datetimes cut to milliseconds.
    """
    conversations, messages, unmatched = [], [], 0
    for row in rows:
        made = of_user(row, zone, naive_zone, patterns)
        conversations += made[0]
        messages += made[1]
        unmatched += made[2]
    return conversations, messages, unmatched
