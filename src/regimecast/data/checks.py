"""What can be wrong with sorted bars: vectorised checks that only look."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int, Shaped

from regimecast.data.calendars import ALWAYS_OPEN, bar_length, expected_times
from regimecast.data.schema import PRICES, observed

__all__ = ["BarTable", "Problem", "bar_problems", "calendar_problems"]

_MAD_TO_STD = 1.4826
"""Standard deviations per median absolute deviation of a normal distribution."""
_SAME_PRICE = 1e-9
"""Relative difference up to which two prices are one price, written with other rounding."""


@dataclass(frozen=True, eq=False)
class Problem:
    """Where one kind of problem occurs, in the order of the table."""

    name: str
    column: str
    """Empty where the bar as a whole is concerned."""
    asset: Int[np.ndarray, " N"]
    """Asset code of each place."""
    time: Shaped[np.ndarray, " N"]
    count: Int[np.ndarray, " N"]
    """Occurrences at each place: the missing bars of a gap, 1 elsewhere."""


@dataclass(frozen=True, eq=False)
class BarTable:
    """Rows of bars with an asset code each."""

    cells: Float[np.ndarray, "R F"]
    time: Shaped[np.ndarray, " R"]
    asset: Int[np.ndarray, " R"]
    names: tuple[str, ...]

    @cached_property
    def follows(self) -> Bool[np.ndarray, " R"]:
        """Whether the row before is of the same asset."""
        return np.diff(self.asset, prepend=-1) == 0

    def column(self, name: str) -> Float[np.ndarray, " R"]:
        """A column's values."""
        return self.cells[:, self.names.index(name)]

    def take(self, rows: Int[np.ndarray, " M"]) -> "BarTable":
        """The table at these rows."""
        if len(rows) == len(self.time) and (np.diff(rows) == 1).all():
            return self
        return BarTable(self.cells[rows], self.time[rows], self.asset[rows], self.names)

    def problem(self, name: str, mask: Bool[np.ndarray, " R"], column: str = "") -> Problem:
        """The problem that is there where the mask holds."""
        rows = np.flatnonzero(mask)
        return Problem(name, column, self.asset[rows], self.time[rows], np.ones_like(rows))


def bar_problems(
    table: BarTable,
    *,
    stale_bars: int,
    outlier_sigmas: float,
    outlier_return: float,
    repeated_open_share: float,
) -> Iterator[Problem]:
    """Problems inside bars and between one bar and the next, in tables sorted by (asset, time).

    Args:
        table: bars whose closes are finite and above zero, or whose values are finite.
        stale_bars: bars with the same close and no range that make a stale run.
        outlier_sigmas: robust standard deviations of the asset's log returns.
        outlier_return: absolute simple return.
        repeated_open_share: share of an asset's opens above which those that repeat the close
            before are a problem.
    """
    yield from _bad_values(table)
    yield from _bad_ranges(table)
    yield table.problem("stale_run", _stale_runs(table, stale_bars))
    if "close" not in table.names:
        return  # a series that is no price has no returns
    yield table.problem("outlier", _outliers(table, outlier_sigmas, outlier_return), "close")
    if "open" in table.names:
        repeated = _repeated_opens(table, repeated_open_share)
        yield table.problem("open_repeats_close", repeated, "open")


def _bad_values(table: BarTable) -> Iterator[Problem]:
    for name in table.names:
        values = table.column(name)
        missing = np.isnan(values)
        if missing.any():
            present = np.bincount(table.asset[~missing], minlength=int(table.asset[-1]) + 1)
            nowhere = (present == 0)[table.asset]
            yield table.problem("nan", missing & ~nowhere, name)
            yield table.problem("empty_column", missing & nowhere, name)
        yield table.problem("infinite", np.isinf(values), name)
        if name in PRICES:
            yield table.problem("zero_price", values == 0, name)
            yield table.problem("negative_price", values < 0, name)
        elif name == "volume":
            yield table.problem("negative_volume", values < 0, name)


def _bad_ranges(table: BarTable) -> Iterator[Problem]:
    high = table.column("high") if "high" in table.names else None
    low = table.column("low") if "low" in table.names else None
    if high is not None and low is not None:
        yield table.problem("high_below_low", high < low)
    outside = np.zeros(len(table.time), dtype=bool)
    for name in ("open", "close"):
        if name in table.names:
            price = table.column(name)
            if high is not None:
                outside |= price > high
            if low is not None:
                outside |= price < low
    yield table.problem("outside_range", outside)


def _stale_runs(table: BarTable, length: int) -> Bool[np.ndarray, " R"]:
    """True at the first bar of every run of at least `length` equal closes without a range."""
    close = table.column(observed(table.names))
    flat = np.ones(len(close), dtype=bool)
    if "high" in table.names and "low" in table.names:
        flat = table.column("high") == table.column("low")
    continues = np.zeros(len(close), dtype=bool)
    continues[1:] = table.follows[1:] & flat[1:] & flat[:-1] & (close[1:] == close[:-1])
    starts = np.flatnonzero(~continues)
    lengths = np.diff(np.append(starts, len(close)))
    first = np.zeros(len(close), dtype=bool)
    first[starts[lengths >= length]] = True
    return first


def _outliers(table: BarTable, sigmas: float, limit: float) -> Bool[np.ndarray, " R"]:
    returns = np.diff(np.log(table.column("close")), prepend=np.nan)
    returns[~table.follows] = np.nan
    median = pd.Series(returns).groupby(table.asset).transform("median").to_numpy()
    distance = np.abs(returns - median)
    mad = pd.Series(distance).groupby(table.asset).transform("median").to_numpy()
    far = (distance > sigmas * _MAD_TO_STD * mad) & (mad > 0)
    return far | (np.abs(np.expm1(returns)) > limit)


def _repeated_opens(table: BarTable, share: float) -> Bool[np.ndarray, " R"]:
    """True where an open repeats the close before, in assets where it often does.

    Vendors fill in an open that they do not have in this way, so that it was often no traded price.
    """
    opened = table.column("open")
    before = np.roll(table.column("close"), 1)
    possible = table.follows & np.isfinite(opened)
    same = possible & (np.abs(opened - before) <= _SAME_PRICE * before)
    counts = [np.bincount(table.asset, weights=mask) for mask in (same, possible)]
    often = counts[0] > share * counts[1]
    return same & often[table.asset]


def calendar_problems(table: BarTable, *, frequency: str, calendar: str) -> Iterator[Problem]:
    """Bars that should be there (``gap``) and bars that should not (``off_calendar``).

    Daily bars are held against the exchange's sessions, intraday bars against its opening hours,
    and bars of a market that never closes against a grid of the bar length. Bars longer than a day
    on an exchange are not checked: they have no common convention for their dates.

    Raises:
        ConfigError: unknown calendar.
        DataError: the calendar does not reach back to the first bar.
    """
    step = bar_length(frequency)
    if calendar == ALWAYS_OPEN:
        yield from _grid_problems(table, step.to_timedelta64().astype("timedelta64[ns]"))
    elif step <= pd.Timedelta("1D"):
        first, last = table.time.min(), table.time.max()
        day = np.timedelta64(1, "D")
        grid = expected_times(calendar, frequency, first - day, last + day)
        yield from _session_problems(table, grid)


def _session_problems(table: BarTable, grid: Shaped[np.ndarray, " T"]) -> Iterator[Problem]:
    after = np.searchsorted(grid, table.time, side="right")
    upto = np.searchsorted(grid, table.time, side="left")
    missing = np.zeros(len(after), dtype=np.int64)
    missing[1:] = np.where(table.follows[1:], upto[1:] - after[:-1], 0)
    rows = np.flatnonzero(missing > 0)
    yield Problem("gap", "", table.asset[rows], grid[after[rows - 1]], missing[rows])
    yield table.problem("off_calendar", after == upto)


def _grid_problems(table: BarTable, step: np.timedelta64) -> Iterator[Problem]:
    ticks, length = table.time.astype(np.int64), int(step.astype(np.int64))
    phases, counts = np.unique(ticks % length, return_counts=True)
    # Some vendors stamp bars a millisecond before the minute: the most common phase is the grid.
    phase = int(phases[np.argmax(counts)])
    bar, rest = np.divmod(ticks - phase, length)
    missing = np.zeros(len(bar), dtype=np.int64)
    next_bar = bar + 1
    bar = bar + (rest > 0)
    missing[1:] = np.where(table.follows[1:], bar[1:] - next_bar[:-1], 0)
    rows = np.flatnonzero(missing > 0)
    first = (next_bar[rows - 1] * length + phase).astype("datetime64[ns]")
    yield Problem("gap", "", table.asset[rows], first, missing[rows])
    yield table.problem("off_calendar", rest > 0)
