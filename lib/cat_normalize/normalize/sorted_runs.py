"""Sorted runs: what workers leave in scratch files, and how the runs become one output.

A run is a file of pairs of lines: a sort key, and the record that goes to the output. Neither a key nor a
record has a line end within it. Keys are compared as bytes.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO

from cat_normalize.core.errors import InputError
from cat_normalize.extract import item_files

_BUFFER = 1 << 20


def write_run(path: Path, records: Iterable[tuple[bytes, Iterable[bytes]]]) -> None:
    """Write a new run of keys, in order, each with the pieces of its record; the last piece ends in LF."""
    with path.open("xb", _BUFFER) as output:
        for key, pieces in records:
            output.write(key + b"\n")
            output.writelines(pieces)


def merge_records(runs: Sequence[Path], output: BinaryIO) -> None:
    """Write the records of runs in the order of their keys, and remove the runs.

    Raises:
        InputError: a key is in two runs: a user is in more than one partition.
    """
    for _, stream in _merged(runs):
        _copy_record(stream, output)


def merge_runs(runs: Sequence[Path], target: Path) -> None:
    """Merge runs into a new one, and remove them.

    Raises:
        InputError: as `merge_records`.
    """
    with target.open("xb", _BUFFER) as output:
        for key, stream in _merged(runs):
            output.write(key)
            _copy_record(stream, output)


def _merged(runs: Sequence[Path]) -> Iterator[tuple[bytes, BinaryIO]]:
    """Yield the keys of all runs in order, each with the stream that its record is to be read from."""
    runs = [run for run in runs if run.stat().st_size]
    with ExitStack() as stack:
        streams = [stack.enter_context(run.open("rb", item_files.buffer_of(len(runs)))) for run in runs]
        last = b""
        for key, stream in heapq.merge(*map(_keys, streams), key=itemgetter(0)):
            if key == last:
                raise InputError("the items of one user are in two partitions of the extract; extract again")
            last = key
            yield key, stream
    for run in runs:
        run.unlink()


def _keys(stream: BinaryIO) -> Iterator[tuple[bytes, BinaryIO]]:
    while key := stream.readline():
        yield key, stream  # the record is read before the next key


def _copy_record(stream: BinaryIO, output: BinaryIO) -> None:
    while piece := stream.readline(_BUFFER):
        output.write(piece)
        if piece.endswith(b"\n"):
            return
