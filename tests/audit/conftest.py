"""A small market, and components that are registered for one test only."""

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from typing import Any

import numpy as np
import pandas as pd
import pytest

from regimecast.assembly import Assembly
from regimecast.audit.engine import audit
from regimecast.audit.findings import AuditReport
from regimecast.core.compose import composed
from regimecast.core.registry import Registry
from regimecast.data.panel import Column, Role
from regimecast.data.schema import RawBars
from regimecast.data.sources.base import Source, SourceRegistry

Plant = Callable[[Registry[Any], type[Any]], str]

OVERRIDES = (
    "window.context_length=8", "features=[momentum]", "target.volatility_window=21",
    "target.horizon=3", "model=naive", "regime.minimum=50", "tracker=csv",
)  # fmt: skip


class MarketSource(Source):
    """Two assets of random walks, with gaps of their own, a volatility index and earnings.

    `earnings` is another number on every bar. `delisting`, declared as known ahead, counts the bars
    that the asset has left.
    """

    def __init__(
        self,
        *,
        seed: int,
        bars: int,
        frequency: str,
        vix_lag: int,
        statics: Mapping[str, float],
        delisting: bool,
    ) -> None:
        self._seed, self._bars, self._frequency = seed, bars, frequency
        self._vix_lag, self._statics, self._delisting = vix_lag, statics, delisting

    def load(self) -> RawBars:
        chance = np.random.default_rng(self._seed)
        daily = self._frequency == "1D"
        frames = []
        for number, asset in enumerate(("AAA", "BBB")):
            time = pd.date_range("2015-01-05", periods=self._bars, freq="B" if daily else "1h")
            kept = np.sort(chance.permutation(self._bars)[: int(0.95 * self._bars)])
            n = len(kept)
            close = 100 * np.exp(np.cumsum(chance.normal(0, 0.012, n)))
            open_ = close * np.exp(chance.normal(0, 0.004, n))
            frames.append(
                pd.DataFrame(
                    {
                        "asset": asset,
                        "time": time[kept].to_numpy("datetime64[ns]"),
                        "open": open_,
                        "high": np.maximum(open_, close) * 1.004,
                        "low": np.minimum(open_, close) * 0.996,
                        "close": close,
                        "volume": np.exp(chance.normal(10, 0.4, n)),
                        "vix": np.exp(chance.normal(3, 0.2, n)),
                        "earnings": np.round(chance.normal(5, 1, n), 2),
                        **({"delisting": np.arange(n)[::-1]} if self._delisting else {}),
                        **{name: value + number for name, value in self._statics.items()},
                    }
                )
            )
        names = ("open", "high", "low", "close", "volume")
        return RawBars(
            frame=pd.concat(frames, ignore_index=True),
            columns=(
                *(Column(name, Role.TARGET_SOURCE) for name in names),
                Column("vix", Role.REFERENCE, self._vix_lag),
                Column("earnings", Role.REFERENCE),
                *([Column("delisting", Role.KNOWN)] if self._delisting else []),
                *(Column(name, Role.STATIC) for name in self._statics),
            ),
            frequency=self._frequency,
            calendar="24/7",
            origin="a made market",
        )


@pytest.fixture
def plant() -> Iterator[Plant]:
    """Registers a component for the length of the test and gives its name."""
    planted: list[tuple[Registry[Any], str]] = []

    def add(registry: Registry[Any], component: type[Any]) -> str:
        name = f"planted_{component.__name__.lower()}"
        registry.register(name)(component)
        planted.append((registry, name))
        return name

    yield add
    for registry, name in planted:
        del registry._classes[name]


@pytest.fixture
def config(plant: Plant) -> Callable[..., dict[str, Any]]:
    """The default config on the small market, with overrides."""
    name = plant(SourceRegistry, MarketSource)

    def make(overrides: Sequence[str] = (), **source: Any) -> dict[str, Any]:
        values = composed([*OVERRIDES, *overrides])
        data = {"seed": 1, "bars": 800, "frequency": "1D", "vix_lag": 1}
        data |= {"statics": {}, "delisting": False}
        return {**values, "data": {"name": name, **data, **source}}

    return make


def run(config: dict[str, Any], *, parts: Assembly | None = None) -> AuditReport:
    return audit(config, cuts=2, seed=5, parts=parts)


def assert_found(
    report: AuditReport,
    component: str,
    outputs: Set[str],
    *,
    by: Set[str],
    also: Set[str] = frozenset(),
) -> None:
    """The component is found by its right outputs, first row and cut; nothing that is clean is.

    `by` holds all that may have given it away, `also` the components that its output flows into.
    """
    assert not report.clean
    found = report.of(component)
    assert {f.output for f in found} == set(outputs), [str(f) for f in report.findings]
    assert {f.component for f in report.findings} <= {component, *also}
    for finding in found:
        assert finding.perturbation in by, finding
        assert finding.asset in ("AAA", "BBB")
        assert finding.time <= finding.cut or finding.perturbation.startswith("fold")
        assert finding.count >= 1
        assert finding.detail
    assert not [f for f in report.failures if not f.refused], report.failures
