"""Targets: what a model is asked to forecast, and which bars each target reads."""
