"""`TimeSeriesDataset`: some origins of a `WindowSource`, as batches or as flat rows."""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.utils.data import Dataset

from regimecast.core.batch import Batch
from regimecast.core.errors import SpecError
from regimecast.core.types import DataSpec, Samples
from regimecast.data.frame import frame_windows
from regimecast.data.windows import WindowSource

__all__ = ["Arrays", "TimeSeriesDataset"]

_CHUNK = 8192
"""Samples gathered at once when a whole split is wanted; bounds memory, not results."""


@dataclass(frozen=True, eq=False)
class Arrays:
    """The same samples as flat rows, for models on tables."""

    x: Float[np.ndarray, "N D"]
    """Scaled past channels at each lag, known channels at each step ahead, static channels."""
    names: tuple[str, ...]
    target: Float[np.ndarray, "N H"]
    """In units of `scale`, or class indices; 0 where masked."""
    mask: Bool[np.ndarray, "N H"]
    weight: Float[np.ndarray, "N H"]
    scale: Float[np.ndarray, "N 1"]


@dataclass(frozen=True, eq=False)
class _Parts:
    """What a dataset gathers from, on one device."""

    source: WindowSource
    origin: Int[Tensor, " N"]
    weight: Float[Tensor, " N"]
    regime: Int[Tensor, " N"]

    def on(self, device: torch.device) -> "_Parts":
        # A forecast may be the first to ask; tensors made in inference mode could not train.
        with torch.inference_mode(False):
            tensors = (x.to(device) for x in (self.origin, self.weight, self.regime))
            return _Parts(self.source.on(device), *tensors)


class TimeSeriesDataset(Dataset[Batch]):
    """Windows of some origins. Index it with one position, or with many at once.

    Args:
        source: what windows are cut from.
        samples: origins, in the order of positions.
        weight: training weight per sample [N]; ones where left out.
        regime: regime code known at each origin [N]; -1 where left out.
    """

    def __init__(
        self,
        source: WindowSource,
        samples: Samples,
        *,
        weight: Float[np.ndarray, " N"] | None = None,
        regime: Int[np.ndarray, " N"] | None = None,
    ) -> None:
        self.source = source
        self.samples = samples
        n = len(samples)
        weight = np.ones(n, dtype=np.float32) if weight is None else weight
        regime = np.full(n, -1, dtype=np.int8) if regime is None else regime
        self._here = _Parts(
            source,
            torch.from_numpy(samples.row),
            torch.from_numpy(weight.astype(np.float32, copy=False)),
            torch.from_numpy(regime),
        )
        self._elsewhere: dict[torch.device, _Parts] = {}

    @property
    def spec(self) -> DataSpec:
        """Shapes and channel names."""
        return self.source.spec

    @property
    def scale(self) -> Float[np.ndarray, "N 1"]:
        """Factor to original units of every sample."""
        return self.source.scale(self._here.origin).numpy()

    @property
    def regime(self) -> Int[np.ndarray, " N"]:
        """Regime code known at every origin."""
        return self._here.regime.numpy()

    @property
    def weight(self) -> Float[np.ndarray, "N H"]:
        """Training weight of every sample and step."""
        return self._here.weight[:, None].expand(-1, self.spec.horizon).numpy()

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, position: int) -> Batch:
        """A batch of one."""
        return self.gather(torch.tensor([position]))

    def __getitems__(self, positions: Int[Tensor, " B"] | list[int]) -> Batch:
        """A batch, gathered at once; the data loader calls this instead of `__getitem__`."""
        return self.gather(torch.as_tensor(positions))

    def gather(self, positions: Int[Tensor, " B"]) -> Batch:
        """The windows at these positions, gathered on the device where the positions are.

        The first gather on a device copies there what windows are cut from; later ones, and other
        datasets of the source, find it there.

        Raises:
            IndexError: there is no such position.
        """
        parts = self._on(positions.device)
        weight = parts.weight.index_select(0, positions)
        return parts.source.batch(
            parts.origin.index_select(0, positions).long(),
            weight[:, None].expand(-1, self.spec.horizon),
            parts.regime.index_select(0, positions).long(),
        )

    def only(self, *, past: bool, known: bool, static: bool) -> "TimeSeriesDataset":
        """The same windows with the history and these groups of covariates."""
        twin = copy(self)
        twin.source = self.source.only(past=past, known=known, static=static)
        twin._here, twin._elsewhere = replace(self._here, source=twin.source), {}
        return twin

    def _on(self, device: torch.device) -> "_Parts":
        if device.type == "cpu":
            return self._here
        if device not in self._elsewhere:
            self._elsewhere[device] = self._here.on(device)
        return self._elsewhere[device]

    def __getstate__(self) -> dict[str, Any]:
        # Copies on a device stay with the process that made them.
        return {**self.__dict__, "_elsewhere": {}}

    def targets(self) -> tuple[Float[np.ndarray, "N H"], Bool[np.ndarray, "N H"]]:
        """Targets in units of `scale` and their mask, for every sample."""
        target = np.empty((len(self), self.spec.horizon), dtype=np.float32)
        mask = np.empty(target.shape, dtype=bool)
        for start in range(0, len(self), _CHUNK):
            part = slice(start, start + _CHUNK)
            values, known = self.source.target(self._here.origin[part].long())
            target[part], mask[part] = values.numpy(), known.numpy()
        return target, mask

    def rows(
        self, lags: Sequence[int], positions: Int[np.ndarray, " B"]
    ) -> Float[np.ndarray, "B D"]:
        """Some samples as flat rows, `Arrays.x` at these positions.

        Raises:
            SpecError: a lag is outside the context window.
        """
        length = self.spec.context_length
        if bad := [lag for lag in lags if not 0 <= lag < length]:
            raise SpecError(f"lags {bad} are outside the context window: allowed 0 to {length - 1}")
        origin = self._here.origin[torch.from_numpy(positions)].long()
        x: Float[np.ndarray, "B D"] = self.source.table(origin, torch.tensor(list(lags))).numpy()
        return x

    def arrays(self, lags: Sequence[int]) -> Arrays:
        """The samples as flat rows with past channels at these lags (0 is the origin).

        Raises:
            SpecError: a lag is outside the context window.
        """
        names = self.source.table_names(lags)
        x = np.empty((len(self), len(names)), dtype=np.float32)
        for start in range(0, len(self), _CHUNK):
            part = slice(start, start + _CHUNK)
            x[part] = self.rows(lags, np.arange(len(self))[part])
        target, mask = self.targets()
        return Arrays(x, names, target, mask, self.weight, self.scale)

    @classmethod
    def from_frame(
        cls,
        df: pd.DataFrame,
        feature_cols: Sequence[str],
        label_col: str,
        lookback: int,
        indices: Sequence[int] | Int[np.ndarray, " N"] | None = None,
    ) -> "TimeSeriesDataset":
        """Windows of a ready table: rows [t - lookback, t) predict the label of row t.

        No scaling and no purging is done here: pass the rows of one split as `indices`. An integer
        label makes a classification; rows labelled -99 are left out. Channel 0 of the windows
        ("history") repeats the first feature, since past labels may look ahead.

        Args:
            df: one asset's rows in order of time.
            feature_cols: columns of the window, known at their own row.
            label_col: column to predict.
            lookback: L, rows per window.
            indices: rows t to predict; all that have a full window where left out.

        Raises:
            DataError: a column is missing or not numeric, a feature is NaN, the index is not
                increasing, or there are fewer than lookback + 1 rows.
            IndexError: an index has no full window.
        """
        return cls(*frame_windows(df, list(feature_cols), label_col, lookback, indices))
