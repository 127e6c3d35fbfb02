"""`FinancialDataModule`: one fold of a market, from samples to batches.

It fits on the training interval what has to be fitted (scaler, regimes), weighs and draws the
training samples, and hands out the same samples as batches for networks and as flat rows for
boosters.
"""

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Float, Int
from lightning.pytorch import LightningDataModule

from regimecast.core.errors import ConfigError, did_you_mean
from regimecast.core.forecast import Outcomes
from regimecast.core.seeding import derive_seed
from regimecast.core.types import Samples, Task
from regimecast.data.dataset import TimeSeriesDataset
from regimecast.data.fitted import Fitted
from regimecast.data.loading import BatchLoader, check_loading
from regimecast.data.market import MarketData
from regimecast.data.placement import Placement
from regimecast.data.scaling import FeatureScaler, check_clip
from regimecast.data.shuffling import Shuffle, order_of
from regimecast.data.windows import WindowSource
from regimecast.labels.base import TargetSeries
from regimecast.regimes.base import RegimeLabeller
from regimecast.splits.base import Fold
from regimecast.weighting.base import Sampling, Weighting
from regimecast.weighting.compose import apply_weights, sample_weights
from regimecast.weighting.report import WeightReport

__all__ = ["FinancialDataModule", "SplitName"]

SplitName = Literal["train", "validation", "calibration", "test", "all"]
_DRAWING, _SHUFFLING = 1, 2  # what a fold needs chance for, each with a stream of its own


class FinancialDataModule(LightningDataModule):
    """One fold: samples, weights and loaders.

    Args:
        market: bars, features and target.
        fold: which samples train, validate and test.
        number: number of the fold, for seeds and reports.
        regime: labeller to fit on the training interval.
        weightings: their product weighs the training samples.
        sampling: how training samples are drawn.
        batch_size: windows per step and process.
        num_workers: loader processes; 0 gathers in the main process, which is fastest on a CPU.
        clip: scaled features are limited to ±clip.
        seed: of the drawing and the shuffling.
        shuffle: ``windows``, or ``times`` to keep the assets' windows of a bar time together.
        placement: where windows are cut; with ``device``, where the network trains.

    Raises:
        ConfigError: a number is out of range, or workers cannot help.
        LeakageError: the target's settings were fitted on bars of the validation or test part.
    """

    def __init__(
        self,
        market: MarketData,
        fold: Fold,
        *,
        number: int,
        regime: RegimeLabeller,
        weightings: Sequence[Weighting],
        sampling: Sampling,
        batch_size: int,
        num_workers: int,
        clip: float,
        seed: int,
        shuffle: Shuffle = "windows",
        placement: Placement = "memory",
        fitted: Fitted | None = None,
    ) -> None:
        super().__init__()
        check_loading(batch_size, num_workers, placement)
        check_clip(clip)
        self.market = market
        self.spec = market.spec
        """Shapes and channel names of every batch."""
        self.fold = fold
        self.number = number
        self._regime = regime
        self._weightings = weightings
        self._sampling = sampling
        self.batch_size = batch_size
        self._num_workers = num_workers
        self._clip = clip
        self.seed = seed
        self.shuffle = shuffle
        self.placement = placement
        self._given = fitted
        self._datasets: dict[str, TimeSeriesDataset] = {}
        self._wider: tuple[FinancialDataModule, dict[str, bool]] | None = None
        if fitted is None and (until := market.target_rule.fitted_until) is not None:
            fold.check_after(until, self.samples, what=f"target {self.spec.target!r}")

    def at(self, market: MarketData) -> "FinancialDataModule":
        """What this fold learnt, applied to other bars; only the split ``all`` can be used.

        For forecasts on later bars, and for the test that truncated data give the same forecasts.
        """
        if self._wider is not None:
            fold, groups = self._wider
            return fold.at(market).only(**groups)
        return type(self)(
            market,
            self.fold,
            number=self.number,
            regime=self._regime,
            weightings=self._weightings,
            sampling=self._sampling,
            batch_size=self.batch_size,
            num_workers=self._num_workers,
            clip=self._clip,
            seed=self.seed,
            shuffle=self.shuffle,
            placement=self.placement,
            fitted=self._fitted,
        )

    def only(self, *, past: bool, known: bool, static: bool) -> "FinancialDataModule":
        """The same fold, whose batches hold the history and these groups of covariates.

        What a model does not read is then never gathered.
        """
        if past and known and static:
            return self
        if self._given is None:
            self.split("train")  # now, and with it all that is fitted and drawn, for both
        twin, groups = copy(self), {"past": past, "known": known, "static": static}
        twin.spec, twin._datasets = self.spec.only(**groups), {}
        twin._wider = self, groups
        return twin

    @property
    def sampling(self) -> Sampling:
        """How training samples are drawn."""
        return self._sampling

    def resampled(self, sampling: Sampling) -> "FinancialDataModule":
        """The same fold, with training samples drawn in another way; what was fitted is shared."""
        if self._wider is not None:
            fold, groups = self._wider
            return fold.resampled(sampling).only(**groups)
        self.split("train")  # now, and with it all that is fitted, for both
        twin = copy(self)
        twin._sampling, twin._datasets = sampling, {}
        for made in ("_training", "weight_report"):
            twin.__dict__.pop(made, None)
        return twin

    def split(self, name: str) -> TimeSeriesDataset:
        """Windows of a split; ``train`` as drawn and weighed, ``validation`` as weighed.

        ``all`` holds every origin with a full window that the fold may be used on, whether its
        future is known or not: from the training interval's start on, or any where training goes
        on before and after the test part.

        Raises:
            ConfigError: unknown name, or a split that this module does not have.
        """
        if name not in get_args(SplitName):
            raise ConfigError(
                f"unknown split {name!r}.{did_you_mean(name, get_args(SplitName))} "
                f"Allowed: {', '.join(get_args(SplitName))}"
            )
        if self._given is not None and name != "all":
            raise ConfigError(f"split {name!r} belongs to the bars of the fold; only 'all' is here")
        if name not in self._datasets:
            self._datasets[name] = self._dataset(name)
        return self._datasets[name]

    def outcomes(self, name: str) -> Outcomes:
        """What really happened at every sample of a split, in the order of its samples."""
        dataset = self.split(name)
        target, mask = dataset.targets()
        if self.spec.task is Task.CLASSIFICATION:
            values = np.asarray(self.spec.classes, dtype=np.float64)[target.astype(np.int64)]
        else:
            values = target.astype(np.float64) * dataset.scale
        weight = self._same_rule(dataset.samples, dataset.regime)
        return Outcomes(
            values=values,
            mask=mask,
            regime=dataset.regime,
            weight=np.broadcast_to(weight[:, None].astype(np.float64), values.shape),
            asset=dataset.samples.asset,
            origin=dataset.samples.origin,
        )

    def loader(self, name: str, *, shuffle: bool = False) -> BatchLoader:
        """Batches of a split; the last one may be smaller, none is left out.

        In a group of processes, each gets its share of every batch; see `DealtBatches`.
        """
        dataset = self.split(name)
        seed = derive_seed(self.seed, self.number, _SHUFFLING)
        return BatchLoader(
            dataset,
            order_of(dataset.samples, self.shuffle if shuffle else None, seed),
            batch_size=self.batch_size,
            num_workers=self._num_workers,
            placement=self.placement,
        )

    def train_dataloader(self) -> BatchLoader:
        """Shuffled training batches."""
        return self.loader("train", shuffle=True)

    def val_dataloader(self) -> BatchLoader:
        """Validation batches in order."""
        return self.loader("validation")

    def test_dataloader(self) -> BatchLoader:
        """Test batches in order."""
        return self.loader("test")

    @cached_property
    def samples(self) -> Samples:
        """Samples that the fold's positions refer to."""
        return self.market.samples(complete=True)

    @cached_property
    def weight_report(self) -> WeightReport:
        """Share, weight and effective emphasis of every regime in training."""
        return self._training[2]

    @cached_property
    def regime_codes(self) -> Int[np.ndarray, " R"]:
        """Regime code of every bar, known at its close."""
        # A byte per bar is enough for a handful of codes.
        return self._fitted.regime.label(self.market.bars).astype(np.int8)

    @property
    def scaler(self) -> FeatureScaler:
        """Standardisation fitted on the training interval."""
        return self._fitted.scaler

    def state(self) -> dict[str, Any]:
        """What was fitted on the training interval, as plain values."""
        return self._fitted.state()

    @cached_property
    def _fitted(self) -> Fitted:
        if self._given is not None:
            return self._given
        return Fitted.on(
            self.market, self.fold.train_interval, regime=self._regime, clip=self._clip
        )

    @property
    def _target(self) -> TargetSeries:
        """The target in the fold's units."""
        target, scaler = self.market.target, self._fitted.target
        if scaler is None:
            return target
        return replace(target, series=scaler.scale(target.series, self.market.bars))

    @cached_property
    def _source(self) -> WindowSource:
        market = self.market
        static = market.static.copy()
        given = len(self._fitted.static.mean)
        static[:, :given] = self._fitted.static.scale(static[:, :given])
        return WindowSource(
            spec=self.spec,
            past=market.past,
            last_row=market.last_row,
            target=self._target,
            known=market.known,
            known_index=market.known_index,
            scheduled=market.scheduled,
            static=static,
            asset_of_row=market.bars.asset_of_row,
            scaler=self.scaler,
            scheduled_scaler=self._fitted.scheduled,
            time=market.bars.time,
        )

    @cached_property
    def _training(
        self,
    ) -> tuple[Samples, Float[np.ndarray, " M"], WeightReport]:
        """Samples drawn for training, their weights, and what both do to each regime."""
        natural = self.regime_codes[self.samples.row[self.fold.train]]
        generator = np.random.default_rng(derive_seed(self.seed, self.number, _DRAWING))
        drawn = self._sampling.draw(natural, generator)
        weight, report = sample_weights(
            self._weightings, self.samples.take(self.fold.train), natural, drawn=drawn
        )
        samples = self.samples.take(self.fold.train[drawn])
        return samples, weight.astype(np.float32), report

    def _dataset(self, name: str) -> TimeSeriesDataset:
        if self._wider is not None:
            fold, groups = self._wider
            return fold.split(name).only(**groups)
        weight = None
        if name == "train":
            samples, weight, _ = self._training
        elif name == "all":
            samples = self.market.samples(complete=False)
            samples = samples.take(np.flatnonzero(samples.start >= self.scaler.interval.first_use))
        else:
            positions = {
                "validation": self.fold.validation,
                "calibration": self.fold.of_calibration,
                "test": self.fold.test,
            }[name]
            samples = self.samples.take(positions)
        if len(samples):
            self.scaler.check(samples.start.min())
        regime = self.regime_codes[samples.row]
        if name == "validation":
            # Early stopping judges by what training minimises.
            weight = self._same_rule(samples, regime)
        return TimeSeriesDataset(self._source, samples, weight=weight, regime=regime)

    def _same_rule(
        self, samples: Samples, regime: Int[np.ndarray, " N"]
    ) -> Float[np.ndarray, " N"]:
        """The training set's weights on other samples, on the training set's scale."""
        factor = self.weight_report.factor
        return apply_weights(self._weightings, samples, regime, factor=factor)
