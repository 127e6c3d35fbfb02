"""The one contract in front of every model, and the registry of all of them.

    model = ModelRegistry.create("nhits", spec=data.spec, loss={"name": "quantile", ...}, **params)
    report = model.fit(data)
    forecast = model.predict(data, "test")
    model.save(folder); load_model(folder)

Boosters, networks and naive baselines are indistinguishable behind it.
"""

import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float

from regimecast.core.errors import SpecError
from regimecast.core.files import read_json, write_json
from regimecast.core.forecast import Forecast
from regimecast.core.registry import Registry
from regimecast.core.types import DataSpec, ForecastKind, Samples, Task
from regimecast.data.datamodule import FinancialDataModule
from regimecast.losses.base import Loss, LossRegistry
from regimecast.training.report import FitReport
from regimecast.training.trainer import ModelTrainer

__all__ = ["BaseTimeSeriesModel", "Capabilities", "FitReport", "ModelRegistry", "load_model"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Capabilities:
    """What a model can use. Checked against the spec when a model is built."""

    tasks: frozenset[Task]
    kinds: frozenset[ForecastKind]
    """Kinds of forecast it can make, hence losses it can be trained with."""
    losses: frozenset[str] | None = None
    """Names of the losses it can stand for; None is every loss of these kinds."""
    past: bool = False
    """Uses past covariates beyond the target's own history."""
    known: bool = False
    static: bool = False
    sample_weight: bool = False
    """Weight k means k copies of the sample."""
    gpu: bool = False


class BaseTimeSeriesModel(ABC):
    """A model of one data spec and one loss.

    Args:
        spec: shapes and channel names of the data it will see.
        loss: config of the loss, ``name`` and parameters; for models that are not trained by
            gradient it says which kind of forecast and which levels are wanted.

    Raises:
        SpecError: the task or the loss is not among the model's capabilities.
    """

    name: ClassVar[str]
    capabilities: Capabilities
    """What it can use. A class names all that its models can, a model what its parameters leave."""

    _params: dict[str, Any]

    def __new__(cls, **params: Any) -> "BaseTimeSeriesModel":
        """Remembers the parameters, so that `save` can store what rebuilds the model."""
        model = super().__new__(cls)
        model._params = {key: value for key, value in params.items() if key not in {"spec", "loss"}}
        return model

    def __init__(self, *, spec: DataSpec, loss: Mapping[str, Any]) -> None:
        self.spec = spec
        self.loss_config = dict(loss)
        parameters = {key: value for key, value in loss.items() if key != "name"}
        self.loss: Loss = LossRegistry.create(loss["name"], spec=spec, **parameters)
        self._check()
        self.unused = self._unused_channels()
        if self.unused:
            shown = ", ".join(self.unused[:5]) + (", ..." if len(self.unused) > 5 else "")
            _log.info("%s cannot use %d channels: %s", self.name, len(self.unused), shown)

    @abstractmethod
    def fit(self, data: FinancialDataModule, trainer: ModelTrainer | None = None) -> FitReport:
        """Trains on ``train``, stops early on ``validation`` and keeps the best state.

        Args:
            data: the fold to train on.
            trainer: how to train; the packaged defaults where left out.
        """

    @abstractmethod
    def predict(self, data: FinancialDataModule, split: str) -> Forecast:
        """Forecast for every sample of a split, in the order of `data.split(split).samples`."""

    @abstractmethod
    def _save_state(self, folder: Path) -> None:
        """Writes what was learnt, in a format that runs no code when read."""

    @abstractmethod
    def _load_state(self, folder: Path) -> None:
        """Reads what `_save_state` wrote."""

    def save(self, folder: Path) -> None:
        """Writes ``model.json`` and the learnt state to a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        self._save_state(folder)
        write_json(
            folder / "model.json",
            {
                "model": {"name": self.name, **self._params},
                "loss": self.loss_config,
                "spec": self.spec.to_json(),
            },
        )

    @classmethod
    def load(cls, folder: Path, *, spec: DataSpec | None = None) -> "BaseTimeSeriesModel":
        """Model of a folder that `save` wrote.

        Args:
            folder: where `save` wrote.
            spec: spec of the data at hand; where given it must be the one trained on.

        Raises:
            SpecError: the folder holds no model, one of another class, or one of another spec.
        """
        model = load_model(folder, spec=spec)
        if not isinstance(model, cls):
            raise SpecError(f"{folder} holds a {model.name!r} model, not a {cls.__name__}")
        return model

    def _check(self) -> None:
        if self.spec.task not in self.capabilities.tasks:
            able = ", ".join(sorted(self.capabilities.tasks))
            raise SpecError(
                f"model {self.name!r} cannot do task={self.spec.task} "
                f"(target={self.spec.target}); it can do: {able}"
            )
        if self.loss.task is not self.spec.task:
            names = ", ".join(
                name
                for name in LossRegistry.available()
                if LossRegistry.get(name).task is self.spec.task
            )
            raise SpecError(
                f"loss={self.loss.name} is for {self.loss.task}, but target={self.spec.target} is "
                f"{self.spec.task}; losses for it: {names}"
            )
        if self.loss.kind not in self.capabilities.kinds:
            able = ", ".join(sorted(self.capabilities.kinds))
            raise SpecError(
                f"model {self.name!r} cannot be trained with loss={self.loss.name}, which makes "
                f"{self.loss.kind}; it can make: {able}"
            )
        losses = self.capabilities.losses
        if losses is not None and self.loss.name not in losses:
            raise SpecError(
                f"model {self.name!r} cannot be trained with loss={self.loss.name}; "
                f"it can be trained with: {', '.join(sorted(losses))}"
            )

    def _require(self, holds: bool, key: str, allowed: str) -> None:
        """Raises `SpecError` with a parameter's key, its value and what is allowed."""
        if not holds:
            raise SpecError(f"model {self.name!r}: {key}={self._params[key]!r}; allowed: {allowed}")

    def _unused_channels(self) -> tuple[str, ...]:
        able = self.capabilities
        return (
            *(() if able.past else self.spec.past[1:]),
            *(() if able.known else self.spec.known),
            *(() if able.static else self.spec.static),
        )

    def _forecast(
        self, decoded: Float[np.ndarray, "N H Q"], samples: Samples, scale: Float[np.ndarray, "N 1"]
    ) -> Forecast:
        """Forecast in original units from decoded values in the model's units."""
        kind = self.loss.kind
        values = decoded * scale[:, :, None] if kind is ForecastKind.QUANTILES else decoded
        return Forecast(
            np.ascontiguousarray(values, dtype=np.float32),
            self.loss.levels,
            kind,
            samples.asset,
            samples.origin,
            self.spec.assets,
        )


ModelRegistry: Registry[BaseTimeSeriesModel] = Registry(
    "model", BaseTimeSeriesModel, package="regimecast.models", attribute="ModelRegistry"
)
"""Every model by name; see `Registry`."""


def load_model(folder: Path, *, spec: DataSpec | None = None) -> BaseTimeSeriesModel:
    """Model of a folder that `BaseTimeSeriesModel.save` wrote, whatever its class.

    Raises:
        SpecError: not a model's folder, damaged, or trained on another spec.
    """
    try:
        saved = read_json(folder / "model.json")
        trained = DataSpec.from_json(saved["spec"])
        params = dict(saved["model"])
        name = params.pop("name")
        loss = saved["loss"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SpecError(f"{folder} does not hold a saved model: {error}") from error
    if spec is not None and (differences := trained.differences(spec)):
        raise SpecError(
            f"{folder} was trained on other data than those given:\n  " + "\n  ".join(differences)
        )
    model = ModelRegistry.create(name, spec=trained, loss=loss, **params)
    model._load_state(folder)
    return model
