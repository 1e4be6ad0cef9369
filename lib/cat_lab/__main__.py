"""``python -m cat_lab``: the command line."""

from cat_lab.cli import main

main()
