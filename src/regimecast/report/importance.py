"""What the objective of a search depends on: the share of its differences by setting."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import optuna
import pandas as pd
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.importance import FanovaImportanceEvaluator, get_param_importances

__all__ = ["FEWEST", "Importances", "importances"]

FEWEST = 8
"""Runs from which a share is more than chance."""

_FAR = 50
"""Times the lowest value from which a setting counts by its logarithm, such as a learning rate."""

_TREES = 64
_SEED = 0


class Importances(NamedTuple):
    """Shares that add up to 1, highest first, and what they were worked out from.

    Args:
        shares: by setting; empty where there are too few runs or no differences.
        step: at which the runs were compared; None where none was pruned.
        runs: that were compared.
    """

    shares: dict[str, float]
    step: int | None
    runs: int


def importances(
    settings: Mapping[str, tuple[bool, Sequence[str]]],
    objectives: Sequence[float],
    *,
    curves: Sequence[pd.DataFrame],
    statuses: Sequence[str],
) -> Importances:
    """Share of the objective's variance that each setting explains by itself, highest first.

    Runs that were pruned are compared with the others where all of them still were: at the last
    step that none had left. Runs that failed or were interrupted before it are left out, and so are
    settings that not every run has.

    Source: Hutter, Hoos and Leyton-Brown (2014), "An Efficient Approach for Assessing
    Hyperparameter Importance", ICML; computed by optuna.

    Args:
        settings: by key, whether it is a number, and its value in every run, empty for none.
        objectives: of the runs at their end.
        curves: columns ``step`` and ``objective`` of every run.
        statuses: of the runs, such as ``finished`` or ``pruned``.
    """
    left = [_last(curve) for curve, s in zip(curves, statuses, strict=True) if s == "pruned"]
    step = min(left, default=None)
    values = [
        _compared(value, curve, status, step)
        for value, curve, status in zip(objectives, curves, statuses, strict=True)
    ]
    finite = [index for index, value in enumerate(values) if math.isfinite(value)]
    known = {
        key: (numeric, own)
        for key, (numeric, texts) in settings.items()
        if all(own := [texts[index] for index in finite]) and len(set(own)) > 1
    }
    if len(finite) < FEWEST or not known or len({values[index] for index in finite}) < 2:
        return Importances({}, None, len(finite))
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="minimize")
    ranges = {key: _distribution(numeric, texts) for key, (numeric, texts) in known.items()}
    for place, index in enumerate(finite):
        params = {
            key: float(texts[place]) if numeric else texts[place]
            for key, (numeric, texts) in known.items()
        }
        study.add_trial(
            optuna.create_trial(params=params, distributions=ranges, value=values[index])
        )
    evaluator = FanovaImportanceEvaluator(n_trees=_TREES, seed=_SEED)
    shares = get_param_importances(study, evaluator=evaluator)
    total = sum(shares.values())
    if not total or not math.isfinite(total):
        return Importances({}, None, len(finite))
    ordered = sorted(shares.items(), key=lambda item: -item[1])
    return Importances({key: float(share) / total for key, share in ordered}, step, len(finite))


def _compared(objective: float, curve: pd.DataFrame, status: str, step: int | None) -> float:
    """What a run is compared by; NaN where it was stopped before it came that far."""
    if step is None:
        return objective if status == "finished" else math.nan
    if status not in ("finished", "pruned") and _last(curve) < step:
        return math.nan
    return _at(curve, step)


def _last(curve: pd.DataFrame) -> int:
    return int(curve["step"].iloc[-1])


def _at(curve: pd.DataFrame, step: int) -> float:
    """Objective at a step; after its end a run keeps its last."""
    known = curve["objective"][curve["step"] <= step]
    return float(known.iloc[-1]) if len(known) else math.nan


def _distribution(numeric: bool, texts: Sequence[str]) -> BaseDistribution:
    if not numeric:
        return CategoricalDistribution(sorted(set(texts)))
    numbers = [float(text) for text in texts]
    low, high = min(numbers), max(numbers)
    return FloatDistribution(low, high, log=low > 0 and high > _FAR * low)
