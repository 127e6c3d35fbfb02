"""Channels of a market beside its computed features: calendar, given columns, constants."""

import numpy as np
from jaxtyping import Float, Int, Shaped

from regimecast.core.errors import DataError
from regimecast.core.places import narrow
from regimecast.data.calendars import trading_grid
from regimecast.data.panel import Panel, Role
from regimecast.data.placement import IN_MEMORY, Store
from regimecast.features.pipeline import FeaturePipeline

__all__ = ["finite", "known_channels", "names_of", "scheduled_channels", "static_channels"]

_TIMES = 2**20
"""Times whose calendar features are computed at once; bounds memory, not results."""


def known_channels(
    bars: Panel, pipeline: FeaturePipeline, horizon: int, *, store: Store = IN_MEMORY
) -> tuple[Float[np.ndarray, "G Fk"], tuple[str, ...], Int[np.ndarray, " R"]]:
    """Calendar features on the market's grid, their names, and each row's place on it.

    Args:
        bars: the panel.
        pipeline: whose calendar features to compute.
        horizon: bars that the grid goes on after the last row.
        store: where the features lie.
    """
    grid: Shaped[np.ndarray, " G"] = trading_grid(
        bars.calendar, bars.frequency, bars.time.min(), bars.time.max(), ahead=horizon + 1
    )
    # A bar outside the calendar (a special session) counts as the grid time before it.
    index: Int[np.ndarray, " R"] = np.searchsorted(grid, bars.time, side="right") - 1
    if index.min() < 0:
        grid = np.concatenate([[bars.time.min()], grid])
        index += 1
    names = pipeline.known_names
    values = store.matrix(len(grid), len(names))
    for start in range(0, len(grid), _TIMES):  # each time stands on its own
        part = slice(start, start + _TIMES)
        values[part] = pipeline.known(grid[part], bars.calendar)
    return values, names, narrow(index)


def scheduled_channels(bars: Panel, *, store: Store) -> Float[np.ndarray, "R Fa"]:
    """Columns of the source that are known ahead."""
    names = names_of(bars, Role.KNOWN)
    values = store.matrix(bars.n_rows, len(names))
    for place, name in enumerate(names):
        values[:, place] = finite(bars.actual(name))
    return values


def static_channels(
    bars: Panel, asset_identity: bool
) -> tuple[tuple[str, ...], Float[np.ndarray, "A Fs"]]:
    """Static columns of the source, and one indicator per asset where wanted.

    Raises:
        DataError: a static column has two values in one asset.
    """
    names = list(names_of(bars, Role.STATIC))
    parts = [_constants(bars, name) for name in names]
    if asset_identity and bars.n_assets > 1:
        names += [f"asset={asset}" for asset in bars.assets]
        parts += list(np.eye(bars.n_assets))
    values = np.stack(parts, axis=1) if parts else np.empty((bars.n_assets, 0))
    return tuple(names), values.astype(np.float32)


def finite(values: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """float32 with NaN, which scaling takes for missing, where a value is infinite or too large."""
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32)
    narrow[np.isinf(narrow)] = np.nan
    return narrow


def names_of(bars: Panel, role: Role) -> tuple[str, ...]:
    """Names of the columns of a role, in order."""
    return tuple(column.name for column in bars.columns if column.role is role)


def _constants(bars: Panel, name: str) -> Float[np.ndarray, " A"]:
    """The one value of a static column in each asset, NaN where it has none."""
    known = np.flatnonzero(np.isfinite(bars.actual(name)))
    value, asset = bars.actual(name)[known], bars.asset_of_row[known]
    owner, first = np.unique(asset, return_index=True)
    constants = np.full(bars.n_assets, np.nan)
    constants[owner] = value[first]
    differs = np.flatnonzero(value != constants[asset])
    if len(differs):
        where = differs[0]
        raise DataError(
            f"column {name!r} has role static and is not constant: in asset "
            f"{bars.assets[asset[where]]!r} it is {constants[asset[where]]} and, at "
            f"{bars.time[known[where]]}, {value[where]}. Give it the role past with data.roles"
        )
    return constants
