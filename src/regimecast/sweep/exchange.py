"""Population-based training: jobs that do badly go on with the weights of one that does well.

Such a job is a new one: the other's config, with the values that are changed from that epoch on in
its key ``changes``. Its whole descent is therefore in its config, which repeats it in one training;
that its first epochs are copied instead only saves their time. Jaderberg et al. 2017, "Population
Based Training of Neural Networks", arXiv:1711.09846.
"""

import random
from collections.abc import Callable, Mapping
from typing import Any

from optuna.distributions import FloatDistribution, IntDistribution
from ray.tune.schedulers import PopulationBasedTraining, TrialScheduler

from regimecast.core.errors import ConfigError
from regimecast.core.seeding import derive_seed
from regimecast.sweep.dimension import Dimension
from regimecast.sweep.schedulers import STEP, VALUE
from regimecast.sweep.settings import SearchSettings
from regimecast.sweep.space import Space

__all__ = ["Exchange", "changed_value", "check_population", "current_values", "mutated"]

_GROUP = "optimizer."
_ONE_FOLD = ("holdout", "borders")
"""Splits that have no other."""


def mutated(space: Space) -> list[Dimension]:
    """Dimensions whose values may change while a job trains: numbers of the optimizer."""
    return [
        one
        for one in space.dimensions
        if one.key.startswith(_GROUP)
        and isinstance(one.distribution, FloatDistribution | IntDistribution)
    ]


def check_population(space: Space, settings: SearchSettings, base: Mapping[str, Any]) -> None:
    """Nothing, if jobs of the space can exchange weights.

    Raises:
        ConfigError: nothing could change, there are several folds, or jobs end before the first
            exchange.
    """
    if not settings.population_based:
        return
    if not mutated(space):
        raise ConfigError(
            "sweep=pbt changes numbers of the optimizer on the way, and none is searched: add one, "
            "such as optimizer.lr='tag(log,interval(1e-4,1e-2))', for a network"
        )
    split = base["split"]
    if split["name"] not in _ONE_FOLD and split.get("folds") != 1:
        raise ConfigError(
            f"sweep=pbt exchanges weights within one fold, and split={split['name']} has several; "
            f"allowed: {', '.join(f'split={name}' for name in _ONE_FOLD)}"
        )
    epochs, interval = base["trainer"]["max_epochs"], settings.scheduler["interval"]
    if epochs is not None and 0 < epochs <= interval:
        raise ConfigError(
            f"sweep.scheduler.interval={interval} is not before the end of a job, "
            f"trainer.max_epochs={epochs}: nothing would ever be exchanged"
        )


def current_values(space: Space, config: Mapping[str, Any]) -> dict[str, float]:
    """The values that may change, as a job's config has them after its last change."""
    values = {}
    for one in mutated(space):
        node: Any = config
        for part in one.key.split("."):
            node = node[part]
        values[one.key] = float(node)
    for change in config["changes"]:
        values |= {key: float(value) for key, value in change["set"].items()}
    return values


def changed_value(one: Dimension, value: float, settings: SearchSettings, seed: int) -> float:
    """A value scaled by one of the factors, or drawn anew, within the dimension's ends."""
    chance = random.Random(seed)  # noqa: S311  # a search, not a secret
    given, distribution = settings.scheduler, one.distribution
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    low, high = distribution.low, distribution.high
    if chance.random() < given["resample"]:
        share = chance.random()
        value = low * (high / low) ** share if distribution.log else low + share * (high - low)
    else:
        value *= chance.choice(list(given["factors"]))
    return float(one.text(min(max(value, low), high)))


class Exchange(PopulationBasedTraining):
    """Ray Tune's own, which changes what this package's jobs are made of.

    Args:
        settings: of the search.
        space: what is searched.
        last: step after which nothing is left to be exchanged; None for none.
        replace: given the config of a trial, that of the one it follows, the step and the values
            that are set from there on, returns what the trial goes on with.
    """

    def __init__(
        self,
        settings: SearchSettings,
        space: Space,
        replace: Callable[
            [Mapping[str, Any], Mapping[str, Any], int, Mapping[str, float]], dict[str, Any]
        ],
        *,
        last: int | None,
    ) -> None:
        given = settings.scheduler
        self._dimensions = mutated(space)
        super().__init__(
            time_attr=STEP,
            metric=VALUE,
            mode="min",
            perturbation_interval=given["interval"],
            hyperparam_mutations={one.key: list(given["factors"]) for one in self._dimensions},
            quantile_fraction=given["quantile"],
            log_config=False,
            require_attrs=False,
        )
        self._settings = settings
        self._replace = replace
        self._last = float("inf") if last in (None, -1) else float(last or 0)
        random.seed(derive_seed(settings.seed, 1))  # Tune chooses whom to follow with it

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        """Adds a member; Tune refuses those that a searcher of its own suggests."""
        nobody: Any = _NoSearcher()
        super().on_trial_add(nobody, trial)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Tune's decision; a job that has trained to its end is only judged."""
        step = result.get(STEP, 0)
        if step >= self._last:
            return str(TrialScheduler.CONTINUE)
        state = self._trial_state[trial]
        if not state.last_perturbation_time and step:  # one that a killed search has begun
            interval = self._settings.scheduler["interval"]
            state.last_perturbation_time = (step - 1) // interval * interval
        return str(super().on_trial_result(tune_controller, trial, result))

    def _get_new_config(self, trial: Any, trial_to_clone: Any) -> tuple[dict[str, Any], Any]:
        """What a member goes on with after another's steps."""
        step = int(self._trial_state[trial_to_clone].last_train_time)
        values = {}
        for turn, one in enumerate(self._dimensions):
            seed = derive_seed(self._settings.seed, 2 + trial.config["number"], step, 1 + turn)
            values[one.key] = changed_value(
                one, float(trial_to_clone.config[one.key]), self._settings, seed
            )
        config = self._replace(trial.config, trial_to_clone.config, step, values)
        return {**config, **values}, dict.fromkeys(values, "changed")


class _NoSearcher:
    search_alg = None
