"""The bucket's current objects as a folder, so that a fresh local AWS goes on where an earlier one ended.

A key is a path in the folder; ``_metadata.json`` beside them says what each object is. A key that cannot be
a path (``a`` beside ``a/b``, a name too long, ``..``) lies under ``_objects``, named by its hash.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from cat_normalize.core.errors import InputError
from cat_normalize.core.files import atomic_folder, sweep

SIDECAR = "_metadata.json"
_HASHED = "_objects"
_KEPT = ("ContentType", "ContentEncoding")


def save(s3: Any, bucket: str, folder: Path) -> int:
    """Copy the bucket's current objects to a folder, replaced whole; return how many there are.

    The folder holds the old state or the new one, also when this is killed (`files.atomic_folder`).
    Older versions of an object are not kept.
    """
    with _locked(folder), atomic_folder(folder) as new:
        keys = list(_keys(s3, bucket))
        files = _files(keys)
        about = {key: {"file": files[key]} | _fetch(s3, bucket, key, new / files[key]) for key in keys}
        text = json.dumps({"objects": about}, ensure_ascii=False, indent=1, sort_keys=True)
        (new / SIDECAR).write_text(text, "utf-8")
    return len(keys)


def load(s3: Any, bucket: str, folder: Path) -> int:
    """Put what `save` left into the bucket, with its metadata; return how many objects that is.

    Raises:
        InputError: nothing was saved there, or a file of it is gone.
    """
    with _locked(folder):
        try:
            about = json.loads((folder / SIDECAR).read_text("utf-8"))["objects"]
            for key, each in about.items():
                kept = {name: each[name] for name in _KEPT if name in each}
                with (folder / each["file"]).open("rb") as body:
                    s3.put_object(Bucket=bucket, Key=key, Body=body, Metadata=each["Metadata"], **kept)
        except (OSError, ValueError, KeyError) as error:
            raise InputError(f"{folder} holds no saved bucket, or not a whole one: {error!r}") from error
    return len(about)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder against other processes, and put back what a killed one moved away."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f".{folder.name}.lock").open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # let go when the process ends, however it ends
        sweep(folder.parent)
        yield


def _keys(s3: Any, bucket: str) -> Iterator[str]:
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        yield from (each["Key"] for each in page.get("Contents", ()))


def _fetch(s3: Any, bucket: str, key: str, path: Path) -> dict[str, Any]:
    """Write one object to a file; return its metadata."""
    path.parent.mkdir(parents=True, exist_ok=True)
    got = s3.get_object(Bucket=bucket, Key=key)
    with path.open("wb") as file:
        for part in got["Body"].iter_chunks(1 << 20):
            file.write(part)
        file.flush()
        os.fsync(file.fileno())
    return {"Metadata": got["Metadata"]} | {name: got[name] for name in _KEPT if got.get(name)}


def _files(keys: Iterable[str]) -> dict[str, str]:
    """Give every key a file of its own, the key itself where that can be.

    >>> list(_files(["a/b", "c"]).values())
    ['a/b', 'c']
    >>> [_files(["a", "a/b", "../x"])[key][:9] for key in ("a", "a/b", "../x")]
    ['_objects/', 'a/b', '_objects/']
    """
    keys = list(keys)
    folders = {str(parent).lower() for key in keys for parent in PurePosixPath(key).parents}
    taken: set[str] = set()
    files = {}
    for key in keys:
        plain = _is_path(key) and key.lower() not in folders | taken
        taken.add(key.lower())  # on some disks A and a are one file
        files[key] = key if plain else f"{_HASHED}/{hashlib.sha256(key.encode()).hexdigest()}"
    return files


def _is_path(key: str) -> bool:
    parts = key.split("/")
    return (
        parts[0] not in (SIDECAR, _HASHED)
        and "\0" not in key
        and len(key.encode()) <= 700
        and all(part not in ("", ".", "..") and len(part.encode()) <= 200 for part in parts)
    )
