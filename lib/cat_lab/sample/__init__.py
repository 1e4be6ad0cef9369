"""The sample table of the local AWS: generated users and dialogues, edge cases and invalid items."""

from cat_lab.sample.generator import items, ordinary, put

__all__ = ["items", "ordinary", "put"]
