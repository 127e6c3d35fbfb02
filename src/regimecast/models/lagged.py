"""Flat rows that are made when they are asked for, and what is known of each."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from regimecast.core.types import DataSpec
from regimecast.data.dataset import TimeSeriesDataset

__all__ = ["BLOCK", "Labelled", "LagTable", "identity_columns"]

BLOCK = 8192
"""Rows made at once; bounds memory, not results."""


def identity_columns(spec: DataSpec) -> int:
    """Static channels that say which asset it is, one indicator each; they come last, or are 0."""
    indicators = tuple(f"asset={asset}" for asset in spec.assets)
    return len(indicators) if spec.static[-len(indicators) :] == indicators else 0


class LagTable:
    """Rows of some samples: past channels at each lag, known channels ahead, static channels.

    Nothing is kept but positions; the rows are cut from the panel each time.

    Args:
        dataset: where the samples are.
        lags: bars back at which past channels become columns.
        positions: of the rows in `dataset`, in any order.
        coded: the indicators of the assets become one last column with the number of the asset.
    """

    def __init__(
        self,
        dataset: TimeSeriesDataset,
        lags: Sequence[int],
        positions: Int[np.ndarray, " N"],
        *,
        coded: bool,
    ) -> None:
        self._dataset = dataset
        self._lags = tuple(lags)
        self._positions = positions
        self._indicators = identity_columns(dataset.spec) if coded else 0

    def __len__(self) -> int:
        return len(self._positions)

    @cached_property
    def width(self) -> int:
        """Number of columns."""
        columns = self._dataset.rows(self._lags, np.zeros(1, np.int64)).shape[1]
        return columns - max(self._indicators - 1, 0)

    @property
    def categories(self) -> Mapping[int, int]:
        """Columns whose numbers are names, and how many names each has."""
        return {self.width - 1: self._indicators} if self._indicators else {}

    def take(self, kept: Shaped[np.ndarray, " K"]) -> "LagTable":
        """Some of the rows, by a mask or by positions."""
        return LagTable(
            self._dataset, self._lags, self._positions[kept], coded=self._indicators > 0
        )

    def block(self, start: int, stop: int) -> Float[np.ndarray, "B D"]:
        """Rows from `start` up to `stop`, or to the end where that is before."""
        positions = self._positions[start:stop]
        x = self._dataset.rows(self._lags, positions)
        if not self._indicators:
            return x
        others = x.shape[1] - self._indicators
        code = x[:, others:].argmax(axis=1)
        x = np.ascontiguousarray(x[:, : others + 1])
        x[:, -1] = code
        return x

    def blocks(self) -> Iterator[Float[np.ndarray, "B D"]]:
        """All rows in order, `BLOCK` at a time."""
        for start in range(0, len(self), BLOCK):
            yield self.block(start, start + BLOCK)

    def whole(self, *, by_column: bool = False) -> Float[np.ndarray, "N D"]:
        """All rows at once; `by_column` lays out columns, not rows, one after another."""
        x = np.empty((len(self), self.width), np.float32, order="F" if by_column else "C")
        for number, block in enumerate(self.blocks()):
            x[number * BLOCK : number * BLOCK + len(block)] = block
        return x


@dataclass(frozen=True, eq=False)
class Labelled:
    """Rows with a target, whether it is known and a weight at every step."""

    rows: LagTable
    target: Float[np.ndarray, "N H"]
    """In units of the scale, or class indices; 0 where masked."""
    mask: Bool[np.ndarray, "N H"]
    weight: Float[np.ndarray, "N H"]

    def __len__(self) -> int:
        return len(self.target)

    @cached_property
    def x(self) -> Float[np.ndarray, "N D"]:
        """The rows, made once and kept; who can do with blocks takes them from `rows`."""
        return self.rows.whole()

    @property
    def counts(self) -> Bool[np.ndarray, "N H"]:
        """Where the target is known and the weight above 0."""
        counts: Bool[np.ndarray, "N H"] = self.mask & (self.weight > 0)
        return counts

    def take(self, kept: Shaped[np.ndarray, " K"]) -> "Labelled":
        """Some of the rows, by a mask or by positions."""
        return Labelled(self.rows.take(kept), self.target[kept], self.mask[kept], self.weight[kept])
