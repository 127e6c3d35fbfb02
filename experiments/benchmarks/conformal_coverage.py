"""Coverage of calibrated intervals when volatility switches, beside an oracle that knows it.

Run: python experiments/benchmarks/conformal_coverage.py
Writes conformal_coverage.md beside this file.
"""

import argparse
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from omegaconf import OmegaConf
from scipy.stats import norm

from regimecast.core.config import config_folder
from regimecast.core.forecast import Forecast, Outcomes
from regimecast.core.types import ForecastKind, Regime
from regimecast.data.sources.synthetic import garch_returns
from regimecast.evaluation.conformal.base import ConformalRegistry
from regimecast.evaluation.conformal.intervals import Intervals
from regimecast.evaluation.conformal.record import Record

LEVEL = 0.9
Z = float(norm.ppf((1 + LEVEL) / 2))
CALM, WILD = int(Regime.LOW_VOLATILITY), int(Regime.HIGH_VOLATILITY)
FACTOR, DURATION = {CALM: 1.0, WILD: 3.0}, {CALM: 500, WILD: 250}
"""Times the volatility, and bars that a regime lasts on average."""
WARM_UP, CALIBRATION = 1_000, 1_000
STEPS = 5
FORMS: dict[str, tuple[bool, dict[str, Any]]] = {
    "residual": (False, {"normalise": "none"}),
    "residual / volatility": (False, {"normalise": "scale"}),
    "quantiles": (True, {"normalise": "none"}),
}
"""What the score is made of: whether the model says quantiles, and the method's parameters."""


@dataclass(frozen=True)
class Row:
    """A method with parameters, on one form of score."""

    name: str
    method: str
    form: str
    changes: dict[str, Any] = field(default_factory=dict)

    def build(self) -> Intervals:
        """The method with its packaged parameters but for the changes."""
        config: Any = OmegaConf.to_container(
            OmegaConf.load(config_folder() / "conformal" / f"{self.method}.yaml")
        )
        config |= self.changes | FORMS[self.form][1] | {"level": LEVEL}
        made = ConformalRegistry.create(config.pop("name"), **config)
        assert isinstance(made, Intervals)
        return made


ROWS = (
    Row("split", "split", "residual"),
    Row("split", "split", "residual / volatility"),
    Row("cqr", "cqr", "quantiles"),
    Row("enbpi", "enbpi", "residual"),
    Row("enbpi", "enbpi", "residual / volatility"),
    *(
        Row(f"aci, gamma {gamma:g}", "aci", form, {"gamma": gamma})
        for form in FORMS
        for gamma in (0.005, 0.01, 0.02)
    ),
    *(Row("dtaci", "dtaci", form) for form in FORMS),
)


@dataclass(frozen=True, eq=False)
class Market:
    """Returns whose volatility at every bar is known, because they are made here."""

    returns: Float[np.ndarray, " T"]
    volatility: Float[np.ndarray, " T"]
    """True standard deviation of each return, given all that came before."""
    regime: Int[np.ndarray, " T"]

    @classmethod
    def made(cls, seed: int, bars: int) -> "Market":
        """GARCH(1,1) returns times the volatility of a regime that lasts a random while."""
        rng = np.random.default_rng(seed)
        shocks = rng.standard_normal((bars, 1))
        garch = garch_returns(shocks, np.zeros(bars), np.full(bars, 1e-4), 0.08, 0.90)[:, 0]
        regime = np.empty(bars, dtype=np.int64)
        start, code = 0, CALM
        while start < bars:
            stop = start + rng.geometric(1 / DURATION[code])
            regime[start:stop] = code
            start, code = stop, WILD if code == CALM else CALM
        factor = np.where(regime == WILD, FACTOR[WILD], FACTOR[CALM])
        return cls(garch * factor, garch / shocks[:, 0] * factor, regime)

    def smoothed(self) -> Float[np.ndarray, " T"]:
        """What the model takes volatility to be at each close: RiskMetrics, decay 0.94."""
        variance = np.empty(len(self.returns))
        last = float((self.returns[:50] ** 2).mean())
        for t, r in enumerate(self.returns):
            variance[t] = last = 0.94 * last + 0.06 * r * r
        return np.sqrt(variance)

    def trailing(self, bars: int = 63) -> Float[np.ndarray, " T"]:
        """Standard deviation of the last returns, known at each close; 1 before there are any."""
        total = np.append(0.0, np.cumsum(self.returns**2))
        found = np.ones(len(self.returns))
        found[bars - 1 :] = np.sqrt((total[bars:] - total[:-bars]) / bars)
        return found


def record(market: Market, first: int, stop: int, *, quantiles: bool, steps: int) -> Record:
    """Forecasts of cumulative returns from the closes in [first, stop): zero, or Gaussian."""
    origin = np.arange(first, stop)
    ahead = np.arange(1, steps + 1)
    path = np.append(0.0, np.cumsum(market.returns))
    actual = path[origin[:, None] + 1 + ahead] - path[origin + 1][:, None]
    spread = market.smoothed()[origin][:, None] * np.sqrt(ahead) * Z
    values = np.stack([-spread, 0 * spread, spread], axis=2)
    forecast = Forecast(
        values if quantiles else values[:, :, 1:2],
        ((1 - LEVEL) / 2, 0.5, (1 + LEVEL) / 2) if quantiles else (0.5,),
        ForecastKind.QUANTILES,
        np.zeros(len(origin), dtype=np.int64),
        origin.astype("datetime64[ns]"),
        ("MADE",),
    )
    outcomes = Outcomes(
        actual,
        np.ones(actual.shape, dtype=bool),
        market.regime[origin],
        np.ones(actual.shape),
        forecast.asset,
        forecast.origin,
    )
    times = np.arange(len(market.returns))
    return Record(forecast, outcomes, origin, times, market.trailing()[origin])


def held(
    forecast: Forecast, outcomes: Outcomes, best: Float[np.ndarray, " N"], step: int
) -> Float[np.ndarray, " 6"]:
    """Coverage overall, calm and wild, and the width over that of the oracle likewise."""
    lower, upper = (forecast.values[:, step, end].astype(np.float64) for end in (0, -1))
    actual = outcomes.values[:, step]
    inside, width = (lower <= actual) & (actual <= upper), upper - lower
    parts: list[Bool[np.ndarray, " N"]] = [
        np.ones_like(inside),
        *(outcomes.regime == code for code in (CALM, WILD)),
    ]
    shares = [inside[part].mean() for part in parts]
    return np.array(shares + [width[part].mean() / best[part].mean() for part in parts])


def study(seeds: int, bars: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Numbers of every row, one step ahead and of the last step, by seed."""
    methods = [(row, row.build()) for row in ROWS]
    near: dict[str, Any] = {}
    far: dict[str, Any] = {}
    for seed in range(seeds):
        market = Market.made(seed, WARM_UP + CALIBRATION + bars + STEPS)
        begin = WARM_UP + CALIBRATION
        parts = {
            said: [
                record(market, *edges, quantiles=said, steps=STEPS)
                for edges in ((WARM_UP, begin - STEPS), (begin, begin + bars - 1))
            ]
            for said in (False, True)
        }
        model = parts[True][1]
        best = 2 * Z * market.volatility[begin + 1 : begin + bars]
        exact = np.stack([-best / 2, best / 2], axis=1)[:, None, :]
        oracle = Forecast(exact, (0.05, 0.95), ForecastKind.QUANTILES, *_of(model.forecast))
        said = {"the oracle | ": oracle, "the model, uncalibrated | quantiles": model.forecast}
        for row, method in methods:
            calibrated = method.calibrated(*parts[FORMS[row.form][0]])
            said[f"{row.name} | {row.form}"] = calibrated.forecast
        for name, forecast in said.items():
            near.setdefault(name, []).append(held(forecast, model.outcomes, best, 0))
            if forecast is not oracle:
                last = held(forecast, model.outcomes, best * np.sqrt(STEPS), STEPS - 1)
                far.setdefault(name, []).append(last)
    return near, far


def _of(forecast: Forecast) -> tuple[Any, Any, tuple[str, ...]]:
    return forecast.asset, forecast.origin, forecast.assets


def table(rows: dict[str, Any]) -> list[str]:
    """A markdown table: means over seeds, and the largest distance from the level of any seed."""
    lines = [
        "| method | score | coverage | calm | wild | worst seed: coverage | calm | wild "
        "| width / oracle | calm | wild |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, found in rows.items():
        values = np.array(found)
        worst = np.abs(values[:, :3] - LEVEL).max(axis=0)
        mean = values.mean(axis=0)
        cells = [
            *(f"{100 * x:.1f} %" for x in mean[:3]),
            *(f"±{100 * x:.1f}" for x in worst),
            *(f"{x:.2f}" for x in mean[3:]),
        ]
        lines.append(f"| {' | '.join([*name.split(' | '), *cells])} |")
    return lines


def verdict(rows: dict[str, Any]) -> list[str]:
    """Which calibrated rows keep what was asked for in every single market."""
    kept, regimes = [], []
    for name, found in rows.items():
        values = np.array(found)
        away = np.abs(values[:, :3] - LEVEL).max(axis=0)
        if "|" in name and away[0] <= 0.01 and (away[1:] <= 0.03).all():
            regimes.append(name.replace(" | ", " on "))
            if values[:, 3].mean() <= 1.1:
                kept.append(regimes[-1])
    return [
        "In every one of the markets within ±1 point overall and ±3 in each regime: "
        + "; ".join(name for name in regimes if not name.startswith("the oracle"))
        + ".",
        "",
        "Those of them at most 1.1 times as wide as the oracle's on the mean: "
        + "; ".join(name for name in kept if not name.startswith("the oracle"))
        + ".",
    ]


def main() -> None:
    """Runs every method on every market and writes the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--bars", type=int, default=20_000)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".md"))
    arguments = parser.parse_args()
    started = time.perf_counter()
    near, far = study(arguments.seeds, arguments.bars)
    seconds = time.perf_counter() - started
    text = [
        "# Coverage when volatility switches",
        "",
        f"Question: do {LEVEL:.0%} intervals hold {LEVEL:.0%} of the outcomes when the market "
        "changes, in each regime as well as on the whole, and how wide are they for it?",
        "",
        f"{arguments.seeds} markets of {arguments.bars:,} bars: GARCH(1,1) returns (0.08, 0.90) "
        f"times 1 in a calm regime and {FACTOR[WILD]:g} in a wild one, which last {DURATION[CALM]} "
        f"and {DURATION[WILD]} bars on average. {CALIBRATION:,} bars before calibrate. The point "
        "forecast is 0, which is right; the model's quantiles are Gaussian with RiskMetrics' "
        "volatility (decay 0.94), which knows neither GARCH nor regimes; `normalise: scale` "
        "divides by the standard deviation of 63 bars. The oracle knows the true volatility of "
        "the next bar. For enbpi the residuals of the calibration bars stand for those of left-out "
        "training samples, since all members would forecast 0. Parameters are the packaged ones "
        "but for what a row names. Coverage is the mean over markets; beside it the largest "
        "distance from the level that any one market shows, in percentage points.",
        "",
        "One step ahead:",
        "",
        *table(near),
        "",
        *verdict(near),
        "",
        f"Step {STEPS}, whose outcome is known {STEPS} bars later (width over √{STEPS} times the "
        "oracle's of one step, which is no bound):",
        "",
        *table(far),
        "",
        f"{seconds:.0f} s.",
    ]
    arguments.output.write_text("\n".join(text) + "\n", encoding="utf-8")
    print("\n".join(text))


if __name__ == "__main__":
    main()
