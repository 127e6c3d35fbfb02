"""Blocks of bars: what makes a value a function of a bounded number of bars, wherever data start.

Recursive filters never forget their start, and running sums leave rounding errors that depend on
it. So an asset's bars are worked on in blocks of `BLOCK`, counted from its first bar, and each
block reads `LOOKBACKS` lookbacks of bars before it, never more. The bits of a value follow from
the bar's number and from those bars. That is why an update that holds no more than the last bars
(`regimecast.features.update`) equals a full computation to the byte.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from regimecast.data.panel import Panel
from regimecast.features.base import LOOKBACKS, AssetFeatures, Bars, CrossAssetFeatures

__all__ = [
    "BLOCK",
    "Excerpt",
    "blank_infinite",
    "fill_asset_features",
    "fill_cross_features",
    "reach",
]

BLOCK = 8192
"""Bars that are worked on at once; they stay in the processor's cache."""


@dataclass(frozen=True, eq=False)
class Excerpt:
    """The last bars of each asset, and which of them are to be computed."""

    panel: Panel
    dropped: Int[np.ndarray, " A"]
    """Bars of each asset that came before the panel."""
    known: Int[np.ndarray, " A"]
    """Bars of each asset in the panel that are there to be read, not to be computed."""

    @classmethod
    def whole(cls, panel: Panel) -> "Excerpt":
        """Everything of a panel that nothing came before."""
        nothing = np.zeros(panel.n_assets, dtype=np.int64)
        return cls(panel, nothing, nothing)

    @property
    def wanted(self) -> Bool[np.ndarray, " R"]:
        """Rows of the panel that are to be computed."""
        asset = self.panel.asset_of_row
        return np.arange(self.panel.n_rows) - self.panel.offsets[asset] >= self.known[asset]


def reach(families: Sequence[AssetFeatures]) -> int:
    """Bars before a block that any of the families reads."""
    return max(map(_reach, families), default=0)


def fill_asset_features(
    table: Float[np.ndarray, "N F"],
    excerpt: Excerpt,
    families: Sequence[tuple[AssetFeatures, Sequence[int], int]],
) -> None:
    """Writes columns of families into a table of the wanted rows.

    What float32 cannot hold becomes infinite.

    Args:
        table: one row for each wanted row.
        excerpt: bars.
        families: each with the places of its wanted columns, and the table's first one for them.
    """
    families = [(family, wanted, first) for family, wanted, first in families if wanted]
    if not families:
        return
    names = {c for family, _, _ in families for f in family.features() for c in f.inputs}
    row = 0
    for asset in range(excerpt.panel.n_assets):
        dropped, known = int(excerpt.dropped[asset]), int(excerpt.known[asset])
        bars = _bars(excerpt.panel, asset, names)
        length = excerpt.panel.rows(asset).stop - excerpt.panel.rows(asset).start
        for start, stop in _blocks(dropped + known, dropped + length):
            block = start // BLOCK * BLOCK
            rows = slice(row, row + stop - start)
            for family, wanted, first in families:
                begin = max(block - _reach(family), dropped)
                read = {name: x[begin - dropped : stop - dropped] for name, x in bars.items()}
                part = np.empty((len(wanted), stop - start), dtype=np.float32)
                columns = family.columns(read, wanted, since=block - begin)
                with np.errstate(over="ignore"):
                    for place, column in enumerate(columns):
                        part[place] = column[start - block :]
                table[rows, first : first + len(wanted)] = part.T
            row = rows.stop


def fill_cross_features(
    table: Float[np.ndarray, "N F"],
    excerpt: Excerpt,
    family: CrossAssetFeatures,
    wanted: Sequence[int],
    first: int,
) -> None:
    """Writes a family's wanted columns, from the table's column `first` on, as above."""
    if wanted:
        values = family.compute(excerpt.panel)
        if excerpt.known.any():
            values = values[excerpt.wanted]
        with np.errstate(over="ignore"):
            for place, column in enumerate(wanted):
                table[:, first + place] = values[:, column]


def blank_infinite(table: Float[np.ndarray, "N F"]) -> int:
    """Number of infinite values, which became NaN, block by block."""
    infinite = 0
    for start in range(0, len(table), BLOCK):
        part = table[start : start + BLOCK]
        bad = np.isinf(part)
        infinite += int(bad.sum())
        part[bad] = np.nan
    return infinite


def _reach(family: AssetFeatures) -> int:
    return LOOKBACKS * max((feature.lookback for feature in family.features()), default=0)


def _blocks(start: int, stop: int) -> Iterator[tuple[int, int]]:
    """The parts of bars start..stop that lie in one block each."""
    while start < stop:
        end = min((start // BLOCK + 1) * BLOCK, stop)
        yield start, end
        start = end


def _bars(panel: Panel, asset: int, names: set[str]) -> Bars:
    """An asset's columns as known at each close; NaN where the panel lacks one."""
    rows = panel.rows(asset)
    absent = np.full(rows.stop - rows.start, np.nan)
    return {
        name: np.array(panel.available(name)[rows], dtype=np.float64, order="C")
        if panel.has(name)
        else absent
        for name in sorted(names)
    }
