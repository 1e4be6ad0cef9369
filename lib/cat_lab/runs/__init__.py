"""Plan, check and execute runs of the four notebooks, and keep their records."""
