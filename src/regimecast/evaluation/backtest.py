"""Backtest: positions in, per-bar returns of an equal-weight portfolio out.

Time:
- A position is decided at the close of bar t and filled at bar t + 1: at its open where it has one
  of its own, else at its close. Many index series repeat the close before as the open (equal within
  1e-9), at which nothing could be traded any more: that is none of its own. Hence no decision is
  filled at the price that it was made from. `fills_at_close` tells how often the close was taken.
- A decision holds until the next one is filled, at most for `hold` bars. Where none follows, as
  between folds, the position is closed at the next fill and the asset is out of the portfolio.
- What is still held at an asset's last bar is sold at its close.

Money:
- Returns are simple, per bar, close to close. A position is a share of equity that is restored at
  each close and fill; that restoring is free, every change of position pays the cost model. Fully
  long throughout therefore returns exactly what the asset does.
- Capital is split equally over the assets that are in play at each bar (1/A_t each); assets may
  come and go. Equity cannot fall below zero.
"""

from dataclasses import dataclass
from typing import no_type_check

import numba
import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from regimecast.core.errors import DataError, SpecError
from regimecast.data.panel import Panel
from regimecast.evaluation.costs import CostModel
from regimecast.evaluation.portfolio_regime import portfolio_regime

__all__ = ["BacktestResult", "Trades", "backtest", "decision_spacing"]

_REPEATED = 1e-9
"""An open this close to the close before it, as a share of that, is a copy of it."""


@dataclass(frozen=True, eq=False)
class Trades:
    """Spells of an asset on one side of the market, from fill to fill, by asset and exit."""

    asset: Int[np.ndarray, " K"]
    """Index into the panel's assets."""
    entry: Shaped[np.ndarray, " K"]
    """Time of the bar in which the spell was opened, datetime64[ns]."""
    exit: Shaped[np.ndarray, " K"]
    side: Int[np.ndarray, " K"]
    """1 long, -1 short."""
    net: Float[np.ndarray, " K"]
    """Simple return on the asset's share of capital, after costs."""

    def __len__(self) -> int:
        return len(self.net)


@dataclass(frozen=True, eq=False)
class BacktestResult:
    """Per-bar results of T bars in ascending time; bars without any asset in play are left out."""

    time: Shaped[np.ndarray, " T"]
    net: Float[np.ndarray, " T"]
    """Simple return after costs, close to close."""
    gross: Float[np.ndarray, " T"]
    """The same before costs."""
    turnover: Float[np.ndarray, " T"]
    """Mean over assets of what was traded, as a share of capital: in and out is 2."""
    exposure: Float[np.ndarray, " T"]
    """Mean over assets of the absolute position after the bar's fill."""
    invested: Bool[np.ndarray, " T"]
    """Whether any asset had a position during the bar."""
    regime: Int[np.ndarray, " T"]
    """Regime known when the bar's decisions were made, -1 unknown; see `portfolio_regime`."""
    n_assets: Int[np.ndarray, " T"]
    trades: Trades
    fills_at_close: float | None
    """Share of position changes filled at a close for want of an open; None without a change."""
    cost: CostModel
    bars_per_year: float
    split: str
    """Which samples the decisions come from; only ``test`` is out of sample."""

    def __len__(self) -> int:
        return len(self.net)


def backtest(
    position: Float[np.ndarray, " N"],
    row: Int[np.ndarray, " N"],
    panel: Panel,
    *,
    cost: CostModel,
    bars_per_year: float,
    regime: Int[np.ndarray, " N"] | None = None,
    hold: int | None = None,
    split: str = "test",
) -> BacktestResult:
    """Returns per bar of following these positions.

    Args:
        position: wanted share of capital, decided at the close of its row.
        row: panel row of each decision, each at most once, in any order.
        panel: bars; `close` and, where there is one, `open` are read (see the module).
        cost: what a change of position costs.
        bars_per_year: of the data's calendar, to accrue borrowing fees and to annualise.
        regime: regime code known at each decision.
        hold: most bars that a decision stays in force; None takes `decision_spacing`.
        split: which samples the decisions come from.

    Raises:
        SpecError: a position is not finite, a row is out of range or decided twice, or `hold` < 1.
        DataError: a price that is needed is missing or not positive.
    """
    _check(position, row, panel, hold)
    order = np.argsort(row, kind="stable")
    position, row = position[order], row[order]
    codes = np.full(len(row), -1) if regime is None else regime[order]
    hold = decision_spacing(row, panel) if hold is None else hold

    decision = _decision_in_force(row, panel, hold)
    live = decision >= 0
    target = np.zeros(panel.n_rows)
    target[live] = position[decision[live]]
    active, known = _in_play(decision, panel)
    close, fill, at_close = _prices(panel, active)
    columns = np.zeros((5, panel.n_rows))
    count, trade_rows, trade_net = _simulate(
        target,
        active,
        fill,
        close,
        panel.offsets.astype(np.int64),
        at_close,
        cost.per_side,
        cost.borrow_bps_per_year / 1e4 / bars_per_year,
        columns,
        len(row),
    )
    rows = np.flatnonzero(active)
    time, bar = np.unique(panel.time[rows], return_inverse=True)
    n_assets = np.bincount(bar, minlength=len(time))
    net, gross, turnover, exposure = (
        np.bincount(bar, column[rows], len(time)) / n_assets for column in columns[:4]
    )
    held = (columns[2, rows] > 0) | (columns[3, rows] > 0)
    entry, leave, side = trade_rows[:count].T
    changed = columns[4] > 0
    return BacktestResult(
        time=time,
        net=net,
        gross=gross,
        turnover=turnover,
        exposure=exposure,
        invested=np.bincount(bar, held, len(time)) > 0,
        regime=portfolio_regime(codes[known[rows]], bar, len(time)),
        n_assets=n_assets,
        trades=Trades(
            panel.asset_of_row[entry],
            panel.time[entry],
            panel.time[leave],
            side,
            trade_net[:count],
        ),
        fills_at_close=float(at_close[changed].mean()) if changed.any() else None,
        cost=cost,
        bars_per_year=bars_per_year,
        split=split,
    )


def decision_spacing(row: Int[np.ndarray, " N"], panel: Panel) -> int:
    """Bars between decisions: the most frequent distance within an asset, the least of equals."""
    row = np.sort(row)
    same = np.diff(panel.asset_of_row[row]) == 0
    distance = np.diff(row)[same]
    return int(np.bincount(distance).argmax()) if len(distance) else 1


def _check(
    position: Float[np.ndarray, " N"], row: Int[np.ndarray, " N"], panel: Panel, hold: int | None
) -> None:
    if not np.isfinite(position).all():
        first = int(np.flatnonzero(~np.isfinite(position))[0])
        raise SpecError(f"position {first} is {position[first]}; a position is a finite number")
    if len(row) and not (row.min() >= 0 and row.max() < panel.n_rows):
        raise SpecError(f"decisions must be at rows 0 to {panel.n_rows - 1} of the panel")
    if len(row) and np.bincount(row).max() > 1:
        raise SpecError("a row of the panel has two decisions")
    if hold is not None and hold < 1:
        raise SpecError(f"hold={hold} must be at least 1 bar")


def _decision_in_force(
    row: Int[np.ndarray, " N"], panel: Panel, hold: int
) -> Int[np.ndarray, " R"]:
    """Index of the decision in force at the close of each row, -1 where there is none."""
    latest = np.full(panel.n_rows, -1)
    latest[row] = np.arange(len(row))
    latest = np.maximum.accumulate(latest)
    at = np.append(row, -1)[latest]
    same_asset = at >= panel.offsets[panel.asset_of_row]
    fresh = np.arange(panel.n_rows) - at < hold
    return np.where(same_asset & fresh, latest, -1)


def _in_play(
    decision: Int[np.ndarray, " R"], panel: Panel
) -> tuple[Bool[np.ndarray, " R"], Int[np.ndarray, " R"]]:
    """Bars in which a decision is filled, held or undone, and the decision each bar belongs to."""
    age = np.arange(panel.n_rows) - panel.offsets[panel.asset_of_row]
    filled, undone = np.full(panel.n_rows, -1), np.full(panel.n_rows, -1)
    filled[1:] = decision[:-1]
    filled[age < 1] = -1
    undone[2:] = decision[:-2]
    undone[age < 2] = -1
    known = np.where(filled >= 0, filled, undone)
    return known >= 0, known


def _prices(
    panel: Panel, active: Bool[np.ndarray, " R"]
) -> tuple[Float[np.ndarray, " R"], Float[np.ndarray, " R"], Bool[np.ndarray, " R"]]:
    """Close and fill price of every row, and whether the latter is the close."""
    close = panel.actual("close").astype(np.float64)
    fill, at_close = close, np.ones(panel.n_rows, dtype=bool)
    if panel.has("open"):
        opened = panel.actual("open").astype(np.float64)
        before = np.append(np.nan, close)[:-1]  # of no matter in an asset's first row: no fill
        at_close = ~np.isfinite(opened) | (np.abs(opened - before) <= _REPEATED * np.abs(before))
        fill = np.where(at_close, close, opened)
    needed = active.copy()
    needed[:-1] |= active[1:]
    bad = needed & ~((close > 0) & np.isfinite(close) & (fill > 0) & np.isfinite(fill))
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        raise DataError(
            f"{panel.assets[int(panel.asset_of_row[first])]!r} at {panel.time[first]} has close="
            f"{close[first]} and fill price {fill[first]}; prices to trade at must be positive"
        )
    return close, fill, at_close


@no_type_check  # numba compiles the bare function, which a type checker's wrapper is not
@numba.njit(cache=True)
def _simulate(  # noqa: ANN202  # the compiler infers types
    target, active, fill, close, offsets, at_close, rate, borrow, columns, most_trades
):
    # columns: net, gross, turnover, exposure, change at fill. A decision opens one spell at most.
    trade_rows = np.zeros((most_trades, 3), dtype=np.int64)
    trade_net = np.zeros(most_trades)
    count = 0
    for asset in range(len(offsets) - 1):
        old = 0.0
        growth = 1.0
        entry = 0
        for row in range(offsets[asset] + 1, offsets[asset + 1]):
            if not active[row]:
                continue
            last = row == offsets[asset + 1] - 1
            # A fill at the very last close would be sold at the same price: it is not made.
            new = 0.0 if last and at_close[row] else target[row - 1]
            before = max(1.0 + old * (fill[row] / close[row - 1] - 1.0), 0.0)
            after = max(1.0 + new * (close[row] / fill[row] - 1.0), 0.0)
            carried = max(before - borrow * max(-old, 0.0), 0.0)
            change = abs(new - old)
            closing = abs(new) if last else 0.0
            paid = max(1.0 - rate * change, 0.0)
            sold = max(1.0 - rate * closing, 0.0)
            columns[0, row] = carried * paid * after * sold - 1.0
            columns[1, row] = before * after - 1.0
            columns[2, row] = change + closing
            columns[3, row] = abs(new)
            columns[4, row] = change

            stays = old * new > 0.0
            growth *= carried
            if stays:
                growth *= paid
            if old != 0.0 and not stays:
                trade_rows[count] = (entry, row, 1 if old > 0.0 else -1)
                trade_net[count] = growth * max(1.0 - rate * abs(old), 0.0) - 1.0
                count += 1
            if new != 0.0 and not stays:
                growth = max(1.0 - rate * abs(new), 0.0)
                entry = row
            growth *= after
            if last and new != 0.0:
                trade_rows[count] = (entry, row, 1 if new > 0.0 else -1)
                trade_net[count] = growth * sold - 1.0
                count += 1
            old = new
    return count, trade_rows, trade_net
