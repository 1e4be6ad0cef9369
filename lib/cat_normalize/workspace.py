"""What a notebook works in: settings, run date, a folder for its files, and clients.

With ``local`` a notebook needs nothing prepared: the local AWS that the environment names is used, or one
is started for as long as the kernel lives, and what an earlier stage should have left is made first.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cat_normalize import aws, layout, manifest, partitions, values
from cat_normalize.etl1 import normalize_files
from cat_normalize.extract import Extracted, extract_table
from cat_normalize.normalize import Summary
from cat_normalize.settings import Settings, parse_day

if TYPE_CHECKING:
    import pandas as pd

Stage = Literal["extract", "normalize", "convert", "query"]
STAGES: tuple[Stage, ...] = ("extract", "normalize", "convert", "query")


@dataclass(frozen=True, slots=True)
class Workspace:
    """Where one run of the pipeline reads and writes."""

    settings: Settings
    run_date: date
    folder: Path
    local: bool

    @property
    def raw(self) -> Path:
        """The folder of the raw partitions."""
        return self.folder / "raw"

    @property
    def csv(self) -> Path:
        """The CSV before it is published."""
        return self.folder / Path(self.csv_key).name

    @property
    def rejects(self) -> Path:
        """The rejects before they are published."""
        return self.folder / "rejects.jsonl"

    @property
    def parquet(self) -> Path:
        """The copy on disk of the published Parquet."""
        return self.folder / layout.PARQUET_NAME

    @property
    def csv_key(self) -> str:
        """The key of the day's CSV."""
        return layout.csv_key(self.settings, self.run_date)

    @property
    def csv_uri(self) -> str:
        """The address of the day's CSV."""
        return layout.s3_uri(self.settings.bucket, self.csv_key)

    @property
    def parquet_uri(self) -> str:
        """The address of the one Parquet object."""
        return layout.s3_uri(self.settings.bucket, layout.parquet_key(self.settings))

    def client(self, service: str) -> Any:
        """Return a boto3 client for one service."""
        return aws.client(self.settings, service)

    def extract(self, segments: int = 4, count: int = 16) -> Extracted:
        """Scan the table into `count` raw partitions, `segments` side by side."""
        values.check(segments=segments, partitions=count)
        client = self.client("dynamodb")
        return extract_table(client, self.settings.table_name, self.raw, segments, count)

    def normalize(self, workers: int = 1) -> Summary:
        """Normalise the raw partitions into `csv` and `rejects`."""
        values.check(workers=workers)
        return normalize_files([self.raw], self.csv, self.rejects, self.settings.rules, workers)

    def publish(self, summary: Summary) -> dict[str, Any]:
        """Publish `csv`, `rejects` and their manifest, which is returned."""
        s3 = self.client("s3")
        return manifest.publish_etl1(self.settings, self.run_date, self.csv, self.rejects, summary, s3)

    def convert(self, memory: str = "1g") -> dict[str, Any]:
        """Convert the day's CSV to the one Parquet object with Spark; return ETL-2's manifest, published."""
        from cat_normalize import convert, spark

        values.check(memory=memory)
        s3 = self.client("s3")
        with spark.running(self.settings, memory) as session:
            done = convert.convert(session, self.csv_uri, self.parquet_uri, s3, self.run_date)
        return manifest.publish_etl2(self.settings, self.run_date, done, s3)

    def fetch_parquet(self) -> Path:
        """Copy the published Parquet to `parquet`, whole or not at all."""
        from cat_normalize.publish import writing

        bucket, key = layout.split_s3(self.parquet_uri)
        with writing(self.parquet) as stream:
            self.client("s3").download_fileobj(bucket, key, stream)
        return self.parquet

    def ask(self, name: str, **parameters: int) -> pd.DataFrame:
        """Answer a named query: through Athena, or on the local AWS the same SQL through DuckDB."""
        from cat_normalize import query

        if self.local:
            return query.run_local(name, self.parquet, **parameters)
        return query.run_athena(name, self.settings, **parameters)


_kept = ExitStack()
atexit.register(_kept.close)


def open_workspace(stage: Stage, local: bool, run_date: str, work_dir: str, **given: Any) -> Workspace:
    """Open the workspace of one stage.

    Args:
        stage: which stage is about to run.
        local: the local AWS; otherwise the account that boto3's credentials open.
        run_date: the day that names the outputs, as ``2025-09-15`` or ``20250915``.
        work_dir: the folder for raw partitions and copies; made if need be.
        given: settings that win over the environment's; an empty text or list counts as not given.

    Raises:
        ParameterError: a parameter cannot be; the message tells of all that cannot.
        SettingsError: a setting of the environment cannot be read.
        LocalAwsError: the local AWS did not start.
    """
    values.check(run_date=run_date, **given)
    settings = Settings.from_environment(os.environ, **_values(given))
    folder = Path(work_dir)
    folder.mkdir(parents=True, exist_ok=True)
    if local and settings.endpoint_url is None:
        settings = _start_local(settings, folder)
    space = Workspace(settings, parse_day("run_date", run_date), folder, local)
    if local:
        _EARLIER[stage](space)
    return space


def _values(given: dict[str, Any]) -> dict[str, Any]:
    """Read settings as a notebook's parameters hold them: days as text, lists, and blanks for not given."""
    read = {name: value for name, value in given.items() if value}
    for name in {"since", "until"} & set(read):
        read[name] = parse_day(name, read[name])
    for name in {"exclude_cities"} & set(read):
        read[name] = tuple(read[name])
    return read


def _start_local(settings: Settings, folder: Path) -> Settings:
    """Start a local AWS that ends with this process, and make it the process's AWS."""
    from cat_normalize.local import running

    started = _kept.enter_context(running(settings, folder))
    _kept.enter_context(started.activate())
    return started.settings


def _ensure_nothing(space: Workspace) -> None:
    """Leave the first stage what it wants: a table."""


def _ensure_raw(space: Workspace) -> None:
    if not (space.raw / partitions.RECORD).is_file():
        space.extract()


def _ensure_csv(space: Workspace) -> None:
    if not _published(space, space.csv_uri):
        _ensure_raw(space)
        space.publish(space.normalize())


def _ensure_parquet(space: Workspace) -> None:
    if not _published(space, space.parquet_uri):
        _ensure_csv(space)
        space.convert()


_EARLIER: dict[Stage, Callable[[Workspace], None]] = {
    "extract": _ensure_nothing,
    "normalize": _ensure_raw,
    "convert": _ensure_csv,
    "query": _ensure_parquet,
}


def _published(space: Workspace, uri: str) -> bool:
    bucket, key = layout.split_s3(uri)
    found = space.client("s3").list_objects_v2(Bucket=bucket, Prefix=key).get("Contents", [])
    return any(each["Key"] == key for each in found)
