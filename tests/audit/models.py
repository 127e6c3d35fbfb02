"""A tiny honest model, and networks and models that cheat in one way each."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from regimecast.core.batch import Batch
from regimecast.core.forecast import Forecast
from regimecast.core.types import ForecastKind, Task
from regimecast.data.datamodule import FinancialDataModule
from regimecast.models.base import BaseTimeSeriesModel, Capabilities
from regimecast.models.neural import NeuralModel
from regimecast.training.report import FitReport

LAGS = (0, 1)
PENALTIES = (0.001, 0.01, 0.1, 1.0, 10.0)


class Ridge(BaseTimeSeriesModel):
    """A linear map of two bars, its penalty chosen on validation; levels are one offset each."""

    capabilities = Capabilities(
        tasks=frozenset({Task.FORECAST}), kinds=frozenset({ForecastKind.QUANTILES}), past=True
    )
    chosen_on = "validation"

    def __init__(self, *, spec: Any, loss: Any) -> None:
        super().__init__(spec=spec, loss=loss)
        self.extra = np.zeros(len(spec.assets))
        self.width = 1.0

    def fit(self, data: FinancialDataModule, trainer: Any = None) -> FitReport:
        train, held = (data.split(name).arrays(LAGS) for name in ("train", self.chosen_on))
        x, y = train.x.astype(np.float64), train.target.astype(np.float64)
        tried = []
        for penalty in PENALTIES:
            gram = x.T @ x + penalty * len(x) * np.eye(x.shape[1])
            beta = np.linalg.solve(gram, x.T @ y)
            tried.append((float(((held.x @ beta - held.target) ** 2).mean()), penalty, beta))
        _, self.penalty, self.beta = min(tried, key=lambda entry: entry[0])
        self.learn_more(data)
        return FitReport(0.0, 1, None, None, self.beta.size, [])

    def learn_more(self, data: FinancialDataModule) -> None:
        """What a cheat adds."""

    def predict(self, data: FinancialDataModule, split: str) -> Forecast:
        dataset = data.split(split)
        arrays = dataset.arrays(LAGS)
        center = arrays.x @ self.beta + self.extra[dataset.samples.asset][:, None]
        levels = np.asarray(self.loss.levels) - 0.5
        values = center[:, :, None] + self.width * levels
        return self._forecast(values, dataset.samples, arrays.scale)

    def _save_state(self, folder: Path) -> None:
        raise NotImplementedError

    def _load_state(self, folder: Path) -> None:
        raise NotImplementedError


class StoppedOnTest(Ridge):
    """Leak 13: the best state by the test part, and a width that is its score there."""

    chosen_on = "test"

    def learn_more(self, data: FinancialDataModule) -> None:
        # With five penalties a choice may survive other data by chance; its score does not.
        arrays = data.split("test").arrays(LAGS)
        self.width = float(((arrays.x @ self.beta - arrays.target) ** 2).mean())


class PenaltyOnTest(Ridge):
    """Leak 13 proper: one of five penalties is chosen on the test part, and nothing else is."""

    chosen_on = "test"


class Encoded(Ridge):
    """Mean target of each asset over the training part, as target encoding should be."""

    encodes = "train"

    def learn_more(self, data: FinancialDataModule) -> None:
        dataset = data.split(self.encodes)
        target, mask = dataset.targets()
        for asset in range(len(self.extra)):
            own = (dataset.samples.asset == asset)[:, None] & mask
            self.extra[asset] = target[own].mean()


class EncodedByAll(Encoded):
    """Leak 17: the mean target over all data."""

    encodes = "all"


class StaticOfTheEnd(Ridge):
    """Leak 20: a constant of each asset that is known only at the end, its last price."""

    def predict(self, data: FinancialDataModule, split: str) -> Forecast:
        bars = data.market.bars
        self.extra = np.log(bars.actual("close")[bars.offsets[1:] - 1])
        return super().predict(data, split)


class Conformal(Ridge):
    """Intervals as wide as the errors on validation."""

    calibrated_on = "validation"

    def predict(self, data: FinancialDataModule, split: str) -> Forecast:
        arrays = data.split(self.calibrated_on).arrays(LAGS)
        self.width = float(np.quantile(np.abs(arrays.target - arrays.x @ self.beta), 0.9))
        return super().predict(data, split)


class ConformalOnTest(Conformal):
    """Leak 23: calibrated on the part that it forecasts."""

    calibrated_on = "test"


class Deaf(Ridge):
    """Is fed with features and ignores them."""

    def learn_more(self, data: FinancialDataModule) -> None:
        self.beta = np.zeros_like(self.beta)


class _Linear(nn.Module):
    def __init__(self, length: int, horizon: int, outputs: int) -> None:
        super().__init__()
        self.shape = (horizon, outputs)
        self.map = nn.Linear(length, horizon * outputs)

    def forward(self, batch: Batch) -> Tensor:
        return self.map(self.seen(batch)).reshape(len(batch), *self.shape)

    def seen(self, batch: Batch) -> Tensor:
        return batch.past.flatten(1)


class _Neighbours(_Linear):
    def seen(self, batch: Batch) -> Tensor:
        past = batch.past.flatten(1)
        return past - past.mean(dim=0)


class _Peeking(_Linear):
    def seen(self, batch: Batch) -> Tensor:
        return torch.cat([batch.past.flatten(1), batch.target], dim=1)


class Linear(NeuralModel):
    """One linear layer on the window."""

    network_class = _Linear
    also = 0

    def build_network(self) -> nn.Module:
        length = self.spec.context_length * len(self.spec.past) + self.also * self.spec.horizon
        return self.network_class(length, self.spec.horizon, self.loss.n_outputs)


class HistoryAlone(Linear):
    """Reads all that it gets, and gets no covariates."""

    capabilities = replace(NeuralModel.capabilities, past=False, known=False, static=False)

    def build_network(self) -> nn.Module:
        return _Linear(self.spec.context_length, self.spec.horizon, self.loss.n_outputs)


class Neighbours(Linear):
    """Centres its input over the batch, other windows' times included."""

    network_class = _Neighbours


class Peeking(Linear):
    """Reads the target that travels in the batch."""

    network_class, also = _Peeking, 1
