"""Files and folders on disk appear whole or not at all, and what killed processes left is swept."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cat_normalize.core import files
from cat_normalize.core.errors import UsageError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_synced_before_its_rename_and_its_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = []

    def fsync(descriptor: int) -> None:
        synced.append((Path(f"/proc/self/fd/{descriptor}").readlink().name, target.exists()))

    monkeypatch.setattr(os, "fsync", fsync)
    target = tmp_path / "x.bin"
    files.write_bytes(target, b"one")
    assert synced == [("x.bin", False), (tmp_path.name, True)]
    synced.clear()
    with files.atomic_folder(tmp_path / "raw"):
        pass
    assert synced == [(tmp_path.name, True)]


def test_an_earlier_folder_is_restored_after_an_error_of_its_rename(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with files.atomic_folder(tmp_path / "raw") as folder:
        (folder / "older").touch()
    rename, failed = Path.rename, []

    def rename_once(source: Path, target: Path) -> Path:
        if source.name == "made":
            failed.append(source)
            raise PermissionError("no")
        return rename(source, target)

    monkeypatch.setattr(Path, "rename", rename_once)
    with pytest.raises(PermissionError), files.atomic_folder(tmp_path / "raw") as folder:
        (folder / "newer").touch()
    assert failed
    assert names(tmp_path / "raw") == ["older"]
    assert names(tmp_path) == ["raw"]


def test_a_file_appears_whole_in_a_new_folder(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b" / "x.bin"
    with files.atomic_file(target) as file:
        file.write(b"one")
        assert not target.exists()
    assert target.read_bytes() == b"one"
    assert names(target.parent) == ["x.bin"]


def test_a_new_file_is_private_and_a_replaced_one_keeps_its_permissions(tmp_path: Path) -> None:
    target = tmp_path / "ours"
    files.write_bytes(target, b"")
    assert target.stat().st_mode & 0o777 == 0o600
    target.chmod(0o644)
    files.write_bytes(target, b"again")
    assert target.stat().st_mode & 0o777 == 0o644
    with files.atomic_folder(tmp_path / "folder") as folder:
        (folder / "x").touch()
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o700


def test_an_earlier_folder_is_replaced_whole(tmp_path: Path) -> None:
    for name in ("older", "newer"):
        with files.atomic_folder(tmp_path / "raw") as folder:
            (folder / name).touch()
    assert names(tmp_path / "raw") == ["newer"]
    assert names(tmp_path) == ["raw"]


def test_an_earlier_folder_is_restored_if_the_new_one_cannot_replace_it(tmp_path: Path) -> None:
    with files.atomic_folder(tmp_path / "raw") as folder:
        (folder / "older").touch()
    with pytest.raises(FileNotFoundError), files.atomic_folder(tmp_path / "raw") as folder:
        folder.rmdir()
    assert names(tmp_path / "raw") == ["older"]
    assert names(tmp_path) == ["raw"]


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    link = tmp_path / "link"
    link.symlink_to("disk/x.bin")
    for data in (b"new", b"again"):
        files.write_bytes(link, data)
        assert (tmp_path / "disk" / "x.bin").read_bytes() == data
        assert link.is_symlink()
    assert names(tmp_path / "disk") == ["x.bin"]


def test_a_link_to_a_folder_is_followed(tmp_path: Path) -> None:
    (tmp_path / "disk" / "raw").mkdir(parents=True)
    link = tmp_path / "link"
    link.symlink_to("disk/raw")
    with files.atomic_folder(link) as folder:
        (folder / "x").touch()
    assert link.is_symlink()
    assert names(link) == ["x"]
    assert names(tmp_path / "disk") == ["raw"]


def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE) as reader:
        files.write_bytes(pipe, b"all of it")
        assert reader.communicate(timeout=60)[0] == b"all of it"
    assert pipe.is_fifo()
    assert names(tmp_path) == ["pipe"]


def test_a_file_descriptor_of_a_shell_is_written_to() -> None:
    reading, writing = os.pipe()
    files.write_bytes(Path(f"/dev/fd/{writing}"), b"all of it")
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        assert stream.read() == b"all of it"


@pytest.mark.parametrize("path", ["/dev/stdout", "/dev/../dev/fd/1", "/dev/stderr"])
def test_a_stream_of_this_process_is_refused(path: str) -> None:
    with pytest.raises(UsageError, match="is a stream"):
        files.write_bytes(Path(path), b"")


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_failure_leaves_the_older_file_and_nothing_else(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "x.bin"
    target.write_bytes(b"older")

    def half() -> None:
        with files.atomic_file(target) as file:
            file.write(b"half")
            file.flush()
            raise error

    with pytest.raises(error):
        half()
    assert target.read_bytes() == b"older"
    assert names(tmp_path) == ["x.bin"]


def test_a_name_taken_by_a_folder_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "x.bin").mkdir()
    with pytest.raises(UsageError, match="is a folder"), files.atomic_file(tmp_path / "x.bin") as file:
        file.write(b"new")
    assert names(tmp_path) == ["x.bin"]


def test_a_killed_writer_leaves_the_older_file_whole(tmp_path: Path) -> None:
    target = tmp_path / "x.bin"
    target.write_bytes(b"older")
    script = f"""
import time
from pathlib import Path
from cat_normalize.core.files import atomic_file
with atomic_file(Path({str(target)!r})) as file:
    file.write(b"half"); file.flush()
    print("half", flush=True)
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"half\n"
        assert len(names(tmp_path)) == 2
        files.write_bytes(tmp_path / "y.bin", b"newer")  # the writer is alive: what it makes is let be
        assert len(names(tmp_path)) == 3
        os.kill(child.pid, signal.SIGKILL)
    assert target.read_bytes() == b"older"
    files.write_bytes(tmp_path / "y.bin", b"newest")
    assert names(tmp_path) == ["x.bin", "y.bin"]


def test_an_earlier_folder_is_restored_after_a_kill_between_the_two_renames(
    tmp_path: Path,
) -> None:
    left = tmp_path / f"{files.PREFIX}killed"
    (left / files.EARLIER / "raw").mkdir(parents=True)
    (left / files.EARLIER / "raw" / "part").write_bytes(b"older")
    (left / "made").mkdir()
    (left / "lock").touch()
    files.sweep(tmp_path)
    assert names(tmp_path) == ["raw"]
    assert (tmp_path / "raw" / "part").read_bytes() == b"older"


def test_folders_of_other_users_and_similar_names_stay(tmp_path: Path) -> None:
    other, file = tmp_path / f"{files.PREFIX}other", tmp_path / f"{files.PREFIX}file"
    other.mkdir()
    file.touch()
    (tmp_path / f"{files.PREFIX}link").symlink_to(tmp_path)
    if os.getuid() == 0:
        os.chown(other, 12345, 12345)
    files.sweep(tmp_path)
    assert file.exists()
    assert other.exists() == (os.getuid() == 0)
    assert (tmp_path / f"{files.PREFIX}link").is_symlink()


def test_a_folder_with_other_content_stays_and_an_empty_one_is_removed(tmp_path: Path) -> None:
    (tmp_path / f"{files.PREFIX}backup").mkdir()
    (tmp_path / f"{files.PREFIX}backup" / "mine").touch()
    (tmp_path / f"{files.PREFIX}killed").mkdir()
    files.sweep(tmp_path)
    assert names(tmp_path) == [f"{files.PREFIX}backup"]
