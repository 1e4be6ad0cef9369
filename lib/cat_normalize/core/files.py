"""Files and folders on disk that appear whole or not at all (contract §6).

A file is written in a private folder next to its target, synced and renamed; the old file stays whole
until then. A private folder is locked while its process lives. A killed process cannot clean up, so the
next one that makes a private folder in the same parent removes those that nobody has locked.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from cat_normalize.core.errors import UsageError

PREFIX = ".cat-normalize-"
"""How the names of private folders begin."""
EARLIER = "earlier"
"""In a private folder: what was moved away to make room; it is moved back if nothing has replaced it."""
DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_LOCK = "lock"
_BUFFER = 1 << 20


@contextmanager
def private_folder(parent: Path | None = None) -> Iterator[Path]:
    """Make a folder that only this user can read, and remove it with the block, however that ends.

    What killed processes left in the same parent is swept first.

    Args:
        parent: where to make it; the system's folder for temporary files by default.

    >>> with private_folder() as folder:
    ...     _ = (folder / "part").write_bytes(b"unfinished")
    >>> folder.exists()
    False
    """
    parent = parent or Path(tempfile.gettempdir())
    sweep(parent)
    folder, lock = _make(parent)
    try:
        yield folder
    finally:
        _remove(folder)
        os.close(lock)


def sweep(parent: Path) -> None:
    """Remove the private folders in ``parent`` whose processes have ended; leave those of other users."""
    for folder in sorted(parent.glob(f"{PREFIX}*")):
        with suppress(FileNotFoundError):
            found = folder.lstat()
            if found.st_uid == os.getuid() and folder.is_dir() and not folder.is_symlink():
                _sweep_one(folder)


def _sweep_one(folder: Path) -> None:
    if not (folder / _LOCK).exists():  # killed before it was locked, or somebody else's folder
        with suppress(OSError):
            folder.rmdir()
        return
    lock = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _remove(folder)
    except BlockingIOError:  # its process is alive
        pass
    finally:
        os.close(lock)


def _make(parent: Path) -> tuple[Path, int]:
    """Make a folder and lock it; before it is locked another process may sweep it."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        try:
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        except FileNotFoundError:
            continue
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (folder / _LOCK).exists():
            return folder, lock
        os.close(lock)


def _remove(folder: Path) -> None:
    for each in folder.glob(f"{EARLIER}/*"):
        home = folder.parent / each.name
        if not home.exists():
            each.rename(home)
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def atomic_file(target: Path) -> Iterator[BinaryIO]:
    """Open a file for bytes that gets the name ``target`` when the block ends without an error.

    Parent folders are made. If the block raises, nothing new is left and an earlier file stays. Only this
    user can read a new file; a replaced one keeps its permissions. A link is followed; a device or a pipe
    is written to, not replaced.

    Raises:
        UsageError: a folder or a standard stream has that name (`check_file_target`).

    >>> with private_folder() as folder:
    ...     with atomic_file(folder / "new" / "x.csv") as file:
    ...         _ = file.write(b"all of it")
    ...     (folder / "new" / "x.csv").read_bytes()
    b'all of it'
    """
    if target.exists():
        check_file_target(target)
    regular = target.is_file() or not target.exists()
    final = Path(os.path.realpath(target))
    if regular:
        final.parent.mkdir(parents=True, exist_ok=True)
    with private_folder(final.parent if regular else None) as folder:
        temporary = folder / final.name
        with temporary.open("xb", _BUFFER) as file:
            yield file
        if regular:
            move_file(temporary, final)
        else:
            with temporary.open("rb") as made, target.open("wb") as stream:
                shutil.copyfileobj(made, stream, _BUFFER)


def write_bytes(target: Path, data: bytes) -> None:
    """Write a whole file as `atomic_file` does."""
    with atomic_file(target) as file:
        file.write(data)


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Make a folder that replaces ``target`` when the block ends without an error.

    If the block raises, nothing new is left and an earlier folder stays. If the process is killed between
    the two renames, the next `sweep` of the parent moves the earlier folder back.
    """
    target = Path(os.path.realpath(target))
    target.parent.mkdir(parents=True, exist_ok=True)
    with private_folder(target.parent) as folder:
        made, earlier = folder / "made", folder / EARLIER
        made.mkdir(mode=0o700)
        earlier.mkdir()
        yield made
        if target.exists():
            target.rename(earlier / target.name)
        made.rename(target)
        _sync(target.parent)


def move_file(source: Path, target: Path) -> None:
    """Rename a finished file to ``target`` in one step; both are on the same file system."""
    if target.exists():
        shutil.copymode(target, source)
    else:
        source.chmod(0o600)
    _sync(source)
    source.replace(target)
    _sync(target.parent)


def check_file_target(target: Path) -> None:
    """Refuse a path that cannot become a file.

    Raises:
        UsageError: a folder, a path below a file, or a standard stream, which carries summaries and messages.

    >>> check_file_target(Path("/"))
    Traceback (most recent call last):
    cat_normalize.core.errors.UsageError: / is a folder; give the path of a file to write
    """
    if target.is_dir():
        raise UsageError(f"{target} is a folder; give the path of a file to write")
    above = next(each for each in target.absolute().parents if each.exists())
    if not above.is_dir():
        raise UsageError(f"{target}: {above} is no folder; give the path of a file to write")
    if _is_standard_stream(target):
        raise UsageError(f"{target} is a stream that messages go to; give the path of a file to write")


def _is_standard_stream(target: Path) -> bool:
    """Tell whether a path is this process's stdout or stderr, by whatever name."""
    try:
        found = target.stat()
        streams = [os.fstat(number) for number in (1, 2)]
    except OSError:  # it does not exist yet, or a stream is closed
        return False
    return not os.path.samestat(found, Path(os.devnull).stat()) and any(
        os.path.samestat(found, stream) for stream in streams
    )


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
