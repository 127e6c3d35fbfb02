"""Models: networks, boosters and baselines behind one contract."""
