"""One contest: models' losses in one metric, overall or in a regime, tested against each other."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from regimecast.evaluation.significance.bootstrap import REPETITIONS, Blocks, block_length
from regimecast.evaluation.significance.confidence_set import model_confidence_set
from regimecast.evaluation.significance.diebold_mariano import holm, pairwise
from regimecast.evaluation.significance.superior_ability import superior_ability
from regimecast.evaluation.significance.testable import (
    NotTestableError,
    check_episodes,
    check_testable,
)

__all__ = ["SIZES", "Contest", "Pair", "Superiority", "hold_contest"]

SIZES = (0.10, 0.05)
"""Sizes at which membership of the model confidence set is told."""
_MOST_RUNS = 30
"""Above this many runs only pairs with the best are kept, adjusted for all of them all the same."""
_NAMED = 5


@dataclass(frozen=True)
class Pair:
    """Diebold & Mariano's test of two runs, see `diebold_mariano`."""

    first: str
    second: str
    difference: float
    """Mean loss of the first less that of the second."""
    statistic: float
    p_value: float
    holm: float
    """The p-value, adjusted for all pairs of the contest."""


@dataclass(frozen=True)
class Superiority:
    """Tests of the runs against a benchmark, see `superior_ability`."""

    p_value: float
    lower: float
    upper: float
    superior: tuple[str, ...]
    """Runs that are better at 5 %, all at once."""


@dataclass(frozen=True, eq=False)
class Contest:
    """What the data say about the runs in one metric."""

    metric: str
    regime: str | None
    """None for all regimes together."""
    times: int
    """Origins, or bars, that were tested."""
    mean: dict[str, float]
    """The metric per run, averaged over assets and then over times."""
    mcs: dict[str, float] = field(default_factory=dict)
    """p-value of being in the model confidence set, per run."""
    dm: tuple[Pair, ...] = ()
    spa: dict[str, Superiority] = field(default_factory=dict)
    """By benchmark."""
    block_length: float | None = None
    not_testable: str = ""
    """Why there are no tests, or some are missing."""

    def to_json(self) -> dict[str, Any]:
        """Plain values, see `Comparison.to_json`."""
        sets = {
            label: {"p_value": p, **{f"in_{size:.2f}": p > size for size in SIZES}}
            for label, p in self.mcs.items()
        }
        return {
            **{k: getattr(self, k) for k in ("metric", "regime", "times", "mean")},
            "block_length": self.block_length,
            "mcs": sets,
            "dm": [asdict(pair) for pair in self.dm],
            "spa": {
                name: {**asdict(found), "superior": list(found.superior)}
                for name, found in self.spa.items()
            },
            "not_testable": self.not_testable or None,
        }


def hold_contest(
    metric: str,
    regime: str | None,
    labels: Sequence[str],
    figures: Float[np.ndarray, "T K"],
    losses: Float[np.ndarray, "T K"],
    gains: Mapping[str, tuple[Sequence[str], Float[np.ndarray, "T M"]]],
    *,
    marked: Bool[np.ndarray, " C"],
    horizon: int,
    seed: int,
) -> Contest:
    """Every test of a contest, or why there is none.

    Args:
        metric: its name.
        regime: which regime, None for all.
        labels: of the runs.
        figures: the metric per time and run.
        losses: likewise, less is better.
        gains: per benchmark the runs that are tested against it, and their gains over it.
        marked: which times of the calendar these are.
        horizon: times over which neighbours overlap.
        seed: of the resamples.
    """
    mean = figures.mean(axis=0) if len(figures) else []
    told: dict[str, Any] = {
        "metric": metric,
        "regime": regime,
        "times": len(losses),
        "mean": {label: float(value) for label, value in zip(labels, mean, strict=False)},
    }
    try:
        if not marked.all():
            check_episodes(marked, horizon=horizon)
        check_testable(losses, horizon=horizon)
    except NotTestableError as error:
        return Contest(**told, not_testable=str(error))
    relative = [losses - losses.mean(axis=1, keepdims=True), *(gain for _, gain in gains.values())]
    length = block_length(np.concatenate(relative, axis=1), horizon=horizon)
    blocks = Blocks.draw(len(losses), length=length, repetitions=REPETITIONS, seed=seed)
    problems = []
    if len(labels) > 1:
        told["mcs"] = dict(
            zip(labels, map(float, model_confidence_set(losses, blocks)), strict=True)
        )
        told["dm"], untested = _pairs(labels, losses, horizon)
        if untested:
            problems.append(f"pairs with the same losses: {untested}")
    else:
        problems.append("one run: nothing to compare it with")
    told["spa"] = {}
    for name, (tested, gain) in gains.items():
        try:
            found = superior_ability(gain, blocks)
        except NotTestableError as error:
            problems.append(f"{name}: {error}")
            continue
        told["spa"][name] = Superiority(
            found.p_value,
            found.lower,
            found.upper,
            tuple(tested[i] for i in found.superior),
        )
    return Contest(**told, block_length=length, not_testable="; ".join(problems))


def _pairs(
    labels: Sequence[str], losses: Float[np.ndarray, "T K"], horizon: int
) -> tuple[tuple[Pair, ...], str]:
    """Tested pairs, and those whose losses do not differ."""
    statistic, p_value = pairwise(losses, horizon=horizon)
    every = list(combinations(range(len(labels)), 2))
    adjusted = holm(np.array([p_value[pair] for pair in every]))
    mean = losses.mean(axis=0)
    best = int(mean.argmin())
    pairs, same = [], []
    for (i, j), of_all in zip(every, adjusted, strict=True):
        if np.isnan(of_all):
            same.append(f"{labels[i]} and {labels[j]}")
        elif len(labels) <= _MOST_RUNS or best in (i, j):
            pairs.append(
                Pair(
                    labels[i],
                    labels[j],
                    float(mean[i] - mean[j]),
                    float(statistic[i, j]),
                    float(p_value[i, j]),
                    float(of_all),
                )
            )
    return tuple(pairs), ", ".join(same[:_NAMED]) + (" and more" if len(same) > _NAMED else "")
