"""What models on flat rows share: how windows become rows, and what a weight means to them.

A window becomes one row: the past channels at a few lags, the known channels at each step ahead and
the static channels (`TimeSeriesDataset.arrays`). Steps are forecast directly, each from the row
known at the origin; no forecast feeds another.

Copies of a training sample are merged into one row with the sum of their weights, and weights have
mean 1 over the merged rows of a step. So k copies reach the library as weight k, in every model and
also where it counts rows (leaf sizes) or draws them, and a common factor changes nothing but
rounding.
"""

import logging
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from regimecast.core.errors import ConfigError, DataError, SpecError
from regimecast.core.types import DataSpec, Forecast
from regimecast.data.datamodule import FinancialDataModule
from regimecast.data.dataset import Arrays
from regimecast.losses.cross_entropy import CrossEntropy
from regimecast.models.base import BaseTimeSeriesModel
from regimecast.training.report import FitReport
from regimecast.training.trainer import ModelTrainer

__all__ = ["Rows", "TabularModel", "merge_copies", "rows_of_step", "weighted_quantiles"]

_log = logging.getLogger(__name__)
_SEEDS = 2**31
"""Seeds stay below this, which every library accepts."""


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows whose target is known at one step and that have a weight."""

    x: Float[np.ndarray, "M D"]
    y: Float[np.ndarray, " M"]
    """Target in units of the scale, or index of the class."""
    weight: Float[np.ndarray, " M"]
    """Positive, mean 1."""

    def __len__(self) -> int:
        return len(self.y)


def merge_copies(arrays: Arrays, row: Int[np.ndarray, " N"]) -> Arrays:
    """The distinct samples in order of first occurrence, each with its copies' summed weight.

    Args:
        arrays: samples, drawn with repeats or not.
        row: panel row of each sample's origin, which tells what is a copy of what.
    """
    _, first, group = np.unique(row, return_index=True, return_inverse=True)
    if len(first) == len(row):
        return arrays
    order = np.argsort(first)
    position = np.argsort(order)[group]
    weight = np.zeros((len(first), arrays.weight.shape[1]))
    np.add.at(weight, position, arrays.weight)
    kept = first[order]
    return Arrays(
        arrays.x[kept],
        arrays.names,
        arrays.target[kept],
        arrays.mask[kept],
        weight,
        arrays.scale[kept],
    )


def rows_of_step(arrays: Arrays, step: int) -> Rows:
    """Rows that count at a step: target known and weight above 0; may be none."""
    weight = arrays.weight[:, step].astype(np.float64)
    used = arrays.mask[:, step] & (weight > 0)
    weight = weight[used]
    if len(weight):
        weight /= weight.mean()
    x = arrays.x if used.all() else arrays.x[used]
    return Rows(x, arrays.target[used, step], weight.astype(np.float32))


def weighted_quantiles(
    values: Float[np.ndarray, " M"], weight: Float[np.ndarray, " M"], levels: Sequence[float]
) -> Float[np.ndarray, " Q"]:
    """Smallest value at which the share of weight reaches each level (inverted distribution)."""
    order = np.argsort(values, kind="stable")
    share = np.cumsum(weight[order], dtype=np.float64)
    # A share that equals a level up to rounding has reached it.
    position = np.searchsorted(share, np.asarray(levels) * share[-1] * (1 - 1e-12))
    return values[order][np.minimum(position, len(values) - 1)].astype(np.float64)


class TabularModel(BaseTimeSeriesModel):
    """A model on flat rows. A subclass says how to learn and how to forecast.

    Args:
        spec: see `BaseTimeSeriesModel`.
        loss: see `BaseTimeSeriesModel`; a model that names its losses knows no focus
            and no smoothed labels.
        lags: bars back from the origin (0) at which past channels become columns; those beyond the
            context window are left out.

    Raises:
        ConfigError: lags are negative or repeated.
        SpecError: every lag is beyond the context window, or the loss has focus or smoothed labels.
    """

    def __init__(self, *, spec: DataSpec, loss: Mapping[str, Any], lags: Sequence[int]) -> None:
        super().__init__(spec=spec, loss=loss)
        self.lags = self._within_context(lags)
        if self.capabilities.losses is not None and isinstance(self.loss, CrossEntropy):
            for key in ("gamma", "label_smoothing"):
                if (value := getattr(self.loss, key)) != 0:
                    raise SpecError(
                        f"model {self.name!r} cannot be trained with loss.{key}={value}; allowed: 0"
                    )

    def fit(self, data: FinancialDataModule, trainer: ModelTrainer | None = None) -> FitReport:
        """Trains on ``train``; of `trainer` only the seed is used (0 without one).

        Raises:
            DataError: some step has no training row with a known target.
        """
        started = perf_counter()
        drawn = data.split("train")
        train = merge_copies(drawn.arrays(self.lags), drawn.samples.row)
        for step in range(self.spec.horizon):
            if not np.any(train.mask[:, step] & (train.weight[:, step] > 0)):
                raise DataError(
                    f"model {self.name!r}: none of {len(train.mask)} training rows has a known "
                    f"target and a weight at step {step + 1}"
                )
        self.loss.fit(train.target, np.where(train.mask, train.weight, np.float32(0)))
        report = self._learn(
            self._with_class_weights(train),
            self._with_class_weights(data.split("validation").arrays(self.lags)),
            (0 if trainer is None else trainer.seed) % _SEEDS,
        )
        return replace(report, seconds=perf_counter() - started, unused=self.unused)

    def predict(self, data: FinancialDataModule, split: str) -> Forecast:
        """Forecast for every sample of a split, in the order of `data.split(split).samples`.

        Raises:
            SpecError: the model is not trained.
        """
        dataset = data.split(split)
        arrays = dataset.arrays(self.lags)
        if len(arrays.x):
            decoded = self._decode(arrays.x)
        else:
            decoded = np.empty((0, self.spec.horizon, len(self.loss.levels)))
        return self._forecast(decoded, dataset.samples, arrays.scale)

    @abstractmethod
    def _learn(self, train: Arrays, validation: Arrays, seed: int) -> FitReport:
        """Learns from distinct rows; `validation` may be empty. Time and channels are filled in."""

    @abstractmethod
    def _decode(self, x: Float[np.ndarray, "N D"]) -> Float[np.ndarray, "N H Q"]:
        """Ascending quantiles in units of the scale, or probabilities of `spec.classes`."""

    def _within_context(self, lags: Sequence[int]) -> tuple[int, ...]:
        given = [int(lag) for lag in lags]
        if not given or min(given) < 0 or len(set(given)) < len(given):
            raise ConfigError(
                f"model.lags={given} must be at least one bar back, 0 or more, without repeats"
            )
        length = self.spec.context_length
        kept = tuple(lag for lag in given if lag < length)
        if not kept:
            raise SpecError(
                f"model.lags={given} are all beyond the context window: allowed 0 to {length - 1}"
            )
        if len(kept) < len(given):
            _log.info("%s uses lags %s of %s: context is %d", self.name, kept, given, length)
        return kept

    def _with_class_weights(self, arrays: Arrays) -> Arrays:
        if not isinstance(self.loss, CrossEntropy) or not self.loss.balanced:
            return arrays
        factor: Float[np.ndarray, " C"] = self.loss.class_weight.numpy()
        return replace(arrays, weight=arrays.weight * factor[arrays.target.astype(np.int64)])
