"""A training step of our PatchTST beside neuralforecast's network of the same size.

python experiments/benchmarks/patchtst.py

A step is forward, mean squared error, backward and Adam on one thread; the contestants take turns.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from regimecast.bench.timing import take_turns
from regimecast.core.batch import Batch
from regimecast.core.types import DataSpec, Task
from regimecast.models.neuralforecast import NeuralForecastModel, using
from regimecast.networks import patchtst
from regimecast.networks.dropout import Dropout
from regimecast.networks.patchtst import PatchTSTNetwork

REPETITIONS = 9
SHAPES: dict[str, dict[str, Any]] = {
    "L 60, H 5, 32 wide, 2 layers": {
        "windows": 512, "context": 60, "horizon": 5, "width": 32, "layers": 2, "feedforward": 64,
        "dropout": 0.2, "revin": False,
    },
    "PatchTST/42: L 336, H 96, 16 wide, 3 layers": {
        "windows": 896, "context": 336, "horizon": 96, "width": 16, "layers": 3, "feedforward": 128,
        "dropout": 0.3, "revin": True,
    },
}  # fmt: skip
OURS = {
    "ours": {},
    "ours, no residual attention": {"residual_attention": False},
    "ours, layer norm": {"norm": "layer"},
    "ours, torch's dropout": {},
    "ours, fused attention always": {},
    "ours, plain attention always": {},
}
PLAIN = {"ours, fused attention always": range(0), "ours, plain attention always": range(1, 4096)}


class Library(NeuralForecastModel):
    """The network as the adapter built it before ours took its place."""

    name = "patchtst"
    architecture = "PatchTST"
    capabilities = using()

    def __init__(self, *, spec: DataSpec, loss: dict[str, Any], **sizes: Any) -> None:
        super().__init__(spec=spec, loss=loss)


def spec_of(shape: dict[str, Any]) -> DataSpec:
    return DataSpec(
        task=Task.FORECAST, context_length=shape["context"], horizon=shape["horizon"],
        past=("history",), known=(), static=(), assets=("A",), frequency="1D",
        bars_per_year=252.0, classes=(), target="forward_return",
    )  # fmt: skip


def batch_of(shape: dict[str, Any]) -> Batch:
    n, length, horizon = shape["windows"], shape["context"], shape["horizon"]
    generator = torch.Generator().manual_seed(0)
    return Batch(
        past=torch.randn(n, length, 1, generator=generator).cumsum(1),
        known=torch.zeros(n, length + horizon, 0),
        static=torch.zeros(n, 0),
        target=torch.randn(n, horizon, generator=generator),
        mask=torch.ones(n, horizon, dtype=torch.bool),
        scale=torch.ones(n, 1),
        weight=torch.ones(n, horizon),
        regime=torch.zeros(n, dtype=torch.long),
        asset=torch.zeros(n, dtype=torch.long),
        origin=torch.arange(n),
    )


def library(shape: dict[str, Any]) -> nn.Module:
    torch.manual_seed(0)
    return Library(
        spec=spec_of(shape), loss={"name": "mse"}, patch_len=16, stride=8, n_heads=4,
        hidden_size=shape["width"], encoder_layers=shape["layers"], revin=shape["revin"],
        linear_hidden_size=shape["feedforward"], dropout=shape["dropout"],
    ).build_network()  # fmt: skip


def ours(shape: dict[str, Any], changes: dict[str, Any]) -> nn.Module:
    torch.manual_seed(0)
    sizes = {key: shape[key] for key in ("width", "layers", "feedforward", "dropout")}
    options = {"norm": "batch", "residual_attention": True, **changes}
    return PatchTSTNetwork(
        spec=spec_of(shape), n_outputs=1, patch_length=16, stride=8, heads=4, head_dropout=0.0,
        revin="last" if shape["revin"] else "none", restore=True, covariates=False,
        **sizes, **options,
    )  # fmt: skip


def with_torch_dropout(network: nn.Module) -> nn.Module:
    for name, child in network.named_children():
        if isinstance(child, Dropout):
            setattr(network, name, nn.Dropout(child.share))
        else:
            with_torch_dropout(child)
    return network


def step_of(network: nn.Module, batch: Batch, plain: range) -> Callable[[], None]:
    optimizer = torch.optim.Adam(network.train().parameters(), fused=True)

    def step() -> None:
        patchtst._PLAIN_TOKENS = plain
        optimizer.zero_grad()
        functional.mse_loss(network(batch)[:, :, 0], batch.target).backward()
        optimizer.step()

    return step


def main() -> None:
    torch.set_num_threads(1)
    rule = patchtst._PLAIN_TOKENS
    for title, shape in SHAPES.items():
        batch = batch_of(shape)
        contestants = {"neuralforecast's": step_of(library(shape), batch, rule)}
        for name, changes in OURS.items():
            network = ours(shape, changes)
            if name == "ours, torch's dropout":
                network = with_torch_dropout(network)
            contestants[name] = step_of(network, batch, PLAIN.get(name, rule))
        samples = take_turns(contestants, repetitions=REPETITIONS, clock="processor")
        first = samples["neuralforecast's"].median
        print(f"\n{title}, {shape['windows']} windows\n\n| network | ms a step | times as fast |")
        print("|---|---|---|")
        for name, sample in samples.items():
            print(f"| {name} | {1e3 * sample.median:.1f} | {first / sample.median:.2f} |")


if __name__ == "__main__":
    main()
