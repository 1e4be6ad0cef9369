"""The manifests of contract §6: what a process read, under which settings, and what it wrote.

A manifest is published after what it speaks of, so that one that is there tells the truth.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cat_normalize import layout
from cat_normalize.normalize import Summary
from cat_normalize.publish import put_bytes, put_file
from cat_normalize.settings import Settings

if TYPE_CHECKING:
    from cat_normalize.convert import Converted


def describe(path: Path, uri: str) -> dict[str, Any]:
    """Return address, size and SHA-256 of a file that is or will be at ``uri``."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return {"uri": uri, "bytes": path.stat().st_size, "sha256": digest}


def publish_etl1(
    settings: Settings,
    run_date: date,
    csv: Path,
    rejects: Path,
    summary: Summary,
    s3: Any,
    *,
    source: str | None = None,
    allow_shrink: bool = False,
    allow_future: bool = False,
) -> dict[str, Any]:
    """Publish what ETL-1 made: rejects, CSV, and then the manifest, which is also returned.

    The CSV's arrival starts ETL-2, so the rejects are there before it.
    """
    outputs = []
    for path, key in (
        (rejects, layout.rejects_key(settings, run_date)),
        (csv, layout.csv_key(settings, run_date)),
    ):
        uri = layout.s3_uri(settings.bucket, key)
        put_file(path, uri, s3)
        outputs.append(describe(path, uri))
    return record_etl1(
        settings, run_date, outputs, summary, source or f"dynamodb://{settings.table_name}", s3
    )


def record_etl1(
    settings: Settings,
    run_date: date,
    outputs: list[dict[str, Any]],
    summary: Summary,
    source: str,
    s3: Any,
) -> dict[str, Any]:
    """Publish the manifest of an ETL-1 whose outputs, told as by `describe`, are in place; return it."""
    manifest = {
        "process": "etl-process1",
        "run_date": run_date.isoformat(),
        "source": source,
        "settings": settings_of(settings),
        "summary": summary.as_dict(),
        "outputs": outputs,
    }
    _publish(settings, 1, run_date, manifest, s3)
    return manifest


def publish_etl2(settings: Settings, run_date: date, done: Converted, s3: Any) -> dict[str, Any]:
    """Publish the manifest of an ETL-2 whose Parquet is in place, and return it."""
    manifest = {
        "process": "etl-process2",
        "run_date": run_date.isoformat(),
        "source": done.source,
        "settings": settings_of(settings),
        "summary": {"rows": done.rows, "source_bytes": done.source_bytes, "source_etag": done.source_etag},
        "outputs": [{"uri": done.target, "bytes": done.bytes, "sha256": done.sha256}],
    }
    _publish(settings, 2, run_date, manifest, s3)
    return manifest


def settings_of(settings: Settings) -> dict[str, Any]:
    """Return the settings JSON-ready: days as ISO text, nothing of the machine's own (the endpoint).

    >>> settings_of(Settings())["rules"]["time_zone"]
    'America/Bogota'
    """
    values: dict[str, Any] = json.loads(json.dumps(_plain(asdict(settings)), default=str))
    del values["endpoint_url"]
    return values


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    rules = {name: value for name, value in values["rules"].items() if name not in ("zone", "_cities")}
    return {**values, "rules": rules}


def _publish(settings: Settings, process: int, run_date: date, manifest: dict[str, Any], s3: Any) -> None:
    key = layout.manifest_key(settings, process, run_date)
    text = json.dumps(manifest, indent=1, ensure_ascii=False) + "\n"
    put_bytes(text.encode(), layout.s3_uri(settings.bucket, key), s3)
