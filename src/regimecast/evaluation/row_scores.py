"""Scores of single samples: what the means of `scoring.evaluate` are taken over."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from regimecast.core.forecast import Forecast, Outcomes
from regimecast.core.types import ForecastKind
from regimecast.evaluation import class_metrics, forecast_metrics
from regimecast.evaluation.scoring import known_cells

__all__ = ["RowScores", "row_scores"]

_Cells = dict[str, Float[np.ndarray, " M"]]


@dataclass(frozen=True, eq=False)
class RowScores:
    """Sums over the known steps of every sample.

    A metric of any samples is Σ `total` / Σ `count` over them. The direction's count leaves out
    steps on which nothing moved.
    """

    metrics: tuple[str, ...]
    total: Float[np.ndarray, "N K"]
    count: Float[np.ndarray, "N K"]

    def by_time(
        self, time: Int[np.ndarray, " N"], n_times: int
    ) -> tuple[Float[np.ndarray, "T K"], Float[np.ndarray, "T K"]]:
        """`total` and `count` summed over the samples of each time.

        Args:
            time: number of each sample's time, -1 where the sample is left out.
            n_times: number of times.
        """
        total, count = np.zeros((2, n_times + 1, len(self.metrics)))
        for k in range(len(self.metrics)):
            total[:, k] = np.bincount(time + 1, self.total[:, k], n_times + 1)
            count[:, k] = np.bincount(time + 1, self.count[:, k], n_times + 1)
        return total[1:], count[1:]


def row_scores(forecast: Forecast, outcomes: Outcomes, *, direction: bool = True) -> RowScores:
    """Scores of each sample in every metric that is a mean over cells.

    Args:
        forecast: what was said.
        outcomes: what happened, row by row beside it.
        direction: as for `scoring.evaluate`.
    """
    known, happened = known_cells(outcomes, forecast.kind)
    values = forecast.values
    point = None if forecast.kind is ForecastKind.PROBABILITIES else forecast.point()
    sums: dict[str, tuple[Float[np.ndarray, " N"], Float[np.ndarray, " N"]]] = {}
    # Step by step: a long horizon has many millions of cells.
    for step in range(forecast.horizon):
        rows = np.flatnonzero(known[:, step])
        actual = happened[rows, step].astype(np.float64)
        if point is None:
            cells = _classes(values[rows, step], forecast.levels, actual)
        else:
            guess = point[rows, step]
            cells = {} if forecast.kind is ForecastKind.POSITIONS else _errors(guess, actual)
            if cells:
                cells |= _quantiles(values[rows, step], forecast.levels, actual)
            if direction:
                hits = forecast_metrics.direction_cells(guess, actual)
                cells["directional_accuracy"] = np.where(actual != 0, hits, np.nan)
        for name, scores in cells.items():
            total, count = sums.setdefault(name, (np.zeros(len(forecast)), np.zeros(len(forecast))))
            total[rows] += np.nan_to_num(scores)
            count[rows] += ~np.isnan(scores)
    empty = np.zeros((len(forecast), 0))
    return RowScores(
        tuple(sums),
        np.stack([total for total, _ in sums.values()], axis=1) if sums else empty,
        np.stack([count for _, count in sums.values()], axis=1) if sums else empty,
    )


def _errors(guess: Float[np.ndarray, " M"], actual: Float[np.ndarray, " M"]) -> _Cells:
    error = guess - actual
    return {"mae": np.abs(error), "mse": error**2}


def _quantiles(
    values: Float[np.ndarray, "M Q"], levels: tuple[float, ...], actual: Float[np.ndarray, " M"]
) -> _Cells:
    cells = {
        "pinball": forecast_metrics.pinball_cells(values, levels, actual),
        "crps": forecast_metrics.crps_cells(values, levels, actual),
    }
    for low, high, nominal in forecast_metrics.central_intervals(levels):
        lower, upper = values[:, low].astype(np.float64), values[:, high].astype(np.float64)
        name = f"{100 * nominal:.6g}"
        cells[f"coverage_{name}"] = ((lower <= actual) & (actual <= upper)).astype(np.float64)
        cells[f"width_{name}"] = upper - lower
    return cells


def _classes(
    values: Float[np.ndarray, "M C"], classes: tuple[float, ...], actual: Float[np.ndarray, " M"]
) -> _Cells:
    truth = class_metrics.class_index(actual, classes)
    return {
        "accuracy": class_metrics.hit_cells(values, truth),
        "log_loss": class_metrics.log_loss_cells(values, truth),
        "brier": class_metrics.brier_cells(values, truth),
    }
