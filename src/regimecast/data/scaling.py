"""Standardisation of model inputs and targets by statistics of the training interval."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from regimecast.core.errors import ConfigError, DataError, LeakageError, SpecError
from regimecast.core.types import TrainingTime, training_time
from regimecast.data.panel import Panel

__all__ = ["AssetScaler", "FeatureScaler", "check_clip"]

_log = logging.getLogger(__name__)

_BLOCK = 4096
"""Rows that statistics are taken of at once; bounds memory."""


def check_clip(clip: float) -> None:
    """Nothing, if scaled features can be limited to ±clip.

    Raises:
        ConfigError: it is not above 0: all of them would be the same.
    """
    if not clip > 0:
        raise ConfigError(f"window.clip={clip!r}; allowed: above 0")


@dataclass(frozen=True, eq=False)
class FeatureScaler:
    """Mean and standard deviation per channel, and the interval they were fitted on.

    Windows are scaled as they are gathered, so folds share one unscaled panel.
    """

    mean: Float[np.ndarray, " F"]
    std: Float[np.ndarray, " F"]
    """Population standard deviation; 1 for a channel that is constant in training, infinite for one
    without any value there, which is then 0 everywhere."""
    clip: float
    """Scaled values are limited to ±clip, so that a bad print cannot dominate a window."""
    interval: TrainingTime

    @classmethod
    def fit(
        cls,
        values: Float[np.ndarray, "R F"],
        time: Shaped[np.ndarray, " R"],
        names: tuple[str, ...],
        *,
        interval: TrainingTime,
        clip: float,
        since: Shaped[np.ndarray, " R"] | None = None,
    ) -> "FeatureScaler":
        """Statistics of the rows inside `interval`, missing and infinite values left out.

        A channel without a value inside the interval (a series that starts later) cannot be learnt
        from; it is named in the log and is 0 in every window.

        Args:
            values: one column per channel.
            time: of each row.
            names: of the channels.
            interval: of training.
            clip: scaled features are limited to ±clip.
            since: time of the earliest bar that each row's values read; the row's own where left
                out.
        """
        inside = interval.teaches(time if since is None else since, time)
        count, mean = _sum(values, inside)
        empty = count == 0
        if empty.any():
            _log.warning(
                "no value from %s to %s, where training happens, for: %s; not used",
                str(interval.start)[:10],
                str(interval.end)[:10],
                ", ".join(name for name, none in zip(names, empty, strict=True) if none),
            )
        count = np.maximum(count, 1)
        mean /= count
        std = np.sqrt(_sum(values, inside, around=mean)[1] / count)
        # A channel whose spread is rounding noise around its mean would explode when divided by it.
        std[std <= 1e-6 * np.maximum(np.abs(mean), 1e-6)] = 1.0
        std[empty] = np.inf
        return cls(mean.astype(np.float32), std.astype(np.float32), clip, interval)

    @property
    def factor(self) -> Float[np.ndarray, " F"]:
        """What centred values are multiplied by."""
        return 1 / self.std

    def scale(self, values: Float[np.ndarray, "N F"]) -> Float[np.ndarray, "N F"]:
        """Scaled values within ±clip; a missing or infinite one becomes 0, the training mean."""
        scaled = np.clip((values - self.mean) * self.factor, -self.clip, self.clip)
        return np.where(np.isfinite(values), np.nan_to_num(scaled), np.zeros_like(scaled))

    def check(self, earliest: np.datetime64) -> None:
        """Raises `LeakageError` if rows before the fitted interval would be scaled with it."""
        if earliest < self.interval.first_use:
            raise LeakageError(
                f"the scaler was fitted from {self.interval.start} on; scaling bars of {earliest} "
                "with it would use the future"
            )

    def to_json(self) -> dict[str, Any]:
        """Plain values for a json file."""
        return {
            "mean": self.mean.tolist(),
            "std": [float(std) if np.isfinite(std) else None for std in self.std],
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
                np.asarray(
                    [np.inf if std is None else std for std in value["std"]], dtype=np.float32
                ),
                float(value["clip"]),
                training_time(value["interval"]),
            )
        except KeyError as error:
            raise SpecError(f"scaler state has no {error}") from error


def _sum(
    values: Float[np.ndarray, "R F"],
    inside: Bool[np.ndarray, " R"],
    *,
    around: Float[np.ndarray, " F"] | None = None,
) -> tuple[Int[np.ndarray, " F"], Float[np.ndarray, " F"]]:
    """Finite values of each column in the rows inside: their number and, in float64, their sum.

    The sum of squared distances where they are to be taken `around` something. Block by block,
    since a copy of all rows would be as large as the panel.
    """
    count = np.zeros(values.shape[1], dtype=np.int64)
    total = np.zeros(values.shape[1])
    for start in range(0, len(values), _BLOCK):
        part = values[start : start + _BLOCK][inside[start : start + _BLOCK]].astype(np.float64)
        # An infinity (a division by zero at the source) is no value that a mean could be taken of.
        known = np.isfinite(part)
        part[~known] = 0
        if around is not None:
            part = np.where(known, part - around, 0.0) ** 2
        count += known.sum(axis=0)
        total += part.sum(axis=0)
    return count, total


@dataclass(frozen=True, eq=False)
class AssetScaler:
    """Mean and standard deviation of one series per asset, and the interval they were fitted on."""

    mean: Float[np.ndarray, " A"]
    std: Float[np.ndarray, " A"]
    """Population standard deviation; 1 for an asset that is constant in training."""
    assets: tuple[str, ...]
    interval: TrainingTime

    @classmethod
    def fit(
        cls, series: Float[np.ndarray, " R"], bars: Panel, *, interval: TrainingTime
    ) -> "AssetScaler":
        """Statistics of each asset's rows inside `interval`.

        Raises:
            DataError: an asset has no row there.
        """
        rows = np.flatnonzero(interval.contains(bars.time))
        asset, values = bars.asset_of_row[rows], series[rows].astype(np.float64)
        count = np.bincount(asset, minlength=bars.n_assets)
        if not count.all():
            without = [bars.assets[code] for code in np.flatnonzero(count == 0)]
            raise DataError(
                f"no bar of {', '.join(without[:5])} from {interval.start} to {interval.end}, "
                "where training happens, so that their level cannot be standardised; leave them "
                "out of the data, or set target.scale=none"
            )
        mean = np.bincount(asset, values, minlength=bars.n_assets) / count
        square = np.bincount(asset, (values - mean[asset]) ** 2, minlength=bars.n_assets)
        std = np.sqrt(square / count)
        # As in `FeatureScaler`: rounding noise is no spread.
        std[std <= 1e-9 * np.maximum(np.abs(mean), 1e-9)] = 1.0
        return cls(mean, std, bars.assets, interval)

    def scale(self, series: Float[np.ndarray, " R"], bars: Panel) -> Float[np.ndarray, " R"]:
        """The series in standard deviations from its asset's mean, float64.

        Raises:
            SpecError: the bars have an asset that was not there when it was fitted.
        """
        if unknown := [name for name in bars.assets if name not in self.assets]:
            raise SpecError(
                f"the target was standardised on {', '.join(self.assets[:5])}; it cannot be on "
                f"{unknown[0]!r}"
            )
        place = np.array([self.assets.index(name) for name in bars.assets], dtype=np.int64)
        asset = place[bars.asset_of_row]
        return (series - self.mean[asset]) / self.std[asset]

    def to_json(self) -> dict[str, Any]:
        """Plain values for a json file."""
        statistics = zip(self.mean.tolist(), self.std.tolist(), strict=True)
        return {
            "assets": {
                name: {"mean": mean, "std": std}
                for name, (mean, std) in zip(self.assets, statistics, strict=True)
            },
            "interval": self.interval.to_json(),
        }
