"""Which samples train, validate and test: purged on the intervals of time that they read."""
