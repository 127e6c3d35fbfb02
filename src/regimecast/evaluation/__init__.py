"""Judgement: metrics, costs, backtests, gates and leaderboards; knows forecasts, never models.

The functions exported here say how much of a result is luck, given returns or their Sharpe ratio
per observation; they need no run and no config.
"""

from regimecast.evaluation.deflation import (
    deflated_sharpe_ratio,
    effective_number_of_trials,
    expected_maximum_sharpe,
    minimum_backtest_length,
    minimum_track_record_length,
    probabilistic_sharpe_ratio,
)
from regimecast.evaluation.overfitting import Overfitting, probability_of_backtest_overfitting

__all__ = [
    "Overfitting",
    "deflated_sharpe_ratio",
    "effective_number_of_trials",
    "expected_maximum_sharpe",
    "minimum_backtest_length",
    "minimum_track_record_length",
    "probabilistic_sharpe_ratio",
    "probability_of_backtest_overfitting",
]
