"""`Intervals`: what conformal methods share; they differ in how thresholds follow from scores."""

import logging
from abc import abstractmethod
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Float
from typing_extensions import override

from regimecast.core.errors import ConfigError, DataError
from regimecast.core.forecast import Forecast
from regimecast.core.types import ForecastKind, Samples
from regimecast.data.datamodule import FinancialDataModule
from regimecast.evaluation.bounds import bounded
from regimecast.evaluation.conformal.base import Calibrated, Conformal, Forecaster, Member
from regimecast.evaluation.conformal.levels import intervals_of, ordered, with_interval
from regimecast.evaluation.conformal.record import Record, Scores
from regimecast.evaluation.conformal.thresholds import conformal_quantile, fewest_scores
from regimecast.splits.base import Fold
from regimecast.splits.calibration import carve
from regimecast.splits.purging import PurgeRule

__all__ = ["Ends", "Intervals", "Normalise"]

_log = logging.getLogger(__name__)

Normalise = Literal["scale", "none"]
"""Scores in units of the sample's volatility, known at its origin, or in those of the target."""

Ends = Literal["auto", "residual", "quantiles"]
"""What is moved outwards: the point forecast or the model's own quantiles; auto: those it has."""


class Intervals(Conformal):
    """Calibrates every pair of levels at every step of the horizon.

    The score of a sample is ``max(lower - y, y - upper) / unit`` for the ends that are moved: the
    model's own quantiles, or its point forecast twice, which makes it the absolute residual. The
    calibrated interval is ``[lower - threshold * unit, upper + threshold * unit]``.

    Args:
        level: coverage of the interval that is reported; a point forecast gets its two levels.
        normalise: unit of the scores: ``scale`` | ``none``.
        per_asset: whether each asset has scores of its own, else all assets share them. An asset
            with too few in calibration begins with everybody's.
        ends: what is moved.
        calibration: share of the validation part, its end, that calibrates; None takes none.

    Raises:
        ConfigError: a value is out of range.
    """

    level: float
    symmetric: bool = True
    """Both ends are moved by the same threshold; else each by its own, for half of what is left."""

    def __init__(
        self,
        *,
        level: float,
        normalise: str,
        per_asset: bool,
        ends: str,
        calibration: float | None,
    ) -> None:
        self.level = bounded("conformal.level", level, low=0.01, high=0.999)
        if calibration is not None:
            bounded("conformal.calibration", calibration, low=0.01, high=0.99)
        self.calibration = calibration
        for key, value, allowed in (
            ("normalise", normalise, get_args(Normalise)),
            ("ends", ends, get_args(Ends)),
        ):
            if value not in allowed:
                raise ConfigError(f"conformal.{key}={value!r}; allowed: {', '.join(allowed)}")
        self.normalise = normalise
        self.ends = ends
        self.per_asset = per_asset

    @override
    def check(self, kind: ForecastKind, levels: tuple[float, ...], horizon: int) -> None:
        if kind is not ForecastKind.QUANTILES:
            raise ConfigError(
                f"conformal={self.name} calibrates intervals of a number, and this target and loss "
                f"make {kind}; allowed: conformal=none"
            )
        if self.ends == "quantiles" and len(levels) == 1:
            low, high = (1 - self.level) / 2, (1 + self.level) / 2
            raise ConfigError(
                f"conformal={self.name} moves the model's own quantiles, and this loss makes a "
                f"point forecast only; allowed: loss=quantile with the levels {low:g} and "
                f"{high:g}, or conformal=split"
            )
        intervals_of(self.levels(levels), self.level)

    @override
    def levels(self, levels: tuple[float, ...]) -> tuple[float, ...]:
        return with_interval(levels, self.level)

    @override
    def divide(self, fold: Fold, samples: Samples, rule: PurgeRule) -> Fold:
        if self.calibration is None:
            return fold
        fold = carve(fold, samples, share=self.calibration, rule=rule)
        found, needed = len(fold.of_calibration), fewest_scores(1 - self.level)
        if found < needed:
            raise DataError(
                f"conformal.calibration={self.calibration:g} of the validation part are {found} "
                f"samples, and level {self.level:g} needs at least {needed}. Use a larger "
                "split.validation, a larger share, or a lower level"
            )
        return fold

    @override
    def calibrate(
        self, data: FinancialDataModule, forecast: Forecaster, member: Member
    ) -> Calibrated:
        said = forecast(data, "test")
        past = Record.of(data, "calibration", forecast(data, "calibration"))
        return self.calibrated(past, Record.of(data, "test", said))

    def calibrated(self, past: Record, now: Record) -> Calibrated:
        """Forecasts with intervals that follow from how far off earlier ones were.

        Args:
            past: what calibrates.
            now: forecasts to calibrate; their outcomes are used from when they are known.

        Raises:
            ConfigError: the levels do not suffice.
            DataError: no outcome of `past` is known.
        """
        before = now.forecast
        levels = self.levels(before.levels)
        pairs = intervals_of(levels, self.level)
        values = np.empty((len(now), before.horizon, len(levels)), dtype=before.values.dtype)
        if len(before.levels) == 1:
            values[:, :, len(levels) // 2] = before.values[:, :, 0]
        else:
            values[:] = before.values
        given = len(before.levels) > 1 and self.ends != "residual"
        starts: dict[str, list[Any]] = {}
        for step in range(before.horizon):
            for low, high, outside in pairs:
                ends = (low, high) if given else (None, None)
                (lower, upper), start = self._interval(past, now, step, ends, outside)
                values[:, step, low], values[:, step, high] = lower, upper
                starts.setdefault(f"{1 - outside:g}", []).append(start)
        forecast = Forecast(
            ordered(values, levels, pairs),
            levels,
            before.kind,
            before.asset,
            before.origin,
            before.assets,
        )
        return Calibrated(forecast, before, self._state(past, starts))

    @abstractmethod
    def thresholds(self, first: Scores, then: Scores, outside: float) -> Float[np.ndarray, " N"]:
        """How far each of the later forecasts is moved, float64.

        Args:
            first: scores of what calibrates, at least one of them known.
            then: scores of the forecasts, to be used only from when they are known.
            outside: share of outcomes that may lie outside.
        """

    def _interval(
        self,
        past: Record,
        now: Record,
        step: int,
        ends: tuple[int, int] | tuple[None, None],
        outside: float,
    ) -> tuple[list[Float[np.ndarray, " N"]], Any]:
        """Both ends of the interval at a step, and the thresholds that it starts with."""
        units = [r.scale if self.normalise == "scale" else np.ones(len(r)) for r in (past, now)]
        # How far below the lower end and above the upper one the outcomes lie, in both records.
        below, above = (
            [
                sign * (record.actual(step) - record.quantile(step, end)) / unit
                for record, unit in zip((past, now), units, strict=True)
            ]
            for sign, end in zip((-1, 1), ends, strict=True)
        )
        start: Any
        if self.symmetric:
            scores = [np.maximum(*sides) for sides in zip(below, above, strict=True)]
            moved, start = self._moved(past, now, step, scores, outside)
            moves = [moved, moved]
        else:
            sides = [self._moved(past, now, step, side, outside / 2) for side in (below, above)]
            moves, start = [moved for moved, _ in sides], [first for _, first in sides]
        bounds = [
            now.quantile(step, end) + sign * move * units[1]
            for sign, end, move in zip((-1, 1), ends, moves, strict=True)
        ]
        return bounds, start

    def _moved(
        self,
        past: Record,
        now: Record,
        step: int,
        values: list[Float[np.ndarray, " _"]],
        outside: float,
    ) -> tuple[Float[np.ndarray, " N"], float]:
        """Threshold of every forecast of a step, and the one of all past scores."""
        first, then = past.scores(step, values[0]), now.scores(step, values[1])
        if np.isnan(first.value).all():
            raise DataError(f"no outcome of step {step + 1} in the calibration part is known")
        start = conformal_quantile(first.value, outside)
        if not self.per_asset:
            return self.thresholds(first, then, outside), start
        found = np.empty(len(now))
        for asset in np.unique(now.forecast.asset):
            own = past.forecast.asset == asset
            if (~np.isnan(first.value[own])).sum() < fewest_scores(outside):
                own[:] = True
            mine = now.forecast.asset == asset
            found[mine] = self.thresholds(first.take(own), then.take(mine), outside)
        return found, start

    def _state(self, past: Record, starts: dict[str, list[Any]]) -> dict[str, Any]:
        known = past.outcomes.mask
        narrow = 1 - max(float(level) for level in starts)
        if (fewest := int(known.sum(axis=0).min())) < fewest_scores(narrow):
            _log.warning(
                "%d scores calibrate: intervals of level %g need %d, and are as wide as the widest",
                fewest,
                1 - narrow,
                fewest_scores(narrow),
            )
        return {
            "method": self.name,
            "samples": len(past),
            "first": str(past.forecast.origin.min()),
            "last": str(past.forecast.origin.max()),
            "unit": self.normalise,
            "thresholds": starts,
        }
