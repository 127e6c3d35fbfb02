"""What models on flat rows share: how windows become rows, and what a weight means to them.

A window becomes one row: the past channels at a few lags, the known channels at each step ahead and
the static channels (`LagTable`). Steps are forecast directly, each from the row
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
from functools import cached_property
from time import perf_counter
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Bool, Float, Int

from regimecast.core.errors import ConfigError, DataError, SpecError
from regimecast.core.forecast import Forecast
from regimecast.core.types import DataSpec
from regimecast.data.datamodule import FinancialDataModule
from regimecast.data.dataset import TimeSeriesDataset
from regimecast.losses.cross_entropy import CrossEntropy
from regimecast.losses.decoded import loss_of_decoded
from regimecast.models.base import BaseTimeSeriesModel
from regimecast.models.lagged import Labelled, LagTable
from regimecast.training.progress import Reports
from regimecast.training.report import FitReport
from regimecast.training.trainer import ModelTrainer

__all__ = ["Rows", "TabularModel", "merge_copies", "rows_of_step", "weighted_quantiles"]

_log = logging.getLogger(__name__)
_SEEDS = 2**31
"""Seeds stay below this, which every library accepts."""


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows whose target is known at one step and that have a weight."""

    table: Labelled
    used: Bool[np.ndarray, " N"]
    """Which rows of the table these M are."""
    y: Float[np.ndarray, " M"]
    """Target in units of the scale, or index of the class."""
    weight: Float[np.ndarray, " M"]
    """Positive, mean 1."""

    def __len__(self) -> int:
        return len(self.y)

    @cached_property
    def x(self) -> Float[np.ndarray, "M D"]:
        """The rows; the table's own where all of them are used."""
        return self.table.x if self.used.all() else self.table.x[self.used]

    def spread(self, values: Float[np.ndarray, " M"]) -> Float[np.ndarray, " N"]:
        """A value for every row of the table, 0 for those that are not used."""
        spread = np.zeros(len(self.used), values.dtype)
        spread[self.used] = values
        return spread


def merge_copies(drawn: Labelled, row: Int[np.ndarray, " N"]) -> Labelled:
    """The distinct samples in order of first occurrence, each with its copies' summed weight.

    Args:
        drawn: samples, drawn with repeats or not.
        row: panel row of each sample's origin, which tells what is a copy of what.
    """
    _, first, group = np.unique(row, return_index=True, return_inverse=True)
    if len(first) == len(row):
        return drawn
    order = np.argsort(first)
    position = np.argsort(order)[group]
    weight = np.zeros((len(first), drawn.weight.shape[1]))
    np.add.at(weight, position, drawn.weight)
    return replace(drawn.take(first[order]), weight=weight)


def rows_of_step(table: Labelled, step: int) -> Rows:
    """Rows that count at a step: target known and weight above 0; may be none."""
    used = table.counts[:, step]
    weight = table.weight[used, step].astype(np.float64)
    if len(weight):
        weight /= weight.mean()
    return Rows(table, used, table.target[used, step], weight.astype(np.float32))


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

    coded: ClassVar[bool] = False
    """Whether the asset comes as one column with its number, as libraries want that know names,
    rather than as an indicator per asset."""

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
        """Trains on ``train``; of `trainer` only the seed (0 without one) and `progress` are used.

        Raises:
            DataError: some step has no training row with a known target.
            Pruned: whoever watches has stopped it.
        """
        started = perf_counter()
        reports = None if trainer is None else trainer.progress
        drawn = data.split("train")
        train = merge_copies(self._labelled(drawn), drawn.samples.row)
        for step, counts in enumerate(train.counts.T, 1):
            if not counts.any():
                raise DataError(
                    f"model {self.name!r}: none of {len(train)} training rows has a known "
                    f"target and a weight at step {step}"
                )
        self.loss.fit(train.target, np.where(train.mask, train.weight, np.float32(0)))
        report = self._learn(
            self._with_class_weights(train),
            self._with_class_weights(self._labelled(data.split("validation"))),
            (0 if trainer is None else trainer.seed) % _SEEDS,
            reports,
        )
        if reports is not None and report.best_score is None:
            report = self._report_once(report, data.split("validation"), reports)
        return replace(report, seconds=perf_counter() - started, unused=self.unused)

    def predict(self, data: FinancialDataModule, split: str) -> Forecast:
        """Forecast for every sample of a split, in the order of `data.split(split).samples`.

        Raises:
            SpecError: the model is not trained.
        """
        dataset = data.split(split)
        decoded = [np.empty((0, self.spec.horizon, len(self.loss.levels)))]
        decoded += [self._decode(x) for x in self.rows(dataset).blocks()]
        return self._forecast(np.concatenate(decoded), dataset.samples, dataset.scale)

    def rows(self, dataset: TimeSeriesDataset) -> LagTable:
        """The samples as this model sees them."""
        return LagTable(dataset, self.lags, np.arange(len(dataset)), coded=self.coded)

    def _labelled(self, dataset: TimeSeriesDataset) -> Labelled:
        return Labelled(self.rows(dataset), *dataset.targets(), dataset.weight)

    @abstractmethod
    def _learn(
        self, train: Labelled, validation: Labelled, seed: int, reports: Reports | None
    ) -> FitReport:
        """Learns from distinct rows; `validation` may be empty. Time and channels are filled in.

        What has no score on the way reports nothing: its forecast is judged when it has learnt.
        """

    @abstractmethod
    def _decode(self, x: Float[np.ndarray, "N D"]) -> Float[np.ndarray, "N H Q"]:
        """Ascending quantiles in units of the scale, or probabilities of `spec.classes`."""

    def _report_once(
        self, report: FitReport, validation: TimeSeriesDataset, reports: Reports
    ) -> FitReport:
        """The report with the loss of the forecast of the validation part, which it tells."""
        decoded = [self._decode(x) for x in self.rows(validation).blocks()]
        if not decoded:
            return report
        score = loss_of_decoded(
            self.loss, np.concatenate(decoded), *validation.targets(), validation.weight
        )
        if score is None:
            return report
        reports.record(0, score)
        reports.announce()
        return replace(report, best_score=score)

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

    def _with_class_weights(self, table: Labelled) -> Labelled:
        if not isinstance(self.loss, CrossEntropy) or not self.loss.balanced:
            return table
        factor: Float[np.ndarray, " C"] = self.loss.class_weight.numpy()
        return replace(table, weight=table.weight * factor[table.target.astype(np.int64)])
