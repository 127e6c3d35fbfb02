"""Population-based training: jobs that do badly go on with the weights of one that does well.

Such a job is a new one: the other's config, with the values that are changed from that epoch on in
its key ``changes``. Its whole descent is therefore in its config, which repeats it in one training;
that its first epochs are copied instead only saves their time. Jaderberg et al. 2017, "Population
Based Training of Neural Networks", arXiv:1711.09846.
"""

import random
from collections.abc import Callable, Mapping
from math import log
from typing import Any, TypeAlias

from optuna.distributions import FloatDistribution, IntDistribution
from ray.tune.schedulers import PopulationBasedTraining, TrialScheduler

from regimecast.core.errors import ConfigError
from regimecast.core.seeding import derive_seed
from regimecast.sweep.dimension import Dimension
from regimecast.sweep.schedulers import STEP, VALUE
from regimecast.sweep.settings import SearchSettings
from regimecast.sweep.space import Space

__all__ = [
    "Exchange",
    "Replace",
    "changed_value",
    "check_population",
    "current_values",
    "make_exchange",
    "mutated",
    "share_of",
    "value_at",
]

_GROUP = "optimizer."
_ONE_FOLD = ("holdout", "borders")
"""Splits that have no other."""

Replace: TypeAlias = Callable[
    [Mapping[str, Any], Mapping[str, Any], int, Mapping[str, float]], dict[str, Any]
]
"""See `Exchange`."""


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
        ConfigError: nothing could change, there are several folds or too few jobs, or they end
            before the first exchange.
    """
    if not settings.population_based:
        return
    named = f"sweep={settings.scheduler['name']}"
    if settings.trials is not None and settings.trials < 2:
        raise ConfigError(f"sweep.trials={settings.trials}: a population has at least 2")
    if not settings.scheduler["quantile"]:
        raise ConfigError("sweep.scheduler.quantile=0 exchanges nothing; allowed: up to 0.5")
    if not mutated(space):
        raise ConfigError(
            f"{named} changes numbers of the optimizer on the way, and none is searched: add one, "
            "such as optimizer.lr='tag(log,interval(1e-4,1e-2))', for a network"
        )
    split = base["split"]
    if split["name"] not in _ONE_FOLD and split.get("folds") != 1:
        raise ConfigError(
            f"{named} exchanges weights within one fold, and split={split['name']} has several; "
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
    chance, given = random.Random(seed), settings.scheduler  # noqa: S311  # a search, not a secret
    if chance.random() < given["resample"]:
        return value_at(one, chance.random())
    return value_at(one, share_of(one, value * chance.choice(list(given["factors"]))))


def value_at(one: Dimension, share: float) -> float:
    """The value at a share of the way between a dimension's ends, which is logarithmic if it is."""
    low, high, logarithmic = _ends(one)
    value = low * (high / low) ** share if logarithmic else low + share * (high - low)
    if (step := one.distribution.step) is not None:  # type: ignore[attr-defined]  # it has ends
        value = low + round((value - low) / step) * step
    return float(one.text(min(max(value, low), high)))


def share_of(one: Dimension, value: float) -> float:
    """Where a value lies between a dimension's ends, see `value_at`; in them if it is outside."""
    low, high, logarithmic = _ends(one)
    if logarithmic:
        value, low, high = log(max(value, low)), log(low), log(high)
    return min(max((value - low) / (high - low), 0.0), 1.0) if high > low else 0.0


def _ends(one: Dimension) -> tuple[float, float, bool]:
    """Lowest and highest value, and whether the way between them is logarithmic."""
    assert isinstance(one.distribution, FloatDistribution | IntDistribution)
    return float(one.distribution.low), float(one.distribution.high), one.distribution.log


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
        replace: Replace,
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
            hyperparam_mutations={one.key: [] for one in self._dimensions},  # see `_values`
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
        values = self._values(trial, trial_to_clone, step)
        config = self._replace(trial.config, trial_to_clone.config, step, values)
        return {**config, **values}, dict.fromkeys(values, "changed")

    def _values(self, trial: Any, followed: Any, step: int) -> dict[str, float]:
        """What a member's values are from a step on, after which it follows another."""
        return {
            one.key: changed_value(
                one,
                float(followed.config[one.key]),
                self._settings,
                self._seed(trial, step, 1 + turn),
            )
            for turn, one in enumerate(self._dimensions)
        }

    def _seed(self, trial: Any, step: int, turn: int) -> int:
        """Of what is drawn for a member at a step."""
        return derive_seed(self._settings.seed, 2 + trial.config["number"], step, turn)


def make_exchange(
    settings: SearchSettings, space: Space, replace: Replace, *, last: int | None
) -> Exchange:
    """The exchange that was asked for."""
    if settings.scheduler["name"] == "pb2":
        from regimecast.sweep.bandit import BanditExchange  # with it comes scikit-learn

        return BanditExchange(settings, space, replace, last=last)
    return Exchange(settings, space, replace, last=last)


class _NoSearcher:
    search_alg = None
