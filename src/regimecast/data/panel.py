"""`Panel`: many assets' bars as one ragged, columnar, memory-mappable table.

Design choices:
- Rows are sorted by (asset, time). Time is the bar index with real timestamps beside it: gaps in
  the market are not rows, and no bar is ever invented.
- One matrix and one row index per asset (`offsets`), so that windows are gathers and truncation at
  t is a slice.
- A column carries its availability lag. `actual` gives what happened at a bar (labels, fills);
  `available` gives what was known at its close (features, regimes). Nothing else reads columns.
- Bars are float64, since labels and backtests difference prices; model inputs are float32.
"""

from dataclasses import asdict, dataclass, replace
from difflib import get_close_matches
from enum import StrEnum
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, Shaped

from regimecast.core.errors import DataError, did_you_mean
from regimecast.core.files import atomic_path, read_json, write_json
from regimecast.core.hashing import hash_arrays, hash_json

__all__ = ["Column", "Panel", "Role"]


class Role(StrEnum):
    """What a column may be used for."""

    TARGET_SOURCE = "target_source"
    """Prices and volume: targets, features, fills."""
    PAST = "past"
    """Known up to the origin; fed to models as it is, standardised."""
    KNOWN = "known"
    """Known over the horizon too, such as a scheduled event; fed to models."""
    STATIC = "static"
    """Constant per asset; fed to models."""
    REFERENCE = "reference"
    """For regimes, checks and reports; never fed to a model."""


@dataclass(frozen=True)
class Column:
    """A named column. `lag` is how many bars late it becomes known: 0 at its own bar's close.

    Raises:
        DataError: the lag is negative, or not 0 though the role says that it is known beforehand.
    """

    name: str
    role: Role = Role.PAST
    lag: int = 0

    def __post_init__(self) -> None:
        if self.lag < 0:
            raise DataError(f"column {self.name!r} has lag={self.lag}; a lag is 0 or more bars")
        if self.lag and self.role in (Role.KNOWN, Role.STATIC):
            raise DataError(
                f"column {self.name!r} has role {self.role} and lag={self.lag}; what is known "
                "beforehand has no lag: leave it out, or give the column the role past"
            )


@dataclass(frozen=True, eq=False)
class Panel:
    """Bars of A assets in R rows and F columns.

    Raises:
        DataError: shapes disagree, or rows are not strictly increasing in time within an asset.
    """

    values: Float[np.ndarray, "R F"]
    time: Shaped[np.ndarray, " R"]
    """Time of each bar's close, or its date for daily bars; datetime64[ns], UTC when zoned."""
    offsets: Int[np.ndarray, " A1"]
    """Rows of asset a are offsets[a]:offsets[a + 1]."""
    columns: tuple[Column, ...]
    assets: tuple[str, ...]
    frequency: str
    """Bar length as a pandas offset, such as ``1D`` or ``1min``."""
    calendar: str
    """Exchange calendar such as ``XNYS``, or ``24/7``."""
    unused: tuple[str, ...] = ()
    """Columns of the source that were left out, under their own names; for messages only."""

    def __post_init__(self) -> None:
        rows, width = self.values.shape
        if width != len(self.columns) or len(self.time) != rows:
            raise DataError(
                f"values {self.values.shape} do not fit {len(self.columns)} columns "
                f"and {len(self.time)} times"
            )
        if (
            len(self.offsets) != len(self.assets) + 1
            or self.offsets[0] != 0
            or self.offsets[-1] != rows
        ):
            raise DataError(f"offsets do not cover {rows} rows of {len(self.assets)} assets")
        if self.time.dtype != np.dtype("datetime64[ns]"):
            raise DataError(f"time is {self.time.dtype}, expected datetime64[ns]")
        increasing = np.diff(self.time) > np.timedelta64(0, "ns")
        borders = self.offsets[(self.offsets > 0) & (self.offsets < rows)]
        increasing[borders - 1] = True  # a new asset may start earlier
        if not increasing.all():
            row = int(np.flatnonzero(~increasing)[0]) + 1
            asset = self.assets[int(self.asset_of_row[row])]
            raise DataError(f"time does not increase at {self.time[row]} of {asset!r}")

    @property
    def n_rows(self) -> int:
        """R."""
        return int(self.values.shape[0])

    @property
    def n_assets(self) -> int:
        """A."""
        return len(self.assets)

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in order."""
        return tuple(column.name for column in self.columns)

    @cached_property
    def asset_of_row(self) -> Int[np.ndarray, " R"]:
        """Asset index of every row."""
        # int32: one of these per bar, and never two thousand million assets.
        return np.repeat(np.arange(self.n_assets, dtype=np.int32), np.diff(self.offsets))

    def rows(self, asset: int) -> slice:
        """Rows of one asset."""
        return slice(int(self.offsets[asset]), int(self.offsets[asset + 1]))

    def has(self, name: str) -> bool:
        """Whether a column exists."""
        return name in self.names

    def index(self, name: str) -> int:
        """Position of a column.

        Raises:
            DataError: no such column.
        """
        try:
            return self.names.index(name)
        except ValueError:
            raise DataError(
                f"the data have no column {name!r}.{did_you_mean(name, self.names)} "
                f"Columns: {', '.join(self.names)}{self._elsewhere(name)}"
            ) from None

    def _elsewhere(self, name: str) -> str:
        """How to take a column that the source has and the panel has not."""
        if not self.unused:
            return ""
        nearest = get_close_matches(name, self.unused, n=1, cutoff=0.0)[0]
        return (
            f". Not used of the source: {', '.join(self.unused)}; take one with "
            f"'data.columns={{{name}: {nearest}}}'"
        )

    def actual(self, name: str) -> Float[np.ndarray, " R"]:
        """What a column was at each bar, whenever that became known. For labels and fills only."""
        return self.values[:, self.index(name)]

    def available(self, name: str) -> Float[np.ndarray, " R"]:
        """What was known of a column at the close of each bar: the value `lag` bars before.

        NaN in the first `lag` bars of an asset.
        """
        index = self.index(name)
        lag = self.columns[index].lag
        if lag == 0:
            return self.values[:, index]
        shifted = np.full(self.n_rows, np.nan, dtype=self.values.dtype)
        for asset in range(self.n_assets):
            rows = self.rows(asset)
            if rows.stop - rows.start > lag:
                shifted[rows.start + lag : rows.stop] = self.values[
                    rows.start : rows.stop - lag, index
                ]
        return shifted

    def earlier(self, bars: int) -> Shaped[np.ndarray, " R"]:
        """Time of the bar that many before each row's, of its asset; its first one at the most."""
        if not bars:
            return self.time
        row = np.arange(self.n_rows) - bars
        first: Shaped[np.ndarray, " R"] = self.offsets[:-1][self.asset_of_row]
        return self.time[np.maximum(row, first)]

    def until(self, end: np.datetime64) -> "Panel":
        """The panel as it stood at `end`: later rows are gone, and assets may become empty."""
        return self._keep(self.time <= end)

    def select(self, assets: tuple[str, ...]) -> "Panel":
        """Only these assets, in this order.

        Raises:
            DataError: an asset is unknown.
        """
        for asset in assets:
            if asset not in self.assets:
                raise DataError(
                    f"the data have no asset {asset!r}.{did_you_mean(asset, self.assets)} "
                    f"Assets: {', '.join(self.assets)}"
                )
        slices = [self.rows(self.assets.index(asset)) for asset in assets]
        return replace(
            self,
            values=np.concatenate([self.values[rows] for rows in slices]),
            time=np.concatenate([self.time[rows] for rows in slices]),
            offsets=np.cumsum([0, *(rows.stop - rows.start for rows in slices)]),
            assets=assets,
        )

    def _keep(self, mask: Shaped[np.ndarray, " R"]) -> "Panel":
        kept_before = np.concatenate([[0], np.cumsum(mask)])
        return replace(
            self,
            values=self.values[mask],
            time=self.time[mask],
            offsets=kept_before[self.offsets],
        )

    @cached_property
    def bars_per_year(self) -> float:
        """Bars per 365.25 days, measured on the asset with the longest history."""
        asset = int(np.argmax(np.diff(self.offsets)))
        time = self.time[self.rows(asset)]
        if len(time) < 2:
            raise DataError(f"{self.assets[asset]!r} has {len(time)} bars; at least 2 are needed")
        years = (time[-1] - time[0]) / np.timedelta64(1, "D") / 365.25
        return float((len(time) - 1) / years)

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of values, times, layout and column declarations."""
        layout = hash_json(
            [[asdict(c) for c in self.columns], self.assets, self.frequency, self.calendar]
        )
        return hash_arrays(self.values, self.time, self.offsets, np.array(layout))

    @cached_property
    def price_hash(self) -> str:
        """SHA-256 of what is forecast here: closes, or levels where there are none, by time.

        The same for every choice of other columns, so that strategies that read more or less of
        the same market are known to have been tried on it.
        """
        sources = [c.name for c in self.columns if c.role is Role.TARGET_SOURCE]
        names = ["close"] if self.has("close") else sources
        return hash_arrays(*(self.actual(name) for name in names), self.time, self.offsets)

    def save(self, folder: Path) -> None:
        """Writes plain ``.npy`` files and a json sidecar with the content hash."""
        for name in ("values", "time", "offsets"):
            array = getattr(self, name)
            with atomic_path(folder / f"{name}.npy") as path, path.open("wb") as file:
                np.save(file, array.view(np.int64) if name == "time" else array, allow_pickle=False)
        write_json(
            folder / "panel.json",
            {
                "columns": [asdict(column) for column in self.columns],
                "assets": list(self.assets),
                "frequency": self.frequency,
                "calendar": self.calendar,
                "sha256": self.content_hash,
            },
        )

    @classmethod
    def load(cls, folder: Path, *, memory_map: bool = True) -> "Panel":
        """Panel of a folder that `save` wrote; values stay on disk when memory-mapped.

        Raises:
            DataError: a file is missing or not what `save` writes.
        """
        try:
            header = read_json(folder / "panel.json")
            values = np.load(
                folder / "values.npy", mmap_mode="c" if memory_map else None, allow_pickle=False
            )
            return cls(
                values=values,
                time=np.load(folder / "time.npy", allow_pickle=False).view("datetime64[ns]"),
                offsets=np.load(folder / "offsets.npy", allow_pickle=False),
                columns=tuple(
                    Column(c["name"], Role(c["role"]), c["lag"]) for c in header["columns"]
                ),
                assets=tuple(header["assets"]),
                frequency=header["frequency"],
                calendar=header["calendar"],
            )
        except (OSError, KeyError, ValueError, TypeError) as error:
            raise DataError(f"{folder} does not hold a panel: {error}") from error
