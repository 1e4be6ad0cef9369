"""Tell whether a person looks at this kernel in the JupyterLab that ``cat-normalize lab`` started.

Interactive tables and controls are for that JupyterLab alone. In a run, in nbconvert and in nbval outputs
are plain, and the same every time.
"""

from __future__ import annotations

import os

VARIABLE = "CAT_NORMALIZE_LAB"
"""Set by ``cat-normalize lab``; its kernels and its terminals inherit it."""
_OF_A_NOTEBOOK = "JPY_SESSION_NAME"
"""Set by Jupyter for the kernel of a notebook that is open, and not for a terminal."""


def in_jupyterlab() -> bool:
    """Return whether this process is the kernel of a notebook that is open in that JupyterLab."""
    return VARIABLE in os.environ and _OF_A_NOTEBOOK in os.environ


def leave() -> None:
    """Keep what this process starts out of JupyterLab: a run may be started from a notebook."""
    os.environ.pop(VARIABLE, None)
