"""What the users of the sample think of a conversation: likes, dislikes, comments, and when."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta

from cat_lab.sample.rhythm import END, START, WEEKS
from cat_lab.sample.talks import Talk
from cat_lab.sample.users import pick

_LIKE_OPTIONS = {"Respuesta clara": 5, "Me ayudó": 4, "Rápida": 3, "Información completa": 2}
_DISLIKE_OPTIONS = {
    "Respuesta incorrecta": 5,
    "No resolvió mi duda": 4,
    "Información incompleta": 3,
    "Muy lenta": 1,
}
_LIKE_COMMENTS = (
    "Muchas gracias", "Excelente, muy útil", "Todo claro 👍", "Me sirvió, gracias Catia", "¡Súper!",
    "Justo lo que necesitaba", "Buena respuesta, aunque un poco larga", "Perfecto", "Rápido y fácil",
    "Me ahorró una llamada", "Ahora sí encuentro las cosas en el portal", "Mucho mejor que el mes pasado",
)  # fmt: skip
_DISLIKE_COMMENTS = {
    "answered": (
        "No era lo que pregunté", "La información está desactualizada", "Me respondió otra cosa",
        "Falta el enlace", "Tuve que llamar a la mesa de ayuda", "Ese menú ya no existe en el portal",
        "Respuesta muy general, yo necesitaba mi caso", "Marqué a la línea 6014567890 y tampoco saben",
        "Me dijo que escribiera a nomina@example.com y nadie contesta", "Se demoró demasiado",
        "El paso 3 no aparece en mi pantalla", "Dice una fecha y en nómina me dicen otra",
    ),
    "unanswered": (
        "Me dejó esperando", "Nunca llegó la respuesta", "Se quedó pensando y no contestó",
        "El asesor no apareció", "Pregunté dos veces y nada", "Se cayó el chat a la mitad",
    ),
    "not_understood": (
        "No entendió la pregunta", "Tuve que escribir lo mismo dos veces", "Solo entiende frases exactas",
        "No sabe nada de ese tema", "Le pregunté sencillo y no supo",
    ),
}  # fmt: skip


def opinions(
    rng: random.Random, begin: datetime, talk: Talk
) -> Iterator[tuple[datetime, dict[str, str | None]]]:
    """Yield the feedback on a conversation, with its instant: none, one, or seldom two.

    Half of the instants are the conversation's own; the others come after its end, most of them
    within a day.

    Args:
        rng: source of the draws.
        begin: local time of the conversation.
        talk: the conversation.
    """
    failed = talk.outcome != "answered"
    if rng.random() >= (0.45 if failed else 0.27):
        return
    own = rng.random() < 0.5
    yield begin if own else _later(rng, talk.end), _opinion(rng, begin, talk)
    if rng.random() < 0.05:
        yield _later(rng, talk.end), _opinion(rng, begin, talk)


def _opinion(rng: random.Random, begin: datetime, talk: Talk) -> dict[str, str | None]:
    chance = 0.7 + 0.24 * ((begin - START) / timedelta(weeks=WEEKS))
    liked = rng.random() < (chance if talk.outcome == "answered" else 0.4 * chance)
    given: dict[str, str | None] = {"type": "like" if liked else "dislike"}
    if rng.random() < (0.3 if liked else 0.65):
        given["comment"] = rng.choice(_LIKE_COMMENTS if liked else _DISLIKE_COMMENTS[talk.outcome])
    if rng.random() < 0.7:
        given["option"] = pick(rng, _LIKE_OPTIONS if liked else _DISLIKE_OPTIONS)
    return given


def _later(rng: random.Random, end: datetime) -> datetime:
    """Return an instant after a conversation's end: seconds, hours, or, too late to belong to it, days."""
    kind = rng.choices(("seconds", "hours", "days"), (75, 20, 5))[0]
    hours = {"seconds": (0.001, 0.03), "hours": (1, 20), "days": (30, 90)}[kind]
    at = end + timedelta(hours=rng.uniform(*hours))
    return at if at < END else end + timedelta(seconds=rng.uniform(2, 90))
