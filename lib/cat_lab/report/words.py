"""The words of the report, and its numbers and dates, in English and Spanish."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from typing import Any

LANGUAGES = ("en", "es")
_MONTHS = {
    "en": "January February March April May June July August September October November December",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
}
_WEEKDAYS = {"en": "Mon Tue Wed Thu Fri Sat Sun", "es": "lun mar mié jue vie sáb dom"}


def shown(value: str, width: int = 90) -> str:
    r"""Make a text safe to show: characters that do not print become escapes, a long text is cut.

    >>> shown("a\nb\x1b[31m"), shown("a" * 9, 5)
    ('a\\nb\\x1b[31m', 'aaaa…')
    """
    cut = value if len(value) <= width else value[: width - 1] + "…"
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in cut)


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one language, ``en`` or ``es``.

    Raises:
        ValueError: the language is another.

    >>> Words("es").number(1234.5), Words("en").share(0.125), Words("es").day(date(2025, 9, 1))
    ('1.234,5', '12.5%', '1 de septiembre de 2025')
    """

    lang: str = "en"

    def __post_init__(self) -> None:
        if self.lang not in LANGUAGES:
            raise ValueError(f"language {self.lang!r} is not one of {', '.join(LANGUAGES)}")

    def __call__(self, name: str, **values: Any) -> str:
        """Return the words of a name, with values filled in."""
        return TEXTS[name][LANGUAGES.index(self.lang)].format(**values)

    def label(self, code: str) -> str:
        """Return the words of a code of the data, such as a reason; an unknown code as it is."""
        return self(code) if code in TEXTS else shown(code.replace("_", " "))

    def number(self, value: Any, digits: int = 1) -> str:
        """Write a number with separators; a missing one is a dash."""
        if missing(value):
            return "–"
        text = f"{round(float(value), digits):,.{digits}f}"
        text = text.rstrip("0").rstrip(".") if digits else text
        return text.translate({44: 46, 46: 44}) if self.lang == "es" else text

    def share(self, value: Any) -> str:
        """Write a share of 0 to 1 as percents."""
        if missing(value):
            return "–"
        return self.number(100 * float(value)) + ("%" if self.lang == "en" else " %")

    def seconds(self, value: Any) -> str:
        """Write a time in seconds, in minutes from two, in hours from two.

        >>> Words().seconds(90), Words().seconds(150), Words().seconds(None)
        ('90 s', '2.5 min', '–')
        """
        if missing(value):
            return "–"
        for unit, size in (("h", 3600), ("min", 60)):
            if value >= 2 * size:
                return f"{self.number(value / size)} {unit}"
        return f"{self.number(value)} s"

    def day(self, day: date) -> str:
        """Write a day in full."""
        month = _MONTHS[self.lang].split()[day.month - 1]
        return f"{day.day} {month} {day.year}" if self.lang == "en" else f"{day.day} de {month} de {day.year}"

    def short_day(self, day: date) -> str:
        """Write day and month, for axes and cells."""
        return f"{day.day} {_MONTHS[self.lang].split()[day.month - 1][:3]}"

    def weekday(self, number: int) -> str:
        """Write a weekday, 1 is Monday."""
        return _WEEKDAYS[self.lang].split()[number - 1]

    @property
    def axis_expression(self) -> str:
        """The Vega expression that writes the numbers of an axis; below zero is a count too."""
        text = "format(abs(datum.value), abs(datum.value) >= 10000 ? '~s' : ',~f')"
        return f"replace(replace({text}, ',', ' '), '.', ',')" if self.lang == "es" else text


def missing(value: Any) -> bool:
    """Return whether a value of a data frame is NULL.

    >>> missing(None), missing(float("nan")), missing(0)
    (True, True, False)
    """
    try:
        return value is None or math.isnan(value)
    except TypeError:
        return str(value) in ("<NA>", "NaT")


def as_day(value: Any) -> date:
    """Return a day of a data frame, whatever its type, as a date.

    >>> as_day("2025-09-01 00:00:00")
    datetime.date(2025, 9, 1)
    """
    return value if type(value) is date else date.fromisoformat(str(value)[:10])


TEXTS: dict[str, tuple[str, str]] = {
    "title": ("Chatbot report", "Informe del chatbot"),
    "period": ("{first} to {last}", "Del {first} al {last}"),
    "period_length": (
        "The {days} days that end with the latest conversation, compared with the {days} days before.",
        "Los {days} días que terminan con la última conversación, comparados con los {days} anteriores.",
    ),
    "covers": (
        "Conversations in the data: {count}, from {first} to {last}.",
        "Conversaciones en los datos: {count}, del {first} al {last}.",
    ),
    "undated": (
        "Without a readable date, so in none of these figures: {count}.",
        "Sin una fecha legible y por eso fuera de estas cifras: {count}.",
    ),
    "sample": (
        "This run read a sample or a file on a local AWS, not your account.",
        "Esta ejecución leyó una muestra o un archivo en un AWS local, no su cuenta.",
    ),
    "no_period": (
        "No conversation has a date, so there is no period to report on.",
        "Ninguna conversación tiene fecha, así que no hay un período que mostrar.",
    ),
    "no_conversations": ("There are no conversations.", "No hay conversaciones."),
    "only_later": (
        "No conversation has a date up to the day of the run, {day}; of later days there are {count}.",
        "Hasta el día de la ejecución, {day}, no hay conversaciones con fecha; posteriores hay {count}.",
    ),
    "no_figures": ("There are no figures", "No hay cifras"),
    "copies_missing": (
        "The run folder lacks the tables that the figures come from: {names}.",
        "En la carpeta de la ejecución faltan las tablas de las que salen las cifras: {names}.",
    ),
    "not_converted": (
        "The run did not reach its third stage, which writes the tables that the figures come from.",
        "La ejecución no llegó a su tercera etapa, que escribe las tablas de las que salen las cifras.",
    ),
    "queries_failed": ("A query failed: {error}", "Una consulta falló: {error}"),
    "failed": ("The run failed", "La ejecución falló"),
    "interrupted": ("The run was interrupted", "La ejecución fue interrumpida"),
    "what_failed": ("What failed", "Qué falló"),
    "in_stage": ("In stage {stage}, notebook {notebook}.", "En la etapa {stage}, cuaderno {notebook}."),
    "at_cell": (
        "Code cell {cell} of {cells}, under “{heading}”.",
        "Celda de código {cell} de {cells}, bajo «{heading}».",
    ),
    "what_to_try": ("What to try", "Qué intentar"),
    "see_details": (
        "See the details of the run for the cell that failed.",
        "Vea en los detalles de la ejecución la celda que falló.",
    ),
    "later_errors": ("Later errors", "Errores posteriores"),
    "details_link": ("Details of the run, for engineers", "Detalles de la ejecución, para ingenieros"),
    "run_line": ("Run {run_id}, day {day}.", "Ejecución {run_id}, día {day}."),
    "numbers": ("The numbers", "Los números"),
    "at_a_glance": ("At a glance", "En resumen"),
    "active_users": ("active users", "usuarios activos"),
    "conversations": ("conversations", "conversaciones"),
    "median_reply_s": ("median reply time", "tiempo mediano de respuesta"),
    "unanswered_share": ("left without an answer", "sin respuesta"),
    "like_share": ("of the feedback is a like", "de las opiniones son «me gusta»"),
    "came_back": ("came back within a week", "volvieron en una semana"),
    "metric": ("figure", "cifra"),
    "this_period": ("this period", "este período"),
    "before": ("the {days} days before", "los {days} días anteriores"),
    "previous": ("previous period", "período anterior"),
    "change": ("change", "cambio"),
    "same": ("unchanged", "sin cambio"),
    "points": ("{value} points", "{value} puntos"),
    "no_comparison": ("nothing to compare with", "sin comparación"),
    "use": ("How much it is used", "Cuánto se usa"),
    "activity": ("Conversations and users by day", "Conversaciones y usuarios por día"),
    "activity_described": (
        "Conversations and users by day, {first} to {last}; at most {top} conversations in a day.",
        "Conversaciones y usuarios por día, del {first} al {last}; a lo sumo {top} conversaciones en un día.",
    ),
    "no_activity": ("No conversation lies in this period.", "Ninguna conversación cae en este período."),
    "day": ("day", "día"),
    "users": ("users", "usuarios"),
    "hours": ("When people write", "Cuándo escribe la gente"),
    "hours_described": (
        "Messages of users by weekday and hour; most on {weekday} at {hour}:00, {top} messages.",
        "Mensajes de usuarios por día de la semana y hora; más: {weekday}, {hour}:00, {top} mensajes.",
    ),
    "no_hours": (
        "No message of a user has a time in this period.",
        "Ningún mensaje de usuario tiene hora en este período.",
    ),
    "hour": ("hour", "hora"),
    "cohorts": ("Who comes back, by first week", "Quién vuelve, según su primera semana"),
    "cohorts_described": (
        "Percent of the users of each first week who were active again in later weeks; weeks: {weeks}.",
        "Porcentaje de los usuarios de cada primera semana activos en semanas siguientes; semanas: {weeks}.",
    ),
    "no_cohorts": (
        "Nobody had a first conversation in the last twelve weeks.",
        "Nadie tuvo una primera conversación en las últimas doce semanas.",
    ),
    "first_week": ("first week", "primera semana"),
    "week_n": ("week {n}", "semana {n}"),
    "percent_note": (
        "Percent of the users who were active, by weeks after their first conversation.",
        "Porcentaje de usuarios activos, según las semanas tras su primera conversación.",
    ),
    "quality": ("How well it answers", "Qué tan bien responde"),
    "reply_time": ("Reply time by day, in seconds", "Tiempo de respuesta por día, en segundos"),
    "reply_time_described": (
        "Median and 95th percentile of the reply time in seconds, {first} to {last}; median at most {top}.",
        "Mediana y percentil 95 del tiempo de respuesta, del {first} al {last}; mediana hasta {top}.",
    ),
    "no_reply_time": ("No reply in this period has a reply time.", "Ninguna respuesta tiene tiempo medido."),
    "median": ("median", "mediana"),
    "p95": ("95 of 100 are faster", "95 de 100 son más rápidas"),
    "feedback": ("Feedback by day", "Opiniones por día"),
    "feedback_described": (
        "Likes above and dislikes below the line by day, {first} to {last}; at most {top} likes in a day.",
        "«Me gusta» arriba y «no me gusta» abajo, del {first} al {last}; a lo sumo {top} «me gusta» al día.",
    ),
    "no_feedback": ("No feedback was given in this period.", "No hubo opiniones en este período."),
    "likes": ("likes", "me gusta"),
    "dislikes": ("dislikes", "no me gusta"),
    "negative": ("Latest negative comments", "Últimos comentarios negativos"),
    "no_negative": ("There is no negative comment.", "No hay comentarios negativos."),
    "when": ("when", "cuándo"),
    "user": ("user", "usuario"),
    "comment": ("comment", "comentario"),
    "city": ("city", "ciudad"),
    "asked": ("What people ask", "Qué pregunta la gente"),
    "questions": ("Most asked questions", "Preguntas más frecuentes"),
    "no_questions": (
        "No question was asked by three people or more.",
        "Ninguna pregunta fue hecha por tres personas o más.",
    ),
    "question": ("question", "pregunta"),
    "unanswered": ("Conversations without an answer", "Conversaciones sin respuesta"),
    "no_unanswered": ("No conversation is without an answer.", "No hay conversaciones sin respuesta."),
    "first_question": ("first question", "primera pregunta"),
    "where": ("Where people are", "Dónde está la gente"),
    "cities": ("Cities", "Ciudades"),
    "departments": ("Departments", "Gerencias"),
    "department": ("department", "gerencia"),
    "no_places": ("Nobody was active in this period.", "Nadie estuvo activo en este período."),
    "no_name": ("not given", "sin dato"),
    "and_more": ("Not shown: {count}.", "No se muestran: {count}."),
    "data": ("How good the data are", "Qué tan buenos son los datos"),
    "funnel": ("From item to row", "Del ítem a la fila"),
    "no_funnel": ("This run published no counts of its items.", "Esta ejecución no publicó conteos."),
    "step": ("step", "paso"),
    "count": ("count", "cantidad"),
    "items_read": ("items read", "ítems leídos"),
    "registrations": ("registrations", "registros"),
    "feedback_items": ("feedback", "opiniones"),
    "filtered": ("left out by filters", "excluidos por filtros"),
    "rejected": ("rejected", "rechazados"),
    "rows": ("rows of users converted", "filas de usuarios convertidas"),
    "conversation_rows": ("rows of conversations", "filas de conversaciones"),
    "message_rows": ("rows of messages", "filas de mensajes"),
    "feedback_unmatched": ("feedback of no conversation", "opiniones sin conversación"),
    "rejects": ("Rejects by reason", "Rechazos por motivo"),
    "no_rejects": ("No item was rejected.", "Ningún ítem fue rechazado."),
    "reason": ("reason", "motivo"),
    "not_json": ("not JSON", "no es JSON"),
    "bad_key": ("key not valid", "clave no válida"),
    "unknown_kind": ("unknown kind", "tipo desconocido"),
    "bad_conversation": ("conversation not valid", "conversación no válida"),
    "bad_feedback": ("feedback not valid", "opinión no válida"),
    "warnings": ("Warnings", "Advertencias"),
    "no_warnings": ("There were no warnings.", "No hubo advertencias."),
    "warning": ("warning", "advertencia"),
    "user_data_unreadable": ("user data unreadable", "datos de usuario ilegibles"),
    "date_unreadable": ("date unreadable", "fecha ilegible"),
    "coverage": ("Times and dates", "Horas y fechas"),
    "unknown_coverage": (
        "Without the tables it is not known how many have a time.",
        "Sin las tablas no se sabe cuántos tienen hora.",
    ),
    "no_coverage": ("There are no messages and no conversations.", "No hay mensajes ni conversaciones."),
    "timed": ("messages with a time", "mensajes con hora"),
    "dated": ("conversations with a date", "conversaciones con fecha"),
    "measured": ("replies with a reply time, this period", "respuestas con tiempo medido, este período"),
    "of_all": ("share", "proporción"),
}
