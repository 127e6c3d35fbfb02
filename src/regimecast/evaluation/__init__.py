"""Judgement: metrics, costs, backtests, gates and leaderboards; knows forecasts, never models."""
