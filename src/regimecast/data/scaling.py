"""Standardisation of model inputs by statistics of the training interval."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Shaped

from regimecast.core.errors import DataError, LeakageError, SpecError
from regimecast.core.types import Interval

__all__ = ["FeatureScaler"]


@dataclass(frozen=True, eq=False)
class FeatureScaler:
    """Mean and standard deviation per channel, and the interval they were fitted on.

    Windows are scaled as they are gathered, so folds share one unscaled panel.
    """

    mean: Float[np.ndarray, " F"]
    std: Float[np.ndarray, " F"]
    """Population standard deviation; 1 for a channel that is constant in training."""
    clip: float
    """Scaled values are limited to ±clip, so that a bad print cannot dominate a window."""
    interval: Interval

    @classmethod
    def fit(
        cls,
        values: Float[np.ndarray, "R F"],
        time: Shaped[np.ndarray, " R"],
        names: tuple[str, ...],
        *,
        interval: Interval,
        clip: float,
    ) -> "FeatureScaler":
        """Statistics of the rows inside `interval`, NaN left out.

        Raises:
            DataError: a channel has no value at all inside the interval.
        """
        inside: Bool[np.ndarray, " R"] = (time >= interval.start) & (time <= interval.end)
        rows = values[inside]
        counts = np.isfinite(rows).sum(axis=0)
        if not counts.all():
            empty = [name for name, count in zip(names, counts, strict=True) if count == 0]
            raise DataError(
                f"no value in the training interval {interval.start} to {interval.end} for: "
                f"{', '.join(empty)}. Leave these features out or start training later"
            )
        mean = np.asarray(np.nanmean(rows, axis=0, dtype=np.float64))
        std = np.nanstd(rows, axis=0, dtype=np.float64)
        # A channel whose spread is rounding noise around its mean would explode when divided by it.
        std[std <= 1e-6 * np.maximum(np.abs(mean), 1e-6)] = 1.0
        return cls(mean.astype(np.float32), std.astype(np.float32), clip, interval)

    def check(self, earliest: np.datetime64) -> None:
        """Raises `LeakageError` if rows before the fitted interval would be scaled with it."""
        if earliest < self.interval.start:
            raise LeakageError(
                f"the scaler was fitted from {self.interval.start} on; scaling bars of {earliest} "
                "with it would use the future"
            )

    def to_json(self) -> dict[str, Any]:
        """Plain values for a json file."""
        return {
            "mean": self.mean.tolist(),
            "std": self.std.tolist(),
            "clip": self.clip,
            "interval": self.interval.to_json(),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "FeatureScaler":
        """Inverse of `to_json`.

        Raises:
            SpecError: a field is missing.
        """
        try:
            return cls(
                np.asarray(value["mean"], dtype=np.float32),
                np.asarray(value["std"], dtype=np.float32),
                float(value["clip"]),
                Interval.from_json(value["interval"]),
            )
        except KeyError as error:
            raise SpecError(f"scaler state has no {error}") from error
