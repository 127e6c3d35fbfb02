"""Gathers of windows from a panel in memory, one pass over the batch for each part of it.

The gathers of `WindowSource` that are written in torch do the same on any device, operation by
operation; these do it to the bit, several times faster. A window is one run of the panel's memory,
so that it is read, scaled and written in one go. `scale_` is what both make of the values.
"""

from dataclasses import dataclass
from typing import no_type_check

import numba
import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Float64, Int64
from torch import Tensor

from regimecast.data.scaling import FeatureScaler

__all__ = ["Scaling", "known_windows", "past_windows", "targets"]

_RUN = 512
"""Values that are scaled in one run of the machine's vectors, at least: channels alone are few."""


@dataclass(frozen=True, eq=False)
class Scaling:
    """Mean, factor and limit of every channel, as tensors and as arrays, made once per source."""

    mean: Float[Tensor, " F"]
    factor: Float[Tensor, " F"]
    clip: float
    """Scaled values are limited to ±clip."""
    means: Float32[np.ndarray, " K"]
    """`mean` as often as fills a run."""
    factors: Float32[np.ndarray, " K"]

    @classmethod
    def of(cls, scaler: FeatureScaler | None, *, width: int) -> "Scaling":
        """That of a scaler, for the last of `width` channels; the others stay as they are."""
        mean, factor = np.zeros(width, dtype=np.float32), np.ones(width, dtype=np.float32)
        clip = float(np.finfo(np.float32).max)
        if scaler is not None:
            mean[width - len(scaler.mean) :] = scaler.mean
            factor[width - len(scaler.mean) :] = scaler.factor
            clip = scaler.clip
        times = -(-_RUN // max(width, 1))
        return cls(
            torch.from_numpy(mean),
            torch.from_numpy(factor),
            clip,
            np.tile(mean, times),
            np.tile(factor, times),
        )

    def scale_(self, values: Float[Tensor, "*rows F"]) -> Float[Tensor, "*rows F"]:
        """The values scaled in place; a missing one becomes 0, the training mean."""
        place = values.device
        values.sub_(self.mean.to(place)).mul_(self.factor.to(place))
        return values.nan_to_num_(nan=0.0).clamp_(-self.clip, self.clip)


@numba.njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def past_windows(
    past: Float32[np.ndarray, "R F"],
    given: bool,
    series: Float64[np.ndarray, " R"],
    anchored: bool,
    scale: Float64[np.ndarray, " R"],
    origin: Int64[np.ndarray, " B"],
    means: Float32[np.ndarray, " K"],
    factors: Float32[np.ndarray, " K"],
    clip: float,
    out: Float32[np.ndarray, "B L F"],
) -> None:
    """Fills `out` with scaled rows of `past`, and channel 0 with the history unless it is given."""
    rows, width = past.shape
    length = out.shape[1]
    size = length * width
    flat = past.reshape(rows * width)
    limit = np.float32(clip)
    # All histories before any channel: short reads far apart, which then wait for memory together.
    history = np.empty((len(origin), 0 if given else length), dtype=np.float32)
    for window in range(len(origin)):
        last = origin[window]
        first = last - length + 1
        if first < 0 or last >= rows:
            raise IndexError("a window reaches beyond the panel")
        if not given:
            anchor = series[last] if anchored else 0.0
            _relative(series[first : last + 1], anchor, scale[last], history[window])
    for window in range(len(origin)):
        first = origin[window] - length + 1
        run = flat[first * width : first * width + size]
        _scale(run, means, factors, limit, out[window].reshape(size))
        if not given:
            read, write = history[window], out[window, :, 0]
            for step in range(length):
                write[step] = read[step]


@numba.njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def known_windows(
    known: Float32[np.ndarray, "G K"],
    known_index: Int64[np.ndarray, " R"],
    scheduled: Float32[np.ndarray, "R S"],
    origin: Int64[np.ndarray, " B"],
    length: int,
    means: Float32[np.ndarray, " M"],
    factors: Float32[np.ndarray, " M"],
    clip: float,
    out: Float32[np.ndarray, "B T F"],
) -> None:
    """Fills `out` with what is known of the window's rows and of the bars after it.

    Rows of the calendar's grid, then channels of the source's own, which are scaled.
    """
    rows, own = scheduled.shape
    given = known.shape[1]
    limit = np.float32(clip)
    for window in range(len(origin)):
        last = origin[window]
        ahead = out.shape[1] - length
        if last - length + 1 < 0 or last >= rows or (own and last + ahead >= rows):
            raise IndexError("a window reaches beyond the panel")
        if known_index[last] + ahead >= len(known):
            raise IndexError("a window reaches beyond the calendar")
        for step in range(out.shape[1]):
            row = last - length + 1 + step
            at = known_index[row] if step < length else known_index[last] + step - length + 1
            for channel in range(given):
                out[window, step, channel] = known[at, channel]
            if own:
                _scale(scheduled[row], means, factors, limit, out[window, step, given:])


@numba.njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def targets(
    series: Float64[np.ndarray, " R"],
    anchored: bool,
    scale: Float64[np.ndarray, " R"],
    last_row: Int64[np.ndarray, " R"],
    origin: Int64[np.ndarray, " B"],
    out: Float32[np.ndarray, "B H"],
    mask: Bool[np.ndarray, "B H"],
) -> None:
    """Fills `out` with the target's steps, 0 where `mask` says that one is not known."""
    for window in range(len(origin)):
        row = origin[window]
        if row < 0 or row >= len(series):
            raise IndexError("an origin is not in the panel")
        for step in range(out.shape[1]):
            ahead = row + step + 1
            out[window, step] = 0
            mask[window, step] = False
            if ahead <= last_row[row]:
                value = series[ahead] - series[row] if anchored else series[ahead]
                target = np.float32(value / scale[row])
                if np.isfinite(target):
                    out[window, step] = target
                    mask[window, step] = True


@numba.njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def _scale(
    values: Float32[np.ndarray, " N"],
    means: Float32[np.ndarray, " K"],
    factors: Float32[np.ndarray, " K"],
    clip: np.float32,
    out: Float32[np.ndarray, " N"],
) -> None:
    for start in range(0, len(values), len(means)):
        size = min(len(means), len(values) - start)
        read, write = values[start : start + size], out[start : start + size]
        for i in range(size):
            value = (read[i] - means[i]) * factors[i]
            value = value if value == value else np.float32(0)  # only NaN is not
            value = value if value <= clip else clip
            write[i] = value if value >= -clip else -clip


@numba.njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def _relative(
    series: Float64[np.ndarray, " L"],
    anchor: float,
    scale: float,
    out: Float32[np.ndarray, " L"],
) -> None:
    for step in range(len(out)):
        out[step] = np.float32((series[step] - anchor) / scale)
