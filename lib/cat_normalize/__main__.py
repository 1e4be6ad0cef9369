"""``python -m cat_normalize``: the command line."""

from cat_normalize.cli import main

main()
