"""The environments: names, sizes, schedule, table, rules, and whether data outlives its stack."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from cat_normalize.core.errors import SettingsError
from cat_normalize.core.settings import Rules, Settings

Architecture = Literal["arm64", "x86_64"]


@dataclass(frozen=True, slots=True)
class Environment:
    """One environment; the names of sizes give their units.

    ``account`` binds the stacks to an account: with credentials of another the CDK refuses to deploy. With
    None they go to the account of the credentials. ``alarm_key`` encrypts the alarms' topic with a KMS key of
    its own, which costs 1 dollar a month; otherwise the topic is not encrypted, and an alarm's text has
    names and counts but nobody's data. ``analysts`` are the ARNs of the users, roles or accounts (``…:root``)
    that may assume the role that queries the tables and reads nothing else; without any there is none.
    ``csv_days`` is how long CSVs are kept, None for ever (docs/deploy.md says what is lost).

    ``keep`` retains buckets, logs and catalogue when a stack is deleted. ``etl1`` says where ETL-1 runs; with
    ``spark`` the Lambda is not created (docs/scale.md). ``concurrency`` is the Lambda's reserved concurrency:
    1, so that two runs never write one day's files at once. ``stale_hours`` after the end of its run date a
    table is too old (`jobs.freshness`). Time zones and patterns are those of `Rules`. ``max_rcu`` is how many
    read units a second the nightly scan may use; with None a quarter of what the table provides.
    ``table_key`` is the ARN of the KMS key that the table is encrypted with, if that is a customer's own.
    ``bucket`` is another name than the contract's, which somebody else may have taken; that of the access log
    begins with it.
    """

    name: str
    table: str
    schedule: bool
    keep: bool
    log_days: int
    old_version_days: int
    rejects_days: int
    scan_limit_bytes: int
    account: str | None = None
    alarm_key: bool = False
    analysts: tuple[str, ...] = ()
    csv_days: int | None = None
    region: str = Settings().region
    etl1: Literal["lambda", "spark"] = "lambda"
    architecture: Architecture = "arm64"
    concurrency: int = 1
    memory_mb: int = 1024
    scratch_mb: int = 10240
    glue_workers: int = 2
    glue_minutes: int = 60
    spark_workers: int = 10
    spark_minutes: int = 480
    export_days: int = 2
    rejected_percent: float = 1.0
    stale_hours: int = 26
    time_zone: str = Rules().time_zone
    naive_time_zone: str | None = None
    fallback_patterns: tuple[str, ...] = Rules().fallback_patterns
    max_rcu: int | None = None
    table_key: str | None = None
    bucket: str | None = None

    def __post_init__(self) -> None:
        """Refuse what would be deployed and not work, or be open to others.

        Raises:
            SettingsError: the account is not an account's number, an analyst not the ARN of somebody, or the
                table's key not that of a key.
        """
        if self.account is not None and not re.fullmatch(r"[0-9]{12}", self.account):
            raise SettingsError(
                f"environment {self.name}: account {self.account!r} is not one; write its 12 digits as text"
            )
        if self.table_key is not None and not re.fullmatch(
            r"arn:aws:kms:[a-z0-9-]+:[0-9]{12}:key/[a-z0-9-]+", self.table_key
        ):
            raise SettingsError(
                f"environment {self.name}: table_key {self.table_key!r} is no key's ARN, and IAM knows no "
                "alias; write SSEDescription.KMSMasterKeyArn of aws dynamodb describe-table"
            )
        for analyst in self.analysts:
            if not re.fullmatch(r"arn:aws:iam::[0-9]{12}:(root|(user|role)/[^*]+)", analyst):
                raise SettingsError(
                    f"environment {self.name}: analyst {analyst!r} is nobody's ARN; "
                    "write that of a user, a role, or an account (arn:aws:iam::123456789012:root)"
                )

    def named(self, name: str) -> str:
        """Return this environment's form of a name of prod: ``cat-test-…`` for ``cat-prod-…``."""
        return name.replace("prod", self.name)

    @property
    def settings(self) -> Settings:
        """Return the settings of the Lambda and the Glue jobs.

        Raises:
            SettingsError: a zone is unknown, or a pattern cannot be deployed.
        """
        rules = Rules(
            time_zone=self.time_zone,
            naive_time_zone=self.naive_time_zone,
            fallback_patterns=self.fallback_patterns,
        )
        bucket = self.bucket or self.named(Settings().bucket)
        made = Settings(
            table_name=self.table, bucket=bucket, region=self.region, max_rcu=self.max_rcu, rules=rules
        )
        for pattern in self.fallback_patterns:
            if not pattern.isascii():
                escaped = pattern.encode("ascii", "backslashreplace").decode()
                raise SettingsError(
                    f"environment {self.name}: fallback_patterns: {pattern!r} becomes an argument of a Glue "
                    f"job, which may not keep letters beyond ASCII; write {escaped}"
                )
        if Settings.from_environment(made.to_environment()) != made:
            raise SettingsError(
                f"environment {self.name}: fallback_patterns must not be empty, and commas separate them; "
                r"write a comma inside a pattern as \x2c"
            )
        return made


PROD = Environment(
    name="prod",
    table=Settings().table_name,
    schedule=True,
    keep=True,
    log_days=90,
    old_version_days=30,
    rejects_days=90,
    scan_limit_bytes=10 * 1024**3,
)
TEST = Environment(
    name="test",
    table=Settings().table_name.replace("prod", "test"),
    schedule=False,
    keep=False,
    log_days=7,
    old_version_days=1,
    rejects_days=7,
    scan_limit_bytes=1024**3,
    scratch_mb=2048,
)
ENVIRONMENTS = {environment.name: environment for environment in (PROD, TEST)}


def environment(name: str) -> Environment:
    """Return the environment of that name.

    Raises:
        SettingsError: there is none.
    """
    try:
        return ENVIRONMENTS[name]
    except KeyError:
        known = " or ".join(ENVIRONMENTS)
        raise SettingsError(f"no environment {name!r}; give -c env={known}") from None
