"""Give a notebook its workspace: settings, run date, a folder for its files, and AWS clients.

With ``local`` a notebook needs no preparation: it uses the local AWS named in the environment, or starts one
that ends with the kernel. Missing outputs of earlier stages are built first.
"""

from __future__ import annotations

import atexit
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from cat_lab.parameters import check_parameters
from cat_lab.prerequisites import build_prerequisites, find_problems
from cat_lab.report import display
from cat_lab.stages import COPIES, Opened
from cat_normalize.core import aws, layout, manifest
from cat_normalize.core.errors import UsageError
from cat_normalize.core.files import atomic_file, write_bytes
from cat_normalize.core.manifest import Etl1Manifest, Etl2Manifest, Output, Summary
from cat_normalize.core.schema import USERS
from cat_normalize.core.settings import Rules, Settings, parse_day
from cat_normalize.extract import Extracted, extract_files, extract_table, item_files
from cat_normalize.normalize import normalize_files, publish_outputs

if TYPE_CHECKING:
    import pandas as pd

_RULES = "rules.json"


@dataclass(frozen=True, slots=True)
class Workspace:
    """The places where one run of the pipeline reads and writes."""

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
        """The path of the CSV before it is published."""
        return self.folder / Path(self.csv_uri).name

    @property
    def rejects(self) -> Path:
        """The path of the rejects before they are published."""
        return self.folder / "rejects.jsonl"

    @property
    def tables(self) -> dict[str, Path]:
        """The paths of the copies of the published Parquet objects, by table."""
        return {table: self.folder / name for table, name in COPIES.items()}

    @property
    def table_uri(self) -> str:
        """The table's URI, as an extract's record and a manifest have it."""
        return f"dynamodb://{self.settings.table_name}"

    @property
    def csv_uri(self) -> str:
        """The URI of the day's CSV."""
        return layout.s3_uri(self.settings.bucket, layout.csv_key(self.settings, self.run_date))

    @property
    def table_uris(self) -> dict[str, str]:
        """The URIs of the Parquet objects, by table."""
        return layout.table_uris(self.settings)

    def client(self, service: str) -> Any:
        """Return a boto3 client for one service."""
        return aws.client(self.settings, service)

    def extract(
        self, segments: int = 4, count: int = 16, paths: Sequence[str] = (), max_rcu: int = 0
    ) -> Extracted:
        """Copy the table, or the item files or export at `paths`, to `count` raw partitions.

        Before a scan whose rate is limited its estimate is printed; ``max_rcu`` 0 is the settings' limit.
        """
        check_parameters(segments=segments, partitions=count, max_rcu=max_rcu)
        if paths:
            return extract_files(paths, self.raw, count, settings=self.settings)
        client = self.client("dynamodb")
        return extract_table(
            client, self.settings.table_name, self.raw, segments, count,
            max_rcu=max_rcu or self.settings.max_rcu,
            before=lambda _, scan: scan.max_rcu and sys.stdout.write(f"{scan}\n"),
        )  # fmt: skip

    def source(self) -> str | None:
        """Return the source of the raw partitions, None if there are none."""
        record = self.raw / item_files.RECORD
        return str(json.loads(record.read_bytes())["source"]) if record.is_file() else None

    def normalize(self, workers: int = 1) -> Summary:
        """Normalize the raw partitions into `csv` and `rejects`."""
        check_parameters(workers=workers)
        write_bytes(self.folder / _RULES, msgspec.json.encode(self.settings.rules))
        return normalize_files([self.raw], self.csv, self.rejects, self.settings.rules, workers)

    def with_last_rules(self) -> Workspace:
        """Return the workspace with the rules of the last `normalize` in its folder."""
        file = self.folder / _RULES
        if not file.is_file():
            return self
        rules = msgspec.json.decode(file.read_bytes(), type=Rules)
        return replace(self, settings=msgspec.structs.replace(self.settings, rules=rules))

    def publish(
        self, summary: Summary, allow_shrink: bool = False, allow_future: bool = False
    ) -> Etl1Manifest:
        """Publish `csv`, `rejects` and their manifest; return the manifest."""
        return publish_outputs(
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
        """Convert the day's CSV to the Parquet objects with Spark; publish and return ETL-2's manifest."""
        from cat_lab import spark
        from cat_normalize.convert import convert_csv, publish_manifest

        check_parameters(memory=memory)
        s3 = self.client("s3")
        with spark.running(self.settings, memory) as session:
            done = convert_csv(
                session,
                self.csv_uri,
                self.table_uris,
                s3,
                self.run_date,
                allow_future=allow_future,
                rules=self._rules_of_csv(),
            )
        return publish_manifest(self.settings, self.run_date, done, s3)

    def _rules_of_csv(self) -> Rules:
        """Return the rules, with the zones that the day's CSV was made under."""
        rules, made = self.settings.rules, self.manifest_etl1()
        if made is None:
            return rules
        zones = made.settings.rules
        return msgspec.structs.replace(
            rules, time_zone=zones.time_zone, naive_time_zone=zones.naive_time_zone
        )

    def compare(self) -> int:
        """Check that the day's CSV and the copy of ``users`` have equal rows in order; return how many.

        Raises:
            ConvertError: they differ.
        """
        from cat_lab.report import same_rows

        bucket, key = layout.split_s3(self.csv_uri)
        with tempfile.TemporaryFile() as copy:
            self.client("s3").download_fileobj(bucket, key, copy)
            copy.seek(0)
            return same_rows(copy, self.csv_uri, self.tables[USERS.name])

    def manifest_etl1(self) -> Etl1Manifest | None:
        """Return the day's manifest of ETL-1, None if there is none."""
        return manifest.read(Etl1Manifest, self.settings, self.run_date, self.client("s3"))

    def manifest_etl2(self) -> Etl2Manifest | None:
        """Return the day's manifest of ETL-2, None if there is none."""
        return manifest.read(Etl2Manifest, self.settings, self.run_date, self.client("s3"))

    def head(self, uri: str) -> dict[str, Any] | None:
        """Return what S3 lists of an object (``Size`` and ``ETag``), None if it does not exist."""
        bucket, key = layout.split_s3(uri)
        found = self.client("s3").list_objects_v2(Bucket=bucket, Prefix=key).get("Contents", [])
        return next((each for each in found if each["Key"] == key), None)

    def fetch_tables(self) -> dict[str, Path]:
        """Copy the published Parquet objects to `tables`, each whole or not at all."""
        for name, uri in self.table_uris.items():
            self._fetch(uri, self.tables[name])
        return self.tables

    def fetch_published(self) -> dict[str, Path]:
        """Copy what is published of this run and not in the folder; return its tables, {} if there are none.

        A CSV and rejects of this folder that were never published stay: where every item was rejected, they
        are all there is.
        """
        problems, published = find_problems(self), self.manifest_etl1()
        if published and not problems["normalize"]:
            rejects = layout.s3_uri(self.settings.bucket, layout.rejects_key(self.settings, self.run_date))
            for uri, path in ((self.csv_uri, self.csv), (rejects, self.rejects)):
                if not path.is_file() or Output.of(path, uri) not in published.outputs:
                    self._fetch(uri, path)
        return {} if problems["convert"] else self.fetch_tables()

    def _fetch(self, uri: str, path: Path) -> None:
        bucket, key = layout.split_s3(uri)
        with atomic_file(path) as stream:
            self.client("s3").download_fileobj(bucket, key, stream)

    def query(self, name: str, **parameters: Any) -> pd.DataFrame:
        """Run a named query: with Athena, or on the local AWS with DuckDB, from the same SQL.

        A default period ends by the run's day.
        """
        from cat_normalize.query import load, run_athena

        if "run_date" in (parameter.name for parameter in load(name).accepted):
            parameters = {"run_date": self.run_date, **parameters}
        if self.local:
            from cat_lab.local_athena import run_local

            return run_local(name, self.tables, **parameters)
        return run_athena(name, self.settings, **parameters)


_closed_at_exit = ExitStack()
atexit.register(_closed_at_exit.close)


def open_workspace(opened: Opened, local: bool, run_date: str, work_dir: str, **given: Any) -> Workspace:
    """Open the workspace of one notebook.

    On the local AWS, outputs of earlier stages that are missing, of another table or of an older CSV are
    built first, and each is announced on stdout; on an AWS account they are an error.

    Args:
        opened: which stage is about to run, or ``investigate``.
        local: use the local AWS; otherwise your AWS account, with boto3's credentials.
        run_date: the day that names the outputs, as ``2025-09-15`` or ``20250915``.
        work_dir: the folder for raw partitions and copies; created if it does not exist.
        given: settings that override the environment; an empty text or list counts as not given.

    Raises:
        ParameterError: a parameter has an impossible value; the message names all of them.
        SettingsError: a setting of the environment cannot be read.
        UsageError: the folder was used with another AWS.
        InputError: on an AWS account, an input of the stage is missing, or of another table or CSV.
        LocalAwsError: the local AWS did not start.
    """
    check_parameters(run_date=run_date, **given)
    settings = Settings.from_environment(os.environ, **_read_settings(given))
    folder = Path(work_dir)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _claim(folder, local)
    if local and settings.endpoint_url is None:
        from cat_lab.local import running

        started = _closed_at_exit.enter_context(running(settings, folder))
        _closed_at_exit.enter_context(started.activate())
        settings = started.settings
    space = Workspace(settings, parse_day("run_date", run_date), folder, local)
    display.prepare()
    build_prerequisites(space, opened)
    return space


def _claim(folder: Path, local: bool) -> None:
    """Refuse a folder that was used with the local AWS for an account, and the other way round."""
    file, current = folder / ".aws", "the local AWS" if local else "an AWS account"
    earlier = file.read_text() if file.is_file() else current
    if earlier != current:
        raise UsageError(f"{folder} has files of {earlier}; for {current} give another work_dir")
    file.write_text(current)


def _read_settings(given: dict[str, Any]) -> dict[str, Any]:
    """Parse notebook parameters as settings: days and lists; a blank value is not given."""
    read = {name: value for name, value in given.items() if value not in (None, "", [])}
    for name in {"since", "until"} & set(read):
        read[name] = parse_day(name, read[name])
    if "exclude_cities" in read:
        read["exclude_cities"] = tuple(read["exclude_cities"])
    return read
