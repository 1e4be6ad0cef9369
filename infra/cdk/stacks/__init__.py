"""The two stacks of contract §7: each composes parts and defines nothing itself."""
