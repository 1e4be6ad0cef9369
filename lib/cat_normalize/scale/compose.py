"""Pieces in order become one file or one S3 object, visible when it is whole.

On S3 the pieces are copied on the server, as parts of one upload; only what is too small for a part of
its own goes through this process. Limits: 10,000 parts of 5 MiB to 5 GiB, the last of any size
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html).
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from cat_normalize.core.files import atomic_file
from cat_normalize.core.layout import is_s3, split_s3
from cat_normalize.core.uploads import upload_in_parts

LEAST = 8 << 20
"""Bytes from which on a part is copied; a range of an object of 5 MiB or less cannot be."""
MOST = 5 << 30
_SIDE_BY_SIDE = 16
_READ = 32 << 20


@dataclass(frozen=True, slots=True)
class Slice:
    """Bytes of one piece."""

    piece: int
    start: int
    stop: int


def plan(sizes: Sequence[int], least: int = LEAST, most: int = MOST) -> list[tuple[Slice, ...]]:
    """Return the parts of an upload that holds pieces of those sizes in order.

    A part of one slice of at least ``least`` bytes can be copied; all others are shorter than twice that.
    All but the last have at least ``least`` bytes.

    >>> [[(each.piece, each.start, each.stop) for each in part] for part in plan([3, 25, 4], 10, 12)]
    [[(0, 0, 3), (1, 0, 7)], [(1, 7, 19)], [(1, 19, 25), (2, 0, 4)]]
    """
    parts: list[tuple[Slice, ...]] = []
    joined: list[Slice] = []
    for piece, size in enumerate(sizes):
        start = 0
        if joined:
            start = min(size, least - _length(joined))
            joined.append(Slice(piece, 0, start))
            if _length(joined) >= least:
                parts.append(tuple(joined))
                joined = []
        while size - start >= least:
            stop = min(size, start + most)
            parts.append((Slice(piece, start, stop),))
            start = stop
        if start < size:
            joined.append(Slice(piece, start, size))
    return [*parts, tuple(joined)] if joined else parts


def compose(
    pieces: Sequence[str], target: str, s3: Any = None, least: int = LEAST, most: int = MOST
) -> dict[str, Any]:
    """Publish pieces behind each other under one name; return address, size and SHA-256 of the whole.

    The digest cannot be had of parts: the pieces are read once, in order, by this process.

    Args:
        pieces: paths, or ``s3://bucket/key`` in the target's bucket, of the same kind as the target.
        target: a path or ``s3://bucket/key``.
        s3: a boto3 client, wanted on S3.
        least: bytes of a part that is copied, or more.
        most: bytes of a part, at most.
    """
    digest = hashlib.sha256()
    if not is_s3(target):
        size = 0
        with atomic_file(Path(target)) as whole:
            for piece in pieces:
                with Path(piece).open("rb") as stream:
                    while data := stream.read(_READ):
                        digest.update(data)
                        size += whole.write(data)
        return {"uri": target, "bytes": size, "sha256": digest.hexdigest()}
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        sizes = list(pool.map(lambda piece: _size(s3, piece), pieces))
        for data in _read_ahead(pool, s3, pieces, sizes):
            digest.update(data)
        _upload(pool, s3, pieces, plan(sizes, least, most), target, least)
    return {"uri": target, "bytes": sum(sizes), "sha256": digest.hexdigest()}


def _length(part: Sequence[Slice]) -> int:
    return sum(each.stop - each.start for each in part)


def _size(s3: Any, piece: str) -> int:
    bucket, key = split_s3(piece)
    return int(s3.head_object(Bucket=bucket, Key=key)["ContentLength"])


def _bytes(s3: Any, piece: str, start: int, stop: int) -> bytes:
    bucket, key = split_s3(piece)
    span = f"bytes={start}-{stop - 1}"
    return bytes(s3.get_object(Bucket=bucket, Key=key, Range=span)["Body"].read())


def _read_ahead(
    pool: ThreadPoolExecutor, s3: Any, pieces: Sequence[str], sizes: Sequence[int]
) -> Iterator[bytes]:
    """Yield all bytes in order, some of them asked for before they are wanted."""
    spans = (
        (piece, start, min(start + _READ, size))
        for piece, size in zip(pieces, sizes, strict=True)
        for start in range(0, size, _READ)
    )
    waiting: deque[Future[bytes]] = deque(pool.submit(_bytes, s3, *span) for span in islice(spans, 8))
    while waiting:
        yield waiting.popleft().result()
        waiting.extend(pool.submit(_bytes, s3, *span) for span in islice(spans, 1))


def _upload(
    pool: ThreadPoolExecutor,
    s3: Any,
    pieces: Sequence[str],
    parts: list[tuple[Slice, ...]],
    target: str,
    least: int,
) -> None:
    bucket, key = split_s3(target)
    if not parts:  # an upload in parts has one at least
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
        return
    place = {"Bucket": bucket, "Key": key}

    def send(upload: str, number: int, part: tuple[Slice, ...]) -> dict[str, Any]:
        where = {**place, "PartNumber": number, "UploadId": upload}
        only = part[0]
        if len(part) == 1 and only.stop - only.start >= least:
            source = dict(zip(("Bucket", "Key"), split_s3(pieces[only.piece]), strict=True))
            span = f"bytes={only.start}-{only.stop - 1}"
            copied = s3.upload_part_copy(**where, CopySource=source, CopySourceRange=span)
            return {"PartNumber": number, "ETag": copied["CopyPartResult"]["ETag"]}
        data = b"".join(_bytes(s3, pieces[each.piece], each.start, each.stop) for each in part)
        return {"PartNumber": number, "ETag": s3.upload_part(**where, Body=data)["ETag"]}

    with upload_in_parts(s3, bucket, key) as upload:
        try:
            sent = list(pool.map(partial(send, upload), range(1, len(parts) + 1), parts))
        except BaseException:
            pool.shutdown(cancel_futures=True)  # a part that comes after the end would stay
            raise
        s3.complete_multipart_upload(**place, UploadId=upload, MultipartUpload={"Parts": sent})
