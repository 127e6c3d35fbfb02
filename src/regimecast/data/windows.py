"""`WindowSource`: what windows are cut from, and the gathers that cut them.

A batch is one vectorised gather: rows origin-L+1 … origin of the feature matrix, the target's
series at the same rows and at origin+1 … origin+H, and the calendar grid for what is known ahead.
Nothing is stored per window, so memory is that of the panel.
"""

from collections.abc import Sequence
from copy import copy

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from regimecast.core.batch import Batch
from regimecast.core.types import DataSpec
from regimecast.data.scaling import FeatureScaler
from regimecast.labels.base import INCOMPLETE, TargetSeries

__all__ = ["WindowSource"]


class WindowSource:
    """Everything windows are cut from, shared by the splits of a fold without a copy.

    Args:
        spec: shapes and channel names.
        past: float32 [R, Fp], unscaled; column 0 is reserved for the target's history, which is
            computed in the gather because it is relative to the origin.
        last_row: last row of the asset that each row belongs to.
        target: the target on every row.
        known: float32 [G, Fk] on the calendar grid.
        known_index: grid position of each row.
        scheduled: float32 [R, Fa], columns of the source that are known ahead; the last of the
            known channels. Origins must have their H rows ahead where there are any.
        static: float32 [A, Fs].
        asset_of_row: asset index of each row.
        scaler: standardisation of `past`; None leaves values as they are.
        scheduled_scaler: the same of `scheduled`.
    """

    def __init__(
        self,
        *,
        spec: DataSpec,
        past: Float[np.ndarray, "R Fp"],
        last_row: Int[np.ndarray, " R"],
        target: TargetSeries,
        known: Float[np.ndarray, "G Fk"],
        known_index: Int[np.ndarray, " R"],
        scheduled: Float[np.ndarray, "R Fa"],
        static: Float[np.ndarray, "A Fs"],
        asset_of_row: Int[np.ndarray, " R"],
        scaler: FeatureScaler | None,
        scheduled_scaler: FeatureScaler | None,
    ) -> None:
        self.spec = spec
        self._past = torch.from_numpy(past)
        self._last_row = torch.from_numpy(last_row)
        self._series = torch.from_numpy(target.series)
        self._scale = torch.from_numpy(target.scale)
        self._anchored = target.anchored
        self._known = torch.from_numpy(known)
        self._known_index = torch.from_numpy(known_index)
        self._static = torch.from_numpy(static)
        self._asset = torch.from_numpy(asset_of_row)
        self._context = torch.arange(1 - spec.context_length, 1)
        self._horizon = torch.arange(1, spec.horizon + 1)
        self._label: Tensor | None = None
        if target.label is not None:
            classes = np.asarray(spec.classes)
            index = np.searchsorted(classes, target.label).clip(0, len(classes) - 1)
            index[target.label == INCOMPLETE] = -1
            self._label = torch.from_numpy(index.astype(np.int64))
        self._scheduled = torch.from_numpy(scheduled)
        self._scaler = scaler
        self._scheduled_scaler = scheduled_scaler

    def past(self, rows: Int[Tensor, "B L"], origin: Int[Tensor, " B"]) -> Float[Tensor, "B L Fp"]:
        """Scaled past channels at `rows`, the history relative to `origin`.

        A missing value becomes 0, the training mean.
        """
        if self._past.shape[1] == 1:
            return self._relative(rows, origin)[..., None]
        values = self._past.index_select(0, rows.reshape(-1)).view(*rows.shape, -1)
        _scale(values[..., 1:], self._scaler)
        values[..., 0] = self._relative(rows, origin)
        return values

    def known(
        self, rows: Int[Tensor, "B T"], origin: Int[Tensor, " B"], steps: Int[Tensor, " S"]
    ) -> Float[Tensor, "B T_plus_S Fk"]:
        """Known channels at `rows`, then at the calendar's next bar times `steps` after origin."""
        if not self.spec.known:
            return self._known.new_empty(len(rows), rows.shape[1] + len(steps), 0)
        ahead = self._known_index[origin][:, None] + steps
        index = torch.cat([self._known_index[rows], ahead], dim=1)
        values = self._known.index_select(0, index.reshape(-1)).view(*index.shape, -1)
        if self._scheduled.shape[1] == 0:
            return values
        every = torch.cat([rows, origin[:, None] + steps], dim=1)
        return torch.cat([values, _scale(self._scheduled[every], self._scheduled_scaler)], dim=2)

    def static(self, origin: Int[Tensor, " B"]) -> Float[Tensor, "B Fs"]:
        """Static channels of each origin's asset."""
        return self._static[self._asset[origin]]

    def scale(self, origin: Int[Tensor, " B"]) -> Float[Tensor, "B 1"]:
        """Factor to original units."""
        return self._scale[origin].float()[:, None]

    def target(self, origin: Int[Tensor, " B"]) -> tuple[Float[Tensor, "B H"], Bool[Tensor, "B H"]]:
        """Target and whether it is known; 0 where it is not."""
        if self._label is not None:
            index = self._label[origin][:, None]
            return index.clamp(min=0).float(), index >= 0
        rows = origin[:, None] + self._horizon
        last = self._last_row[origin][:, None]
        value = self._relative(torch.minimum(rows, last), origin)
        mask = (rows <= last) & value.isfinite()
        return value.masked_fill(~mask, 0.0), mask

    def batch(
        self, origin: Int[Tensor, " B"], weight: Float[Tensor, "B H"], regime: Int[Tensor, " B"]
    ) -> Batch:
        """The windows that end at these panel rows."""
        rows = origin[:, None] + self._context
        target, mask = self.target(origin)
        return Batch(
            past=self.past(rows, origin),
            known=self.known(rows, origin, self._horizon),
            static=self.static(origin),
            target=target,
            mask=mask,
            scale=self.scale(origin),
            weight=weight,
            regime=regime,
            asset=self._asset[origin],
            origin=origin,
        )

    def table(self, origin: Int[Tensor, " B"], lags: Int[Tensor, " K"]) -> Float[Tensor, "B D"]:
        """One flat row per origin: past channels at each lag, known ahead, static."""
        past = self.past(origin[:, None] - lags, origin)
        known = self.known(origin[:, None][:, :0], origin, self._horizon)
        return torch.cat([past.flatten(1), known.flatten(1), self.static(origin)], dim=1)

    def with_leaves(self) -> tuple["WindowSource", dict[str, Tensor]]:
        """A copy whose gathers keep gradients, and the tensors that it gathers from, by name.

        For the proof that no input after its origin moves a forecast; the tensors are copied.
        """
        twin, leaves = copy(self), {}
        for name in ("past", "series", "scale", "known", "scheduled", "static"):
            leaves[name] = getattr(self, f"_{name}").detach().clone().requires_grad_()
            setattr(twin, f"_{name}", leaves[name])
        return twin, leaves

    def table_names(self, lags: Sequence[int]) -> tuple[str, ...]:
        """Column names of `table`."""
        spec = self.spec
        return (
            *(f"{name}[-{lag}]" for lag in lags for name in spec.past),
            *(f"{name}[+{step}]" for step in range(1, spec.horizon + 1) for name in spec.known),
            *spec.static,
        )

    def _relative(
        self, rows: Int[Tensor, "B T"], origin: Int[Tensor, " B"]
    ) -> Float[Tensor, "B T"]:
        """The target's series at rows, in units of the target (float64 until the difference)."""
        value = self._series.index_select(0, rows.reshape(-1)).view(rows.shape)
        if self._anchored:
            value = value - self._series[origin][:, None]
        return (value / self._scale[origin][:, None]).float()


def _scale(values: Float[Tensor, "B T F"], scaler: FeatureScaler | None) -> Float[Tensor, "B T F"]:
    """The values scaled in place; a missing one becomes 0, the training mean."""
    if scaler is None:
        return values.nan_to_num_(nan=0.0)
    values.sub_(torch.from_numpy(scaler.mean)).mul_(torch.from_numpy(scaler.factor))
    return values.nan_to_num_(nan=0.0).clamp_(-scaler.clip, scaler.clip)
