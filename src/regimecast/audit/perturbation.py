"""Panels whose future was replaced, so that whatever reads it gives itself away.

A value is *known* at a cut if its bar closed by then and, for a column that becomes known k bars
late, if it is not among the asset's last k. Everything else is replaced, except columns with the
role ``known`` or ``static``, which are declared to be known beforehand.
"""

from dataclasses import replace
from enum import StrEnum

import numpy as np
from jaxtyping import Bool, Float, Int

from regimecast.data.panel import Panel, Role

__all__ = ["Kind", "future_rows", "jitter", "perturb"]

_PRICES = ("open", "high", "low", "close")
_TWIN = {"high": "low", "low": "high"}
"""Whose mirror image each extreme is: the high of a flipped bar is its low."""


class Kind(StrEnum):
    """By what the future is replaced."""

    NAN = "nan"
    """Nothing is left."""
    HOLES = "nan beside closes"
    """Closes as in `NOISE`, nothing else: targets refuse closes that are NaN."""
    NOISE = "noise"
    """A random walk from the last known price, bars kept consistent; other columns shaken."""
    FLIP = "sign flip"
    """Every later return has the other sign; columns of both signs are negated."""
    BLOCK = "duplicated block"
    """The last known bars, again and again."""
    END = "end of data"
    """No later rows: recomputation on the prefix."""


def future_rows(panel: Panel, cut: np.datetime64, *, lag: int = 0) -> Bool[np.ndarray, " R"]:
    """True for rows whose value is not known at the close of `cut`.

    Args:
        panel: bars.
        cut: time of the last known bar.
        lag: bars by which the column becomes known late.
    """
    later = panel.time > cut
    if not lag:
        return later
    first = _first_unknown(panel, cut)
    return np.arange(panel.n_rows) >= (first - lag)[panel.asset_of_row]


def perturb(panel: Panel, cut: np.datetime64, kind: Kind, generator: np.random.Generator) -> Panel:
    """The panel with everything that was not known at `cut` replaced; times are never changed.

    Known values are bit for bit the same. `Kind.END` has no later rows; late columns' last values
    are NaN in it.

    Args:
        panel: bars; not modified.
        cut: time of the last known bar.
        kind: what replaces the future.
        generator: chance for `Kind.NOISE`.
    """
    if kind is Kind.END:
        return perturb(panel.until(cut), cut, Kind.NAN, generator)
    late = {column.lag for column in panel.columns}
    unknown = {lag: future_rows(panel, cut, lag=lag) for lag in late}
    values = np.array(panel.values, copy=True)
    noise = _Noise(panel, generator)
    for index, column in enumerate(panel.columns):
        if column.role in (Role.KNOWN, Role.STATIC):
            continue
        rows = np.flatnonzero(unknown[column.lag])
        if len(rows):
            values[rows, index] = _replaced(panel, index, rows, kind, noise)
    return replace(panel, values=values)


def jitter(panel: Panel, rows: Bool[np.ndarray, " R"], generator: np.random.Generator) -> Panel:
    """The panel with chosen rows shaken by as much as bars usually move.

    Prices by the standard deviation of one bar's return, positive columns by 20 %. Small enough
    for a filter to have forgotten, large enough for a window that still reads it to differ.
    """
    values = np.array(panel.values, copy=True)
    count = int(rows.sum())
    usual = _usual_move(panel)[panel.asset_of_row[rows]]
    level = np.exp(usual * generator.normal(size=count))
    wider = np.exp(0.3 * usual * np.abs(generator.normal(size=count)))
    for index, column in enumerate(panel.columns):
        if column.role in (Role.KNOWN, Role.STATIC):
            continue
        actual = values[rows, index]
        if column.name in _PRICES:
            stretch = {"high": wider, "low": 1.0 / wider}.get(column.name, np.ones(count))
            values[rows, index] = actual * level * stretch
        elif _positive(panel.values[:, index]):
            values[rows, index] = actual * np.exp(generator.normal(0.0, 0.2, count))
        else:
            spread = float(np.nanstd(panel.values[:, index]))
            values[rows, index] = actual + 0.2 * spread * generator.normal(size=count)
    return replace(panel, values=values)


def _replaced(
    panel: Panel, index: int, rows: Int[np.ndarray, " N"], kind: Kind, noise: "_Noise"
) -> Float[np.ndarray, " N"]:
    name = panel.columns[index].name
    actual = panel.values[:, index]
    if kind is Kind.NAN or (kind is Kind.HOLES and name != "close"):
        return np.full(len(rows), np.nan)
    if kind is Kind.BLOCK:
        return actual[_repeated(panel, rows)]
    if kind in (Kind.NOISE, Kind.HOLES):
        return noise.of(name, rows)
    if name in _PRICES and panel.has(_TWIN.get(name, name)):
        actual = panel.actual(_TWIN.get(name, name))
        anchor = panel.actual("close")[_before(panel, rows)]
    else:
        anchor = actual[_before(panel, rows)]
    future = actual[rows]
    if not _positive(actual):
        return -future
    anchor = np.where(np.isfinite(anchor), anchor, np.nanmedian(actual))
    return anchor * (anchor / future)


def _usual_move(panel: Panel) -> Float[np.ndarray, " A"]:
    """Standard deviation of each asset's one-bar log returns."""
    close = panel.actual("close") if panel.has("close") else np.ones(panel.n_rows)
    moves = np.zeros(panel.n_assets)
    for asset in range(panel.n_assets):
        returns = np.diff(np.log(close[panel.rows(asset)]))
        known = returns[np.isfinite(returns)]
        moves[asset] = known.std() if len(known) else 0.0
    return moves


class _Noise:
    """Consistent random bars: the same walk for every price of a row."""

    def __init__(self, panel: Panel, generator: np.random.Generator) -> None:
        self._panel = panel
        self._generator = generator
        # Drawn for every row, so that the columns of a row agree whatever their lag.
        self._steps = generator.normal(0.0, 0.02, (panel.n_rows, 2))
        self._spread = np.abs(generator.normal(0.0, 0.01, (panel.n_rows, 2)))

    def of(self, name: str, rows: Int[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
        """New values of a column in some rows."""
        panel = self._panel
        actual = panel.actual(name)
        if name in _PRICES and panel.has("close"):
            return self._price(name, rows)
        if _positive(actual):
            fresh = actual[rows] * np.exp(self._generator.normal(0.0, 0.5, len(rows)))
        else:
            spread = np.nanstd(actual) if np.isfinite(actual).any() else 1.0
            fresh = actual[rows] + (spread or 1.0) * self._generator.normal(size=len(rows))
        return np.asarray(fresh, dtype=np.float64)

    def _price(self, name: str, rows: Int[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
        panel = self._panel
        walk = np.cumsum(self._steps[rows, 0])
        asset = panel.asset_of_row[rows]
        first = np.searchsorted(asset, asset)  # where the asset's replaced rows start
        walk -= np.where(first > 0, walk[first - 1], 0.0)
        start = panel.actual("close")[_before(panel, rows)]
        close = start * np.exp(walk)
        open_ = close * np.exp(self._steps[rows, 1] / 4)
        if name == "close":
            return close
        if name == "open":
            return open_
        if name == "high":
            return np.maximum(close, open_) * np.exp(self._spread[rows, 0])
        return np.minimum(close, open_) * np.exp(-self._spread[rows, 1])


def _first_unknown(panel: Panel, cut: np.datetime64) -> Int[np.ndarray, " A"]:
    """Row of each asset's first bar after `cut`; the end of its rows where there is none."""
    known = np.concatenate([[0], np.cumsum(panel.time <= cut)])
    return panel.offsets[:-1] + np.diff(known[panel.offsets])


def _before(panel: Panel, rows: Int[np.ndarray, " N"]) -> Int[np.ndarray, " N"]:
    """Row before the first replaced row of each one's asset; that row itself at the very start."""
    asset = panel.asset_of_row[rows]
    first = rows[np.searchsorted(asset, asset)]
    return np.maximum(first - 1, panel.offsets[:-1][asset])


def _repeated(panel: Panel, rows: Int[np.ndarray, " N"]) -> Int[np.ndarray, " N"]:
    """Rows that a repetition of the last 21 known bars puts in the place of `rows`."""
    asset = panel.asset_of_row[rows]
    first = rows[np.searchsorted(asset, asset)]
    start = panel.offsets[:-1][asset]
    length = np.clip(first - start, 1, 21)
    return np.maximum(first - length, start) + (rows - first) % length


def _positive(values: Float[np.ndarray, " R"]) -> bool:
    """Whether no value is 0 or below."""
    return bool((values[np.isfinite(values)] > 0).all())
