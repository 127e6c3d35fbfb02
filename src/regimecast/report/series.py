"""Numbers behind the charts: equity, drawdown, spans of a regime, intervals. Nothing here draws."""

import numpy as np
import pandas as pd
from jaxtyping import Float, Float32, Int, Shaped

from regimecast.core.types import REGIMES

__all__ = [
    "MAX_POINTS",
    "drawdown",
    "equity",
    "evenly",
    "regime_spans",
    "single",
    "stamps",
    "thin_equity",
    "wilson",
]

MAX_POINTS = 6000
"""Points drawn per line; longer series are thinned so that a page stays small and quick."""
_HOLE = 30
"""Bar lengths without a bar that are a hole rather than a holiday."""


def equity(returns: Float[np.ndarray, " T"]) -> Float[np.ndarray, " T"]:
    """Growth of 1 invested before the first bar, known at each bar's close; NaN counts as flat."""
    return np.cumprod(1.0 + np.nan_to_num(returns, nan=0.0))


def drawdown(curve: Float[np.ndarray, " T"]) -> Float[np.ndarray, " T"]:
    """Loss since the highest equity so far, 0 or negative; the starting 1 counts as a high."""
    return curve / np.maximum.accumulate(np.maximum(curve, 1.0)) - 1.0


def evenly(length: int, at_most: int) -> Int[np.ndarray, " M"]:
    """Positions of at most `at_most` evenly spread rows; the last row is always among them."""
    step = max(1, -(-length // at_most))
    return np.arange(length - 1, -1, -step)[::-1]


def thin_equity(returns: pd.DataFrame, at_most: int = MAX_POINTS) -> pd.DataFrame:
    """Equity and drawdown of each series of a run, at most `at_most` rows.

    Curves are computed on every bar and only then thinned: a row holds the equity at the end of its
    block of bars and the worst drawdown inside it, so that no low is lost.

    Args:
        returns: content of ``returns.parquet``.
        at_most: rows to keep.

    Returns:
        Columns ``time``, ``regime``, and for each series ``<series>`` and ``<series>/drawdown``.
    """
    block = np.searchsorted(evenly(len(returns), at_most), np.arange(len(returns)))
    columns: dict[str, pd.Series] = {}
    for name in ("strategy", "gross", "buy_and_hold", "naive"):
        if name not in returns:
            continue
        curve = equity(returns[name].to_numpy(np.float64))
        columns[name] = pd.Series(curve).groupby(block).last()
        columns[f"{name}/drawdown"] = pd.Series(drawdown(curve)).groupby(block).min()
    for name in ("time", "regime"):
        columns[name] = returns[name].reset_index(drop=True).groupby(block).last()
    return pd.DataFrame(columns)


def regime_spans(
    time: Shaped[np.ndarray, " T"], regime: Int[np.ndarray, " T"]
) -> list[tuple[str, np.datetime64, np.datetime64, int]]:
    """Unbroken stretches of one regime as (name, first bar, first bar after it, bars).

    A stretch before a hole in time, as between folds, ends at its own last bar, and so does the
    last one. Bars whose regime is not known are ``unknown``.
    """
    if not len(regime):
        return []
    apart = np.diff(time)
    hole = apart > _HOLE * np.median(apart) if len(apart) else np.zeros(0, dtype=bool)
    starts = np.concatenate(([0], np.flatnonzero((np.diff(regime) != 0) | hole) + 1))
    ends = np.append(starts[1:], len(regime))
    return [
        (
            REGIMES[regime[start]] if 0 <= regime[start] < len(REGIMES) else "unknown",
            time[start],
            time[end] if end < len(time) and not hole[end - 1] else time[end - 1],
            int(end - start),
        )
        for start, end in zip(starts, ends, strict=True)
    ]


def single(values: pd.Series) -> Float32[np.ndarray, " T"]:
    """Values in single precision, which is ample for a screen and halves the page."""
    return values.to_numpy(np.float32)


def stamps(time: Shaped[np.ndarray, " T"]) -> Shaped[np.ndarray, " T"]:
    """Times as text for a chart, no longer than need be: days, minutes or milliseconds."""
    moments = np.asarray(time, dtype="datetime64[ms]")
    for unit in ("D", "m"):
        if (moments == moments.astype(f"datetime64[{unit}]")).all():
            return np.datetime_as_string(moments, unit=unit)
    return np.datetime_as_string(moments)


def wilson(share: float, n: float) -> tuple[float, float]:
    """95 % interval of a share seen in `n` independent trials; (0, 1) where there are none.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 1927.
    """
    if n <= 0:
        return 0.0, 1.0
    z = 1.959964
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))
