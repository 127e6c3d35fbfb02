"""Losses: what a network's last axis means, how it is scored and how it becomes a forecast."""
