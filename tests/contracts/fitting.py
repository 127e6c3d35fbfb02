"""Models of the registry, each fitted once in a process, and what contracts do with them."""

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
import torch

from regimecast.core.forecast import Forecast
from regimecast.data.datamodule import FinancialDataModule
from regimecast.data.dataset import TimeSeriesDataset
from regimecast.models.base import BaseTimeSeriesModel
from regimecast.training.report import FitReport
from tests.contracts.builders import Case, build_data, quick_trainer

__all__ = ["Fitted", "fit", "refit", "same"]


@dataclass(frozen=True)
class Fitted:
    """A trained model and what it says; contracts share it and leave it as it is."""

    case: Case
    data: FinancialDataModule
    model: BaseTimeSeriesModel
    report: FitReport

    @cached_property
    def test(self) -> Forecast:
        return self.model.predict(self.data, "test")

    @cached_property
    def all(self) -> Forecast:
        return self.model.predict(self.data, "all")


@cache
def fit(case: Case) -> Fitted:
    data = build_data(case.task)
    torch.set_num_threads(1)
    model = case.make()
    return Fitted(case, data, model, model.fit(data, quick_trainer()))


def same(one: Forecast, other: Forecast) -> bool:
    return np.array_equal(one.values, other.values)


def refit(fitted: Fitted, **given: TimeSeriesDataset) -> Forecast:
    """Test forecast of a fresh model of the same seed, trained on other splits."""
    model = fitted.case.make()
    model.fit(build_data(fitted.case.task, **given), quick_trainer())
    return model.predict(fitted.data, "test")
