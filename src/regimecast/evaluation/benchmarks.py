"""Positions that need no model. Backtested over the same decisions and costs as a strategy."""

import numpy as np
from jaxtyping import Float, Int

from regimecast.data.panel import Panel
from regimecast.evaluation.origins import trailing_return

__all__ = ["buy_and_hold", "naive"]


def buy_and_hold(row: Int[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
    """Fully long at every decision."""
    return np.ones(len(row))


def naive(row: Int[np.ndarray, " N"], panel: Panel, *, bars: int) -> Float[np.ndarray, " N"]:
    """Sign of the return over the last `bars` bars, known at each close: plain momentum.

    Flat where the asset has not as many bars yet.
    """
    return np.nan_to_num(np.sign(trailing_return(panel, bars)[row]), nan=0.0)
