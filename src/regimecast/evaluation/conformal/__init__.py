"""Calibrated intervals over any model: how far off it was says how far off it may be."""
