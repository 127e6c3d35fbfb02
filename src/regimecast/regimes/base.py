"""What a regime labeller is. One .py with a labeller and one .yaml with its parameters add it."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Int

from regimecast.core.registry import Registry
from regimecast.core.types import TrainingTime
from regimecast.data.panel import Panel

__all__ = ["RegimeLabeller", "RegimeRegistry"]


class RegimeLabeller(ABC):
    """Rule that gives every bar one of the five `Regime` codes, known at its close.

    A labeller with parameters estimated from data learns them in `fit`, from bars inside the
    training interval only (of several, from none of the bars between them, however far its values
    look back), and carries that interval. `label` at t reads bars up to t only, so that
    truncating the panel at t leaves every code up to t as it was.
    """

    name: ClassVar[str]
    lookback: int
    """Bars before t that the code at t reads (thresholds fitted in training aside)."""

    @abstractmethod
    def fit(self, panel: Panel, interval: TrainingTime) -> "RegimeLabeller":
        """Learns parameters from rows inside `interval` (both ends included) and returns itself.

        The values of an interval's first rows may read rows before it, those of the later ones of
        several may not; see `Interval.teaches`.
        """

    @abstractmethod
    def label(self, panel: Panel) -> Int[np.ndarray, " R"]:
        """Regime code per row as int8, -1 where it is not known (warm-up, no volatility index).

        Raises:
            DataError: a column that the rule needs is missing.
            SpecError: `fit` was not called.
        """

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """Fitted parameters and interval as plain values, for the manifest."""


RegimeRegistry: Registry[RegimeLabeller] = Registry(
    "regime", RegimeLabeller, package="regimecast.regimes", attribute="RegimeRegistry"
)
"""Every regime labeller by name; see `Registry`."""
