"""The constructs that the stacks are composed of (the name `constructs` is taken)."""
