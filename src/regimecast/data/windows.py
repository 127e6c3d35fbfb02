"""`WindowSource`: what windows are cut from, and the gathers that cut them.

A batch is one vectorised gather: rows origin-L+1 … origin of the feature matrix, the target's
series at the same rows and at origin+1 … origin+H, and the calendar grid for what is known ahead.
Nothing is stored per window, so memory is that of the panel.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from regimecast.core.batch import Batch
from regimecast.core.types import DataSpec
from regimecast.data.gathering import CompiledGather, Scaling
from regimecast.data.placement import as_tensor
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
        time: time of each row, for messages; rows are named by number where left out.
    """

    history_given: ClassVar[bool] = False
    """Whether column 0 of `past` holds the history itself."""

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
        time: Shaped[np.ndarray, " R"] | None = None,
    ) -> None:
        self.spec = spec
        self._past = as_tensor(past)
        self._last_row = as_tensor(last_row)
        self._series = as_tensor(target.series)
        self._scale = as_tensor(target.scale)
        self._anchored = target.anchored
        self._known = as_tensor(known)
        self._known_index = as_tensor(known_index)
        self._static = as_tensor(static)
        self._asset = as_tensor(asset_of_row)
        self._context = torch.arange(1 - spec.context_length, 1)
        self._horizon = torch.arange(1, spec.horizon + 1)
        self._label: Tensor | None = None
        if target.label is not None:
            classes = np.asarray(spec.classes)
            index = np.searchsorted(classes, target.label).clip(0, len(classes) - 1)
            index[target.label == INCOMPLETE] = -1
            self._label = torch.from_numpy(index.astype(np.int64))
        self._scheduled = as_tensor(scheduled)
        self._scaling = Scaling.of(scaler, width=past.shape[1])
        self._scheduled_scaling = Scaling.of(scheduled_scaler, width=scheduled.shape[1])
        self._scaled = False
        self._time = time
        self._fused = self._past.is_contiguous()
        self._elsewhere: dict[torch.device, WindowSource] = {}
        self._narrowed: dict[tuple[bool, bool, bool], WindowSource] = {}

    def past(self, rows: Int[Tensor, "B L"], origin: Int[Tensor, " B"]) -> Float[Tensor, "B L Fp"]:
        """Scaled past channels at `rows`, the history relative to `origin`.

        A missing value becomes 0, the training mean.
        """
        if self._past.shape[1] == 1 and not self.history_given:
            return self._relative(rows, origin)[..., None]
        values = self._past.index_select(0, rows.reshape(-1)).view(*rows.shape, -1)
        if not self._scaled:
            self._scaling.scale_(values)
        if not self.history_given:
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
        scheduled = self._scheduled[every]
        if not self._scaled:
            self._scheduled_scaling.scale_(scheduled)
        return torch.cat([values, scheduled], dim=2)

    def static(self, origin: Int[Tensor, " B"]) -> Float[Tensor, "B Fs"]:
        """Static channels of each origin's asset."""
        if self._static.shape[1] == 0:
            return self._static.new_empty(len(origin), 0)
        return self._static.index_select(0, self._asset.index_select(0, origin))

    def scale(self, origin: Int[Tensor, " B"]) -> Float[Tensor, "B 1"]:
        """Factor to original units."""
        return self._scale.index_select(0, origin).float()[:, None]

    def target(self, origin: Int[Tensor, " B"]) -> tuple[Float[Tensor, "B H"], Bool[Tensor, "B H"]]:
        """Target and whether it is known; 0 where it is not."""
        if self._label is not None:
            index = self._label.index_select(0, origin)[:, None]
            return index.clamp(min=0).float(), index >= 0
        if self._fused:
            return self._compiled.target_of(origin)
        rows = origin[:, None] + self._horizon
        last = self._last_row[origin][:, None]
        value = self._relative(torch.minimum(rows, last), origin)
        mask = (rows <= last) & value.isfinite()
        return value.masked_fill(~mask, 0.0), mask

    def batch(
        self, origin: Int[Tensor, " B"], weight: Float[Tensor, "B H"], regime: Int[Tensor, " B"]
    ) -> Batch:
        """The windows that end at these panel rows.

        Raises:
            IndexError: a window reaches beyond the panel or the calendar.
        """
        past, known = self._inputs(origin)
        target, mask = self.target(origin)
        return Batch(
            past=past,
            known=known,
            static=self.static(origin),
            target=target,
            mask=mask,
            scale=self.scale(origin),
            weight=weight,
            regime=regime,
            asset=self._asset.index_select(0, origin),
            origin=origin,
        )

    def when(self, row: int) -> str:
        """Time of a panel row, for messages."""
        return f"row {row}" if self._time is None else str(pd.Timestamp(self._time[row]))

    def on(self, device: torch.device) -> "WindowSource":
        """The same windows cut on a device, where the panel is copied once and scaled for good."""
        if device.type == "cpu":
            return self
        if device not in self._elsewhere:
            self._elsewhere[device] = self._copied(device)
        return self._elsewhere[device]

    def only(self, *, past: bool, known: bool, static: bool) -> "WindowSource":
        """The same windows with the history and these groups of covariates; a view of the panel."""
        groups = past or self.history_given, known, static
        if all(groups):
            return self
        if groups not in self._narrowed:
            self._narrowed[groups] = self._narrow(*groups)
        return self._narrowed[groups]

    def _narrow(self, past: bool, known: bool, static: bool) -> "WindowSource":
        twin = self._twin()
        twin.spec = self.spec.only(past=past, known=known, static=static)
        if not past:
            twin._past, twin._scaling = self._past[:, :1], Scaling.of(None, width=1)
        if not known:
            twin._known, twin._scheduled = self._known[:, :0], self._scheduled[:, :0]
            twin._scheduled_scaling = Scaling.of(None, width=0)
        if not static:
            twin._static = self._static[:, :0]
        return twin

    def _copied(self, device: torch.device) -> "WindowSource":
        """A copy on a device that cuts windows by torch alone."""
        twin = self._twin()
        for name, value in vars(self).items():
            if isinstance(value, Tensor):
                setattr(twin, name, value.to(device, copy=True))
        # In place, so that the device holds the panel once.
        self._scaling.scale_(twin._past)
        self._scheduled_scaling.scale_(twin._scheduled)
        twin._scaled, twin._fused = True, False
        return twin

    def _inputs(
        self, origin: Int[Tensor, " B"]
    ) -> tuple[Float[Tensor, "B L Fp"], Float[Tensor, "B T Fk"]]:
        if self._fused:
            return self._compiled.past_of(origin), self._compiled.known_of(origin)
        rows = origin[:, None] + self._context
        return self.past(rows, origin), self.known(rows, origin, self._horizon)

    @cached_property
    def _compiled(self) -> CompiledGather:
        return CompiledGather(
            past=self._past.numpy(),
            history_given=self.history_given,
            series=self._series.numpy(),
            anchored=self._anchored,
            scale=self._scale.numpy(),
            last_row=self._last_row.numpy(),
            known=self._known.numpy(),
            known_index=self._known_index.numpy(),
            scheduled=self._scheduled.numpy(),
            scaling=self._scaling,
            scheduled_scaling=self._scheduled_scaling,
            context_length=self.spec.context_length,
            horizon=self.spec.horizon,
        )

    def _twin(self) -> "WindowSource":
        """A copy without what was derived from this one."""
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__getstate__())
        return twin

    def __getstate__(self) -> dict[str, Any]:
        # Views of the tensors would be sent as copies of them; copies on a device stay there.
        state = {**self.__dict__, "_elsewhere": {}, "_narrowed": {}}
        state.pop("_compiled", None)
        return state

    def table(self, origin: Int[Tensor, " B"], lags: Int[Tensor, " K"]) -> Float[Tensor, "B D"]:
        """One flat row per origin: past channels at each lag, known ahead, static."""
        past = self.past(origin[:, None] - lags, origin)
        known = self.known(origin[:, None][:, :0], origin, self._horizon)
        return torch.cat([past.flatten(1), known.flatten(1), self.static(origin)], dim=1)

    def with_leaves(self) -> tuple["WindowSource", dict[str, Tensor]]:
        """A copy whose gathers keep gradients, and the tensors that it gathers from, by name.

        For the proof that no input after its origin moves a forecast; the tensors are copied.
        """
        twin, leaves = self._twin(), {}
        twin._fused = False
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
