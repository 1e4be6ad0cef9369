"""Private folders for unfinished work: locked while their process lives, swept by whoever comes next.

A process that is killed cannot clean up. So everything unfinished lies in a folder of its own with a lock
in it; whoever makes the next such folder beside it removes those whose lock nobody holds any more.
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

PREFIX = ".cat-normalize-"
EARLIER = "earlier"
"""In a private folder: what was moved away to make room, put back if nothing has taken its place."""
DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_LOCK = "lock"


@contextmanager
def private_folder(parent: Path | None = None) -> Iterator[Path]:
    """Make a folder that only this user can read, and remove it with the block, however that ends.

    What killed processes left in the same place is swept first.

    Args:
        parent: where it is made; the system's folder for temporary files by default.

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
    """Remove the private folders in a place whose processes are gone; leave those of other users alone."""
    for folder in sorted(parent.glob(f"{PREFIX}*")):
        with suppress(FileNotFoundError):
            found = folder.lstat()
            if found.st_uid == os.getuid() and folder.is_dir() and not folder.is_symlink():
                _sweep_one(folder)


def _sweep_one(folder: Path) -> None:
    if not (folder / _LOCK).exists():  # killed before it was locked, or a folder of somebody else
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
    """Make a folder and lock it; another process may take it for a dead one before it is locked."""
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
