"""No regimes, for series that are no prices or where regimes are not the question."""

from typing import Any

import numpy as np
from jaxtyping import Int

from regimecast.core.types import TrainingTime
from regimecast.data.panel import Panel
from regimecast.regimes.base import RegimeLabeller, RegimeRegistry

__all__ = ["NoRegime"]


@RegimeRegistry.register("none")
class NoRegime(RegimeLabeller):
    """Every bar's regime is unknown, code -1; needs no column."""

    lookback = 0

    def fit(self, panel: Panel, interval: TrainingTime) -> "NoRegime":
        """Learns nothing."""
        return self

    def label(self, panel: Panel) -> Int[np.ndarray, " R"]:
        """-1 per row as int8."""
        return np.full(panel.n_rows, -1, dtype=np.int8)

    def state(self) -> dict[str, Any]:
        """Nothing."""
        return {}
