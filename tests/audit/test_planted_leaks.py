"""Leaks planted as tiny components: the audit finds each, and names component, row and cut.

The numbers are those of the list of 24 leaks that an audit of this project has to find; the rest
are in `test_model_leaks.py`.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from regimecast.assembly import Assembly
from regimecast.audit.engine import audit
from regimecast.audit.findings import AuditReport
from regimecast.audit.market_checks import FeatureCheck
from regimecast.core.types import Regime, Samples, Task
from regimecast.data.panel import Panel
from regimecast.features.base import AssetFeatures, CrossAssetFeatures, Feature, FeatureRegistry
from regimecast.features.pipeline import FeaturePipeline, FeatureTable
from regimecast.labels.barrier_target import TripleBarrier
from regimecast.labels.base import Target, TargetRegistry, TargetSeries
from regimecast.labels.forward_return import ForwardReturn
from regimecast.regimes.base import RegimeLabeller, RegimeRegistry
from regimecast.splits.base import Fold, SplitRegistry
from regimecast.splits.holdout import Holdout
from tests.audit.conftest import Plant

Config = Callable[..., dict[str, Any]]
Column = Callable[..., Any]


def run(config: dict[str, Any], *, parts: Assembly | None = None) -> AuditReport:
    return audit(config, cuts=3, seed=5, parts=parts)


def assert_found(report: AuditReport, component: str) -> None:
    """Names the component, the first row that differs and the cut, and nothing that is clean."""
    assert not report.clean
    found = report.of(component)
    assert found, [str(f) for f in (*report.findings, *report.failures)]
    for finding in found:
        assert finding.output
        assert finding.asset in ("AAA", "BBB", "")
        assert not np.isnat(finding.time)
        assert finding.time <= finding.cut or finding.perturbation.startswith("fold")
        assert finding.count >= 1
        assert finding.detail
    assert not [f for f in report.failures if not f.refused], report.failures


def of_asset(column: Column, *inputs: str) -> type[AssetFeatures]:
    """Family of one column of one asset's bars."""

    class Planted(AssetFeatures):
        def features(self) -> tuple[Feature, ...]:
            return (Feature("planted", 10, inputs, "any", "test"),)

        def compute(self, bars: Any) -> Any:
            frame = pd.DataFrame({name: bars[name] for name in inputs})
            values = np.asarray(column(*(frame[name] for name in inputs)), dtype=np.float64)
            return values.reshape(-1, 1)

    return Planted


def of_panel(column: Column, *inputs: str) -> type[CrossAssetFeatures]:
    """Family of one column of the long table of all assets."""

    class Planted(CrossAssetFeatures):
        def features(self) -> tuple[Feature, ...]:
            return (Feature("planted", 10, inputs, "any", "test"),)

        def compute(self, panel: Panel) -> Any:
            frame = pd.DataFrame({name: panel.actual(name) for name in panel.names})
            frame["time"], frame["asset"] = panel.time, panel.asset_of_row
            return np.asarray(column(frame), dtype=np.float64).reshape(-1, 1)

    return Planted


def ewma(close: pd.Series, seed: float) -> np.ndarray:
    values = np.empty(len(close))
    for t, now in enumerate(close):
        seed = 0.98 * seed + 0.02 * now
        values[t] = seed
    return values


def weekly(frame: pd.DataFrame, label: str) -> np.ndarray:
    parts = []
    for _, bars in frame.groupby("asset"):
        close = bars.set_index("time")["close"]
        week = close.resample("W", label=label).last()
        parts.append(week.reindex(close.index, method="ffill").to_numpy())
    return np.concatenate(parts)


def of_the_other(frame: pd.DataFrame, direction: str) -> np.ndarray:
    left, right = (frame[frame["asset"] == asset] for asset in (0, 1))
    parts = []
    for mine, other in ((left, right), (right, left)):
        joined = pd.merge_asof(
            mine[["time"]], other[["time", "close"]], on="time", direction=direction
        )
        parts.append(joined["close"].to_numpy())
    return np.concatenate(parts)


def of_quarter(frame: pd.DataFrame, word: str) -> pd.Series:
    quarter = frame["time"].dt.to_period("Q")
    return frame.groupby(["asset", quarter])["earnings"].transform(word)


def session_vwap(frame: pd.DataFrame, whole: bool) -> pd.Series:
    keys = [frame["asset"], frame["time"].dt.date]
    money, volume = frame["close"] * frame["volume"], frame["volume"]
    if whole:
        return money.groupby(keys).transform("sum") / volume.groupby(keys).transform("sum")
    return money.groupby(keys).cumsum() / volume.groupby(keys).cumsum()


def gradient(close: pd.Series) -> np.ndarray:
    return np.gradient(np.log(close)) if len(close) > 1 else np.full(len(close), np.nan)


def bins(volume: pd.Series) -> pd.Series:
    known = volume.dropna()
    return pd.Series(np.searchsorted(np.sort(known.quantile([0.25, 0.5, 0.75])), volume))


FEATURES = {
    "01 centred rolling": (
        of_asset(lambda c: c.rolling(11, center=True).mean(), "close"),
        of_asset(lambda c: c.rolling(11).apply(np.mean, raw=True), "close"),
    ),
    "02 bfill": (
        of_asset(lambda c: c.where(c.index % 5 == 0).bfill(), "close"),
        of_asset(lambda c: c.where(c.index % 5 == 0).ffill(), "close"),
    ),
    "06 resample(label='left')": (
        of_panel(lambda f: weekly(f, "left"), "close"),
        None,
    ),
    "07 join without as-of": (
        of_panel(lambda f: of_the_other(f, "forward"), "close"),
        of_panel(lambda f: of_the_other(f, "backward"), "close"),
    ),
    "08 same-day VIX": (
        of_panel(lambda f: f["vix"], "vix"),
        of_asset(lambda v: v, "vix"),
    ),
    "11 restated fundamentals": (
        of_panel(lambda f: of_quarter(f, "last"), "earnings"),
        of_panel(lambda f: of_quarter(f, "first"), "earnings"),
    ),
    "14 np.gradient": (
        of_asset(gradient, "close"),
        of_asset(lambda c: np.log(c).diff(), "close"),
    ),
    "15 EWMA seeded from the future": (
        of_asset(lambda c: ewma(c, float(c.mean())), "close"),
        of_asset(lambda c: ewma(c, float(c.iloc[0]) if len(c) else 0.0), "close"),
    ),
    "16 quantile bins of the full history": (
        of_asset(bins, "volume"),
        of_asset(lambda v: (v > v.expanding().median()).astype(float), "volume"),
    ),
    "18 calendar of future delistings": (
        of_asset(lambda c: len(c) - 1 - c.index + 0 * c, "close"),
        of_asset(lambda c: c.index + 0 * c, "close"),
    ),
}


def with_family(config: Config, name: str, **source: Any) -> dict[str, Any]:
    values = config(**source)
    return {**values, "features": {"momentum": values["features"]["momentum"], name: {}}}


@pytest.mark.parametrize("leak", FEATURES)
def test_feature(leak: str, config: Config, plant: Plant) -> None:
    report = run(with_family(config, plant(FeatureRegistry, FEATURES[leak][0])))
    assert_found(report, "features/planted_planted")
    assert not report.of("features/momentum")


@pytest.mark.parametrize("leak", [leak for leak, pair in FEATURES.items() if pair[1]])
def test_clean_twin_of_the_feature(leak: str, config: Config, plant: Plant) -> None:
    twin = FEATURES[leak][1]
    assert twin is not None
    values = with_family(config, plant(FeatureRegistry, twin))
    # Twins that never forget declare too short a lookback, which other checks would find.
    report = audit(values, cuts=3, seed=5, checks=(FeatureCheck(),))
    assert report.clean, (report.findings, report.failures)


@pytest.mark.parametrize("whole", [True, False])
def test_19_session_vwap(whole: bool, config: Config, plant: Plant) -> None:
    family = of_panel(lambda f: session_vwap(f, whole), "close", "volume")
    report = run(with_family(config, plant(FeatureRegistry, family), frequency="1h"))
    if whole:
        assert_found(report, "features/planted_planted")
    else:
        assert not report.of("features/planted_planted"), report.findings


@pytest.mark.parametrize("lag", [0, 1])
def test_08_vix_declared_as_known_on_its_own_day(lag: int, config: Config) -> None:
    report = run(config(vix_lag=lag))
    if lag == 0:
        assert_found(report, "source/vix")
    else:
        assert report.clean, (report.findings, report.failures)


class Shifted(ForwardReturn):
    def compute(self, panel: Panel) -> TargetSeries:
        target = super().compute(panel)
        return replace(target, series=np.append(target.series[1:], target.series[-1:]))


def test_04_target_shifted_by_one(config: Config, plant: Plant) -> None:
    values = config()
    planted = {**values["target"], "name": plant(TargetRegistry, Shifted)}
    assert_found(run({**values, "target": planted}), "target/planted_shifted")


class FullSample(Target):
    """Classes by thresholds that are quantiles of all returns there are."""

    classes = (-1, 0, 1)

    @property
    def label_bars(self) -> int:
        return 3

    def compute(self, panel: Panel) -> TargetSeries:
        log = np.log(panel.actual("close"))
        row = np.arange(panel.n_rows)
        last = panel.offsets[1:][panel.asset_of_row] - 1
        ahead = np.minimum(row + 3, last)
        move = log[ahead] - log
        low, high = np.quantile(move, [0.3, 0.7]) if len(move) else (0.0, 0.0)
        complete = row + 3 <= last
        return TargetSeries(
            task=Task.CLASSIFICATION,
            horizon=1,
            series=log,
            anchored=True,
            scale=np.ones(panel.n_rows),
            end_row=np.where(complete, ahead, -1),
            lookback=0,
            label=np.where(complete, (move > high).astype(int) - (move < low), -99),
            classes=self.classes,
        )


def of_classes(config: Config) -> dict[str, Any]:
    return config(
        [
            "target=triple_barrier", "target.horizon=8", "loss=cross_entropy",
            "strategy=class_probability",
        ]
    )  # fmt: skip


def test_10_barriers_fitted_on_the_full_sample(config: Config, plant: Plant) -> None:
    name = plant(TargetRegistry, FullSample)
    assert_found(run({**of_classes(config), "target": {"name": name}}), f"target/{name}")


@pytest.mark.parametrize("planted", [True, False])
def test_10_barriers_searched_on_bars_that_judge_them(planted: bool, config: Config) -> None:
    values = of_classes(config)
    until = "2100-01-01" if planted else "2015-02-01"
    target = {**values["target"], "fitted_until": until}
    report = run({**values, "target": target})
    settings = [f for f in report.findings if f.output == "settings"]
    assert bool(settings) is planted
    assert all(f.component == "target/triple_barrier" for f in settings)


class NoTimeout(TripleBarrier):
    """Says that a label which met no barrier was known on the bar after the origin."""

    def compute(self, panel: Panel) -> TargetSeries:
        target = super().compute(panel)
        assert target.label is not None
        timeout = (target.label == 0) & (target.end_row >= 0)
        early = np.where(timeout, np.arange(panel.n_rows) + 1, target.end_row)
        return replace(target, end_row=early)


@pytest.mark.parametrize("planted", [True, False])
def test_21_label_end_that_ignores_the_timeout(planted: bool, config: Config, plant: Plant) -> None:
    values = of_classes(config)
    if not planted:
        report = run(values)
        assert report.clean, (report.findings, report.failures)
        return
    target = {**values["target"], "name": plant(TargetRegistry, NoTimeout)}
    assert_found(run({**values, "target": target}), "target/planted_notimeout")


class FutureLow(RegimeLabeller):
    """Recovery where the low of the next bars is not below today's close."""

    lookback = 0

    def fit(self, panel: Panel, interval: Any) -> "FutureLow":
        return self

    def label(self, panel: Panel) -> Any:
        codes = np.full(panel.n_rows, int(Regime.NORMAL), dtype=np.int8)
        for asset in range(panel.n_assets):
            rows = panel.rows(asset)
            low = pd.Series(panel.actual("low")[rows])
            ahead = low[::-1].rolling(10, min_periods=1).min()[::-1]
            recovering = (ahead >= 0.97 * panel.actual("close")[rows]).to_numpy()
            codes[rows][recovering] = int(Regime.RECOVERY)
        return codes

    def state(self) -> dict[str, Any]:
        return {}


def test_09_recovery_by_a_future_low(config: Config, plant: Plant) -> None:
    name = plant(RegimeRegistry, FutureLow)
    assert_found(run({**config(), "regime": {"name": name}}), f"regime/{name}")


class OffByOne(Holdout):
    """Keeps the first sample of each asset that purging should have taken."""

    def split(self, samples: Samples) -> list[Fold]:
        folds = []
        for fold in super().split(samples):
            border = samples.start[np.concatenate([fold.validation, fold.test])].min()
            touching = np.flatnonzero(samples.end == border)
            train = np.union1d(fold.train, touching)
            folds.append(replace(fold, train=train))
        return folds


def test_05_purge_off_by_one(config: Config, plant: Plant) -> None:
    values = config()
    split = {**values["split"], "name": plant(SplitRegistry, OffByOne)}
    report = run({**values, "split": split})
    assert_found(report, "split/planted_offbyone")
    assert report.of("split/planted_offbyone")[0].perturbation.startswith("fold 0")


class CarelessCache(FeaturePipeline):
    """Remembers tables by set, assets and first bar, and forgets where the data ended."""

    def __init__(self, families: Any, *, missing: Any, cut_to_size: bool) -> None:
        super().__init__(families, missing=missing)
        self._cut_to_size = cut_to_size
        self._tables: dict[Any, FeatureTable] = {}

    def compute(self, panel: Panel) -> FeatureTable:
        key = (self.version, panel.assets, panel.time.min())
        if key not in self._tables:
            self._tables[key] = super().compute(panel)
        table = self._tables[key]
        if self._cut_to_size:
            return FeatureTable(table.values[: panel.n_rows], table.features)
        return table


@pytest.mark.parametrize("cut_to_size", [True, False])
def test_22_cache_keyed_without_the_end(cut_to_size: bool, config: Config) -> None:
    values = config()
    parts = Assembly.from_config(values, trains=False)
    careless = CarelessCache(values["features"], missing="skip", cut_to_size=cut_to_size)
    report = run(values, parts=replace(parts, pipeline=careless))
    assert report.of("feature cache")
    assert not report.clean


def test_20_static_column_made_of_the_whole_history(config: Config) -> None:
    fine = config(statics={"sector": 3.0})
    assert not run(fine).of("source/sector")
    source = Assembly.from_config(fine, trains=False).source
    raw = source.load()
    mean = raw.frame.groupby("asset")["close"].transform(lambda c: np.log(c).diff().mean())
    planted = replace(raw, frame=raw.frame.assign(sector=mean))

    class Fixed(type(source)):  # type: ignore[misc]  # the class is only known at run time
        def __init__(self) -> None:
            pass

        def load(self) -> Any:
            return planted

    parts = replace(Assembly.from_config(fine, trains=False), source=Fixed())
    report = run(fine, parts=parts)
    assert_found(report, "source/sector")


class Fragile(ForwardReturn):
    def compute(self, panel: Panel) -> TargetSeries:
        if np.isnan(panel.actual("volume")).any():
            raise ZeroDivisionError("division by zero")
        return super().compute(panel)


def test_an_error_is_reported_and_is_not_a_leak(config: Config, plant: Plant) -> None:
    values = config()
    target = {**values["target"], "name": plant(TargetRegistry, Fragile)}
    report = run({**values, "target": target})
    assert not report.clean
    assert not report.findings
    errors = {failure.error for failure in report.failures if not failure.refused}
    assert errors == {"ZeroDivisionError: division by zero"}
    assert {f.component for f in report.failures} >= {"target/planted_fragile"}
