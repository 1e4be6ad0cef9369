"""What the stacks are composed of: a construct or a few to a module (the name `constructs` is taken)."""
