"""Save the bucket of a local run as a folder, so that the run can continue later on a new local AWS.

Without it, continuing a run would have to repeat every earlier stage. A key is stored under its own path;
a key that cannot be a path (``a`` next to ``a/b``, ``..``, a name too long) is stored as a numbered file.
``_metadata.json`` lists file and metadata of each object.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any, BinaryIO

from cat_normalize.core.errors import InputError
from cat_normalize.core.files import atomic_folder, sweep

_LIST = "_metadata.json"
_NUMBERED = "_objects"
_METADATA = ("ContentType", "ContentEncoding", "Metadata")


def save_bucket(s3: Any, bucket: str, folder: Path) -> int:
    """Copy the current objects of a bucket to a folder and return their number.

    The folder is replaced as a whole: if this process is killed, it has either the old or the new objects.
    """
    objects: dict[str, dict[str, Any]] = {}
    with atomic_folder(folder) as new:
        (new / _LIST).touch()  # takes the name before a key of the same name
        (new / _NUMBERED).mkdir()
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for key in (each["Key"] for each in page.get("Contents", ())):
                found = s3.get_object(Bucket=bucket, Key=key)
                with _new_file(new, key, len(objects)) as file:
                    shutil.copyfileobj(found["Body"], file)
                    file.flush()
                    os.fsync(file.fileno())
                    name = str(Path(file.name).relative_to(new))
                objects[key] = {"file": name} | {name: found[name] for name in _METADATA if found.get(name)}
        (new / _LIST).write_text(json.dumps(objects, ensure_ascii=False, indent=1), "utf-8")
    return len(objects)


def load_bucket(s3: Any, bucket: str, folder: Path) -> int:
    """Put the objects that `save_bucket` saved into a bucket, with their metadata; return their number.

    Raises:
        InputError: nothing was saved in the folder, or a file is missing.
    """
    sweep(folder.parent)  # restores the folder if a save was killed while replacing it
    try:
        objects = json.loads((folder / _LIST).read_text("utf-8"))
        for key, each in objects.items():
            with (folder / each.pop("file")).open("rb") as body:
                s3.put_object(Bucket=bucket, Key=key, Body=body, **each)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{folder} has no saved bucket, or an incomplete one: {error!r}") from error
    return len(objects)


def _new_file(folder: Path, key: str, number: int) -> BinaryIO:
    """Open a new file for a key: under the key itself, or under a number where that is no usable path."""
    parts = key.split("/")
    if parts[0] != _NUMBERED and "" not in parts and ".." not in parts:
        path = folder / key
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return path.open("xb")
        except (OSError, ValueError):  # taken by another key, too long, or with a NUL
            pass
    return (folder / _NUMBERED / str(number)).open("xb")
