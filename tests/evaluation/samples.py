"""Small panels and forecasts for the tests of judgement."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from regimecast.core.forecast import Forecast, Outcomes
from regimecast.core.types import ForecastKind
from regimecast.data.panel import Column, Panel, Role
from regimecast.evaluation.costs import CostModel

FREE = CostModel(name="free", commission_bps=0.0, slippage_bps=0.0, borrow_bps_per_year=0.0)
DEAR = CostModel(name="dear", commission_bps=7.0, slippage_bps=3.0, borrow_bps_per_year=400.0)


def days(n: int, start: int = 0) -> np.ndarray:
    return (np.datetime64("2020-01-01") + np.arange(start, start + n)).astype("datetime64[ns]")


def make_panel(
    closes: Sequence[Sequence[float]],
    opens: Sequence[Sequence[float]] | None = None,
    starts: Sequence[int] | None = None,
) -> Panel:
    """Daily bars of assets ``a``, ``b``, ...; `starts` is the first day of each."""
    starts = starts or [0] * len(closes)
    columns = [np.concatenate([np.asarray(c, dtype=np.float64) for c in closes])]
    if opens is not None:
        columns.append(np.concatenate([np.asarray(o, dtype=np.float64) for o in opens]))
    names = ("close", "open")[: len(columns)]
    return Panel(
        values=np.stack(columns, axis=1),
        time=np.concatenate([days(len(c), s) for c, s in zip(closes, starts, strict=True)]),
        offsets=np.cumsum([0, *map(len, closes)]),
        columns=tuple(Column(name, Role.TARGET_SOURCE) for name in names),
        assets=tuple("abcdefghijkl"[: len(closes)]),
        frequency="1D",
        calendar="24/7",
    )


def random_panel(seed: int, lengths: Sequence[int], *, opens: bool = True) -> Panel:
    """Random walks that start on different days."""
    rng = np.random.default_rng(seed)
    closes = [100 * np.exp(np.cumsum(rng.normal(0, 0.02, n))) for n in lengths]
    opened = [close * np.exp(rng.normal(0, 0.01, len(close))) for close in closes]
    starts = [int(s) for s in rng.integers(0, 10, len(lengths))]
    return make_panel(
        [c.tolist() for c in closes], [o.tolist() for o in opened] if opens else None, starts
    )


def make_forecast(
    values: Float[np.ndarray, "N H Q"],
    levels: tuple[float, ...],
    kind: ForecastKind = ForecastKind.QUANTILES,
    asset: Int[np.ndarray, " N"] | None = None,
    origin: np.ndarray | None = None,
    assets: tuple[str, ...] = ("a",),
) -> Forecast:
    n = len(values)
    return Forecast(
        values,
        levels,
        kind,
        np.zeros(n, dtype=np.int64) if asset is None else asset,
        days(n) if origin is None else origin,
        assets,
    )


def make_outcomes(
    forecast: Forecast,
    values: Float[np.ndarray, "N H"],
    mask: np.ndarray | None = None,
    regime: np.ndarray | None = None,
    weight: np.ndarray | None = None,
) -> Outcomes:
    return Outcomes(
        values=values,
        mask=np.ones(values.shape, dtype=bool) if mask is None else mask,
        regime=np.zeros(len(values), dtype=np.int8) if regime is None else regime,
        weight=np.ones(values.shape, dtype=np.float32) if weight is None else weight,
        asset=forecast.asset,
        origin=forecast.origin,
    )
