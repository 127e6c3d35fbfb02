"""Markets whose regimes, jumps and predictability are known, because they are made here."""

from collections.abc import Mapping
from typing import no_type_check

import numba
import numpy as np
import pandas as pd
from jaxtyping import Float, Int, Shaped

from regimecast.core.errors import ConfigError, DataError
from regimecast.core.types import REGIMES, Regime
from regimecast.data.calendars import ALWAYS_OPEN, bar_length, expected_times
from regimecast.data.panel import Column, Role
from regimecast.data.sources.base import RawBars, Source, SourceRegistry
from regimecast.data.sources.frame import BARS, column

__all__ = ["SyntheticSource", "garch_returns"]

Table = Mapping[str, float | int]
"""One regime's numbers, or the chances of what follows it."""

_KEYS = ("drift", "volatility", "jump_rate", "jump_mean", "jump_std", "duration")
_FIRST_CLOSE = 100.0
_VOLUME = 1e6
_SUBSTEPS = 8
"""Points of the path inside a bar that set its high and low."""


@numba.njit(cache=True)
@no_type_check  # numba compiles the bare function, which a type checker's wrapper is not
def garch_returns(
    shocks: Float[np.ndarray, "T A"],
    drift: Float[np.ndarray, " T"],
    variance: Float[np.ndarray, " T"],
    alpha: float,
    beta: float,
) -> Float[np.ndarray, "T A"]:
    """Returns r_t = drift_t + e_t of a GARCH(1,1) whose long-run variance may change at each bar.

    e_t = s_t z_t and s²_{t+1} = (1 - alpha - beta) v_{t+1} + alpha e²_t + beta s²_t, from s²_0 =
    v_0 on (Bollerslev 1986, equation 2, its constant written through the long-run variance v).
    """
    bars, assets = shocks.shape
    returns = np.empty((bars, assets))
    for asset in range(assets):
        s2 = variance[0]
        e = 0.0
        for t in range(bars):
            if t > 0:
                s2 = (1.0 - alpha - beta) * variance[t] + alpha * e * e + beta * s2
            e = np.sqrt(s2) * shocks[t, asset]
            returns[t, asset] = drift[t] + e
    return returns


@SourceRegistry.register("synthetic")
class SyntheticSource(Source):
    """Correlated assets in one market that switches regimes; the same seed gives the same bits.

    Regimes follow a semi-Markov chain with geometric durations. Log returns are GARCH(1,1) around
    the regime's variance, plus jumps. Column ``true_regime`` holds the code of the regime that made
    each bar. With a signal, column ``signal`` at t has correlation `signal_strength` with the
    standardised shock of the return from t to t + 1, so that what a model can learn is known.

    Args:
        assets: how many.
        bars: per asset.
        start: date of the first bar, or the next session.
        frequency: bar length; below a day only with calendar ``24/7``.
        calendar: exchange code or ``24/7``.
        seed: of everything random.
        regimes: per regime, the annual ``drift`` and ``volatility`` of log returns, jumps per year
            ``jump_rate`` of log size ``jump_mean`` ± ``jump_std``, expected ``duration`` in bars.
        next: per regime, the relative chance of each regime that may follow it.
        alpha: GARCH weight of the last squared shock.
        beta: GARCH weight of the last variance.
        correlation: between the assets' shocks, 0 to below 1.
        gap: share of a bar's variance that falls between its open and the close before.
        signal_strength: 0 (no signal column) to below 1.

    Raises:
        ConfigError: a value outside its range, or a regime that is unknown or left out.
    """

    def __init__(
        self,
        *,
        assets: int,
        bars: int,
        start: str,
        frequency: str,
        calendar: str,
        seed: int,
        regimes: Mapping[str, Table],
        next: Mapping[str, Table],  # noqa: A002  # the config key reads best so
        alpha: float,
        beta: float,
        correlation: float,
        gap: float,
        signal_strength: float,
    ) -> None:
        _check("assets", assets, assets >= 1, "1 or more")
        _check("bars", bars, bars >= 1, "1 or more")
        _check("alpha", alpha, alpha >= 0, "0 or more")
        _check("beta", beta, beta >= 0 and alpha + beta < 1, "0 or more, below 1 - alpha")
        _check("correlation", correlation, 0 <= correlation < 1, "0 to below 1")
        _check("gap", gap, 0 <= gap < 1, "0 to below 1")
        _check("signal_strength", signal_strength, 0 <= signal_strength < 1, "0 to below 1")
        if bar_length(frequency) < pd.Timedelta("1D") and calendar != ALWAYS_OPEN:
            raise ConfigError(
                f"frequency={frequency!r} with calendar={calendar!r}: bars below a day are made "
                f"for {ALWAYS_OPEN!r} only"
            )
        _check_regimes(regimes, next)
        self.assets = assets
        self.bars = bars
        self.start = start
        self.frequency = frequency
        self.calendar = calendar
        self.seed = seed
        self.regimes = {name: dict(values) for name, values in regimes.items()}
        self.next = {name: dict(values) for name, values in next.items()}
        self.alpha = alpha
        self.beta = beta
        self.correlation = correlation
        self.gap = gap
        self.signal_strength = signal_strength

    def load(self) -> RawBars:
        """The bars; nothing is read."""
        time = self._times()
        path, *streams = (np.random.default_rng([self.seed, stream]) for stream in range(6))
        regime = self._path(path)
        years = (time[-1] - time[0]) / np.timedelta64(1, "D") / 365.25
        per_year = (self.bars - 1) / years if self.bars > 1 else 252.0
        signal, returns = self._returns(regime, per_year, streams)
        bars = self._bars(returns, streams[3])
        columns = (*map(column, BARS), Column("true_regime", Role.REFERENCE))
        values = {name: bars[name].ravel(order="F") for name in BARS}
        values["true_regime"] = np.tile(regime.astype(float), self.assets)
        if self.signal_strength > 0:
            columns = (*columns, Column("signal"))
            values["signal"] = signal.ravel(order="F")
        names = np.array([f"A{index:03d}" for index in range(self.assets)])
        return RawBars(
            frame=pd.DataFrame(
                {
                    "asset": np.repeat(names, self.bars),
                    "time": np.tile(time, self.assets),
                    **values,
                }
            ),
            columns=columns,
            frequency=self.frequency,
            calendar=self.calendar,
            origin=f"synthetic, seed {self.seed}",
        )

    def _times(self) -> Shaped[np.ndarray, " T"]:
        first = np.datetime64(self.start, "ns")
        # Exchanges are open on more than 230 days in every year.
        span = bar_length(self.frequency).to_timedelta64() * int(self.bars * 365 / 230 + 30)
        times = expected_times(self.calendar, self.frequency, first, first + span)[: self.bars]
        if len(times) < self.bars:
            raise DataError(f"{self.calendar} has {len(times)} bars from {self.start} on")
        return times

    def _path(self, rng: np.random.Generator) -> Int[np.ndarray, " T"]:
        """Regime code of each bar: whole spells at a time."""
        names = list(self.regimes)
        codes, lengths, total = [], [], 0
        name = names[0]
        while total < self.bars:
            length = int(rng.geometric(1.0 / self.regimes[name]["duration"]))
            codes.append(int(Regime[name.upper()]))
            lengths.append(length)
            total += length
            chances = np.array(list(self.next[name].values()), dtype=float)
            name = list(self.next[name])[int(rng.choice(len(chances), p=chances / chances.sum()))]
        return np.repeat(np.array(codes, dtype=np.int64), lengths)[: self.bars]

    def _returns(
        self,
        regime: Int[np.ndarray, " T"],
        per_year: float,
        streams: list[np.random.Generator],
    ) -> tuple[Float[np.ndarray, "T A"], Float[np.ndarray, "T A"]]:
        """Signal known at each close, and the log return that ends there."""
        shape = (self.bars, self.assets)
        by_code = {int(Regime[name.upper()]): values for name, values in self.regimes.items()}

        def per_bar(key: str) -> Float[np.ndarray, " T"]:
            table = np.array(
                [by_code.get(code, {}).get(key, np.nan) for code in range(len(REGIMES))]
            )
            return table[regime]

        noise, signals, jumps = streams[0], streams[1], streams[2]
        common = noise.standard_normal((self.bars, 1))
        own = noise.standard_normal(shape)
        shocks = np.sqrt(self.correlation) * common + np.sqrt(1 - self.correlation) * own
        signal = signals.standard_normal(shape)
        strength = self.signal_strength
        shocks[1:] = strength * signal[:-1] + np.sqrt(1 - strength**2) * shocks[1:]
        returns = garch_returns(
            shocks,
            per_bar("drift") / per_year,
            per_bar("volatility") ** 2 / per_year,
            float(self.alpha),
            float(self.beta),
        )
        # Jumps hit the whole market, as crashes do.
        happens = jumps.random(self.bars) < per_bar("jump_rate") / per_year
        size = per_bar("jump_mean") + per_bar("jump_std") * jumps.standard_normal(self.bars)
        return signal, returns + np.where(happens, size, 0.0)[:, None]

    def _bars(
        self, returns: Float[np.ndarray, "T A"], rng: np.random.Generator
    ) -> dict[str, Float[np.ndarray, "T A"]]:
        """Open, high, low, close and volume whose closes have exactly these log returns."""
        close = np.log(_FIRST_CLOSE) + np.cumsum(returns, axis=0)
        previous = np.vstack([np.full((1, self.assets), np.log(_FIRST_CLOSE)), close[:-1]])
        size = np.abs(returns) + 1e-4
        opened = previous + np.sqrt(self.gap) * size * rng.standard_normal(returns.shape)
        # A Brownian bridge from open to close: its extremes are the bar's high and low.
        steps = rng.standard_normal((_SUBSTEPS, *returns.shape)) / np.sqrt(_SUBSTEPS)
        walk = np.cumsum(steps, axis=0)
        share = (np.arange(1, _SUBSTEPS + 1) / _SUBSTEPS)[:, None, None]
        inside = opened + share * (close - opened) + size * (walk - share * walk[-1])
        high = np.maximum(inside.max(axis=0), np.maximum(opened, close))
        low = np.minimum(inside.min(axis=0), np.minimum(opened, close))
        volume = _VOLUME * np.exp(10 * size) * rng.lognormal(0.0, 0.3, returns.shape)
        prices = {"open": opened, "high": high, "low": low, "close": close}
        return {**{name: np.exp(value) for name, value in prices.items()}, "volume": volume}


def _check(key: str, value: object, holds: bool, allowed: str) -> None:
    if not holds:
        raise ConfigError(f"{key}={value!r}; allowed: {allowed}")


def _check_regimes(regimes: Mapping[str, Table], following: Mapping[str, Table]) -> None:
    if not regimes or set(regimes) != set(following):
        raise ConfigError(
            f"regimes ({', '.join(regimes) or 'none'}) and next ({', '.join(following) or 'none'}) "
            "must name the same regimes, at least one"
        )
    for name, values in regimes.items():
        _check(f"regimes.{name}", len(values), name in REGIMES, f"names {', '.join(REGIMES)}")
        if set(values) != set(_KEYS):
            raise ConfigError(f"regimes.{name} has {sorted(values)}; expected {', '.join(_KEYS)}")
        _check(f"regimes.{name}.duration", values["duration"], values["duration"] >= 1, ">= 1 bar")
        for key in ("volatility", "jump_rate", "jump_std"):
            _check(f"regimes.{name}.{key}", values[key], values[key] >= 0, "0 or more")
        chances = following[name]
        usable = bool(chances) and set(chances) <= set(regimes) and min(chances.values()) >= 0
        if not usable or sum(chances.values()) <= 0:
            raise ConfigError(
                f"next.{name}={dict(chances)}: expected chances of {', '.join(regimes)}, "
                "0 or more, not all 0"
            )
