"""Make slow imports fast."""

from __future__ import annotations

import sys


def skip_uri_grammars() -> None:
    """Keep jsonschema from compiling its grammars of URIs on import: 1.5 seconds that no notebook needs."""
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
