"""Section ``intervals`` of ``metrics.json``: between which bounds the run's figures may lie."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from regimecast.core.forecast import Forecast, Outcomes
from regimecast.core.seeding import derive_seed
from regimecast.core.types import REGIMES
from regimecast.evaluation.backtest import BacktestResult
from regimecast.evaluation.row_scores import RowScores, row_scores
from regimecast.evaluation.significance.bootstrap import (
    LEVEL,
    REPETITIONS,
    Blocks,
    block_length,
    percentile_interval,
)
from regimecast.evaluation.significance.testable import (
    NOT_TESTABLE,
    NotTestableError,
    check_episodes,
    check_testable,
    varies,
)

__all__ = ["Intervals", "forecast_intervals", "intervals", "trading_intervals"]

Intervals = dict[str, list[float] | str]
"""Lower and upper bound by key, or ``not testable``."""

_RISK = ("sharpe", "annual_return", "max_drawdown")
_NOTHING_LEFT = -690.0
"""Logarithm of equity that is as good as lost: e^-690 is the smallest that a float64 holds well."""


def intervals(
    forecast: Forecast,
    outcomes: Outcomes,
    backtests: Mapping[str, BacktestResult],
    *,
    direction: bool,
    seed: int,
    prefix: str = "test",
) -> dict[str, Any]:
    """Intervals of forecast and trading metrics, overall and per regime, under the metrics' keys.

    Percentile intervals of the stationary bootstrap over origins, or bars: all assets of a time are
    drawn together, so that what they have in common stays. ``difference`` holds the strategy's
    figure less that of each benchmark, drawn at the same times. A regime of one episode is not
    testable, and so is whatever has too few times (`check_testable`); ``reasons`` says why.

    Args:
        forecast: out of sample.
        outcomes: what happened, row by row beside it.
        backtests: ``strategy`` and its benchmarks over the same bars; empty without trading.
        direction: as for `scoring.evaluate`.
        seed: seed of the run; the same seed gives the same bounds, bit for bit.
        prefix: first part of the forecast's keys.
    """
    reasons: dict[str, str] = {}
    found: dict[str, Any] = {
        "level": LEVEL,
        "method": f"stationary bootstrap, percentiles of {REPETITIONS} resamples",
        "forecast": forecast_intervals(
            forecast, outcomes, direction=direction, seed=seed, prefix=prefix, reasons=reasons
        ),
    }
    if backtests:
        found |= trading_intervals(backtests, seed=seed, reasons=reasons)
    return {**found, "reasons": reasons}


def forecast_intervals(
    forecast: Forecast,
    outcomes: Outcomes,
    *,
    direction: bool,
    seed: int,
    reasons: dict[str, str],
    prefix: str = "test",
) -> Intervals:
    """Intervals of every metric that is a mean over cells, as ``test/regime=crash/mae``.

    Args:
        forecast: see `intervals`, and so for those below.
        outcomes: what happened.
        direction: whether signs are scored.
        seed: of the run.
        reasons: why something is not testable is added here.
        prefix: first part of every key.
    """
    scores = row_scores(forecast, outcomes, direction=direction)
    if not scores.metrics:
        return {}
    times, time = np.unique(forecast.origin, return_inverse=True)
    found: Intervals = {}
    for number, (name, rows) in enumerate(_groups(outcomes.regime)):
        key = f"{prefix}/{name}".rstrip("/")
        marked = np.where(rows, time, -1)
        try:
            resampled = _resampled_scores(
                scores, marked, len(times), forecast.horizon, derive_seed(seed, 1, number + 1)
            )
        except NotTestableError as error:
            reasons[key] = str(error)
            names = {*scores.metrics, *(["rmse"] if "mse" in scores.metrics else [])}
            found |= {f"{key}/{metric}": NOT_TESTABLE for metric in names}
            continue
        found |= {f"{key}/{metric}": _bounds(drawn) for metric, drawn in resampled.items()}
    return found


def trading_intervals(
    backtests: Mapping[str, BacktestResult], *, seed: int, reasons: dict[str, str]
) -> dict[str, Any]:
    """Sections ``trading`` (of the strategy) and ``difference`` (to each of the others).

    Sharpe ratio, annual return and largest drawdown, overall and as ``regime=crash/sharpe``, and
    the turnover overall.

    Args:
        backtests: ``strategy`` and benchmarks, over the same bars.
        seed: see `intervals`.
        reasons: likewise.
    """
    strategy = backtests["strategy"]
    others = [name for name in backtests if name != "strategy"]
    trading: Intervals = {}
    difference: dict[str, Intervals] = {name: {} for name in others}
    for number, (name, bars) in enumerate(_groups(strategy.regime)):
        key = f"{name}/" if name else ""
        metrics = _RISK if name else (*_RISK, "turnover")
        try:
            drawn = _resampled_trading(backtests, bars, derive_seed(seed, 2, number + 1))
        except NotTestableError as error:
            reasons[f"trading/{name}".rstrip("/")] = str(error)
            for section in (trading, *difference.values()):
                section |= {f"{key}{metric}": NOT_TESTABLE for metric in metrics}
            continue
        for metric in metrics:
            trading[f"{key}{metric}"] = _bounds(drawn["strategy"][metric])
            for other in others:
                gap = drawn["strategy"][metric] - drawn[other][metric]
                difference[other][f"{key}{metric}"] = _bounds(gap)
    return {"trading": trading, "difference": difference}


def _groups(regime: Int[np.ndarray, " N"]) -> Iterator[tuple[str, Bool[np.ndarray, " N"]]]:
    """Everything under an empty name, and every regime."""
    yield "", np.ones(len(regime), dtype=bool)
    for code, name in enumerate(REGIMES):
        yield f"regime={name}", regime == code


def _bounds(drawn: Float[np.ndarray, " B"]) -> list[float] | str:
    """An interval; a figure that is the same in every resample tells nothing of its error."""
    if not np.isfinite(drawn).all() or not varies(drawn):
        return NOT_TESTABLE
    return [float(bound) for bound in percentile_interval(drawn)]


def _resampled_scores(
    scores: RowScores, time: Int[np.ndarray, " N"], n_times: int, horizon: int, seed: int
) -> dict[str, Float[np.ndarray, " B"]]:
    """Metrics of resampled times; samples whose time is -1 are left out."""
    total, count = scores.by_time(time, n_times)
    present = count.max(axis=1) > 0
    if not present.all():
        check_episodes(present, horizon=horizon)
    total, count = total[present], count[present]
    check_testable(total, horizon=horizon)
    mean = total / np.maximum(count, 1)
    length = block_length(mean, horizon=horizon)
    blocks = Blocks.draw(len(total), length=length, repetitions=REPETITIONS, seed=seed)
    # A ratio of sums, as the run's own figure is: assets may come and go.
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = blocks.means(total) / blocks.means(count)
    drawn = dict(zip(scores.metrics, ratio.T, strict=True))
    if "mse" in drawn:
        drawn["rmse"] = np.sqrt(np.maximum(drawn["mse"], 0.0))
    return drawn


def _resampled_trading(
    backtests: Mapping[str, BacktestResult], bars: Bool[np.ndarray, " T"], seed: int
) -> dict[str, dict[str, Float[np.ndarray, " B"]]]:
    """Metrics of each backtest over resampled bars, the same bars for all of them."""
    if not bars.all():
        check_episodes(bars, horizon=1)
    net = np.stack([result.net[bars] for result in backtests.values()], axis=1)
    turnover = np.stack([result.turnover[bars] for result in backtests.values()], axis=1)
    check_testable(net, horizon=1)
    with np.errstate(divide="ignore"):
        growth = np.maximum(np.log1p(net), _NOTHING_LEFT)
    n, k = net.shape
    blocks = Blocks.draw(n, length=block_length(net), repetitions=REPETITIONS, seed=seed)
    # About each column's mean, so that the variance is no difference of large numbers.
    level = net.mean(axis=0)
    moved, squares, grown, traded = np.split(
        blocks.means(np.concatenate([net - level, (net - level) ** 2, growth, turnover], axis=1)),
        4,
        axis=1,
    )
    variance = (squares - moved**2) * n / (n - 1)
    bars_per_year = backtests["strategy"].bars_per_year
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        sharpe = (moved + level) / np.sqrt(variance) * np.sqrt(bars_per_year)
        annual = np.expm1(grown * bars_per_year)
    sharpe[:, ~varies(net)] = np.nan
    return {
        name: {
            "sharpe": sharpe[:, i],
            "annual_return": annual[:, i],
            "max_drawdown": blocks.max_drawdowns(growth[:, i]),
            "turnover": traded[:, i] * bars_per_year,
        }
        for i, name in zip(range(k), backtests, strict=True)
    }
