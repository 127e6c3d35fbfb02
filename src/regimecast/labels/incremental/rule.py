"""What a label is: the barriers, their unit and the costs, with a hash of all that decides it."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from importlib import import_module
from typing import Any, Literal, get_args

import numba
import numpy as np
from jaxtyping import Float
from omegaconf import DictConfig, OmegaConf

from regimecast.core.config import config_folder, plain
from regimecast.core.errors import ConfigError, did_you_mean
from regimecast.core.hashing import hash_json
from regimecast.core.values import fitting
from regimecast.labels.barriers import Tie
from regimecast.labels.checks import checked_cost, checked_count, is_real

__all__ = ["Entries", "LabelRule", "WidthUnit"]

WidthUnit = Literal["volatility", "atr", "fraction"]
Entries = Literal["every", "cusum"]

_CODE = (
    "regimecast.data.returns",
    "regimecast.labels.barriers",
    "regimecast.labels.checks",
    "regimecast.labels.cusum",
    "regimecast.labels.widths",
    "regimecast.labels.incremental.fold",
    "regimecast.labels.incremental.rows",
    "regimecast.labels.incremental.rule",
)
"""Modules whose source decides what a label is."""


@dataclass(frozen=True, kw_only=True)
class LabelRule:
    """Triple-barrier labels of bars whose unit of distance is known; see `triple_barrier`.

    Raises:
        ConfigError: a value is out of range.
    """

    upper: float
    """Distance of the upper barrier in `unit`."""
    lower: float
    """Distance of the lower barrier in `unit`."""
    unit: WidthUnit
    """``volatility``: trailing standard deviation of one-bar log returns; ``atr``: Wilder's average
    true range over the close; ``fraction`` of the close."""
    window: int
    """Bars of the volatility or the average true range."""
    floor: float
    """Least unit as a fraction of the close, for prices that stand still."""
    horizon: int
    """Bars until the deadline."""
    tie: Tie
    """Barrier that counts where one bar reaches both."""
    commission_bps: float
    """Fees per side, basis points of the traded value."""
    slippage_bps: float
    """Half the spread and impact per side, basis points of the traded value."""
    entries: Entries
    """``every`` bar, or the events of a ``cusum`` filter, see `cusum_events`."""
    event_size: float
    """Log return that makes an event, in `unit`; unused with every bar."""

    def __post_init__(self) -> None:
        for key in ("upper", "lower", "floor", "event_size"):
            value = getattr(self, key)
            self._require(key, "a number above 0", is_real(value) and 0.0 < value < np.inf)
        if self.unit == "fraction":
            self._require("lower", "below 1, for no price falls by all of itself", self.lower < 1.0)
        for key in ("commission_bps", "slippage_bps"):
            checked_cost(f"labels.{key}", getattr(self, key))
        checked_cost("labels: 2 * (commission_bps + slippage_bps)", self.cost_bps)
        checked_count("labels.horizon", self.horizon)
        checked_count("labels.window", self.window, least=2)
        self._require("unit", ", ".join(get_args(WidthUnit)), self.unit in get_args(WidthUnit))
        self._require("tie", ", ".join(get_args(Tie)), self.tie in get_args(Tie))
        self._require("entries", ", ".join(get_args(Entries)), self.entries in get_args(Entries))

    def _require(self, key: str, allowed: str, fits: bool) -> None:
        if not fits:
            raise ConfigError(f"labels.{key}={getattr(self, key)!r}; allowed: {allowed}")

    @classmethod
    def for_mode(cls, mode: str, **changes: Any) -> "LabelRule":
        """The rule of a trading mode, a yaml in ``conf/labels/modes/``, with changes.

        Raises:
            ConfigError: there is no such mode, or it has no such setting.
        """
        folder = config_folder() / "labels" / "modes"
        modes = sorted(path.stem for path in folder.glob("*.yaml"))
        if mode not in modes:
            raise ConfigError(
                f"mode={mode!r} is not known.{did_you_mean(mode, modes)} "
                f"Allowed: {', '.join(modes)}"
            )
        config = OmegaConf.load(folder / f"{mode}.yaml")
        assert isinstance(config, DictConfig)
        settings = plain(config)
        known = [field.name for field in fields(cls)]
        for key in changes:
            if key not in known:
                raise ConfigError(
                    f"labels has no setting {key!r}.{did_you_mean(key, known)} "
                    f"Allowed: {', '.join(known)}"
                )
        values = {**settings, **changes}
        return cls(
            **{f.name: fitting(f"labels.{f.name}", values[f.name], f.type) for f in fields(cls)}
        )

    @property
    def cost_bps(self) -> float:
        """Cost of a round trip, basis points."""
        return 2 * (self.commission_bps + self.slippage_bps)

    @property
    def lookback(self) -> int:
        """Bars before a bar that its unit reads; beyond them the average true range is enough."""
        return 0 if self.unit == "fraction" else self.window

    @property
    def margin(self) -> int:
        """Bars at the end that the next bar still needs: to finish labels and to know its unit."""
        return max(self.horizon, self.lookback)

    def widths(
        self, scale: Float[np.ndarray, " T"], close: Float[np.ndarray, " T"]
    ) -> Float[np.ndarray, " T"]:
        """One unit of distance at each close, as a fraction of it; NaN in warm-up."""
        return np.maximum(scale / close if self.unit == "atr" else scale, self.floor)

    def hash(self, schema: Mapping[str, str]) -> str:
        """SHA-256 of the settings, costs included, the code, its libraries and the columns' types.

        Args:
            schema: type of each column that is kept.
        """
        return hash_json({"rule": vars(self), "code": _code_version(), "schema": dict(schema)})


@cache
def _code_version() -> str:
    sources = {name: inspect.getsource(import_module(name)) for name in _CODE}
    return hash_json([sources, numba.__version__, np.__version__])
