"""The sample table of the local AWS: generated users and dialogues, edge cases and invalid items."""
