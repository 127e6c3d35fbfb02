"""The indicators of pandas-ta-classic that this house has too, called as its users call them.

The package (MIT) is an extra of this one, ``pip install regimecast[bench]``.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

__all__ = ["COLUMNS", "LOOPED", "PACKAGE", "installed", "reference"]

PACKAGE = "pandas-ta-classic"

COLUMNS: dict[str, tuple[str, ...]] = {
    "trend": (
        "sma_gap_10", "sma_gap_20", "sma_gap_50", "sma_gap_100", "ema_gap_12", "ema_gap_26",
        "aroon_25", "trix_15",
    ),
    "momentum": (
        "rsi_7", "rsi_14", "stochastic_k_14", "stochastic_d_14", "williams_r_14", "cci_20",
        "ultimate_oscillator",
    ),
    "volatility": ("natr_14", "bollinger_position_20", "bollinger_width_20"),
    "volume": ("obv_20", "chaikin_flow_20", "mfi_14", "vwap_gap_20"),
    "channels": ("donchian_position_20", "keltner_position_20"),
    "oscillators": (
        "vortex_14", "stochastic_rsi_14", "true_strength_25_13", "awesome_5_34", "mass_index_25",
    ),
    "participation": ("force_13",),
}  # fmt: skip
"""Our columns, by family, that the package computes in a vectorised way."""

LOOPED: dict[str, tuple[str, ...]] = {
    "trend": ("macd", "macd_histogram", "adx_14", "directional_balance_14"),
    "averages": ("kama_gap_10",),
    "channels": ("sar_gap",),
}
"""Those that it computes bar by bar in Python, which flatters every comparison."""


def installed() -> bool:
    """Whether the package is there."""
    return find_spec("pandas_ta_classic") is not None


def reference(
    values: Mapping[str, Float[np.ndarray, " T"]],
) -> dict[str, Callable[[], Sequence[Any]]]:
    """Calls that compute the vectorised and the looped indicators of these bars.

    Its own way of computing throughout: it uses TA-Lib only where asked to.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas 4 deprecations of its own at import
        ta = import_module("pandas_ta_classic")
    h, lo, c, v = (pd.Series(values[name]) for name in ("high", "low", "close", "volume"))

    def vectorised() -> Sequence[Any]:
        return [
            *(ta.sma(c, length=n) for n in (10, 20, 50, 100)),
            *(ta.ema(c, length=n) for n in (12, 26)),
            ta.aroon(h, lo, length=25),
            ta.trix(c, length=15),
            *(ta.rsi(c, length=n) for n in (7, 14)),
            ta.stoch(h, lo, c, k=14, d=3),
            ta.willr(h, lo, c, length=14),
            ta.cci(h, lo, c, length=20),
            ta.uo(h, lo, c),
            ta.natr(h, lo, c, length=14),
            ta.bbands(c, length=20),
            ta.obv(c, v),
            ta.cmf(h, lo, c, v, length=20),
            ta.mfi(h, lo, c, v, length=14),
            ta.vwma(c, v, length=20),
            ta.donchian(h, lo, lower_length=20, upper_length=20),
            ta.kc(h, lo, c, length=20),
            ta.vortex(h, lo, c, length=14),
            ta.stochrsi(c, length=14),
            ta.tsi(c, fast=13, slow=25),
            ta.ao(h, lo),
            ta.massi(h, lo),
            ta.efi(c, v, length=13),
        ]

    def looped() -> Sequence[Any]:
        return [
            ta.macd(c),
            ta.adx(h, lo, c, length=14),
            ta.kama(c, length=10),
            ta.psar(h, lo, c),
        ]

    return {"vectorised": vectorised, "looped": looped}
