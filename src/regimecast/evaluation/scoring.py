"""`evaluate`: every forecast metric of a run, overall, per regime and per step, with its count."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Int

from regimecast.core.errors import SpecError
from regimecast.core.forecast import Forecast, Outcomes
from regimecast.core.types import REGIMES, ForecastKind
from regimecast.evaluation import class_metrics, forecast_metrics

__all__ = [
    "Metrics",
    "check_aligned",
    "episodes",
    "evaluate",
    "known_cells",
    "metric_names",
    "overall",
    "reported_steps",
]

Metrics = dict[str, float | int | None]
"""Metric by key; None where it does not exist."""

_Selection: TypeAlias = slice | Bool[np.ndarray, " M"]

_WEIGHTED = frozenset(
    {"mae", "mse", "rmse", "pinball", "crps", "directional_accuracy"}
    | {"accuracy", "macro_f1", "log_loss", "brier"}
)
"""Metrics that are also reported with the training weights' rule."""


def evaluate(
    forecast: Forecast, outcomes: Outcomes, *, prefix: str = "test", direction: bool = True
) -> Metrics:
    """Metrics as ``test/mae``, ``test/weighted_mae``, ``test/regime=crash/n``, ``test/step=1/mae``.

    Cells that are not known (`Outcomes.mask`) are left out. Regimes are those known at the origin;
    one without a sample has n = 0 and null metrics, and `episodes` counts the separate spells that
    its samples come from: a thousand samples of one crash are one crash. `weighted_` metrics use
    `Outcomes.weight`. A position is held for one step and is scored against that step's return. Up
    to 12 steps are all reported, of longer horizons see `reported_steps`.

    Args:
        forecast: what was said.
        outcomes: what happened, row by row beside it.
        prefix: first part of every key.
        direction: the target is a return, so that its sign and its correlation with the forecast
            say something; of levels they do not, and are left out.

    Raises:
        SpecError: rows are not the same samples, a known cell has no finite forecast or outcome, or
            an outcome is none of the classes.
    """
    check_aligned(forecast, outcomes)
    cells = _Cells(forecast, outcomes, direction=direction)
    metrics: Metrics = {f"{prefix}/n": cells.count()}
    metrics |= {f"{prefix}/{key}": value for key, value in cells.scores().items()}
    metrics |= {
        f"{prefix}/weighted_{key}": value
        for key, value in cells.scores(weighted=True).items()
        if key in _WEIGHTED
    }
    for code, regime in enumerate(REGIMES):
        rows = outcomes.regime == code
        group = f"{prefix}/regime={regime}"
        metrics[f"{group}/n"] = cells.count(rows)
        metrics[f"{group}/episodes"] = episodes(forecast, rows)
        metrics |= {f"{group}/{key}": value for key, value in cells.scores(rows).items()}
    for step in reported_steps(forecast.horizon):
        group = f"{prefix}/step={step}"
        metrics[f"{group}/n"] = cells.count(step=step)
        metrics |= {f"{group}/{key}": value for key, value in cells.scores(step=step).items()}
    return metrics


def overall(forecast: Forecast, outcomes: Outcomes, *, direction: bool = True) -> Metrics:
    """Metrics over all known cells by bare name, such as ``mae``; see `evaluate`."""
    check_aligned(forecast, outcomes)
    return _Cells(forecast, outcomes, direction=direction).scores()


def metric_names(kind: ForecastKind, *, direction: bool) -> tuple[str, ...]:
    """Bare names of the metrics that every forecast of a kind has, whatever its levels."""
    sign = ("directional_accuracy", "ic", "rank_ic")
    return {
        ForecastKind.QUANTILES: ("mae", "mse", "rmse", "pinball", "crps") + sign * direction,
        ForecastKind.PROBABILITIES: ("accuracy", "macro_f1", "log_loss", "brier"),
        ForecastKind.POSITIONS: sign,
    }[kind]


def reported_steps(horizon: int) -> tuple[int, ...]:
    """Steps that get metrics of their own: all up to 12, else 1, 2, 4, 8, ... and the last."""
    if horizon <= 12:
        return tuple(range(1, horizon + 1))
    return (*(2**power for power in range(horizon.bit_length()) if 2**power < horizon), horizon)


def episodes(forecast: Forecast, rows: Bool[np.ndarray, " N"]) -> int:
    """Separate spells that marked samples form: most runs without a break, over the assets.

    An origin that several folds forecast is one, marked where any of its samples is.
    """
    order = np.lexsort((forecast.origin, forecast.asset))
    asset, origin = forecast.asset[order], forecast.origin[order]
    first = np.flatnonzero(np.append(True, (np.diff(asset) != 0) | (origin[1:] != origin[:-1])))
    first = first[: len(order)]
    asset = asset[first]
    marked = np.logical_or.reduceat(rows[order], first) if len(order) else rows
    same_asset = np.append(False, np.diff(asset) == 0)[: len(asset)]
    starts = marked & ~(np.append(False, marked[:-1]) & same_asset)
    counts = np.bincount(asset[starts])
    return int(counts.max()) if len(counts) else 0


def check_aligned(forecast: Forecast, outcomes: Outcomes) -> None:
    """Raises `SpecError` unless both speak of the same samples in the same order and shape."""
    if forecast.values.shape[:2] != outcomes.values.shape:
        raise SpecError(
            f"forecast is {forecast.values.shape[:2]} samples x steps, "
            f"outcomes are {outcomes.values.shape}"
        )
    differ = (forecast.asset != outcomes.asset) | (forecast.origin != outcomes.origin)
    if differ.any():
        row = int(np.flatnonzero(differ)[0])
        raise SpecError(
            f"forecast and outcomes differ at row {row}: asset {forecast.asset[row]} at "
            f"{forecast.origin[row]} against asset {outcomes.asset[row]} at {outcomes.origin[row]}"
        )


class _Cells:
    """Known cells of a forecast, flattened once, to be scored in any selection."""

    def __init__(self, forecast: Forecast, outcomes: Outcomes, *, direction: bool) -> None:
        # Step by step, since most selections are of a step. There may be 54 million cells
        # (720 steps, 7 series, 10,801 origins): none is held twice, and indices are int32.
        known, happened = (cells.T for cells in known_cells(outcomes, forecast.kind))
        self.step, self.row = (
            np.broadcast_to(index.astype(np.int32), known.shape)[known]
            for index in (np.arange(len(known))[:, None], np.arange(known.shape[1]))
        )
        self.kind = forecast.kind
        self.direction = direction
        self.levels = forecast.levels
        self.values = forecast.values.swapaxes(0, 1)[known]
        self.actual = happened[known].astype(np.float64, copy=False)
        self.point = (
            self.values[:, self.levels.index(0.5)]
            if forecast.kind is ForecastKind.QUANTILES and 0.5 in self.levels
            else forecast.point().T[known].astype(np.float64, copy=False)
        )
        self._weights, self._known = outcomes.weight, known
        origin = np.unique(forecast.origin, return_inverse=True)[1].astype(np.int32)
        self.origin = origin[self.row]
        self.n_rows = len(forecast)
        for what, finite in (
            ("forecast", np.isfinite(self.values).all(axis=1)),
            ("outcome", np.isfinite(self.actual)),
        ):
            if not finite.all():
                row = int(self.row[~finite][0])
                raise SpecError(
                    f"the {what} is NaN or infinite in {int((~finite).sum())} of {len(finite)} "
                    f"known cells, first for {forecast.assets[int(forecast.asset[row])]!r} "
                    f"at {forecast.origin[row]}"
                )

    def count(self, rows: Bool[np.ndarray, " N"] | None = None, step: int | None = None) -> int:
        """Known cells of a selection."""
        return len(self.row[self._select(rows, step)])

    def scores(
        self,
        rows: Bool[np.ndarray, " N"] | None = None,
        step: int | None = None,
        weighted: bool = False,
    ) -> Metrics:
        """Metrics of a selection by bare name, all None where it is empty."""
        score: Callable[[_Selection, Float[np.ndarray, " K"] | None], Metrics] = {
            ForecastKind.QUANTILES: self._quantiles,
            ForecastKind.PROBABILITIES: self._classes,
            ForecastKind.POSITIONS: self._direction,
        }[self.kind]
        keep = self._select(rows, step)
        return score(keep, self._weight()[keep] if weighted else None)

    def _weight(self) -> Float[np.ndarray, " K"]:
        """Weight of every cell; not held, since it is asked for once."""
        return self._weights.T[self._known].astype(np.float64, copy=False)

    def _select(self, rows: Bool[np.ndarray, " N"] | None, step: int | None) -> _Selection:
        """Cells of these rows, or of a step; all where neither is given."""
        if rows is not None:
            return rows[self.row]
        if step is None:
            return slice(None)
        return slice(*np.searchsorted(self.step, [step - 1, step]).tolist())

    def _quantiles(self, keep: _Selection, weight: Float[np.ndarray, " K"] | None) -> Metrics:
        values, actual, point = self.values[keep], self.actual[keep], self.point[keep]
        metrics: Metrics = {
            "mae": forecast_metrics.mae(point, actual, weight),
            "mse": forecast_metrics.mse(point, actual, weight),
            "rmse": forecast_metrics.rmse(point, actual, weight),
            "pinball": forecast_metrics.pinball(values, self.levels, actual, weight),
            "crps": forecast_metrics.crps(values, self.levels, actual, weight),
        }
        if self.direction:
            metrics |= self._direction(keep, weight)
        for low, high, nominal in forecast_metrics.central_intervals(self.levels):
            lower, upper = values[:, low].astype(np.float64), values[:, high].astype(np.float64)
            name = f"{100 * nominal:.6g}"
            metrics[f"coverage_{name}"] = forecast_metrics.coverage(lower, upper, actual, weight)
            metrics[f"width_{name}"] = forecast_metrics.width(lower, upper, weight)
        return metrics

    def _direction(self, keep: _Selection, weight: Float[np.ndarray, " K"] | None) -> Metrics:
        point, actual = self.point[keep], self.actual[keep]
        metrics: Metrics = {
            "directional_accuracy": forecast_metrics.directional_accuracy(point, actual, weight)
        }
        if weight is None:
            origin: Int[np.ndarray, " K"] = self.origin[keep]
            for name, rank in (("ic", False), ("rank_ic", True)):
                metrics[name] = forecast_metrics.information_coefficient(
                    point, actual, origin=origin, step=self.step[keep], rank=rank
                )
        return metrics

    def _classes(self, keep: _Selection, weight: Float[np.ndarray, " K"] | None) -> Metrics:
        values = self.values[keep]
        truth = class_metrics.class_index(self.actual[keep], self.levels)
        return {
            "accuracy": class_metrics.accuracy(values, truth, weight),
            "macro_f1": class_metrics.macro_f1(values, truth, weight),
            "log_loss": class_metrics.log_loss(values, truth, weight),
            "brier": class_metrics.brier(values, truth, weight),
        }


def known_cells(
    outcomes: Outcomes, kind: ForecastKind
) -> tuple[Bool[np.ndarray, "N H"], Float[np.ndarray, "N H"]]:
    """Cells to be scored, and what happened in them in the terms of the forecast.

    Outcomes of a forecast are cumulative returns. The position of step h is taken at the close of
    step h - 1, so that it earns their difference, which is known where both ends are.
    """
    mask, values = outcomes.mask, outcomes.values
    if kind is not ForecastKind.POSITIONS:
        return mask, values
    before = np.concatenate([np.ones_like(mask[:, :1]), mask[:, :-1]], axis=1)
    return mask & before, np.diff(np.where(mask, values, 0.0), axis=1, prepend=0.0)
