"""Ways to train a network of this house, each as a call that gives the seconds of its step."""

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from functools import partial
from itertools import islice
from pathlib import Path

import torch
from lightning.pytorch import Callback
from torch import nn
from typing_extensions import override

from regimecast.bench.fold import Workbench
from regimecast.bench.steps import Stamps, mark, step_seconds
from regimecast.bench.timing import Clock
from regimecast.data.datamodule import FinancialDataModule
from regimecast.losses.base import Loss
from regimecast.models.neural import NeuralModel
from regimecast.training.module import ForecastModule
from regimecast.training.seeding import seeded
from regimecast.training.trainer import ModelTrainer

__all__ = ["bare_loop", "house", "loader_alone", "own"]

_STEPS_MORE = 2
"""The first step does not count, and the last one has no end that was stamped."""


def own(overrides: Sequence[str], bench: Workbench) -> NeuralModel:
    """The registered network that overrides name, for the same data."""
    model = bench.with_model(overrides).parts.model(bench.data)
    assert isinstance(model, NeuralModel)
    return model


def bare_loop(
    model: NeuralModel, data: FinancialDataModule, *, steps: int, rate: float
) -> Callable[[], float]:
    """Gather, forward, loss, backward, clipped gradient and fused AdamW, and nothing else.

    Args:
        model: whose network is trained.
        data: whose training windows are drawn, with what the network reads of them.
        steps: that count.
        rate: learning rate.
    """
    with seeded(0):
        network = model.build_network()
    return partial(
        step_seconds, partial(_loop, network, model.narrowed(data), steps + _STEPS_MORE, rate)
    )


def _loop(network: nn.Module, data: FinancialDataModule, steps: int, rate: float) -> None:
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, fused=True)
    dataset = data.split("train")
    order = torch.randperm(len(dataset)).repeat(1 + steps * data.batch_size // len(dataset))
    network.train()
    for positions in torch.split(order, data.batch_size)[:steps]:
        mark()
        batch = dataset.gather(positions)
        optimizer.zero_grad()
        error = (network(batch)[:, :, 0] - batch.target).abs()
        loss = (error * batch.weight * batch.mask).sum() / batch.mask.sum()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()


def house(
    model: NeuralModel,
    bench: Workbench,
    folder: Path,
    *,
    steps: int,
    clock: Clock = "processor",
) -> Callable[[], float]:
    """`model.fit` with the `ModelTrainer` that `regimecast train` makes.

    Args:
        model: trained from fresh weights in every call.
        bench: parts and data.
        folder: where callbacks write.
        steps: that count.
        clock: of the seconds.
    """
    trainer = bench.trainer(folder)
    stamped = _Stamped(**{field.name: getattr(trainer, field.name) for field in fields(trainer)})
    limits = {"max_epochs": 1, "limit_train_batches": steps + _STEPS_MORE, "limit_val_batches": 1}
    stamped = replace(stamped, trainer={**trainer.trainer, **limits})
    return partial(step_seconds, partial(model.fit, bench.data, stamped), clock=clock)


class _Stamped(ModelTrainer):
    """Adds one callback, which only notes the time."""

    @override
    def build_module(self, network: nn.Module, loss: Loss) -> ForecastModule:
        module = super().build_module(network, loss)
        stamps: list[Callback] = [Stamps()]
        module.configure_callbacks = lambda: stamps  # type: ignore[method-assign]  # of this one
        return module


def loader_alone(
    model: NeuralModel, data: FinancialDataModule, *, steps: int
) -> Callable[[], float]:
    """Shuffled training batches as the model gets them, of which nothing is made."""

    def draw() -> None:
        for _ in islice(model.narrowed(data).train_dataloader(), steps + _STEPS_MORE):
            mark()

    return partial(step_seconds, draw)
