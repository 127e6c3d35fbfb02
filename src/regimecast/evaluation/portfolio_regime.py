"""One regime for a portfolio whose assets may each be in another."""

import numpy as np
from jaxtyping import Int

from regimecast.core.types import Regime

__all__ = ["portfolio_regime"]

_BY_SEVERITY = np.array(
    [
        Regime.CRASH,
        Regime.RECOVERY,
        Regime.HIGH_VOLATILITY,
        Regime.NORMAL,
        Regime.LOW_VOLATILITY,
        -1,
    ]
)


def portfolio_regime(
    code: Int[np.ndarray, " M"], bar: Int[np.ndarray, " M"], n_bars: int
) -> Int[np.ndarray, " T"]:
    """Regime of most assets per bar; where as many are in another, the more severe of them.

    From the most to the least severe: crash, recovery, high volatility, normal, low volatility,
    unknown. So two assets that disagree are in the worse regime, and stress does not vanish from
    the portfolio.

    Args:
        code: regime codes from -1, one per asset and bar.
        bar: number of each code's bar, from 0.
        n_bars: number of bars.
    """
    width = len(_BY_SEVERITY)
    counts = np.bincount(bar * width + code + 1, minlength=n_bars * width).reshape(n_bars, width)
    return _BY_SEVERITY[counts[:, _BY_SEVERITY + 1].argmax(axis=1)]
