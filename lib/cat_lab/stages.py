"""Name the four stages of a run and their notebooks."""

from __future__ import annotations

from typing import Literal

Stage = Literal["extract", "normalize", "convert", "query"]
STAGES: tuple[Stage, ...] = ("extract", "normalize", "convert", "query")
NOTEBOOKS: dict[Stage, str] = {stage: f"{n:02}_{stage}.ipynb" for n, stage in enumerate(STAGES, start=1)}
Opened = Literal[Stage, "investigate"]
"""What a notebook opens its workspace for: a stage, or to follow items through all of them."""
COPIES = {
    "users": "data.parquet",
    "conversations": "conversations.parquet",
    "messages": "messages.parquet",
}
"""The tables, and the names of their copies in the folder of a run."""
