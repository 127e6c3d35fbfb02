"""Made-up windows whose future really depends on their past; for tests of learning."""

from dataclasses import fields

import torch

from regimecast.core.batch import Batch
from regimecast.core.types import DataSpec, Task


def make_spec(
    *,
    task: Task = Task.FORECAST,
    context_length: int = 12,
    horizon: int = 3,
    past: int = 4,
    known: int = 2,
    static: int = 1,
) -> DataSpec:
    classification = task is Task.CLASSIFICATION
    return DataSpec(
        task=task,
        context_length=context_length,
        horizon=1 if classification else horizon,
        past=("history", *(f"feature_{i}" for i in range(1, past))),
        known=tuple(f"calendar_{i}" for i in range(known)),
        static=tuple(f"static_{i}" for i in range(static)),
        assets=("AAA", "BBB"),
        frequency="1D",
        bars_per_year=252.0,
        classes=(-1, 0, 1) if classification else (),
        target="triple_barrier" if classification else "forward_return",
    )


def make_batch(spec: DataSpec, n: int, *, seed: int = 0) -> Batch:
    """Windows whose target follows the last bar of channel 1, plus noise."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator)

    length, horizon = spec.context_length, spec.horizon
    past = normal(n, length, len(spec.past))
    signal = past[:, -1, 1]
    if spec.task is Task.CLASSIFICATION:
        target = torch.bucketize(signal + 0.3 * normal(n), torch.tensor([-0.5, 0.5]))[:, None]
    else:
        target = (0.5 * signal[:, None] + 0.3 * normal(n, horizon)).cumsum(dim=1)
    return Batch(
        past=past,
        known=normal(n, length + horizon, len(spec.known)),
        static=normal(n, len(spec.static)),
        target=target.float(),
        mask=torch.ones(n, horizon, dtype=torch.bool),
        scale=torch.full((n, 1), 0.01),
        weight=torch.ones(n, horizon),
        regime=torch.ones(n, dtype=torch.int64),
        asset=torch.arange(n) % 2,
        origin=torch.arange(n),
    )


def take(batch: Batch, index: torch.Tensor) -> Batch:
    """Rows of a batch, repeats allowed."""
    return Batch(*(getattr(batch, f.name)[index] for f in fields(batch)))
