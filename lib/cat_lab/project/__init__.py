"""The notebooks and scripts that people run, and a project of one's own with them (contract §8).

A wheel carries them in the folder of this package, where nothing is ever written; a checkout has them at its
root.
"""

from cat_lab.project.files import find, find_notebooks, find_own_notebooks, is_installed
from cat_lab.project.layout import lay_out

__all__ = ["find", "find_notebooks", "find_own_notebooks", "is_installed", "lay_out"]
