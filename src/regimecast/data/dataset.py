"""`TimeSeriesDataset`: some origins of a `WindowSource`, as batches or as flat rows."""

from collections.abc import Sequence
from dataclasses import dataclass

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
        self._origin = torch.from_numpy(samples.row.astype(np.int64))
        n = len(samples)
        self._weight = (
            torch.ones(n) if weight is None else torch.from_numpy(weight.astype(np.float32))
        )
        self._regime = (
            torch.full((n,), -1) if regime is None else torch.from_numpy(regime.astype(np.int64))
        )

    @property
    def spec(self) -> DataSpec:
        """Shapes and channel names."""
        return self.source.spec

    @property
    def scale(self) -> Float[np.ndarray, "N 1"]:
        """Factor to original units of every sample."""
        return self.source.scale(self._origin).numpy()

    @property
    def regime(self) -> Int[np.ndarray, " N"]:
        """Regime code known at every origin."""
        return self._regime.numpy()

    @property
    def weight(self) -> Float[np.ndarray, "N H"]:
        """Training weight of every sample and step."""
        return self._weight[:, None].expand(-1, self.spec.horizon).numpy()

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, position: int) -> Batch:
        """A batch of one."""
        return self.gather(torch.tensor([position]))

    def __getitems__(self, positions: list[int]) -> Batch:
        """A batch, gathered at once; the data loader calls this instead of `__getitem__`."""
        return self.gather(torch.tensor(positions))

    def gather(self, positions: Int[Tensor, " B"]) -> Batch:
        """The windows at these positions."""
        weight = self._weight[positions][:, None].expand(-1, self.spec.horizon)
        return self.source.batch(self._origin[positions], weight, self._regime[positions])

    def targets(self) -> tuple[Float[np.ndarray, "N H"], Bool[np.ndarray, "N H"]]:
        """Targets in units of `scale` and their mask, for every sample."""
        target = np.empty((len(self), self.spec.horizon), dtype=np.float32)
        mask = np.empty(target.shape, dtype=bool)
        for start in range(0, len(self), _CHUNK):
            part = slice(start, start + _CHUNK)
            values, known = self.source.target(self._origin[part])
            target[part], mask[part] = values.numpy(), known.numpy()
        return target, mask

    def arrays(self, lags: Sequence[int]) -> Arrays:
        """The samples as flat rows with past channels at these lags (0 is the origin).

        Raises:
            SpecError: a lag is outside the context window.
        """
        length = self.spec.context_length
        if bad := [lag for lag in lags if not 0 <= lag < length]:
            raise SpecError(f"lags {bad} are outside the context window: allowed 0 to {length - 1}")
        names = self.source.table_names(lags)
        x = np.empty((len(self), len(names)), dtype=np.float32)
        for start in range(0, len(self), _CHUNK):
            part = slice(start, start + _CHUNK)
            x[part] = self.source.table(self._origin[part], torch.tensor(list(lags))).numpy()
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
