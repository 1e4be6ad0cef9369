r"""A hash of what a Parquet file holds: the same for two conversions of one CSV, whose bytes may differ.

Spark's writer lists the encodings of a column in an order that changes from one Java process to the next;
all other bytes of the two files are the same.
"""

from __future__ import annotations

import hashlib
import re

_LAST = 1 << 20  # bytes kept to the end; the footer is some thousand
# In Thrift's compact form a field that is a list of two to four small numbers: encodings are 0 to 9, doubled.
_ENCODINGS = re.compile(rb"\x19(?:\x25[\x00-\x12]{2}|\x35[\x00-\x12]{3}|\x45[\x00-\x12]{4})")


class ContentHash:
    r"""Takes a file piece by piece; where it is cut does not matter.

    >>> made = []
    >>> for listed in (b"\x19\x35\x00\x06\x08", b"\x19\x35\x08\x00\x06", b"\x19\x35\x08\x00\x04"):
    ...     content = ContentHash()
    ...     content.update(b"PAR1" + listed + b"\x05\x00\x00\x00PAR1")
    ...     made.append(content.hexdigest())
    >>> made[0] == made[1], made[0] == made[2]
    (True, False)
    """

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._end = b""

    def update(self, piece: bytes) -> None:
        """Take the next bytes."""
        end = self._end + piece
        self._hash.update(end[:-_LAST])
        self._end = end[-_LAST:]

    def hexdigest(self) -> str:
        """Return the hash of what was taken so far, as a whole file."""
        footer = max(len(self._end) - 8 - int.from_bytes(self._end[-8:-4], "little"), 0)
        whole = self._hash.copy()
        whole.update(self._end[:footer])
        whole.update(_ENCODINGS.sub(_sorted, self._end[footer:]))
        return whole.hexdigest()


def _sorted(found: re.Match[bytes]) -> bytes:
    return found[0][:2] + bytes(sorted(found[0][2:]))
