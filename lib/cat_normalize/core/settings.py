"""What can be configured, read once into typed objects (contract §6, §7)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from cat_normalize.core.errors import FutureDateError, SettingsError


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings that change rows: time zone and filters (contract §2), all filters off by default.

    Args:
        time_zone: IANA name; an instant with an offset is moved there before its date is taken.
        exclude_cities: regular expressions; a user whose ``ciudad`` one of them finds is dropped.
        since: first day kept; earlier conversations are dropped.
        until: last day kept; later conversations are dropped.

    Raises:
        SettingsError: an unknown time zone, a broken expression, or ``since`` after ``until``.

    >>> Rules(exclude_cities=("^Prueba",)).excludes("Prueba Norte"), Rules().excludes("Prueba")
    (True, False)
    """

    time_zone: str = "America/Bogota"
    exclude_cities: tuple[str, ...] = ()
    since: date | None = None
    until: date | None = None
    zone: ZoneInfo = field(init=False, repr=False, compare=False)
    _cities: tuple[re.Pattern[str], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "zone", ZoneInfo(self.time_zone))
        except (KeyError, ValueError, OSError) as error:
            raise SettingsError(
                f"time zone {self.time_zone!r} is unknown; give an IANA name such as America/Bogota"
            ) from error
        try:
            object.__setattr__(self, "_cities", tuple(re.compile(each) for each in self.exclude_cities))
        except re.error as error:
            raise SettingsError(
                f"exclude_cities: {error.pattern!r} is not a regular expression: {error}"
            ) from error
        if self.since and self.until and self.since > self.until:
            raise SettingsError(f"since {self.since} is after until {self.until}: nothing could be kept")

    def excludes(self, ciudad: str | None) -> bool:
        """Tell whether a user of this city is dropped; an unknown city never is."""
        return ciudad is not None and any(pattern.search(ciudad) for pattern in self._cities)

    def keeps(self, day: date | None) -> bool:
        """Tell whether a conversation of this day stays; one without a readable day does."""
        if day is None:
            return True
        return (self.since is None or day >= self.since) and (self.until is None or day <= self.until)


@dataclass(frozen=True, slots=True)
class Settings:
    """Where things are (contract §6, §7), the rules that apply, and how few users are too few.

    ``min_users_percent``: a run with fewer users than so many of a hundred of the last run's publishes
    nothing; 0 lets any number pass.

    Raises:
        SettingsError: ``min_users_percent`` is no whole number from 0 to 100.

    >>> Settings.from_environment({"S3_BUCKET_NAME": "mine", "CAT_SINCE": "2025-08-01"}).rules.since
    datetime.date(2025, 8, 1)
    """

    table_name: str = "cat-prod-catia-conversations-table"
    bucket: str = "cat-prod-normalize-reports"
    region: str = "us-east-1"
    endpoint_url: str | None = None
    csv_prefix: str = "reports/etl-process1/"
    parquet_prefix: str = "reports/etl-process2/"
    rejects_prefix: str = "rejects/etl-process1/"
    manifests_prefix: str = "manifests/"
    scripts_prefix: str = "scripts/etl-process2/"
    athena_prefix: str = "athena/results/"
    min_users_percent: int = 50
    rules: Rules = field(default_factory=Rules)

    def __post_init__(self) -> None:
        percent: object = self.min_users_percent
        if type(percent) is not int or not 0 <= percent <= 100:
            raise SettingsError(f"min_users_percent: {percent!r} is no whole number from 0 to 100")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], **given: Any) -> Settings:
        """Read the contract's environment names; keyword arguments (fields of either class) win.

        Empty variables count as not set. An argument of None leaves the setting alone.

        Raises:
            SettingsError: naming the variable or argument and what it should look like.
        """
        values: dict[str, Any] = {}
        for name, (target, read) in ENVIRONMENT.items():
            if text := environment.get(name, "").strip():
                values[target] = read(name, text)
        values.update({name: value for name, value in given.items() if value is not None})
        of_rules = {f.name for f in fields(Rules) if f.init}
        known = of_rules | {f.name for f in fields(cls)} - {"rules"}
        if unknown := sorted(set(values) - known):
            raise SettingsError(
                f"no setting named {', '.join(unknown)}; there are {', '.join(sorted(known))}"
            )
        for name, (form, example) in _FORMS.items():
            if values.get(name) and not re.fullmatch(form, values[name]):
                raise SettingsError(f"{name} {values[name]!r} cannot be; write it as {example}")
        rules = Rules(**{name: value for name, value in values.items() if name in of_rules})
        return cls(rules=rules, **{name: value for name, value in values.items() if name not in of_rules})

    def to_environment(self) -> dict[str, str]:
        """Return the variables that give these settings again: what a child process is handed.

        >>> made = Settings.from_environment({}, bucket="mine", exclude_cities=("a", "b"))
        >>> Settings.from_environment(made.to_environment()) == made
        True
        """
        rules = self.rules
        values = {
            "DYNAMODB_TABLE_NAME": self.table_name,
            "S3_BUCKET_NAME": self.bucket,
            "AWS_REGION": self.region,
            "AWS_ENDPOINT_URL": self.endpoint_url or "",
            "CAT_TIME_ZONE": rules.time_zone,
            "CAT_EXCLUDE_CITIES": ",".join(rules.exclude_cities),
            "CAT_SINCE": rules.since.isoformat() if rules.since else "",
            "CAT_UNTIL": rules.until.isoformat() if rules.until else "",
            "CAT_MIN_USERS_PERCENT": str(self.min_users_percent),
        }
        return {name: value for name, value in values.items() if value}


def parse_day(name: str, text: str) -> date:
    """Read a day given as ``2025-08-18`` or ``20250818``.

    Raises:
        SettingsError: naming what was being read.

    >>> parse_day("--run-date", "20250818")
    datetime.date(2025, 8, 18)
    """
    try:
        return date.fromisoformat(text.strip())
    except ValueError as error:
        raise SettingsError(f"{name}: {text!r} is not a day; write it as 2025-08-18 or 20250818") from error


def parse_list(name: str, text: str) -> tuple[str, ...]:
    r"""Read a list separated by commas; a comma inside an expression is written ``\x2c``.

    >>> parse_list("CAT_EXCLUDE_CITIES", "^Prueba, QA$")
    ('^Prueba', 'QA$')
    """
    return tuple(part.strip() for part in text.split(",") if part.strip())


def parse_percent(name: str, text: str) -> int:
    """Read a share in percent, a whole number from 0 to 100.

    Raises:
        SettingsError: naming what was being read.

    >>> parse_percent("CAT_MIN_USERS_PERCENT", "50")
    50
    """
    if not re.fullmatch(r"0*([0-9]{1,2}|100)", text.strip()):
        raise SettingsError(f"{name}: {text!r} is no whole number from 0 to 100; write 50 for half")
    return int(text)


def parse_flag(name: str, text: str) -> bool:
    """Read ``true`` or ``false``; nothing is ``false``.

    Raises:
        SettingsError: naming what was being read.

    >>> parse_flag("--allow_future", "true"), parse_flag("--allow_future", "")
    (True, False)
    """
    if text not in ("true", "false", ""):
        raise SettingsError(f"{name}: {text!r} is neither true nor false; write true, or leave it out")
    return text == "true"


def refuse_future_days(settings: Settings, run_date: date, today: date) -> None:
    """Refuse a run date or a first day to keep that has not come yet.

    Raises:
        FutureDateError: one has not.
    """
    refuse_future(run_date, today)
    if settings.rules.since and settings.rules.since > today:
        raise FutureDateError(
            f"since {settings.rules.since} is after today, {today}: nothing could be kept; correct it"
        )


def refuse_future(run_date: date, today: date) -> None:
    """Refuse a run date that has not come yet: one mistyped would keep the later ones out (contract §6).

    Raises:
        FutureDateError: the run date is after today.

    >>> refuse_future(date(2025, 9, 1), date(2025, 9, 1))
    >>> refuse_future(date(2035, 9, 1), date(2025, 9, 1))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    cat_normalize.core.errors.FutureDateError: run date 2035-09-01 is after today, 2025-09-01; ...
    """
    if run_date > today:
        raise FutureDateError(
            f"run date {run_date} is after today, {today}; nothing was published. Correct the date; if it is "
            "meant, allow it (allow_future, --allow-future)"
        )


def today(time_zone: str, now: datetime | None = None) -> date:
    """Return the run date: the calendar day in the configured time zone (contract §6).

    >>> today("America/Bogota", datetime(2025, 9, 1, 2, tzinfo=UTC))
    datetime.date(2025, 8, 31)
    """
    return (now or datetime.now(UTC)).astimezone(ZoneInfo(time_zone)).date()


def _text(_name: str, text: str) -> str:
    return text


_FORMS = {
    "endpoint_url": (r"https?://\S+", "http://127.0.0.1:5000 (AWS_ENDPOINT_URL)"),
    "region": (r"[a-z0-9-]+", "us-east-1 (AWS_REGION)"),
    "bucket": (r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "cat-prod-normalize-reports (S3_BUCKET_NAME)"),
    "table_name": (r"[A-Za-z0-9_.:/-]{1,1024}", "cat-prod-catia-conversations-table (DYNAMODB_TABLE_NAME)"),
}
"""What these settings look like, and an example."""
ENVIRONMENT: dict[str, tuple[str, Callable[[str, str], Any]]] = {
    "DYNAMODB_TABLE_NAME": ("table_name", _text),
    "S3_BUCKET_NAME": ("bucket", _text),
    "AWS_REGION": ("region", _text),
    "AWS_ENDPOINT_URL": ("endpoint_url", _text),
    "CAT_TIME_ZONE": ("time_zone", _text),
    "CAT_EXCLUDE_CITIES": ("exclude_cities", parse_list),
    "CAT_SINCE": ("since", parse_day),
    "CAT_UNTIL": ("until", parse_day),
    "CAT_MIN_USERS_PERCENT": ("min_users_percent", parse_percent),
}
