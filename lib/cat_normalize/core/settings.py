"""What can be configured, read once into typed objects (contract §6, §7)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from msgspec import Struct, field, structs

from cat_normalize.core.errors import FutureDateError, SettingsError

FALLBACK_PATTERNS = (
    r"\bno (te |le |lo |la )?(he )?(ent[ei]e?nd|comprend)",
    r"\bno (pude|puedo|logr[e\xe9]) (entender|comprender|responder|ayudar)",
    r"\bno (tengo|cuento con|dispongo de|encontr[e\xe9]|encuentro) (\w+ )?(informaci[o\xf3]n|respuesta)",
    r"\bno s[e\xe9] c[o\xf3]mo (responder|ayudar)",
    r"\breformul",
)
"""What a bot says that has not understood (contract §9); ASCII, which every process takes as an argument."""


class Rules(Struct, frozen=True):
    """The settings that change rows: time zones, filters and patterns (contract §2, §9).

    All filters are off by default.

    Args:
        time_zone: IANA name; an instant with an offset is converted to it before its date is taken.
        naive_time_zone: IANA name of the zone in which instants without an offset were written; by default
            they are taken as they stand.
        fallback_patterns: regular expressions; a bot's message that matches one (`re.search`, in any case)
            says that it did not understand.
        exclude_cities: regular expressions; users whose ``ciudad`` matches one (`re.search`) are dropped.
        since: first day to keep; earlier conversations are dropped.
        until: last day to keep; later conversations are dropped.

    Raises:
        SettingsError: an unknown time zone, an invalid expression, or ``since`` after ``until``.

    >>> Rules(exclude_cities=("^Prueba",)).excludes("Prueba Norte"), Rules().excludes("Prueba")
    (True, False)
    """

    time_zone: str = "America/Bogota"
    exclude_cities: tuple[str, ...] = ()
    since: date | None = None
    until: date | None = None
    naive_time_zone: str | None = None
    fallback_patterns: tuple[str, ...] = FALLBACK_PATTERNS

    def __post_init__(self) -> None:
        for zone in (self.time_zone, self.naive_time_zone or self.time_zone):
            try:
                ZoneInfo(zone)
            except (KeyError, ValueError, OSError) as error:
                raise SettingsError(
                    f"time zone {zone!r} is unknown; give an IANA name such as America/Bogota"
                ) from error
        for name in ("exclude_cities", "fallback_patterns"):
            for expression in getattr(self, name):
                try:
                    re.compile(expression)
                except (re.error, OverflowError, RecursionError) as error:  # these two of huge ones
                    raise SettingsError(
                        f"{name}: {expression[:200]!r} is not a regular expression: {error}"
                    ) from error
        if self.since and self.until and self.since > self.until:
            raise SettingsError(f"since {self.since} is after until {self.until}: nothing could be kept")

    @property
    def zone(self) -> ZoneInfo:
        """The time zone; `ZoneInfo` caches it."""
        return ZoneInfo(self.time_zone)

    @property
    def naive_zone(self) -> ZoneInfo | None:
        """The zone in which instants without an offset were written, None to take them as they stand."""
        return ZoneInfo(self.naive_time_zone) if self.naive_time_zone else None

    def excludes(self, ciudad: str | None) -> bool:
        """Return whether a user of this city is dropped; one without a city never is."""
        return ciudad is not None and any(re.search(each, ciudad) for each in self.exclude_cities)

    def keeps(self, day: date | None) -> bool:
        """Return whether a conversation of this day is kept; one without a readable day is."""
        if day is None:
            return True
        return (self.since is None or day >= self.since) and (self.until is None or day <= self.until)


class Settings(Struct, frozen=True):
    """Table, bucket, endpoint and keys (contract §6, §7), the rules, the limits of guard and scan.

    ``min_users_percent``: a run with fewer users than this percentage of the last run's publishes nothing;
    0 switches the guard off. ``max_rcu``: read units per second that a scan may use; by default a share of
    what the table provides (`extract.capacity`).

    Raises:
        SettingsError: ``min_users_percent`` is not a whole number from 0 to 100, or ``max_rcu`` is not one
            from 1.

    >>> Settings.from_environment({"S3_BUCKET_NAME": "mine", "CAT_SINCE": "2025-08-01"}).rules.since
    datetime.date(2025, 8, 1)
    """

    table_name: str = "cat-prod-catia-conversations-table"
    bucket: str = "cat-prod-normalize-reports"
    region: str = "us-east-1"
    endpoint_url: str | None = None
    csv_prefix: str = "reports/etl-process1/"
    parquet_prefix: str = "reports/etl-process2/"
    conversations_prefix: str = "reports/conversations/"
    messages_prefix: str = "reports/messages/"
    rejects_prefix: str = "rejects/etl-process1/"
    manifests_prefix: str = "manifests/"
    scripts_prefix: str = "scripts/etl-process2/"
    athena_prefix: str = "athena/results/"
    min_users_percent: int = 50
    max_rcu: int | None = None
    rules: Rules = field(default_factory=Rules)

    def __post_init__(self) -> None:
        percent: object = self.min_users_percent
        if type(percent) is not int or not 0 <= percent <= 100:
            raise SettingsError(f"min_users_percent: {percent!r} is not a whole number from 0 to 100")
        rate: object = self.max_rcu
        if rate is not None and (type(rate) is not int or rate < 1):
            raise SettingsError(f"max_rcu: {rate!r} is not a whole number from 1")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], **given: Any) -> Settings:
        """Read the contract's environment variables; keyword arguments (fields of either class) win.

        Empty variables count as not set. An argument of None leaves the setting unchanged.

        Raises:
            SettingsError: names the variable or argument and shows an example.
        """
        values: dict[str, Any] = {}
        for name, (target, parse, _) in ENVIRONMENT.items():
            if text := environment.get(name, "").strip():
                values[target] = parse(name, text)
        values.update({name: value for name, value in given.items() if value is not None})
        of_rules = Rules.__struct_fields__
        known = {*of_rules, *cls.__struct_fields__} - {"rules"}
        if unknown := sorted(set(values) - known):
            raise SettingsError(
                f"no setting named {', '.join(unknown)}; known are {', '.join(sorted(known))}"
            )
        for name, (form, example) in _FORMS.items():
            if values.get(name) and not re.fullmatch(form, values[name]):
                raise SettingsError(f"{name} {values[name]!r} is not valid; write it as {example}")
        rules = Rules(**{name: value for name, value in values.items() if name in of_rules})
        return cls(rules=rules, **{name: value for name, value in values.items() if name not in of_rules})

    def to_environment(self) -> dict[str, str]:
        """Return the variables that give these settings again: the environment of a child process.

        >>> made = Settings.from_environment({}, bucket="mine", exclude_cities=("a", "b"))
        >>> Settings.from_environment(made.to_environment()) == made
        True
        """
        values = {**structs.asdict(self), **structs.asdict(self.rules)}
        texts = {name: _text(values[target]) for name, (target, _, _) in ENVIRONMENT.items()}
        return {name: text for name, text in texts.items() if text}


def parse_day(name: str, text: str) -> date:
    """Parse a day written as ``2025-08-18`` or ``20250818``; errors call it ``name``.

    >>> parse_day("--run-date", "20250818")
    datetime.date(2025, 8, 18)
    """
    try:
        return date.fromisoformat(text.strip())
    except ValueError as error:
        raise SettingsError(f"{name}: {text!r} is not a day; write it as 2025-08-18 or 20250818") from error


def parse_list(name: str, text: str) -> tuple[str, ...]:
    r"""Parse a list separated by commas; a comma inside an expression is written ``\x2c``.

    >>> parse_list("CAT_EXCLUDE_CITIES", "^Prueba, QA$")
    ('^Prueba', 'QA$')
    """
    return tuple(part.strip() for part in text.split(",") if part.strip())


def parse_percent(name: str, text: str) -> int:
    """Parse a whole number from 0 to 100."""
    if not re.fullmatch(r"0*([0-9]{1,2}|100)", text.strip()):
        raise SettingsError(f"{name}: {text!r} is not a whole number from 0 to 100; write 50 for half")
    return int(text)


def parse_rate(name: str, text: str) -> int:
    """Parse read units per second, a whole number from 1."""
    if not re.fullmatch(r"[1-9][0-9]{0,8}", text.strip()):
        raise SettingsError(f"{name}: {text!r} is not a whole number from 1; write 100, or leave it out")
    return int(text)


def parse_flag(name: str, text: str) -> bool:
    """Parse ``true`` or ``false``; an empty text is ``false``.

    >>> parse_flag("--allow_future", "true"), parse_flag("--allow_future", "")
    (True, False)
    """
    if text not in ("true", "false", ""):
        raise SettingsError(f"{name}: {text!r} is neither true nor false; write true, or leave it out")
    return text == "true"


def refuse_future_days(settings: Settings, run_date: date, today: date) -> None:
    """Raise FutureDateError if the run date or ``since`` is after today (contract §6)."""
    refuse_future(run_date, today)
    if settings.rules.since and settings.rules.since > today:
        raise FutureDateError(
            f"since {settings.rules.since} is after today, {today}: nothing could be kept; correct it"
        )


def refuse_future(run_date: date, today: date) -> None:
    """Raise FutureDateError if the run date is after today: a mistyped one would block later ones (§6)."""
    if run_date > today:
        raise FutureDateError(
            f"run date {run_date} is after today, {today}; nothing was published. Correct the date; if it is "
            "intended, allow it (allow_future, --allow-future)"
        )


def today(time_zone: str, now: datetime | None = None) -> date:
    """Return the default run date: the calendar day in the configured time zone (contract §6).

    >>> today("America/Bogota", datetime(2025, 9, 1, 2, tzinfo=UTC))
    datetime.date(2025, 8, 31)
    """
    return (now or datetime.now(UTC)).astimezone(ZoneInfo(time_zone)).date()


def _text(value: object) -> str:
    return ",".join(value) if isinstance(value, tuple) else "" if value is None else str(value)


def _unchanged(_name: str, text: str) -> str:
    return text


_FORMS = {
    "endpoint_url": (r"https?://\S+", "http://127.0.0.1:5000 (AWS_ENDPOINT_URL)"),
    "region": (r"[a-z0-9-]+", "us-east-1 (AWS_REGION)"),
    "bucket": (r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "cat-prod-normalize-reports (S3_BUCKET_NAME)"),
    "table_name": (r"[A-Za-z0-9_.:/-]{1,1024}", "cat-prod-catia-conversations-table (DYNAMODB_TABLE_NAME)"),
}
"""The form of these settings, and an example."""


class Variable(NamedTuple):
    """A variable of the environment: the field that it sets, how its text is read, and what it is for."""

    target: str
    parse: Callable[[str, str], Any]
    about: str


ENVIRONMENT = {
    "DYNAMODB_TABLE_NAME": Variable("table_name", _unchanged, "The table to read."),
    "S3_BUCKET_NAME": Variable("bucket", _unchanged, "The bucket for CSV, Parquet, rejects and manifests."),
    "AWS_REGION": Variable("region", _unchanged, "The region of table and bucket."),
    "AWS_ENDPOINT_URL": Variable(
        "endpoint_url", _unchanged, "Another endpoint than AWS, such as http://127.0.0.1:5000."
    ),
    "CAT_TIME_ZONE": Variable("time_zone", _unchanged, "The time zone of days, an IANA name."),
    "CAT_NAIVE_TIME_ZONE": Variable(
        "naive_time_zone",
        _unchanged,
        "The time zone of instants without an offset; empty: as they stand.",
    ),
    "CAT_EXCLUDE_CITIES": Variable(
        "exclude_cities",
        parse_list,
        "Regular expressions, separated by commas: users of these cities are dropped.",
    ),
    "CAT_SINCE": Variable("since", parse_day, "The first day to keep, such as 2025-08-18."),
    "CAT_UNTIL": Variable("until", parse_day, "The last day to keep, such as 2025-08-31."),
    "CAT_FALLBACK_PATTERNS": Variable(
        "fallback_patterns",
        parse_list,
        "Regular expressions, separated by commas: what a bot says that has not understood.",
    ),
    "CAT_MIN_USERS_PERCENT": Variable(
        "min_users_percent",
        parse_percent,
        "With fewer users than this percentage of the last run's, nothing is published; 0: always.",
    ),
    "CAT_MAX_RCU": Variable(
        "max_rcu",
        parse_rate,
        "Read units per second that a scan may use; empty: a quarter of what the table provides.",
    ),
}
