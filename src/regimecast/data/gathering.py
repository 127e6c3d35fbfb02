"""Gathers of windows from a panel in memory, one pass over the batch for each part of it.

The gathers of `WindowSource` that are written in torch do the same on any device, operation by
operation; `CompiledGather` does it to the bit, several times faster. A window is one run of the
panel's memory, so that it is read, scaled and written in one go.
"""

from dataclasses import dataclass
from typing import no_type_check

import numba
import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Float64, Int, Int64
from torch import Tensor

from regimecast.data.scaling import FeatureScaler

__all__ = ["CompiledGather", "Scaling"]

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


@dataclass(frozen=True, eq=False)
class CompiledGather:
    """What a source in memory gathers from, and how; see `WindowSource` for what each holds."""

    past: Float32[np.ndarray, "R F"]
    history_given: bool
    series: Float64[np.ndarray, " R"]
    anchored: bool
    scale: Float64[np.ndarray, " R"]
    last_row: Int[np.ndarray, " R"]
    known: Float32[np.ndarray, "G K"]
    known_index: Int[np.ndarray, " R"]
    scheduled: Float32[np.ndarray, "R S"]
    scaling: Scaling
    scheduled_scaling: Scaling
    context_length: int
    horizon: int

    def past_of(self, origin: Int[Tensor, " B"]) -> Float[Tensor, "B L F"]:
        """Past channels of the windows that end at these rows.

        Raises:
            IndexError: a window reaches beyond the panel.
        """
        width = self.past.shape[1]
        # All histories before any channel: short reads far apart then wait for memory together.
        history = torch.empty(len(origin), 0 if self.history_given else self.context_length)
        if not self.history_given:
            _histories(self.series, self.anchored, self.scale, origin.numpy(), history.numpy())
            if width == 1:
                return history[:, :, None]
        past = torch.empty(len(origin), self.context_length, width)
        scaling = self.scaling
        _past_windows(
            self.past,
            history.numpy(),
            origin.numpy(),
            scaling.means,
            scaling.factors,
            scaling.clip,
            past.numpy(),
        )
        return past

    def known_of(self, origin: Int[Tensor, " B"]) -> Float[Tensor, "B T K_plus_S"]:
        """Known channels of the windows and of the H bars after them.

        Raises:
            IndexError: one reaches beyond the panel or the calendar.
        """
        width = self.known.shape[1] + self.scheduled.shape[1]
        known = torch.empty(len(origin), self.context_length + self.horizon, width)
        if width:
            scaling = self.scheduled_scaling
            _known_windows(
                self.known,
                self.known_index,
                self.scheduled,
                origin.numpy(),
                self.context_length,
                scaling.means,
                scaling.factors,
                scaling.clip,
                known.numpy(),
            )
        return known

    def target_of(
        self, origin: Int[Tensor, " B"]
    ) -> tuple[Float[Tensor, "B H"], Bool[Tensor, "B H"]]:
        """Target of every step and whether it is known."""
        target = torch.empty(len(origin), self.horizon)
        mask = torch.empty(len(origin), self.horizon, dtype=torch.bool)
        _targets(
            self.series,
            self.anchored,
            self.scale,
            self.last_row,
            origin.numpy(),
            target.numpy(),
            mask.numpy(),
        )
        return target, mask


@numba.njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def _histories(
    series: Float64[np.ndarray, " R"],
    anchored: bool,
    scale: Float64[np.ndarray, " R"],
    origin: Int64[np.ndarray, " B"],
    out: Float32[np.ndarray, "B L"],
) -> None:
    """Fills `out` with the target's series up to each origin, in units of the target."""
    length = out.shape[1]
    for window in range(len(origin)):
        last = origin[window]
        first = last - length + 1
        if first < 0 or last >= len(series):
            raise IndexError("a window reaches beyond the panel")
        anchor = series[last] if anchored else 0.0
        for step in range(length):
            out[window, step] = np.float32((series[first + step] - anchor) / scale[last])


@numba.njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def _past_windows(
    past: Float32[np.ndarray, "R F"],
    history: Float32[np.ndarray, "B L_or_0"],
    origin: Int64[np.ndarray, " B"],
    means: Float32[np.ndarray, " K"],
    factors: Float32[np.ndarray, " K"],
    clip: float,
    out: Float32[np.ndarray, "B L F"],
) -> None:
    """Fills `out` with scaled rows of `past`, and channel 0 with the history where there is one."""
    rows, width = past.shape
    length = out.shape[1]
    size = length * width
    flat = past.reshape(rows * width)
    limit = np.float32(clip)
    for window in range(len(origin)):
        first = origin[window] - length + 1
        if first < 0 or origin[window] >= rows:
            raise IndexError("a window reaches beyond the panel")
        run = flat[first * width : first * width + size]
        _scale(run, means, factors, limit, out[window].reshape(size))
        for step in range(history.shape[1]):
            out[window, step, 0] = history[window, step]


@numba.njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def _known_windows(
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
def _targets(
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
