"""What the three boosters share: capabilities, parameters and how rounds are chosen."""

from collections.abc import Mapping, Sequence
from typing import Any

from regimecast.core.errors import ConfigError
from regimecast.core.types import DataSpec, ForecastKind, Task
from regimecast.models.base import Capabilities
from regimecast.models.stepwise import StepwiseModel

__all__ = ["BoostingModel"]


class BoostingModel(StepwiseModel):
    """Gradient-boosted trees, one set of parts per step.

    Training stops `patience` rounds after the best weighted validation objective, and the rounds up
    to the best are kept; without validation rows all rounds are. No rows are drawn at random.

    Args:
        spec: see `TabularModel`.
        loss: ``quantile``, ``huber`` (the library's own, a point forecast) or ``cross_entropy``.
        lags: see `TabularModel`.
        rounds: most boosting rounds.
        learning_rate: share of each tree that is added.
        l2: penalty on leaf values, in rows of mean weight.
        bins: most values a column is told apart by, 2 to 255.
        columns: share of the columns drawn for each tree.
        patience: rounds without improvement before stopping.
        n_threads: threads; the same number gives the same bits.

    Raises:
        ConfigError: a parameter is outside its range.
    """

    capabilities: Capabilities = Capabilities(
        tasks=frozenset(Task),
        kinds=frozenset({ForecastKind.QUANTILES, ForecastKind.PROBABILITIES}),
        losses=frozenset({"quantile", "huber", "cross_entropy"}),
        past=True,
        known=True,
        static=True,
        sample_weight=True,
    )

    def __init__(
        self,
        *,
        spec: DataSpec,
        loss: Mapping[str, Any],
        lags: Sequence[int],
        rounds: int,
        learning_rate: float,
        l2: float,
        bins: int,
        columns: float,
        patience: int,
        n_threads: int,
    ) -> None:
        super().__init__(spec=spec, loss=loss, lags=lags)
        for key, value in {"rounds": rounds, "patience": patience, "n_threads": n_threads}.items():
            if value < 1:
                raise ConfigError(f"model.{key}={value} must be at least 1")
        if not 0 < learning_rate <= 1 or not 0 < columns <= 1:
            raise ConfigError(
                f"model.learning_rate={learning_rate} and columns={columns} must be in (0, 1]"
            )
        if not 2 <= bins <= 255:
            raise ConfigError(f"model.bins={bins} must be 2 to 255")
        if l2 < 0:
            raise ConfigError(f"model.l2={l2} must be at least 0")
        self._rounds = rounds
        self._learning_rate = learning_rate
        self._l2 = l2
        self._bins = bins
        self._columns = columns
        self._patience = patience
        self._n_threads = n_threads

    @property
    def _most_rounds(self) -> int:
        return self._rounds
