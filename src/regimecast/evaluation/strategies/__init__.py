"""Strategies: rules that turn a forecast into a position."""
