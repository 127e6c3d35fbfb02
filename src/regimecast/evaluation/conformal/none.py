"""No calibration: the model's word is taken."""

from typing_extensions import override

from regimecast.core.types import ForecastKind, Samples
from regimecast.data.datamodule import FinancialDataModule
from regimecast.evaluation.conformal.base import (
    Calibrated,
    Conformal,
    ConformalRegistry,
    Forecaster,
    Member,
)
from regimecast.splits.base import Fold
from regimecast.splits.purging import PurgeRule

__all__ = ["Uncalibrated"]


@ConformalRegistry.register("none")
class Uncalibrated(Conformal):
    """Every forecast as the model made it, and the whole validation part for early stopping."""

    level = None

    @override
    def check(self, kind: ForecastKind, levels: tuple[float, ...], horizon: int) -> None:
        pass

    @override
    def levels(self, levels: tuple[float, ...]) -> tuple[float, ...]:
        return levels

    @override
    def divide(self, fold: Fold, samples: Samples, rule: PurgeRule) -> Fold:
        return fold

    @override
    def calibrate(
        self, data: FinancialDataModule, forecast: Forecaster, member: Member
    ) -> Calibrated:
        said = forecast(data, "test")
        return Calibrated(said, said)
