"""Crash and recovery from prices alone: an automaton with a stated memory, over any other labels.

Per asset and bar, in this order:

1. calm → crash: the close is at least `drop` below the highest close of the last `drop_bars` bars,
   or the other labels say crash.
2. crash → calm: more than `memory` bars have passed since the crash's last bar by rule 1. Until
   then it is remembered, while the other labels show.
3. crash → recovery: the close is at least `rise` above the lowest close since the crash began, and
   prices no longer fall by rule 1.
4. recovery → crash: rule 1 by price, with highs counted from the trough on, so that the fall just
   survived is not counted again.
5. recovery → remembered crash: the close is below the trough, so the rise is undone.
6. recovery → calm: the close is back at the high from which the crash fell, or `recovery` bars
   have passed.

Prices take priority over other labels: a recovery stays one while a volatility index is still high.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, no_type_check

import numba
import numpy as np
from jaxtyping import Float, Int

from regimecast.core.errors import ConfigError, did_you_mean
from regimecast.core.types import Regime
from regimecast.data.panel import Panel

__all__ = ["PriceRule"]

_CRASH = int(Regime.CRASH)
_RECOVERY = int(Regime.RECOVERY)
_TOLERANCE = 1e-12  # 110 is 10 % above 100, although 1.1 * 100 is a little more than 110


@dataclass(frozen=True, kw_only=True)
class PriceRule:
    """Parameters of the automaton; see the module's text.

    Raises:
        ConfigError: a value is out of range.
    """

    drop: float
    """Fall that makes a crash, as a share of the high, such as 0.15."""
    drop_bars: int
    """Bars within which the fall must happen."""
    rise: float
    """Rise from the trough that makes a recovery, as a share of the trough, such as 0.10."""
    memory: int
    """Bars after its last bar for which a crash is remembered."""
    recovery: int
    """Most bars that a recovery lasts."""

    def __post_init__(self) -> None:
        if not 0 < self.drop < 1:
            raise ConfigError(f"regime.price.drop={self.drop!r} is not between 0 and 1")
        if not self.rise > 0:
            raise ConfigError(f"regime.price.rise={self.rise!r} is not above 0")
        for name in ("drop_bars", "memory", "recovery"):
            if not getattr(self, name) >= 1:
                raise ConfigError(
                    f"regime.price.{name}={getattr(self, name)!r}; allowed: 1 bar or more"
                )

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "PriceRule":
        """Rule of a config mapping that names every parameter.

        Raises:
            ConfigError: a parameter is unknown or missing.
        """
        names = [field.name for field in fields(cls)]
        for key in config:
            if key not in names:
                raise ConfigError(
                    f"regime.price has no parameter {key!r}.{did_you_mean(key, names)} "
                    f"Allowed: {', '.join(names)}"
                )
        if missing := [name for name in names if name not in config]:
            raise ConfigError(f"regime.price needs {', '.join(missing)}")
        return cls(**config)

    @property
    def lookback(self) -> int:
        """Bars after which a finished crash has no effect.

        A crash that renews itself within that time reaches back to its own beginning.
        """
        return self.drop_bars + self.memory + self.recovery

    def override(self, codes: Int[np.ndarray, " R"], panel: Panel) -> Int[np.ndarray, " R"]:
        """Codes with crashes and recoveries by price put over them, int8, known at each close.

        Bars without a close keep their code and leave the automaton as it was.

        Args:
            codes: other labels' codes, -1 where unknown.
            panel: where ``close`` is, as known at each close.
        """
        return _override(
            codes.astype(np.int8),
            np.ascontiguousarray(panel.available("close"), dtype=np.float64),
            panel.offsets.astype(np.int64),
            self.drop,
            self.drop_bars,
            self.rise,
            self.memory,
            self.recovery,
        )


@numba.njit(cache=True)
@no_type_check  # numba compiles the body, which a run-time type check would wrap
def _override(
    codes: Int[np.ndarray, " R"],
    close: Float[np.ndarray, " R"],
    offsets: Int[np.ndarray, " A1"],
    drop: float,
    drop_bars: int,
    rise: float,
    memory: int,
    recovery: int,
) -> Int[np.ndarray, " R"]:
    calm, crash, recovering = 0, 1, 2
    result = codes.copy()
    for asset in range(len(offsets) - 1):
        first = offsets[asset]
        state = calm
        last_crash = first  # last bar coded crash
        trough_bar = first
        trough = np.nan
        high = np.nan  # from which the crash fell
        began = first  # of the recovery
        for t in range(first, offsets[asset + 1]):
            now = close[t]
            if np.isnan(now):
                continue
            window = max(first, t - drop_bars)
            if state == recovering:
                window = max(window, trough_bar)
            peak = now
            for s in range(window, t):
                if close[s] > peak:  # False for a missing close
                    peak = close[s]
            fell = now <= (1.0 - drop) * peak * (1.0 + _TOLERANCE)

            if state == recovering:
                if fell:
                    state, high, trough, trough_bar = crash, peak, now, t
                elif now < trough:
                    state, trough, trough_bar = crash, now, t
                elif now >= high or t - began >= recovery:
                    state = calm
            elif state == crash:
                if now < trough:
                    trough, trough_bar = now, t
                if not fell and codes[t] != _CRASH and t - last_crash > memory:
                    state = calm
                elif not fell and now >= (1.0 + rise) * trough * (1.0 - _TOLERANCE):
                    state, began = recovering, t
            if state == calm and (fell or codes[t] == _CRASH):
                state, high, trough, trough_bar = crash, peak, now, t

            if state == recovering:
                result[t] = _RECOVERY
            elif state == crash and (fell or codes[t] == _CRASH):
                result[t] = _CRASH
                last_crash = t
    return result
