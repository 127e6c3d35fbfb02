"""Who suggests the next point: Optuna's samplers, made anew for every question.

All that a sampler knows is read from the storage, and its random numbers come from the trial's own
seed, so that a search that was killed goes on as if it had not been.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from cmaes import CMA  # type: ignore[import-untyped]  # it carries no types
from optuna import Study
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from regimecast.core.errors import ConfigError
from regimecast.sweep.settings import SearchSettings
from regimecast.sweep.space import Point, Space

__all__ = ["CmaEs", "Given", "check_searcher", "make_sampler"]

_SIGMA = 1 / 6
"""First width of the distribution, as a share of each dimension's: all of it within 3 of them."""
_POPULATION = 50


def check_searcher(space: Space, settings: SearchSettings) -> None:
    """Nothing, if the searcher can search the space.

    Raises:
        ConfigError: it cannot.
    """
    if settings.searcher == "grid":
        for one in space.dimensions:
            _ = one.choices
    if settings.searcher != "cmaes":
        return
    if space.conditional:
        raise ConfigError(
            "sweep.searcher=cmaes knows no dimension that is there for one model only: search one "
            "model, or choose sweep=tpe"
        )
    named = ", ".join(one.key for one in space.dimensions if not _is_number(one.distribution))
    if named:
        raise ConfigError(
            f"sweep.searcher=cmaes takes numbers, and these are choices: {named}. Give each as "
            "range(…) or interval(…), fix it (model.dropout=0.1), or choose sweep=tpe"
        )
    if len(space.dimensions) < 2:
        raise ConfigError("sweep.searcher=cmaes needs two dimensions at least, or sweep=tpe")


def make_sampler(settings: SearchSettings, *, seed: int) -> BaseSampler:
    """A sampler for one question.

    Args:
        settings: of the search.
        seed: of its random numbers.
    """
    match settings.searcher:
        case "tpe":
            # What still runs counts as bad, or jobs beside each other would be near-twins.
            return TPESampler(seed=seed, constant_liar=True)
        case "nsga2":
            return NSGAIISampler(population_size=settings.population or _POPULATION, seed=seed)
        case "cmaes":
            (direction,) = settings.objectives.values()
            return CmaEs(
                seed=seed, population=settings.population, sign=1 if direction == "min" else -1
            )
    return RandomSampler(seed=seed)


class CmaEs(BaseSampler):
    """CMA-ES whose state is worked out from the finished trials, so that none has to be stored.

    Optuna's own keeps a pickle of its state in the storage, which whoever opens it would run.
    Finished trials in order of their numbers make the generations. The unit cube is searched; a
    dimension with ``log`` is even in its logarithm. Hansen 2016, "The CMA Evolution Strategy: A
    Tutorial", arXiv:1604.00772.

    Args:
        seed: of this question.
        population: trials of a generation; None: 4 + 3 ln(dimensions).
        sign: 1 to look for the least, -1 for the greatest.
    """

    def __init__(self, *, seed: int, population: int | None, sign: int) -> None:
        self._seed = seed
        self._population = population
        self._sign = sign
        self._random = RandomSampler(seed=seed)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Every dimension that a finished trial has."""
        for done in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
            return dict(sorted(done.distributions.items()))
        return {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: Mapping[str, BaseDistribution]
    ) -> dict[str, Any]:
        """A draw from the distribution after all whole generations; none before the first trial."""
        done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if not search_space or len(done) < 1:
            return {}
        dimensions = list(search_space.items())
        search = CMA(
            mean=np.full(len(dimensions), 0.5),
            sigma=_SIGMA,
            bounds=np.tile([0.0, 1.0], (len(dimensions), 1)),
            seed=self._seed,
            population_size=self._population,
        )
        size = search.population_size
        for start in range(0, len(done) - size + 1, size):
            search.tell(
                [
                    (
                        np.array([_to_unit(d, float(one.params[name])) for name, d in dimensions]),
                        self._sign * float(one.values[0]),
                    )
                    for one in done[start : start + size]
                ]
            )
        drawn = search.ask()
        return {
            name: _from_unit(d, float(unit))
            for (name, d), unit in zip(dimensions, drawn, strict=True)
        }

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """A value anywhere, for what the distribution does not have yet."""
        return self._random.sample_independent(study, trial, param_name, param_distribution)


class Given(BaseSampler):
    """Gives the values of one point, as overrides have them."""

    def __init__(self, point: Point) -> None:
        self._point = point

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Nothing: each is asked for."""
        return {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: Mapping[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Nothing."""
        return {}

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """The point's value."""
        text = self._point[param_name]
        if isinstance(param_distribution, CategoricalDistribution):
            return text
        return float(text) if isinstance(param_distribution, FloatDistribution) else int(text)


def _is_number(distribution: BaseDistribution) -> bool:
    return isinstance(distribution, FloatDistribution | IntDistribution)


def _span(distribution: Any) -> tuple[Sequence[float], bool]:
    """Ends on the scale that is even, a whole number owning half a step on each side."""
    half = 0.5 * distribution.step if isinstance(distribution, IntDistribution) else 0.0
    low, high = distribution.low - half, distribution.high + half
    return ((np.log(low), np.log(high)), True) if distribution.log else ((low, high), False)


def _to_unit(distribution: BaseDistribution, value: float) -> float:
    (low, high), log = _span(distribution)
    if high == low:
        return 0.5
    return float(((np.log(value) if log else value) - low) / (high - low))


def _from_unit(distribution: Any, unit: float) -> float | int:
    (low, high), log = _span(distribution)
    value = low + unit * (high - low)
    value = float(np.exp(value)) if log else float(value)
    if distribution.step:
        value = distribution.low + round((value - distribution.low) / distribution.step) * (
            distribution.step
        )
    value = min(max(value, distribution.low), distribution.high)
    return int(value) if isinstance(distribution, IntDistribution) else value
