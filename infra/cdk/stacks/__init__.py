"""The two stacks of contract §7; each only composes parts."""
