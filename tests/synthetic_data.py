"""A fold of made-up windows, behind the interface of the real data module."""

from copy import copy
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from regimecast.core.batch import Batch
from regimecast.core.types import DataSpec, Samples
from regimecast.data.datamodule import FinancialDataModule
from regimecast.data.dataset import TimeSeriesDataset
from regimecast.data.loading import BatchLoader
from regimecast.data.shuffling import InOrder, ShuffledWindows
from tests.synthetic import make_batch, take

__all__ = ["SyntheticData"]


# Tiny tensors: a second thread only waits for the first, and fights with other test processes.
torch.set_num_threads(1)


class SyntheticDataset(TimeSeriesDataset):
    def __init__(self, spec: DataSpec, batch: Batch) -> None:
        self._spec = spec
        self.batch = batch
        times = np.datetime64("2020-01-01", "ns") + batch.origin.numpy() * np.timedelta64(1, "D")
        rows = batch.origin.numpy()
        self.samples = Samples(rows, batch.asset.numpy(), times, times, times, rows)
        self.source: Any = SimpleNamespace(when=lambda row: f"row {row}")

    @property
    def spec(self) -> DataSpec:
        return self._spec

    @property
    def scale(self) -> np.ndarray:
        return self.batch.scale.numpy()

    @property
    def weight(self) -> np.ndarray:
        return self.batch.weight.numpy()

    def targets(self) -> tuple[np.ndarray, np.ndarray]:
        return self.batch.target.numpy(), self.batch.mask.numpy()

    def gather(self, positions: torch.Tensor) -> Batch:
        return take(self.batch, positions)


class SyntheticData(FinancialDataModule):
    """Batches can be changed in place through `batches` before they are used."""

    def __init__(
        self,
        spec: DataSpec,
        *,
        train: int = 256,
        validation: int = 96,
        test: int = 50,
        batch_size: int = 64,
    ) -> None:
        self.spec = spec
        self.placement = "memory"
        self.batch_size = batch_size
        self.batches = {
            name: make_batch(spec, n, seed=seed)
            for seed, (name, n) in enumerate(
                {"train": train, "validation": validation, "test": test}.items()
            )
        }

    def only(self, *, past: bool, known: bool, static: bool) -> "SyntheticData":
        twin = copy(self)
        twin.spec = spec = self.spec.only(past=past, known=known, static=static)
        twin.batches = {
            name: replace(
                batch,
                past=batch.past[:, :, : len(spec.past)],
                known=batch.known[:, :, : len(spec.known)],
                static=batch.static[:, : len(spec.static)],
            )
            for name, batch in self.batches.items()
        }
        return twin

    def split(self, name: str) -> SyntheticDataset:
        return SyntheticDataset(self.spec, self.batches[name])

    def loader(self, name: str, *, shuffle: bool = False) -> BatchLoader:
        dataset = self.split(name)
        order = ShuffledWindows(len(dataset), 0) if shuffle else InOrder(len(dataset))
        return BatchLoader(
            dataset,
            order,
            batch_size=self.batch_size,
            num_workers=0,
            placement=self.placement,
        )
