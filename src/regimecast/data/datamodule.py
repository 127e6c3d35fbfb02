"""`FinancialDataModule`: one fold of a market, from samples to batches.

It fits on the training interval what has to be fitted (scaler, regimes), weighs and draws the
training samples, and hands out the same samples as batches for networks and as flat rows for
boosters.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
import torch
from jaxtyping import Float, Int
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader, RandomSampler, SequentialSampler

from regimecast.core.batch import Batch
from regimecast.core.errors import ConfigError, did_you_mean
from regimecast.core.seeding import derive_seed
from regimecast.core.types import DataSpec, Outcomes, Samples, Task
from regimecast.data.dataset import TimeSeriesDataset
from regimecast.data.dealing import DealtBatches
from regimecast.data.fitted import Fitted
from regimecast.data.market import MarketData
from regimecast.data.scaling import FeatureScaler
from regimecast.data.shuffling import Shuffle, ShuffledTimes
from regimecast.data.windows import WindowSource
from regimecast.labels.base import TargetSeries
from regimecast.regimes.base import RegimeLabeller
from regimecast.splits.base import Fold
from regimecast.weighting.base import Sampling, Weighting
from regimecast.weighting.compose import apply_weights, sample_weights
from regimecast.weighting.report import WeightReport

__all__ = ["FinancialDataModule", "SplitName"]

SplitName = Literal["train", "validation", "test", "all"]
_DRAWING, _SHUFFLING = 1, 2  # what a fold needs chance for, each with a stream of its own


def _identity(batch: Any) -> Any:
    """The dataset gathers whole batches, so there is nothing to collate."""
    return batch


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

    Raises:
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
        fitted: Fitted | None = None,
    ) -> None:
        super().__init__()
        self.market = market
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
        self._given = fitted
        self._datasets: dict[str, TimeSeriesDataset] = {}
        if fitted is None and (until := market.target_rule.fitted_until) is not None:
            fold.check_after(until, self.samples, what=f"target {self.spec.target!r}")

    @property
    def spec(self) -> DataSpec:
        """Shapes and channel names of every batch."""
        return self.market.spec

    def at(self, market: MarketData) -> "FinancialDataModule":
        """What this fold learnt, applied to other bars; only the split ``all`` can be used.

        For forecasts on later bars, and for the test that truncated data give the same forecasts.
        """
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
            fitted=self._fitted,
        )

    def split(self, name: str) -> TimeSeriesDataset:
        """Windows of a split; ``train`` as drawn and weighed, ``validation`` as weighed.

        ``all`` holds every origin with a full window from the training interval's start on, whether
        its future is known or not.

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

    def loader(self, name: str, *, shuffle: bool = False) -> DataLoader[Batch]:
        """Batches of a split; the last one may be smaller, none is left out.

        In a group of processes, each gets its share of every batch; see `DealtBatches`.
        """
        dataset = self.split(name)
        seed = derive_seed(self.seed, self.number, _SHUFFLING)
        chance = torch.Generator().manual_seed(seed) if shuffle else None
        order: RandomSampler | SequentialSampler | ShuffledTimes = SequentialSampler(dataset)
        if chance is not None:
            order = (
                RandomSampler(dataset, generator=chance)
                if self.shuffle == "windows"
                else ShuffledTimes(dataset.samples.origin, chance)
            )
        return DataLoader(
            dataset,
            batch_sampler=DealtBatches(order, batch_size=self.batch_size),
            num_workers=self._num_workers,
            persistent_workers=self._num_workers > 0,
            collate_fn=_identity,
            generator=chance,
        )

    def train_dataloader(self) -> DataLoader[Batch]:
        """Shuffled training batches."""
        return self.loader("train", shuffle=True)

    def val_dataloader(self) -> DataLoader[Batch]:
        """Validation batches in order."""
        return self.loader("validation")

    def test_dataloader(self) -> DataLoader[Batch]:
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

    @property
    def regime_codes(self) -> Int[np.ndarray, " R"]:
        """Regime code of every bar, known at its close."""
        return self._regime_codes

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
    def _regime_codes(self) -> Int[np.ndarray, " R"]:
        return self._fitted.regime.label(self.market.bars)

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
        )

    @cached_property
    def _training(
        self,
    ) -> tuple[Int[np.ndarray, " M"], Float[np.ndarray, " M"], WeightReport]:
        """Positions drawn for training, their weights, and what both do to each regime."""
        natural = self._regime_codes[self.samples.row[self.fold.train]]
        generator = np.random.default_rng(derive_seed(self.seed, self.number, _DRAWING))
        drawn = self._sampling.draw(natural, generator)
        positions = self.fold.train[drawn]
        weight, report = sample_weights(
            self._weightings, self.samples.take(self.fold.train), natural, drawn=drawn
        )
        return positions, weight, report

    def _dataset(self, name: str) -> TimeSeriesDataset:
        weight = None
        if name == "train":
            positions, weight, _ = self._training
            samples = self.samples.take(positions)
        elif name == "all":
            samples = self.market.samples(complete=False)
            samples = samples.take(np.flatnonzero(samples.start >= self.scaler.interval.start))
        else:
            positions = self.fold.validation if name == "validation" else self.fold.test
            samples = self.samples.take(positions)
        if len(samples):
            self.scaler.check(samples.start.min())
        regime = self._regime_codes[samples.row]
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
