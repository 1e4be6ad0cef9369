"""What a notebook works in: settings, run date, a folder for its files, and clients.

With ``local`` a notebook needs nothing prepared: the local AWS that the environment names is used, or one
is started for as long as the kernel lives, and what an earlier stage should have left is made first.
"""

from __future__ import annotations

import atexit
import json
import os
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from cat_lab import parameters as values
from cat_lab import prerequisites as earlier
from cat_normalize.core import aws, layout
from cat_normalize.core.errors import UsageError
from cat_normalize.core.files import atomic_file, write_bytes
from cat_normalize.core.manifest import Etl1Manifest, Etl2Manifest, Summary
from cat_normalize.core.settings import Rules, Settings, parse_day
from cat_normalize.extract import Extracted, extract_files, extract_table, partitions
from cat_normalize.normalize.files import normalize_files
from cat_normalize.normalize.publish import publish

if TYPE_CHECKING:
    import pandas as pd

Stage = Literal["extract", "normalize", "convert", "query"]
STAGES: tuple[Stage, ...] = ("extract", "normalize", "convert", "query")
_RULES = "rules.json"


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
    def table_uri(self) -> str:
        """The table, as an extract and a manifest name it."""
        return f"dynamodb://{self.settings.table_name}"

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

    def extract(self, segments: int = 4, count: int = 16, paths: Sequence[str] = ()) -> Extracted:
        """Read the table, or the item files or export at `paths`, into `count` raw partitions."""
        values.check(segments=segments, partitions=count)
        if paths:
            return extract_files(paths, self.raw, count, settings=self.settings)
        client = self.client("dynamodb")
        return extract_table(client, self.settings.table_name, self.raw, segments, count)

    def source(self) -> str | None:
        """Return what the raw partitions were read from, None where there are none."""
        record = self.raw / partitions.RECORD
        return str(json.loads(record.read_bytes())["source"]) if record.is_file() else None

    def normalize(self, workers: int = 1) -> Summary:
        """Normalise the raw partitions into `csv` and `rejects`."""
        values.check(workers=workers)
        write_bytes(self.folder / _RULES, msgspec.json.encode(self.settings.rules))
        return normalize_files([self.raw], self.csv, self.rejects, self.settings.rules, workers)

    def with_kept_rules(self) -> Workspace:
        """Return the workspace with the rules that the CSV in its folder was last made under."""
        kept = self.folder / _RULES
        if not kept.is_file():
            return self
        rules = msgspec.json.decode(kept.read_bytes(), type=Rules)
        return replace(self, settings=msgspec.structs.replace(self.settings, rules=rules))

    def publish(
        self, summary: Summary, allow_shrink: bool = False, allow_future: bool = False
    ) -> Etl1Manifest:
        """Publish `csv`, `rejects` and their manifest, which is returned."""
        return publish(
            self.settings,
            self.run_date,
            self.csv,
            self.rejects,
            summary,
            self.client("s3"),
            source=self.source(),
            allow_shrink=allow_shrink,
            allow_future=allow_future,
        )

    def convert(self, memory: str = "2g", allow_future: bool = False) -> Etl2Manifest:
        """Convert the day's CSV to the one Parquet object with Spark; return ETL-2's manifest, published."""
        from cat_lab import spark
        from cat_normalize.convert import convert_csv, publish_manifest

        values.check(memory=memory)
        s3 = self.client("s3")
        with spark.running(self.settings, memory) as session:
            done = convert_csv(
                session,
                self.csv_uri,
                self.parquet_uri,
                s3,
                self.run_date,
                allow_future=allow_future,
                time_zone=self.settings.rules.time_zone,
            )
        return publish_manifest(self.settings, self.run_date, done, s3)

    def compare(self) -> int:
        """Return how many rows the day's CSV and the copy of the Parquet have, equal and in order.

        Raises:
            ConvertError: they differ.
        """
        from cat_lab.report.compare import same_rows

        bucket, key = layout.split_s3(self.csv_uri)
        with tempfile.TemporaryFile() as copy:
            self.client("s3").download_fileobj(bucket, key, copy)
            copy.seek(0)
            return same_rows(copy, self.csv_uri, self.parquet)

    def manifest(self, process: int) -> dict[str, Any] | None:
        """Return the day's manifest of ETL-``process``, None where there is none."""
        key = layout.manifest_key(self.settings, process, self.run_date)
        if self.head(layout.s3_uri(self.settings.bucket, key)) is None:
            return None
        body = self.client("s3").get_object(Bucket=self.settings.bucket, Key=key)["Body"].read()
        found: dict[str, Any] = json.loads(body)
        return found

    def head(self, uri: str) -> dict[str, Any] | None:
        """Return what S3 lists of an object (its ``Size`` and ``ETag``), None where there is none."""
        bucket, key = layout.split_s3(uri)
        found = self.client("s3").list_objects_v2(Bucket=bucket, Prefix=key).get("Contents", [])
        return next((each for each in found if each["Key"] == key), None)

    def fetch_parquet(self) -> Path:
        """Copy the published Parquet to `parquet`, whole or not at all."""
        bucket, key = layout.split_s3(self.parquet_uri)
        with atomic_file(self.parquet) as stream:
            self.client("s3").download_fileobj(bucket, key, stream)
        return self.parquet

    def ask(self, name: str, **parameters: int) -> pd.DataFrame:
        """Answer a named query: through Athena, or on the local AWS the same SQL through DuckDB."""
        from cat_lab.local_athena import run_local
        from cat_normalize.query import run_athena

        if self.local:
            return run_local(name, self.parquet, **parameters)
        return run_athena(name, self.settings, **parameters)


_kept = ExitStack()
atexit.register(_kept.close)


def open_workspace(stage: Stage, local: bool, run_date: str, work_dir: str, **given: Any) -> Workspace:
    """Open the workspace of one stage.

    On the local AWS missing outputs of earlier stages are built first, as are those of another table or of
    an older CSV; on an AWS account they are refused.

    Args:
        stage: which stage is about to run.
        local: the local AWS; otherwise the account that boto3's credentials open.
        run_date: the day that names the outputs, as ``2025-09-15`` or ``20250915``.
        work_dir: the folder for raw partitions and copies; made if need be.
        given: settings that win over the environment's; an empty text or list counts as not given.

    Raises:
        ParameterError: a parameter cannot be; the message tells of all that cannot.
        SettingsError: a setting of the environment cannot be read.
        UsageError: the folder holds the files of a run elsewhere.
        InputError: on an AWS account, what the stage reads is missing, or of another table or CSV.
        LocalAwsError: the local AWS did not start.
    """
    values.check(run_date=run_date, **given)
    settings = Settings.from_environment(os.environ, **_values(given))
    folder = Path(work_dir)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _claim(folder, local)
    if local and settings.endpoint_url is None:
        settings = _start_local(settings, folder)
    space = Workspace(settings, parse_day("run_date", run_date), folder, local)
    earlier.prepare(space, stage)
    return space


def _claim(folder: Path, local: bool) -> None:
    """Keep the files of the sample and those of an account out of one folder."""
    mark, here = folder / ".aws", "the local AWS" if local else "an AWS account"
    there = mark.read_text() if mark.is_file() else here
    if there != here:
        raise UsageError(f"{folder} holds the files of {there}; for {here} give another work_dir")
    mark.write_text(here)


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
    from cat_lab.local import running

    started = _kept.enter_context(running(settings, folder))
    _kept.enter_context(started.activate())
    return started.settings
