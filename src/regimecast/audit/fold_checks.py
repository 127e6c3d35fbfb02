"""Checks of a fold: what training fits and draws, and the windows that models are fed."""

from dataclasses import fields, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Int, Shaped

from regimecast.audit.findings import Check, NotAudited
from regimecast.audit.ledger import Ledger, Where
from regimecast.audit.perturbation import Kind
from regimecast.audit.regime_checks import compare_state
from regimecast.audit.subject import Subject
from regimecast.core.batch import Batch
from regimecast.core.types import DataSpec, Samples
from regimecast.data.datamodule import FinancialDataModule
from regimecast.data.dataset import TimeSeriesDataset
from regimecast.data.market import MarketData
from regimecast.data.panel import Panel
from regimecast.splits.base import Fold

__all__ = ["TrainingCheck", "WindowCheck", "same_fold"]

_FOLDS = 2
_FITS = (Kind.HOLES, Kind.NOISE, Kind.FLIP)
"""What is enough for training, where every replacement is another fit. Without later bars there
would be no fold; windows are checked so."""
_AS_IT_IS = "as it is"
_SAMPLES = 256
"""Windows that are compared: the last ones before the cut, and as many others."""


class TrainingCheck:
    """All that training fits, draws and weighs is the same whatever follows its interval."""

    name = "training"

    def run(self, subject: Subject) -> tuple[list[Check], list[NotAudited]]:
        """Scalers, regimes, drawn samples, weights and windows of training, fold by fold."""
        ledger = Ledger(self.name)
        for fold in subject.some_folds(_FOLDS):
            cut = fold.train_interval.end
            with ledger.attempt("training", cut, _AS_IT_IS):
                base = _module(subject, subject.market, fold)
                for kind in _FITS:
                    with ledger.attempt("training", cut, kind):
                        market = subject.market.on(subject.unseen(fold, kind))
                        if not fold.chronological:
                            market = _kept_where_learnt(subject.market, market, fold)
                        moved = same_fold(subject.market, market, fold)
                        other = _module(subject, market, moved)
                        self._compare(ledger, subject, base, other, cut, kind)
        return ledger.checks(), []

    def _compare(
        self,
        ledger: Ledger,
        subject: Subject,
        base: FinancialDataModule,
        other: FinancialDataModule,
        cut: np.datetime64,
        kind: Kind,
    ) -> None:
        samples = base.samples.take(base.fold.train), other.samples.take(other.fold.train)
        where = _where(base.market.bars, samples[0], cut, kind)
        kept, there = (_keys(part, np.arange(len(part))) for part in samples)
        ledger.compare("training", "samples", kept, there, where)
        compare_state(ledger, "scaler", base.scaler.to_json(), other.scaler.to_json(), cut, kind)
        state, changed = base.state()["regime"], other.state()["regime"]
        compare_state(ledger, "regime of the fold", state, changed, cut, kind)
        if not base.fold.chronological:
            # A regime is known at its close, from bars before it that another part may hold, and
            # with it what a sample weighs. The windows' bars are the same: nothing is left to see.
            return
        before, after = base.split("train"), other.split("train")
        where = _where(base.market.bars, before.samples, cut, kind)
        ledger.compare("sampling", "drawn rows", before.samples.row, after.samples.row, where)
        if len(before) != len(after):
            return
        weight = before.weight[:, 0], after.weight[:, 0]
        ledger.compare("weights", "weight", *weight, where)
        chosen = _spread(subject.generator(3), len(before))
        same = Where.rows(base.market.bars, before.samples.row[chosen], cut, kind)
        _compare_windows(ledger, before, chosen, after, chosen, same, targets=True)


def _kept_where_learnt(base: MarketData, other: MarketData, fold: Fold) -> MarketData:
    """The other market with the base's features and target where training may learn from them.

    A recursive feature remembers, ever less, the bars before those it declares. What it does to
    windows `IntervalCheck` measures; here it must not pass for a fit that reads other parts.
    """
    time = base.bars.time
    kept = fold.train_interval.teaches(base.bars.earlier(base.lookback), time)
    inside = fold.train_interval.contains(time)
    was, became = base.target, other.target
    merged: dict[str, Any] = {}
    for field in fields(was):
        before, after = getattr(was, field.name), getattr(became, field.name)
        if isinstance(before, np.ndarray) and before.shape == time.shape:
            after = np.where(inside, before, after)
        merged[field.name] = after
    return replace(
        other,
        past=np.where(kept[:, None], base.past, other.past),
        scheduled=np.where(inside[:, None], base.scheduled, other.scheduled),
        target=replace(became, **merged),
    )


class WindowCheck:
    """A window is the same to the bit whatever follows its origin."""

    name = "windows"

    def run(self, subject: Subject) -> tuple[list[Check], list[NotAudited]]:
        """Every tensor of the windows at and before each cut, by channel."""
        ledger = Ledger(self.name)
        with ledger.attempt("windows", subject.cuts[0], _AS_IT_IS):
            module = _module(subject, subject.market, subject.folds[0])
            base = module.split("all")
            for cut, kind, panel in subject.futures():
                with ledger.attempt("windows", cut, kind):
                    other = module.at(subject.market.on(panel)).split("all")
                    self._compare(ledger, subject, base, other, cut, kind)
        return ledger.checks(), []

    def _compare(
        self,
        ledger: Ledger,
        subject: Subject,
        base: TimeSeriesDataset,
        other: TimeSeriesDataset,
        cut: np.datetime64,
        kind: Kind,
    ) -> None:
        here = np.flatnonzero(base.samples.origin <= cut)
        there = np.flatnonzero(other.samples.origin <= cut)
        bars = subject.bars
        if kind is Kind.END and subject.market.scheduled.shape[1]:
            # A window with columns known ahead needs the rows ahead; without them there is none.
            here, there = _shared(base.samples, here, other.samples, there)
        where = Where.rows(bars, base.samples.row[here], cut, kind)
        names = _keys(base.samples, here), _keys(other.samples, there)
        ledger.compare("windows", "origins", *names, where)
        if len(here) != len(there) or not len(here):
            return
        chosen = _near(subject.generator(4), base.samples.origin[here])
        here, there = here[chosen], there[chosen]
        where = Where.rows(bars, base.samples.row[here], cut, kind)
        _compare_windows(ledger, base, here, other, there, where, targets=False)
        # Targets are known at the cut only where their last bar is.
        known = base.samples.end[here] <= cut
        known &= bars.time[subject.market.target.end_row[base.samples.row[here]]] <= cut
        known &= subject.market.target.complete[base.samples.row[here]]
        where = Where.rows(bars, base.samples.row[here[known]], cut, kind)
        before, after = _batch(base, here[known]), _batch(other, there[known])
        _compare_targets(ledger, before, after, where)


def same_fold(base: MarketData, market: MarketData, fold: Fold) -> Fold:
    """The fold in terms of another market's samples; those it has not are left out."""
    before, after = base.samples(complete=True), market.samples(complete=True)
    key = {pair: index for index, pair in enumerate(_pairs(after))}
    pairs = _pairs(before)

    def moved(part: Int[np.ndarray, " N"]) -> Int[np.ndarray, " M"]:
        return np.array(
            [key[pairs[index]] for index in part.tolist() if pairs[index] in key], dtype=np.int64
        )

    return replace(
        fold, train=moved(fold.train), validation=moved(fold.validation), test=moved(fold.test)
    )


def _module(subject: Subject, market: MarketData, fold: Fold) -> FinancialDataModule:
    return next(subject.parts.modules(market, [fold]))


def _compare_windows(
    ledger: Ledger,
    base: TimeSeriesDataset,
    here: Int[np.ndarray, " N"],
    other: TimeSeriesDataset,
    there: Int[np.ndarray, " N"],
    where: Where,
    *,
    targets: bool,
) -> None:
    """Every input of some windows, channel by channel, as batches and as flat rows."""
    before, after = _batch(base, here), _batch(other, there)
    spec = base.spec
    for part, names in _channels(spec).items():
        was, became = getattr(before, part).numpy(), getattr(after, part).numpy()
        for index, name in enumerate(names):
            output = f"{part}/{name}"
            ledger.compare("windows", output, was[..., index], became[..., index], where)
    for part in ("scale", "regime", "weight"):
        was, became = getattr(before, part).numpy(), getattr(after, part).numpy()
        ledger.compare("windows", part, was, became, where)
    lags = torch.tensor(sorted({0, 1, spec.context_length - 1} & set(range(spec.context_length))))
    was = base.source.table(before.origin, lags).numpy()
    became = other.source.table(after.origin, lags).numpy()
    ledger.compare("windows", "flat rows", was, became, where)
    if targets:
        _compare_targets(ledger, before, after, where)


def _compare_targets(ledger: Ledger, before: Batch, after: Batch, where: Where) -> None:
    for part in ("target", "mask"):
        was, became = getattr(before, part).numpy(), getattr(after, part).numpy()
        ledger.compare("windows", part, was, became, where)


def _channels(spec: DataSpec) -> dict[str, tuple[str, ...]]:
    return {"past": spec.past, "known": spec.known, "static": spec.static}


def _batch(dataset: TimeSeriesDataset, positions: Int[np.ndarray, " N"]) -> Batch:
    return dataset.gather(torch.from_numpy(positions.astype(np.int64)))


def _spread(generator: np.random.Generator, number: int) -> Int[np.ndarray, " N"]:
    """Some positions, the last ones among them."""
    last = np.arange(max(number - _SAMPLES, 0), number)
    others = generator.choice(number, size=min(_SAMPLES, number), replace=False)
    return np.unique(np.concatenate([last, others]))


def _near(
    generator: np.random.Generator, origin: Shaped[np.ndarray, " N"]
) -> Int[np.ndarray, " M"]:
    """Positions of the latest origins of all assets, and as many others."""
    order = np.argsort(origin, kind="stable")
    return np.sort(order[_spread(generator, len(origin))])


def _where(bars: Panel, samples: Samples, cut: np.datetime64, kind: Kind) -> Where:
    return Where.rows(bars, samples.row, cut, kind)


def _pairs(samples: Samples) -> list[tuple[int, int]]:
    origin = samples.origin.view(np.int64)
    return list(zip(samples.asset.tolist(), origin.tolist(), strict=True))


def _keys(samples: Samples, index: Int[np.ndarray, " N"]) -> Int[np.ndarray, "N 2"]:
    """Asset and origin in nanoseconds."""
    return np.stack([samples.asset[index], samples.origin[index].view(np.int64)], axis=1)


def _shared(
    base: Samples, here: Int[np.ndarray, " N"], other: Samples, there: Int[np.ndarray, " M"]
) -> tuple[Int[np.ndarray, " K"], Int[np.ndarray, " K"]]:
    mine, theirs = _keys(base, here), _keys(other, there)
    place = {tuple(pair): index for index, pair in enumerate(theirs.tolist())}
    found = [(i, place[tuple(p)]) for i, p in enumerate(mine.tolist()) if tuple(p) in place]
    pairs = np.array(found, dtype=np.int64).reshape(-1, 2)
    return here[pairs[:, 0]], there[pairs[:, 1]]
