"""How fast samples are purged and split; run by `regimecast bench splits`."""

from collections.abc import Callable

import numpy as np

from regimecast.bench.results import BenchReport, Ratio, limit
from regimecast.bench.timing import take_turns
from regimecast.core.types import Samples
from regimecast.splits.base import Fold, Splitter
from regimecast.splits.combinatorial_purged import CombinatorialPurged
from regimecast.splits.holdout import Holdout
from regimecast.splits.walk_forward import WalkForward

__all__ = ["run"]

_SAMPLES, _ASSETS, _WINDOW, _LABEL = 1_000_000, 4, 189, 60
_MANY = "combinatorial, 15 folds"
_LIMIT, _LIMIT_OF_MANY = limit(1.0), limit(15.0)


def run(*, repetitions: int, quick: bool) -> BenchReport:
    """Seconds to purge and split a million samples, and how they grow with their number."""
    number = _SAMPLES // 10 if quick else _SAMPLES
    splitters = _splitters(number)
    samples = {assets: _samples(number, assets) for assets in (1, _ASSETS)}
    tenth = _samples(number // 10, _ASSETS)
    whole = f"{number:,} samples"
    contestants: dict[str, Callable[[], list[Fold]]] = {
        f"{name}, {assets} assets" if assets > 1 else f"{name}, 1 asset": _call(splitter, given)
        for name, splitter in splitters.items()
        for assets, given in samples.items()
    }
    small = f"holdout, {number // 10:,} samples"
    contestants[small] = _call(_splitters(number // 10)["holdout"], tenth)
    times = take_turns(
        contestants, repetitions=repetitions, clock="processor", least_seconds=0.0 if quick else 0.1
    )
    ratios = [
        Ratio(
            name=f"{name}: {whole}",
            over=sample,
            under=_LIMIT_OF_MANY if name.startswith(_MANY) else _LIMIT,
            at_most=1.0,
        )
        for name, sample in times.items()
        if name != small
    ]
    large = times[f"holdout, {_ASSETS} assets"]
    ratios.append(
        Ratio(
            name="cost per sample at ten times as many",
            over=large.per("sample", number),
            under=times[small].per("sample", number // 10),
            at_most=1.5,
        )
    )
    return BenchReport(
        name="splits",
        title="Purging and splitting",
        about=(
            f"{whole} of one-minute bars with gaps, windows of {_WINDOW} bars and labels that end "
            f"after 1 to {_LABEL} bars, are cut into training, validation and test parts and "
            "purged on the intervals that they read; walk-forward makes five folds, with an "
            "embargo of one hour, and combinatorial cross-validation fifteen, purged on either "
            "side of two groups of six, at one second a fold."
        ),
        ratios=ratios,
        quick=quick,
    )


def _call(splitter: Splitter, samples: Samples) -> Callable[[], list[Fold]]:
    return lambda: splitter.split(samples)


def _splitters(number: int) -> dict[str, Splitter]:
    return {
        "holdout": Holdout(train=0.6, validation=0.2, test=0.2, purge="auto", embargo=0),
        "holdout, embargo in bars": Holdout(
            train=0.6, validation=0.2, test=0.2, purge="auto", embargo=60
        ),
        "walk-forward": WalkForward(
            folds=5,
            test=0.1,
            validation=0.2,
            window="expanding",
            train=None,
            purge="auto",
            embargo="1h",
        ),
        _MANY: CombinatorialPurged(
            groups=6, test_groups=2, validation=0.2, purge="auto", embargo="1h"
        ),
    }


def _samples(number: int, assets: int) -> Samples:
    """That many samples in all, divided over assets with gaps of their own."""
    rng = np.random.default_rng(0)
    each = number // assets
    rows = each + _WINDOW + _LABEL
    origin = np.arange(each) + _WINDOW
    columns: list[list[np.ndarray]] = [[] for _ in range(6)]
    for asset in range(assets):
        minute = np.sort(rng.choice(rows + rows // 20, size=rows, replace=False))
        time = np.datetime64("2020-01-01", "ns") + minute * np.timedelta64(60 * 10**9, "ns")
        end = origin + rng.integers(1, _LABEL + 1, size=each)
        parts = (asset * rows + origin, np.full(each, asset), time[origin])
        edges = (time[origin - _WINDOW], time[end], asset * rows + end)
        for column, values in zip(columns, (*parts, *edges), strict=True):
            column.append(values)
    return Samples(*(np.concatenate(column) for column in columns))
