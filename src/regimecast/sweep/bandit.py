"""Population-based bandits: what others have gained with their values says which come next.

Parker-Holder, Nguyen and Roberts 2020, "Provably Efficient Online Hyperparameter Optimization with
Population-Based Bandits", NeurIPS, as Ray Tune has it.
"""

import logging
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from ray.tune.schedulers.pb2 import PB2
from sklearn.exceptions import ConvergenceWarning

from regimecast.sweep.exchange import Exchange, Replace, share_of, value_at
from regimecast.sweep.schedulers import STEP, VALUE
from regimecast.sweep.settings import SearchSettings
from regimecast.sweep.space import Space

__all__ = ["BanditExchange"]

_log = logging.getLogger(__name__)


class BanditExchange(Exchange):
    """`Exchange` whose values a Gaussian process chooses.

    It learns from what each member's values have gained between two exchanges. A member that
    follows one of which nothing is known yet, as at the first exchange of a search or of its
    continuation, gets random ones.

    Args:
        settings: see `Exchange`.
        space: likewise.
        replace: likewise.
        last: likewise.
    """

    def __init__(
        self, settings: SearchSettings, space: Space, replace: Replace, *, last: int | None
    ) -> None:
        super().__init__(settings, space, replace, last=last)
        self._bandit = PB2(
            time_attr=STEP,
            metric=VALUE,
            mode="min",
            perturbation_interval=settings.scheduler["interval"],
            hyperparam_bounds={one.key: [0.0, 1.0] for one in self._dimensions},
            log_config=False,
        )

    def _save_trial_state(self, state: Any, time: int, result: dict[str, Any], trial: Any) -> Any:
        """Tune's own, at every exchange."""
        member: Any = self._member(trial)
        self._bandit._save_trial_state(state, time, result, member)
        return super()._save_trial_state(state, time, result, trial)

    def _values(self, trial: Any, followed: Any, step: int) -> dict[str, float]:
        """The values of which most is expected from a step on; see `Exchange`."""
        chance = np.random.default_rng(self._seed(trial, step, 0))
        np.random.seed(chance.integers(2**32))  # noqa: NPY002  # where Tune's search for them begins
        mine: Any = self._member(trial)
        other: Any = self._member(followed)
        bandit, before = self._bandit, self._bandit.data
        try:
            with warnings.catch_warnings():
                # Of a kernel's parameter at its bound, as after a few points it often is, and of
                # an option that Tune gives SciPy.
                for kind in (ConvergenceWarning, DeprecationWarning):
                    warnings.simplefilter("ignore", kind)
                shares, _ = bandit._get_new_config(mine, other)
        except (ValueError, np.linalg.LinAlgError) as error:
            _log.warning("values are drawn at random: no Gaussian process fits them (%s)", error)
        if len(bandit.data) == len(before):  # it knows nothing of whom the member follows
            shares = {one.key: chance.random() for one in self._dimensions}
        values = {one.key: value_at(one, float(shares[one.key])) for one in self._dimensions}
        self._begin_with(mine, followed, values, before)
        return values

    def _begin_with(
        self, member: "_Member", followed: Any, values: Mapping[str, float], before: pd.DataFrame
    ) -> None:
        """Notes where a member starts from, for what it gains to be seen at its next exchange.

        Tune notes the values as they were before they were rounded: the two would never meet.
        """
        shares = {one.key: share_of(one, values[one.key]) for one in self._dimensions}
        state = self._trial_state[followed]
        row = {
            "Trial": str(member), "Time": state.last_train_time, **shares,
            "Reward": state.last_score,
        }  # fmt: skip
        self._bandit.data = pd.concat([before, pd.DataFrame([row])], ignore_index=True)

    def _member(self, trial: Any) -> "_Member":
        shares = {one.key: share_of(one, float(trial.config[one.key])) for one in self._dimensions}
        return _Member(trial.trial_id, shares)


@dataclass(frozen=True)
class _Member:
    """A trial, as far as Tune's bandit asks."""

    trial_id: str
    config: Mapping[str, float]

    def __str__(self) -> str:
        return self.trial_id
