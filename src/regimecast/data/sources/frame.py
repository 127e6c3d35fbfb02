"""From any table to long bars: the one reader behind ``csv``, ``parquet`` and ``duckdb``."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from regimecast.core.errors import ConfigError, DataError, did_you_mean
from regimecast.data.calendars import bar_length
from regimecast.data.panel import Column, Role
from regimecast.data.schema import PRICES, VALUE, as_numbers, observed, validate
from regimecast.data.sources.base import RawBars
from regimecast.data.sources.mistakes import check_daily, check_one_asset
from regimecast.data.sources.tables import flat, match, require
from regimecast.data.sources.timestamps import check_timezone, is_daily, parse_times

__all__ = ["BARS", "TableReader", "column"]

logger = logging.getLogger(__name__)

BARS: tuple[str, ...] = (*PRICES, "volume")
"""Columns that are taken without being asked for."""

_TIME_NAMES = ("time", "date", "datetime", "timestamp")
_WIDE = {"wide": "close", "wide_values": VALUE}
"""What the cells are in each layout with a column per asset."""
_ALLOWED = {"layout": ("long", *_WIDE), "stamp": ("close", "open")}


def column(name: str, *, role: Role | None = None, lag: int | None = None) -> Column:
    """Declaration of a column: bars are target sources, others past; ``vix`` is one bar late.

    The VIX closes after the equity market, so the VIX close of a day's bar is not known at its own.
    """
    return Column(
        name,
        role=role or (Role.TARGET_SOURCE if name in BARS else Role.PAST),
        lag=lag if lag is not None else int(name == "vix"),
    )


class TableReader:
    """Long bars of tables that share one layout.

    Args:
        layout: ``long`` (a row per asset and time), ``wide`` (a column of closes per asset) or
            ``wide_values`` (a column per asset of numbers that are no prices, and may be negative).
        columns: name here to column there; ``asset`` and ``time`` may be among them. Long: bars are
            also taken under their own names in any case, null leaves one out. Wide: asset to
            column; without any, every column is an asset.
        asset: name of the only asset; None reads column ``asset``, else takes the file's stem.
        time_format: see `parse_times`.
        timezone: see `parse_times`.
        stamp: see `parse_times`.
        frequency: bar length as a pandas offset.
        calendar: exchange code or ``24/7``.
        roles: role per column, where it is not the usual one.
        lags: bars after which a column is known, where it is not 0 (1 for ``vix`` of daily bars).

    Raises:
        ConfigError: a value is not allowed, or two settings contradict each other, such as a lag
            of a column that is known beforehand.
    """

    def __init__(
        self,
        *,
        layout: str,
        columns: Mapping[str, str | None] | None,
        asset: str | None,
        time_format: str | None,
        timezone: str,
        stamp: str,
        frequency: str,
        calendar: str,
        roles: Mapping[str, str] | None,
        lags: Mapping[str, int] | None,
    ) -> None:
        for key, value in (("layout", layout), ("stamp", stamp)):
            if value not in _ALLOWED[key]:
                raise ConfigError(f"{key}={value!r}; allowed: {', '.join(_ALLOWED[key])}")
        for name, role in (roles or {}).items():
            if role not in set(Role):
                raise ConfigError(f"roles.{name}={role!r}; allowed: {', '.join(Role)}")
            if role in (Role.KNOWN, Role.STATIC) and (lag := (lags or {}).get(name)):
                raise ConfigError(
                    f"lags.{name}={lag} contradicts roles.{name}={role}, which is known "
                    "beforehand; leave one of them out"
                )
        check_timezone(timezone)
        bar_length(frequency)
        self.layout = layout
        self.columns = dict(columns or {})
        self.asset = asset
        if asset is not None and (layout in _WIDE or self.columns.get("asset")):
            raise ConfigError(f"asset={asset!r} contradicts a table that names its assets itself")
        self.time_format = time_format
        self.timezone = timezone
        self.stamp = stamp
        self.frequency = frequency
        self.calendar = calendar
        self.roles = dict(roles or {})
        self.lags = dict(lags or {})

    def bars(self, tables: Mapping[str, pd.DataFrame], *, origin: str) -> RawBars:
        """Bars of all tables, one after the other.

        Args:
            tables: place (a path, a query) to table; the place's stem names the asset if nothing
                else does.
            origin: where they come from, as a whole.

        Raises:
            DataError: see `Source.load`.
            ConfigError: `roles` or `lags` name a column that no table has, or intraday bars have a
                column ``vix`` without a lag.
        """
        frames: list[pd.DataFrame] = []
        names: dict[str, None] = {}
        empty: list[pd.DataFrame] = []
        unused: dict[str, None] = {}
        zoned: dict[bool, str] = {}
        for place, table in tables.items():
            frame, aware = self._long(table, place, empty, unused)
            zoned.setdefault(aware, place)
            names.update(dict.fromkeys(frame.columns[2:]))
            frames.append(frame)
        if len(zoned) == 2:
            raise DataError(f"{zoned[True]} has times with a time zone, {zoned[False]} without")
        if unused:
            logger.info(
                "%s: columns not used: %s; take one with 'data.columns={NAME: %s}'",
                origin,
                ", ".join(unused),
                next(iter(unused)),
            )
        ordered = [*(n for n in BARS if n in names), *(n for n in names if n not in BARS)]
        for key, given in (("roles", self.roles), ("lags", self.lags)):
            for name in given:
                if name not in ordered:
                    raise ConfigError(
                        f"{key}.{name}: no such column.{did_you_mean(name, ordered)} "
                        f"Columns: {', '.join(ordered)}"
                    )
        if "vix" in names and "vix" not in self.lags and not is_daily(self.frequency):
            raise ConfigError(
                f"bars of {self.frequency} have a column 'vix', and how late it is known depends "
                "on how it was filled: set data.lags.vix to 0 where a bar holds the index at the "
                "bar's close, and to the bars of a whole session (78 for 5min on XNYS) where the "
                "day's closing value is repeated"
            )
        return RawBars(
            frame=frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True),
            columns=self._declare(ordered),
            frequency=self.frequency,
            calendar=self.calendar,
            origin=origin,
            empty_cells=pd.concat(empty, ignore_index=True) if empty else None,
            unused=tuple(unused),
        )

    def _declare(self, names: Sequence[str]) -> tuple[Column, ...]:
        return tuple(
            column(
                name,
                role=self._role(name, names),
                lag=self.lags.get(name),
            )
            for name in names
        )

    def _role(self, name: str, names: Sequence[str]) -> Role | None:
        """The role that was asked for, or that of what is observed; None for the usual one."""
        if name in self.roles:
            return Role(self.roles[name])
        return Role.TARGET_SOURCE if name == observed(names) else None

    def _long(
        self,
        table: pd.DataFrame,
        place: str,
        empty: list[pd.DataFrame],
        unused: dict[str, None],
    ) -> tuple[pd.DataFrame, bool]:
        """Long bars and whether their times had a zone.

        Empty cells are added to `empty`, columns that nothing reads to `unused`.
        """
        table = flat(table, place)
        if table.empty:
            raise DataError(f"{place}: no rows")
        time_name = self._time_name(table, place)
        times = parse_times(
            table[time_name],
            time_format=self.time_format,
            timezone=self.timezone,
            frequency=self.frequency,
            stamp=self.stamp,
            origin=f"{place}: column {time_name!r}",
        )
        if self.layout in _WIDE:
            table = table.drop(columns=time_name)
            return self._from_wide(table, times.time, place, empty), times.aware
        found = self._sources(table, place)
        asset = self._asset(table, place)
        read = {time_name, self._asset_name(table), *found.values()}
        left = [str(name) for name in table.columns if name not in read]
        unused.update(dict.fromkeys(left))
        if isinstance(asset, str) and "asset" not in self.columns:
            check_one_asset(table, times.exact, left, place=place)
        frame = pd.DataFrame(
            {"asset": asset, "time": times.time, **{n: table[c].array for n, c in found.items()}},
            copy=False,
        )
        if is_daily(self.frequency):
            check_daily(frame["asset"], times, place=place)
        return validate(frame, self._declare(tuple(found)), origin=place), times.aware

    def _from_wide(
        self, table: pd.DataFrame, time: np.ndarray, place: str, empty: list[pd.DataFrame]
    ) -> pd.DataFrame:
        wanted = {name: source for name, source in self.columns.items() if name != "time"}
        assets = wanted or {name: name for name in table.columns}
        for source in assets.values():
            require(table, source, place)
        cells = np.column_stack(
            [as_numbers(table[c], column=str(c), origin=place) for c in assets.values()]
        )
        names = np.array([str(name) for name in assets])
        # An empty cell of a wide table is how it says that an asset has no bar at that time.
        there = ~np.isnan(cells)
        order = np.argsort(time, kind="stable")
        begun = np.logical_or.accumulate(there[order])
        goes_on = np.logical_or.accumulate(there[order][::-1])[::-1]
        asset, row = np.nonzero((begun & goes_on & ~there[order]).T)
        empty.append(pd.DataFrame({"asset": names[asset], "time": time[order][row]}))
        asset, row = np.nonzero(there.T)
        name = _WIDE[self.layout]
        frame = pd.DataFrame({"asset": names[asset], "time": time[row], name: cells[row, asset]})
        return validate(frame, self._declare((name,)), origin=place)

    def _sources(self, table: pd.DataFrame, place: str) -> dict[str, str]:
        """Name here to column there."""
        found: dict[str, str] = {}
        for name in BARS:
            if name not in self.columns and (source := match(table, (name,), place)) is not None:
                found[name] = source
        for name, source in self.columns.items():
            if name not in ("asset", "time") and source is not None:
                require(table, source, place)
                found[name] = source
        if observed(found) not in found:
            raise DataError(
                f"{place}: no column 'close'; say which it is with columns={{close: ...}}, or with "
                f"columns={{value: ...}} if it is no price. "
                f"Columns: {', '.join(map(str, table.columns))}"
            )
        return {n: found[n] for n in (*BARS, *found) if n in found}

    def _asset_name(self, table: pd.DataFrame) -> str | None:
        return self.columns.get("asset", "asset" if "asset" in table.columns else None)

    def _asset(self, table: pd.DataFrame, place: str) -> "pd.Series[str] | str":
        name = self._asset_name(table)
        if name is not None:
            if self.asset is not None:
                raise ConfigError(
                    f"asset={self.asset!r}, but {place} has a column {name!r}; "
                    f"set columns={{asset: null}} to ignore it"
                )
            require(table, name, place)
            # Names repeat: a category is turned into text once, not once per row.
            return table[name].astype("category").cat.rename_categories(str).astype("str")
        return self.asset if self.asset is not None else Path(place).stem

    def _time_name(self, table: pd.DataFrame, place: str) -> str:
        name = self.columns.get("time") or match(table, _TIME_NAMES, place)
        if name is None:
            raise DataError(
                f"{place}: no time; tried the index and {', '.join(_TIME_NAMES)}. Say which it is "
                f"with columns={{time: ...}}. Columns: {', '.join(map(str, table.columns))}"
            )
        require(table, name, place)
        return name
