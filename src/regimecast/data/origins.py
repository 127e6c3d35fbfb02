"""`PanelSamples`: samples that hold one number each; the rest is looked up in the panel."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int, Shaped
from typing_extensions import override

from regimecast.core.types import Samples
from regimecast.data.panel import Panel

__all__ = ["PanelSamples", "Reach"]


@dataclass(frozen=True, eq=False)
class Reach:
    """Which bars the sample of each row of a panel reads."""

    bars: Panel
    back: int
    """Bars before the origin."""
    end_row: Int[np.ndarray, " R"]
    """Last row that the target of each row reads; -1 where the future is not complete."""

    def start(self, row: Int[np.ndarray, " N"]) -> Int[np.ndarray, " N"]:
        """Row of the earliest bar that is read; the asset's first at the earliest."""
        start = row - self.back
        first = self.bars.offsets.astype(row.dtype)[self.bars.asset_of_row[row]]
        return np.maximum(start, first, out=start)

    def end(self, row: Int[np.ndarray, " N"]) -> Int[np.ndarray, " N"]:
        """Row of the last bar that is read; the origin where the future is not complete."""
        return np.maximum(self.end_row[row], row)


class PanelSamples(Samples):
    """Origins in a panel: as `Samples`, in a sixth of the memory.

    What is not their row is made when it is asked for, so that a large panel's samples do not take
    as much memory as a dozen of its channels.
    """

    def __init__(self, row: Int[np.ndarray, " N"], reach: Reach) -> None:
        # Frozen: fields are set as a dataclass itself would.
        object.__setattr__(self, "row", row)
        object.__setattr__(self, "_reach", reach)

    _reach: Reach

    @property
    def asset(self) -> Int[np.ndarray, " N"]:
        """Index of each origin's asset."""
        return self._reach.bars.asset_of_row[self.row]

    @property
    def origin(self) -> Shaped[np.ndarray, " N"]:
        """Time of each origin."""
        return self._reach.bars.time[self.row]

    @property
    def start(self) -> Shaped[np.ndarray, " N"]:
        """Time of the earliest bar that each reads."""
        return self._reach.bars.time[self._reach.start(self.row)]

    @property
    def end(self) -> Shaped[np.ndarray, " N"]:
        """Time of the last bar that each target reads."""
        return self._reach.bars.time[self.end_row]

    @property
    def end_row(self) -> Int[np.ndarray, " N"]:
        """Row of that bar."""
        return self._reach.end(self.row)

    @override
    def take(self, index: Int[np.ndarray, " M"]) -> Samples:
        return PanelSamples(self.row[index], self._reach)

    def __reduce__(self) -> tuple[Any, ...]:
        """In another process they hold what is theirs: the panel would be more to send."""
        return Samples, (self.row, self.asset, self.origin, self.start, self.end, self.end_row)
