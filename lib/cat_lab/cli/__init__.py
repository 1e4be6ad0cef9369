"""The command line (contract §8): each command reads its options and makes one call.

Data and summaries go to stdout, messages and progress to stderr. ``main`` is the entry point; ``app`` is the
typer application with all commands.
"""

from cat_lab.cli.app import app
from cat_lab.cli.entry import main

__all__ = ["app", "main"]
