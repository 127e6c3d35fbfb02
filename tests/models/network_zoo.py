"""Every network of neuralforecast in the registry, small specs for it and windows to feed it."""

from pathlib import Path
from typing import Any

import torch
import yaml
from torch import nn

from regimecast.core.batch import Batch
from regimecast.core.config import config_folder
from regimecast.core.types import DataSpec, Task
from regimecast.models import neuralforecast as adapter
from regimecast.models.base import ModelRegistry

FOLDER = Path(adapter.__file__).parent
NAMES = sorted(p.stem for p in FOLDER.glob("*.py") if "(NeuralForecastModel):" in p.read_text())


def config(group: str, name: str, **changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load((config_folder() / group / f"{name}.yaml").read_text())
    return {**values, **changes}


def make_spec(
    task: Task = Task.FORECAST,
    *,
    length: int = 16,
    horizon: int = 3,
    past: int = 3,
    known: int = 2,
    static: int = 2,
) -> DataSpec:
    return DataSpec(
        task=task,
        context_length=length,
        horizon=horizon if task is Task.FORECAST else 1,
        past=("history", *(f"past{i}" for i in range(past))),
        known=tuple(f"known{i}" for i in range(known)),
        static=tuple(f"static{i}" for i in range(static)),
        assets=("A", "B"),
        frequency="1D",
        bars_per_year=252.0,
        classes=() if task is Task.FORECAST else (-1, 0, 1),
        target="forward_return" if task is Task.FORECAST else "triple_barrier",
    )


def make_model(name: str, spec: DataSpec, loss: str | None = None, **changes: Any) -> Any:
    loss = loss or ("quantile" if spec.task is Task.FORECAST else "cross_entropy")
    params = config("model", name, **changes)
    return ModelRegistry.create(params.pop("name"), spec=spec, loss=config("loss", loss), **params)


def make_network(name: str, spec: DataSpec, *, seed: int = 0, **changes: Any) -> nn.Module:
    torch.manual_seed(seed)
    network: nn.Module = make_model(name, spec, **changes).build_network()
    return network


def make_batch(spec: DataSpec, size: int = 5, *, seed: int = 1) -> Batch:
    """Windows as the data module makes them: the history is a walk that ends at 0."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    length, horizon = spec.context_length, spec.horizon
    past = normal(size, length, len(spec.past))
    walk = past[:, :, 0].cumsum(1)
    past[:, :, 0] = walk - walk[:, -1:]
    return Batch(
        past=past,
        known=normal(size, length + horizon, len(spec.known)),
        static=normal(size, len(spec.static)),
        target=normal(size, horizon) if spec.task is Task.FORECAST else torch.zeros(size, 1),
        mask=torch.ones(size, horizon, dtype=torch.bool),
        scale=torch.full((size, 1), 0.01),
        weight=torch.ones(size, horizon),
        regime=torch.ones(size, dtype=torch.long),
        asset=torch.zeros(size, dtype=torch.long),
        origin=torch.arange(size) + 100,
    )


def evaluate(network: nn.Module, batch: Batch) -> torch.Tensor:
    network.eval()
    with torch.inference_mode():
        output: torch.Tensor = network(batch)
    return output


def trainable(network: nn.Module) -> list[tuple[str, nn.Parameter]]:
    return [(key, p) for key, p in network.named_parameters() if p.requires_grad]


def rows(batch: Batch, index: list[int]) -> Batch:
    return Batch(**{key: value[index] for key, value in vars(batch).items()})
