"""`FeatureState`: the last bars, which are all that features of the next ones need.

A state holds no sums and no filters, only bars: those that the next block of each asset reads, and
those of all assets since the start of the windows that relate them. Both are bounded, by
`regimecast.features.blocks` and by the contract of `CrossAssetFeatures`.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Int

from regimecast.core.errors import DataError
from regimecast.core.files import atomic_path
from regimecast.data.panel import Column, Panel, Role
from regimecast.features import blocks
from regimecast.features.base import AssetFeatures, CrossAssetFeatures, longest_gap
from regimecast.features.blocks import Excerpt

__all__ = ["FeatureState", "joined", "remainder"]

_FILE = "features.state"
_DIGEST = hashlib.sha256().digest_size
_AGAIN = "compute the features of the whole panel again, and go on from there"


@dataclass(frozen=True, eq=False)
class FeatureState:
    """What an update leaves for the next one."""

    version: str
    """Version of the features, `FeaturePipeline.version`."""
    bars: Panel
    """The last bars of every asset so far."""
    dropped: Int[np.ndarray, " A"]
    """Bars of each asset before those."""

    def save(self, folder: Path | str) -> None:
        """Writes one file, atomically; it starts with the SHA-256 of the rest."""
        header = {
            "version": self.version,
            "columns": [asdict(column) for column in self.bars.columns],
            "assets": list(self.bars.assets),
            "frequency": self.bars.frequency,
            "calendar": self.bars.calendar,
        }
        content = io.BytesIO()
        np.savez(
            content,
            allow_pickle=False,
            header=np.array(json.dumps(header)),
            values=self.bars.values,
            time=self.bars.time.view(np.int64),
            offsets=self.bars.offsets,
            dropped=self.dropped,
        )
        with atomic_path(Path(folder) / _FILE) as path:
            path.write_bytes(hashlib.sha256(content.getbuffer()).digest() + content.getbuffer())

    @classmethod
    def load(cls, folder: Path | str) -> "FeatureState":
        """State that `save` wrote.

        Raises:
            DataError: there is none, or the file is damaged.
        """
        path = Path(folder) / _FILE
        try:
            content = path.read_bytes()
        except OSError as error:
            raise DataError(f"{folder} holds no state of features: {error}; {_AGAIN}") from error
        if hashlib.sha256(content[_DIGEST:]).digest() != content[:_DIGEST]:
            raise DataError(f"{path} is damaged: its SHA-256 is not the one it holds; {_AGAIN}")
        try:
            with np.load(io.BytesIO(content[_DIGEST:]), allow_pickle=False) as arrays:
                header = json.loads(str(arrays["header"]))
                bars = Panel(
                    values=arrays["values"],
                    time=arrays["time"].view("datetime64[ns]"),
                    offsets=arrays["offsets"],
                    columns=tuple(
                        Column(c["name"], Role(c["role"]), c["lag"]) for c in header["columns"]
                    ),
                    assets=tuple(header["assets"]),
                    frequency=header["frequency"],
                    calendar=header["calendar"],
                )
                return cls(header["version"], bars, arrays["dropped"])
        except (OSError, KeyError, ValueError, TypeError, zipfile.BadZipFile) as error:
            raise DataError(f"{path} is no state of features: {error}; {_AGAIN}") from error


def joined(state: FeatureState | None, bars: Panel, *, version: str, related: bool) -> Excerpt:
    """New bars behind those of the state, the assets of `bars` first and in their order.

    Args:
        state: what the update before left; None at the start.
        bars: new bars.
        version: version of the features.
        related: whether features relate assets, so that no asset may lag behind another.

    Raises:
        DataError: the state is of other features or columns, or bars come late or again.
    """
    if state is None:
        return Excerpt.whole(bars)
    old = state.bars
    if state.version != version:
        raise DataError(
            f"the state is of version {state.version[:12]} of the features, these are "
            f"{version[:12]}; {_AGAIN}"
        )
    for what in ("columns", "frequency", "calendar"):
        before, now = getattr(old, what), getattr(bars, what)
        if before != now:
            raise DataError(f"{what} of new bars are {now}, those before {before}; {_AGAIN}")
    _check_order(old, bars, related=related)
    absent = tuple(asset for asset in old.assets if asset not in bars.assets)
    values, time, known, dropped = [], [], [], []
    for asset in (*bars.assets, *absent):
        parts = [panel for panel in (old, bars) if asset in panel.assets]
        rows = [panel.rows(panel.assets.index(asset)) for panel in parts]
        values += [panel.values[r] for panel, r in zip(parts, rows, strict=True)]
        time += [panel.time[r] for panel, r in zip(parts, rows, strict=True)]
        place = old.assets.index(asset) if asset in old.assets else None
        dropped.append(0 if place is None else int(state.dropped[place]))
        known.append(0 if place is None else rows[0].stop - rows[0].start)
    added = [*np.diff(bars.offsets), *(0 for _ in absent)]
    panel = replace(
        bars,
        values=np.concatenate([*values, bars.values[:0]]),
        time=np.concatenate([*time, bars.time[:0]]),
        offsets=np.cumsum([0, *(int(k + n) for k, n in zip(known, added, strict=True))]),
        assets=(*bars.assets, *absent),
    )
    return Excerpt(panel, np.array(dropped, dtype=np.int64), np.array(known, dtype=np.int64))


def _check_order(old: Panel, bars: Panel, *, related: bool) -> None:
    if old.n_rows == 0:
        return
    for place, asset in enumerate(bars.assets):
        rows = bars.rows(place)
        if related:
            latest = old.time.max()
        elif asset in old.assets and len(seen := old.time[old.rows(old.assets.index(asset))]):
            latest = seen[-1]
        else:
            continue
        if rows.start < rows.stop and bars.time[rows.start] <= latest:
            raise DataError(
                f"{asset!r} has a bar at {bars.time[rows.start]}, and the state has seen bars "
                f"until {latest}. A bar that comes late or again changes features that were given "
                f"already: leave it out, or {_AGAIN}"
            )


def remainder(
    excerpt: Excerpt,
    *,
    version: str,
    own: Sequence[AssetFeatures],
    related: Sequence[CrossAssetFeatures],
) -> FeatureState:
    """State after an excerpt: what the bars to come need of it.

    Args:
        excerpt: the bars so far.
        version: version of the features.
        own: families of one asset's features.
        related: families of features that relate assets.
    """
    panel = excerpt.panel
    late = 1 + max((column.lag for column in panel.columns), default=0)  # for a return before
    lengths = np.diff(panel.offsets)
    reach, block = blocks.reach(own), blocks.BLOCK
    following = excerpt.dropped + lengths
    first = following // block * block - reach - late - excerpt.dropped
    if related and panel.n_rows:
        span = max(feature.lookback for family in related for feature in family.features())
        start = _window_start(panel, span)
        start = min([start, *(family.settled(panel, start) for family in related)])
        since = [np.searchsorted(panel.time[panel.rows(a)], start) for a in range(panel.n_assets)]
        first = np.minimum(first, np.minimum(lengths - span, since) - late)
    first = np.clip(first, 0, np.maximum(lengths - 1, 0))
    keep = np.arange(panel.n_rows) - panel.offsets[panel.asset_of_row] >= first[panel.asset_of_row]
    tail = replace(
        panel,
        values=panel.values[keep],
        time=panel.time[keep],
        offsets=np.concatenate([[0], np.cumsum(lengths - first)]),
    )
    return FeatureState(version, tail, excerpt.dropped + first)


def _window_start(panel: Panel, span: int) -> np.datetime64:
    """Earliest time in the windows of `span` bars that end with the next bar of any asset.

    An asset without a bar for too long starts anew.
    """
    gap, end = longest_gap(panel), panel.time.max()
    start = end
    for asset in range(panel.n_assets):
        time = panel.time[panel.rows(asset)][-max(span, 1) :]
        if len(time) and end - time[-1] <= gap:
            halts = np.flatnonzero(np.diff(time) > gap)
            start = min(start, time[halts[-1] + 1 if len(halts) else 0])
    return start
