"""`Record`: forecasts, what happened to them, and when that became known."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from regimecast.core.errors import SpecError
from regimecast.core.forecast import Forecast, Outcomes
from regimecast.data.datamodule import FinancialDataModule
from regimecast.evaluation.scoring import check_aligned
from regimecast.splits.spans import NEVER, ticks

__all__ = ["Record", "Scores"]


@dataclass(frozen=True, eq=False)
class Scores:
    """How far off forecasts of one step were: each score, and when it could be used."""

    value: Float[np.ndarray, " N"]
    """float64, NaN where the outcome is not known."""
    origin: Int[np.ndarray, " N"]
    """Nanoseconds: the forecast is made at the close of this bar."""
    known: Int[np.ndarray, " N"]
    """Nanoseconds: the outcome is known at the close of this bar, `NEVER` where it is not."""

    def take(self, index: Bool[np.ndarray, " N"]) -> "Scores":
        """Those where this mask holds."""
        return Scores(self.value[index], self.origin[index], self.known[index])


@dataclass(frozen=True, eq=False)
class Record:
    """Forecasts of a split beside their outcomes.

    Raises:
        SpecError: they are not of the same samples, or a forecast is NaN or infinite.
    """

    forecast: Forecast
    outcomes: Outcomes
    row: Int[np.ndarray, " N"]
    """Place of each origin's bar in `time`; its asset's later bars follow it."""
    time: Int[np.ndarray, " R"]
    """Nanoseconds of every bar."""
    scale: Float[np.ndarray, " N"]
    """Volatility of the target known at the origin; 1 where the target has none."""

    def __post_init__(self) -> None:
        check_aligned(self.forecast, self.outcomes)
        finite = np.isfinite(self.forecast.values).all(axis=(1, 2))
        if not finite.all():
            row = int(np.flatnonzero(~finite)[0])
            name = self.forecast.assets[int(self.forecast.asset[row])]
            raise SpecError(
                f"the forecast is NaN or infinite for {int((~finite).sum())} of {len(finite)} "
                f"samples, first for {name!r} at {self.forecast.origin[row]}: it cannot be "
                "calibrated"
            )

    @classmethod
    def of(cls, data: FinancialDataModule, split: str, forecast: Forecast) -> "Record":
        """What was said of a split of a fold, and what came."""
        dataset = data.split(split)
        return cls(
            forecast,
            data.outcomes(split),
            dataset.samples.row,
            ticks(data.market.bars.time),
            dataset.scale[:, 0].astype(np.float64),
        )

    def __len__(self) -> int:
        return len(self.forecast)

    def take(self, index: Bool[np.ndarray, " N"]) -> "Record":
        """Forecasts where this mask holds."""
        return Record(
            self.forecast.take(index),
            self.outcomes.take(index),
            self.row[index],
            self.time,
            self.scale[index],
        )

    def quantile(self, step: int, position: int | None) -> Float[np.ndarray, " N"]:
        """float64 quantile of a level's position at a step from 0, the point where it is None."""
        if position is None:
            return self._step(step).point()[:, 0].astype(np.float64)
        return self.forecast.values[:, step, position].astype(np.float64)

    def scores(self, step: int, value: Float[np.ndarray, " N"]) -> Scores:
        """Scores of a step from 0 with the times that belong to them.

        The outcome of a step is known at the close of the bar that it ends at.
        """
        mask = self.outcomes.mask[:, step]
        ahead = np.minimum(self.row.astype(np.int64) + step + 1, len(self.time) - 1)
        return Scores(
            np.where(mask, value, np.nan),
            ticks(self.forecast.origin),
            np.where(mask, self.time[ahead], NEVER),
        )

    def actual(self, step: int) -> Float[np.ndarray, " N"]:
        """float64 outcomes of a step from 0; anything where they are not known."""
        return self.outcomes.values[:, step].astype(np.float64)

    def _step(self, step: int) -> Forecast:
        said = self.forecast
        values = said.values[:, step : step + 1]
        return Forecast(values, said.levels, said.kind, said.asset, said.origin, said.assets)
