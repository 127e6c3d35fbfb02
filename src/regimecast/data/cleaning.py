"""Raw bars to a `Panel`, with a report of everything that looked wrong.

Design choices:
- Nothing is dropped silently, and no bar is dropped or changed for its size: the bars that a filter
  of large moves removes are the crashes this project is about. Outliers and stale runs are flags.
- Only what a panel cannot hold is acted on (two bars at one time, a close without a logarithm), by
  an explicit policy per problem.
- Checks see whole columns at once; none loops over rows or assets.
"""

import logging
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool

from regimecast.core.errors import ConfigError, DataError
from regimecast.data.calendars import bar_length, frequency_text, usual_step
from regimecast.data.checks import BarTable, Problem, bar_problems, calendar_problems
from regimecast.data.findings import CleaningReport, Finding
from regimecast.data.panel import Panel
from regimecast.data.schema import RawBars, observed, validate

__all__ = ["CleaningReport", "CleaningSettings", "Finding", "clean"]

logger = logging.getLogger(__name__)

_FEW_BARS = 10
"""Bars below which their spacing says nothing."""
_OFTEN, _MOSTLY = 0.2, 0.5
"""Shares of bars outside the calendar that are worth a warning, and a refusal."""

_DUPLICATES = ("error", "keep_first", "keep_last")
_CLOSES = ("error", "drop")
_POLICIES = {
    "identical_duplicates": _DUPLICATES,
    "conflicting_duplicates": _DUPLICATES,
    "missing_close": _CLOSES,
    "infinite_close": _CLOSES,
    "zero_close": _CLOSES,
    "negative_close": _CLOSES,
    "negative_price": ("error", "flag"),
}


@dataclass(frozen=True, kw_only=True)
class CleaningSettings:
    """What to do about each problem; the values live in ``conf/cleaning``.

    Raises:
        ConfigError: a policy or a threshold is not allowed.
    """

    identical_duplicates: str
    """``error``, ``keep_first`` or ``keep_last``, in the order of the source."""
    conflicting_duplicates: str
    missing_close: str
    """``error`` or ``drop``, as for the next three; of a ``value`` where there is no close."""
    infinite_close: str
    zero_close: str
    negative_close: str
    negative_price: str
    """Open, high or low below 0: ``error`` or ``flag``."""
    stale_bars: int
    """Length from which a run of equal closes without a range is flagged."""
    outlier_sigmas: float
    """Robust standard deviations (1.4826 times the median absolute deviation) of the asset's log
    returns beyond which one is flagged. Taken over the whole history: for the report only."""
    outlier_return: float
    """Absolute simple return beyond which a bar is flagged."""
    repeated_open_share: float
    """Share of an asset's bars above which opens that repeat the close before are flagged."""

    def __post_init__(self) -> None:
        for key, allowed in _POLICIES.items():
            if getattr(self, key) not in allowed:
                raise ConfigError(
                    f"cleaning.{key}={getattr(self, key)!r}; allowed: {', '.join(allowed)}"
                )
        if self.stale_bars < 2:
            raise ConfigError(f"cleaning.stale_bars={self.stale_bars}; allowed: 2 or more")
        for key in ("outlier_sigmas", "outlier_return"):
            if not getattr(self, key) > 0:
                raise ConfigError(f"cleaning.{key}={getattr(self, key)}; allowed: above 0")
        if not 0 <= self.repeated_open_share <= 1:
            raise ConfigError(
                f"cleaning.repeated_open_share={self.repeated_open_share}; allowed: 0 to 1"
            )


def clean(raw: RawBars, *, settings: CleaningSettings) -> tuple[Panel, CleaningReport]:
    """Panel of the usable bars, sorted by (asset, time), and the report of every problem found.

    Assets are in alphabetical order. Flags count the bars that remain; gaps are looked for between
    an asset's first and last bar only.

    Args:
        raw: bars of a source.
        settings: what to do about each problem.

    Raises:
        DataError: a problem whose policy is ``error``, an asset without any usable close, bars of
            another length than the frequency says, or a frame that breaks the schema.
        ConfigError: unknown calendar or frequency.
    """
    frame = validate(raw.frame, raw.columns, origin=raw.origin)
    codes, assets = pd.factorize(frame["asset"], sort=True)
    names = tuple(column.name for column in raw.columns)
    table = BarTable(
        cells=frame[list(names)].to_numpy(),
        time=frame["time"].to_numpy(),
        asset=codes,
        names=names,
    )
    del frame
    journal = _Journal(raw.origin, tuple(str(asset) for asset in assets))
    empty = _empty_cells(raw, journal.assets)
    rows_before = len(table.time) + len(empty.asset)
    journal.note(empty, "dropped")
    table = _sort(table, journal)
    table = _drop_unusable(table, journal, settings)
    table = _drop_duplicates(table, journal, settings)
    for problem in bar_problems(
        table,
        stale_bars=settings.stale_bars,
        outlier_sigmas=settings.outlier_sigmas,
        outlier_return=settings.outlier_return,
        repeated_open_share=settings.repeated_open_share,
    ):
        if problem.name == "negative_price":
            journal.check(problem, settings, problem.name)
        journal.note(problem, "flagged")
    for problem in calendar_problems(table, frequency=raw.frequency, calendar=raw.calendar):
        journal.note(problem, "flagged")
        if problem.name == "off_calendar":
            _check_frequency(table, raw, len(problem.asset))
    panel = Panel(
        values=table.cells,
        time=table.time,
        offsets=np.searchsorted(table.asset, np.arange(len(assets) + 1)),
        columns=raw.columns,
        assets=journal.assets,
        frequency=raw.frequency,
        calendar=raw.calendar,
        unused=raw.unused,
    )
    return panel, CleaningReport(raw.origin, rows_before, panel.n_rows, journal.findings())


class _Journal:
    """Findings so far."""

    def __init__(self, origin: str, assets: tuple[str, ...]) -> None:
        self.origin = origin
        self.assets = assets
        self._findings: list[Finding] = []

    def note(self, problem: Problem, action: str) -> None:
        """Adds one finding per asset that has the problem."""
        codes, first = np.unique(problem.asset, return_index=True)
        totals = np.bincount(problem.asset, weights=problem.count, minlength=len(self.assets))
        self._findings += [
            Finding(
                asset=self.assets[code],
                problem=problem.name,
                column=problem.column,
                count=int(totals[code]),
                first=_iso(problem.time[row]),
                action=action,
            )
            for code, row in zip(codes, first, strict=True)
        ]

    def check(self, problem: Problem, settings: CleaningSettings, key: str) -> None:
        """Raises `DataError` if there is such a problem and its policy is ``error``."""
        if len(problem.asset) and getattr(settings, key) == "error":
            raise DataError(
                f"{self.origin}: {len(problem.asset)} rows with {problem.name} "
                f"{f'in column {problem.column!r} ' if problem.column else ''}(first: "
                f"{self.assets[problem.asset[0]]!r} at {_iso(problem.time[0])}) and "
                f"cleaning.{key}=error; allowed: {', '.join(_POLICIES[key])}"
            )

    def findings(self) -> tuple[Finding, ...]:
        """Findings by asset, then in the order of the checks."""
        return tuple(sorted(self._findings, key=lambda finding: finding.asset))


def _empty_cells(raw: RawBars, assets: tuple[str, ...]) -> Problem:
    """Cells of a wide table that hold no bar."""
    names = [column.name for column in raw.columns]
    cells = raw.empty_cells
    if cells is None:
        cells = pd.DataFrame({"asset": [], "time": np.array([], dtype="datetime64[ns]")})
    codes = pd.Index(assets).get_indexer(pd.Index(cells["asset"]))
    return Problem(
        "empty_cell",
        observed(names),
        codes,
        cells["time"].to_numpy(),
        np.ones_like(codes, dtype=np.int64),
    )


def _sort(table: BarTable, journal: _Journal) -> BarTable:
    table = table.take(np.argsort(table.asset, kind="stable"))
    backwards = table.follows & (np.diff(table.time, prepend=table.time[:1]).astype(np.int64) < 0)
    if not backwards.any():
        return table
    journal.note(table.problem("disorder", backwards), "sorted")
    # A stable sort keeps the order of the source within duplicates.
    return table.take(np.lexsort((table.time, table.asset)))


def _drop_unusable(table: BarTable, journal: _Journal, settings: CleaningSettings) -> BarTable:
    name = observed(table.names)
    close = table.column(name)
    unusable = {"missing_close": np.isnan(close), "infinite_close": np.isinf(close)}
    usable: Bool[np.ndarray, " R"] = np.isfinite(close)
    if name == "close":  # a price has a logarithm; any other number may be what it is
        unusable |= {"zero_close": close == 0, "negative_close": np.isfinite(close) & (close < 0)}
        usable &= close > 0
    left = np.bincount(table.asset[usable], minlength=len(journal.assets))
    if not left.all():
        without = [journal.assets[code] for code in np.flatnonzero(left == 0)]
        more = f" and {len(without) - 5} more" if len(without) > 5 else ""
        raise DataError(
            f"{journal.origin}: no usable {name} at all in {', '.join(without[:5])}{more}"
        )
    for key, mask in unusable.items():
        problem = table.problem(key.replace("close", name), mask)
        journal.check(problem, settings, key)
        journal.note(problem, "dropped")
    return table if usable.all() else table.take(np.flatnonzero(usable))


def _drop_duplicates(table: BarTable, journal: _Journal, settings: CleaningSettings) -> BarTable:
    repeat = table.follows & (np.diff(table.time, prepend=table.time[:1]).astype(np.int64) == 0)
    rows = np.flatnonzero(repeat)
    if not len(rows):
        return table
    here, before = table.cells[rows], table.cells[rows - 1]
    same = ((here == before) | (np.isnan(here) & np.isnan(before))).all(axis=1)
    group = np.cumsum(~repeat) - 1
    conflicting = np.zeros(int(group[-1]) + 1, dtype=bool)
    conflicting[group[rows[~same]]] = True
    last = ~np.append(repeat[1:], False)
    keep = np.ones(len(repeat), dtype=bool)
    for key, name, member in (
        ("identical_duplicates", "identical_duplicate", ~conflicting[group]),
        ("conflicting_duplicates", "conflicting_duplicate", conflicting[group]),
    ):
        problem = table.problem(name, repeat & member)
        journal.check(problem, settings, key)
        policy = getattr(settings, key)
        journal.note(problem, policy.replace("keep", "kept").replace("_", " "))
        keep &= ~member | (last if policy == "keep_last" else ~repeat)
    return table.take(np.flatnonzero(keep))


def _check_frequency(table: BarTable, raw: RawBars, outside: int) -> None:
    """Warns of bars that do not look like bars of the calendar and the frequency.

    Args:
        table: bars sorted by (asset, time), without duplicates.
        raw: what they should be.
        outside: how many lie off the calendar.

    Raises:
        DataError: most lie off it, and their spacing says that the frequency is another.
    """
    usual = usual_step(table.time, table.follows)
    if len(table.time) < _FEW_BARS or usual is None:
        return
    share = outside / len(table.time)
    step = bar_length(raw.frequency)
    found = (
        f"{raw.origin}: {share:.0%} of the bars lie outside calendar {raw.calendar} at frequency "
        f"{raw.frequency}, and they are usually {frequency_text(usual)} apart"
    )
    if share > _MOSTLY and usual != step:
        raise DataError(f"{found}. Set data.frequency={frequency_text(usual)}")
    if usual >= 2 * step:
        logger.warning("%s; is data.frequency=%s meant?", found, frequency_text(usual))
    elif share > _OFTEN:
        logger.warning("%s; check data.calendar, data.timezone and data.stamp", found)


def _iso(time: np.datetime64) -> str:
    return pd.Timestamp(time).isoformat()
