"""The manifests of ETL-1 and ETL-2: what was read, the settings, and what was written (contract §6).

A manifest is published after its outputs: if it exists, they are complete.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct, field

from cat_normalize.core import layout
from cat_normalize.core.errors import InputError, SettingsError
from cat_normalize.core.settings import Settings
from cat_normalize.core.storage import Location, locate, write_bytes

T = TypeVar("T")
M = TypeVar("M", bound="Etl1Manifest | Etl2Manifest")


class Output(Struct, frozen=True):
    """One published object: its address, size in bytes and SHA-256 in hexadecimal."""

    uri: str
    bytes: int
    sha256: str

    @classmethod
    def of(cls, path: Path, uri: str) -> Output:
        """Describe a file that is, or will be, published at ``uri``."""
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return cls(uri, path.stat().st_size, digest)


class Summary(Struct):
    """What became of every item; five of the counts add up to ``items_read`` (contract §3)."""

    items_read: int = 0
    conversations: int = 0
    feedback: int = 0
    registrations: int = 0
    filtered: int = 0
    rejected: int = 0
    rejected_by_reason: dict[str, int] = field(default_factory=dict)
    warnings: dict[str, int] = field(default_factory=dict)
    users: int = 0

    def count_reject(self, reason: str) -> None:
        """Count one rejected item."""
        self.rejected += 1
        self.rejected_by_reason[reason] = self.rejected_by_reason.get(reason, 0) + 1

    def count_warning(self, code: str) -> None:
        """Count one warning."""
        self.warnings[code] = self.warnings.get(code, 0) + 1

    def add(self, other: Summary) -> None:
        """Add the counts of other users of the same table.

        >>> summary = Summary(rejected=1, rejected_by_reason={"bad_key": 1})
        >>> summary.add(summary)
        >>> summary.rejected, summary.rejected_by_reason
        (2, {'bad_key': 2})
        """
        for name in self.__struct_fields__:
            mine, others = getattr(self, name), getattr(other, name)
            total = mine + others if isinstance(mine, int) else dict(Counter(mine) + Counter(others))
            setattr(self, name, total)

    def as_dict(self) -> dict[str, Any]:
        """Return the counts in the contract's order (§8), reasons and codes sorted."""
        return plain(self)


class Conversion(Struct, frozen=True):
    """What ETL-2 read and made; the counts of tables that were not made are None.

    ``rows`` are the CSV's and those of ``users``; ``source_etag`` is S3's,
    None on disk; ``feedback_unmatched`` counts the feedback that belongs to no conversation.
    """

    rows: int
    source_bytes: int
    source_etag: str | None
    conversations: int | None = None
    messages: int | None = None
    feedback_unmatched: int | None = None


class Etl1Manifest(Struct, frozen=True, tag_field="process", tag="etl-process1"):
    """The manifest of ETL-1; its outputs are rejects and CSV."""

    run_date: date
    source: str
    settings: Settings
    summary: Summary
    outputs: list[Output]


class Etl2Manifest(Struct, frozen=True, tag_field="process", tag="etl-process2"):
    """The manifest of ETL-2; its outputs are the Parquet objects, in the order of `schema.TABLES`."""

    run_date: date
    source: str
    settings: Settings
    summary: Conversion
    outputs: list[Output]


def plain(value: Struct) -> dict[str, Any]:
    """Return a manifest, or a part of one, as JSON has it; the endpoint is left out.

    >>> plain(Output("s3://b/k", 3, "00"))
    {'uri': 's3://b/k', 'bytes': 3, 'sha256': '00'}
    """
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(value, order="deterministic"))
    found.get("settings", {}).pop("endpoint_url", None)
    return found


def encode(manifest: Etl1Manifest | Etl2Manifest) -> bytes:
    """Return the bytes that are published."""
    return msgspec.json.format(msgspec.json.encode(plain(manifest)), indent=1) + b"\n"


def decode(data: bytes, kind: type[T]) -> T:
    """Read a manifest; one of an older version may lack settings, which then have their defaults.

    Args:
        data: the published bytes.
        kind: `Etl1Manifest`, `Etl2Manifest`, or another struct of the members that are needed.

    Raises:
        InputError: it is not such a manifest.

    >>> decode(b"PAR1", Etl1Manifest)
    Traceback (most recent call last):
    cat_normalize.core.errors.InputError: not a manifest: JSON is malformed: invalid character (byte 0)
    """
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, SettingsError) as error:
        raise InputError(f"not a manifest: {error}") from error


def publish(manifest: Etl1Manifest | Etl2Manifest, s3: Any) -> None:
    """Publish a manifest under its key; its outputs must be published already."""
    write_bytes(_location(type(manifest), manifest.settings, manifest.run_date, s3), encode(manifest))


def read(kind: type[M], settings: Settings, run_date: date, s3: Any) -> M | None:
    """Return the published manifest of a day, None if there is none.

    Raises:
        InputError: the object is not such a manifest.
        OSError: S3 gives no answer.
    """
    location = _location(kind, settings, run_date, s3)
    try:
        return decode(location.read_bytes(), kind)
    except FileNotFoundError:
        return None
    except InputError as error:
        raise InputError(f"{location} is {error}") from error


def _location(kind: type[Struct], settings: Settings, run_date: date, s3: Any) -> Location:
    key = layout.manifest_key(settings, 1 if kind is Etl1Manifest else 2, run_date)
    return locate(layout.s3_uri(settings.bucket, key), s3)
