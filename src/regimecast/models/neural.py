"""Every model that is trained by gradient: a subclass says only which network."""

from abc import abstractmethod
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float, Int
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from regimecast.core.errors import SpecError
from regimecast.core.files import atomic_path
from regimecast.core.forecast import Forecast
from regimecast.core.types import DataSpec, ForecastKind, Task
from regimecast.data.datamodule import FinancialDataModule
from regimecast.data.dataset import TimeSeriesDataset
from regimecast.models.base import BaseTimeSeriesModel, Capabilities
from regimecast.training.report import FitReport
from regimecast.training.seeding import seeded
from regimecast.training.trainer import ModelTrainer

__all__ = ["NeuralModel"]

_STATE = "weights.safetensors"
_PREDICT_BATCH = {"cpu": 512}
"""Windows per forward pass, the last one filled up: a forecast does not hang on its company."""
_PREDICT_BATCH_ELSEWHERE = 4096


class NeuralModel(BaseTimeSeriesModel):
    """A network behind the contract of every model.

    A subclass implements `build_network`. The same seed gives the same bits on one machine's CPU,
    and every `fit` starts from fresh weights, unless `start_from` gave others.
    """

    capabilities: Capabilities = Capabilities(
        tasks=frozenset(Task),
        kinds=frozenset(ForecastKind),
        past=True,
        known=True,
        static=True,
        sample_weight=True,
        gpu=True,
    )

    compile_pays_from: ClassVar[Mapping[str, int]] = {}
    """Training steps from which ``compile=auto`` compiles, by kind of device; none where no gain
    was measured. `regimecast bench compile` measures it."""

    def __init__(self, *, spec: DataSpec, loss: Mapping[str, Any]) -> None:
        super().__init__(spec=spec, loss=loss)
        self._network: nn.Module | None = None
        self._first_weights: Mapping[str, Tensor] | None = None
        self._device = torch.device("cpu")

    @abstractmethod
    def build_network(self) -> nn.Module:
        """A fresh network: ``forward(batch) -> [B, H, P]`` with P = ``self.loss.n_outputs``."""

    @property
    def network(self) -> nn.Module:
        """The trained network, in evaluation mode and on the CPU between calls.

        Raises:
            SpecError: neither `fit` nor `load` was called.
        """
        if self._network is None:
            raise SpecError(f"model {self.name!r} is not trained: call fit or load first")
        return self._network

    def start_from(self, earlier: "NeuralModel") -> None:
        """Lets `fit` begin with the weights of a trained model of the same parameters and spec.

        Inputs are scaled anew on each fold's own training bars, so that the weights begin close to
        where they were, not in the same place.

        Raises:
            SpecError: the other model is not trained, or its network is another one.
        """
        if differences := [
            key
            for key in ("name", "_params", "loss_config", "spec")
            if getattr(self, key) != getattr(earlier, key)
        ]:
            raise SpecError(
                f"model {self.name!r} cannot begin with the weights of {earlier.name!r}: they "
                f"differ in {', '.join(key.strip('_') for key in differences)}"
            )
        self._first_weights = deepcopy(earlier.network.state_dict())

    def fit(self, data: FinancialDataModule, trainer: ModelTrainer | None = None) -> FitReport:
        """Trains on ``train``, stops early on ``validation`` and keeps the best weights."""
        started = perf_counter()
        trainer = trainer or ModelTrainer.default()
        data = self.narrowed(data)
        train = data.split("train")
        target, mask = train.targets()
        # A masked cell holds no target: weight 0 keeps it out of whatever the loss learns.
        self.loss.fit(target, np.where(mask, train.weight, np.float32(0)))
        with seeded(trainer.seed):
            network = self.build_network()
            if self._first_weights is not None:
                network.load_state_dict(self._first_weights)
            module = trainer.build_module(network, self.loss)
            built = perf_counter() - started
            report = trainer.fit_module(module, data, compile_pays_from=self.compile_pays_from)
        # Whatever precision it was trained in, it forecasts and is saved in that of the windows.
        self._network = module.network.cpu().float().eval()
        self._device = module.trained_on
        return replace(report, seconds=built + report.seconds, unused=self.unused)

    def predict(self, data: FinancialDataModule, split: str) -> Forecast:
        """Forecast for every sample of a split, in the order of `data.split(split).samples`.

        Raises:
            SpecError: the model is not trained.
        """
        network, dataset = self.network.to(self._device), self.narrowed(data).split(split)
        # In order of time and in full batches: what comes later changes neither the place of a
        # window in its batch nor the shape of the batch, on both of which rounding hangs.
        order = np.argsort(dataset.samples.origin, kind="stable")
        there = data.placement == "device"
        try:
            in_order = self._decoded(network, dataset, order, gather_there=there)
        finally:
            network.cpu()
        decoded = np.empty_like(in_order)
        decoded[order] = in_order
        return self._forecast(decoded, dataset.samples, dataset.scale)

    def narrowed(self, data: FinancialDataModule) -> FinancialDataModule:
        """The fold with those channels only that the network reads."""
        able = self.capabilities
        return data.only(past=able.past, known=able.known, static=able.static)

    def _decoded(
        self,
        network: nn.Module,
        dataset: TimeSeriesDataset,
        order: Int[np.ndarray, " N"],
        *,
        gather_there: bool,
    ) -> Float[np.ndarray, "N H Q"]:
        """Decoded outputs for the windows at these positions, in this order, in one pass."""
        device = self._device
        size = _PREDICT_BATCH.get(device.type, _PREDICT_BATCH_ELSEWHERE)
        spare = np.repeat(order[-1:], -len(order) % size)
        positions = torch.from_numpy(np.concatenate([order, spare]))
        # Page-locked, so that the processor prepares the next batch while one is copied back.
        shape = len(positions), self.spec.horizon, len(self.loss.levels)
        decoded = torch.empty(shape, pin_memory=device.type == "cuda")
        if gather_there:
            positions = positions.to(device)
        with torch.inference_mode():
            for start in range(0, len(positions), size):
                part = slice(start, start + size)
                batch = dataset.gather(positions[part]).to(device, non_blocking=True)
                values = self.loss.decode(network(batch).float())
                decoded[part].copy_(values, non_blocking=True)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return decoded.numpy()[: len(order)]

    def _save_state(self, folder: Path) -> None:
        parts = {"network": self.network, "loss": self.loss}
        tensors = {
            f"{part}.{key}": value.detach().cpu().contiguous().clone()
            for part, owner in parts.items()
            for key, value in owner.state_dict().items()
        }
        with atomic_path(folder / _STATE) as path:
            save_file(tensors, path, metadata={"device": self._device.type})

    def _load_state(self, folder: Path) -> None:
        path = folder / _STATE
        try:
            with safe_open(path, framework="pt") as file:
                tensors: dict[str, Tensor] = {
                    key: file.get_tensor(key)
                    for key in file.keys()  # noqa: SIM118  # the file itself cannot be iterated
                }
                device = (file.metadata() or {}).get("device", "cpu")
            with seeded(0):
                network = self.build_network()
            for part, owner in {"network": network, "loss": self.loss}.items():
                prefix = f"{part}."
                owner.load_state_dict(
                    {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
                )
        except (OSError, SafetensorError, RuntimeError) as error:
            raise SpecError(
                f"{path} does not hold the weights of {self.name!r}: {error}"
            ) from error
        self._network = network.eval()
        # Forecasts repeat to the bit on the kind of device that trained the model.
        self._device = torch.device(
            device if device == "cpu" or torch.cuda.is_available() else "cpu"
        )
