"""Benchmarks of the house, each a set of ratios measured within one run; see `catalogue`."""
